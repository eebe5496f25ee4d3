"""Owns what every command shares: settings, the listener meant, the clock, the output.

Never does a command's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from spotify_hist import settings as settings_module
from spotify_hist import warn

if TYPE_CHECKING:
    from spotify_hist.faces.cli.output import Output
    from spotify_hist.faces.cli.waiting import Waiting
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.database import Database


@dataclass
class App:
    """One run of the program. Everything is made when first asked for: start-up is short."""

    home: str | None
    user: str | None
    out: Output

    def __post_init__(self) -> None:
        warn.listen(self.out.warning)

    @cached_property
    def settings(self) -> Settings:
        return settings_module.load(self.home)

    @cached_property
    def database(self) -> Database:
        from spotify_hist.store.database import Database

        return Database.from_settings(self.settings, self.waiting)

    @cached_property
    def waiting(self) -> Waiting:
        """How a wait for the history is shown."""
        from spotify_hist.faces.cli.waiting import Waiting

        return Waiting(self.out)

    @cached_property
    def vault(self) -> Vault:
        from spotify_hist.sources.spotify.vault import vault_of

        return vault_of(self.settings)

    def now(self) -> datetime:
        """The clock's edge: everything below takes the time from here."""
        return datetime.now(UTC)
