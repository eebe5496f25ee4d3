"""Owns the order of the work that the timer starts.

Never does a step itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.collect.poll import Clock, UserPoll, poll

if TYPE_CHECKING:
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.database import Database


def sync(
    settings: Settings, database: Database, vault: Vault, clock: Clock, user: str | None = None
) -> list[UserPoll]:
    """Drain the spool and poll; the outcome for each listener (see `poll`)."""
    return poll(settings, database, vault, clock, user)
