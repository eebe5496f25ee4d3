"""Owns the order of the work that the timer starts.

Never does a step itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from spotify_hist.collect import workspace
from spotify_hist.collect.backfill import UserBackfill, backfill
from spotify_hist.collect.pages import Clock, Outcome, drain
from spotify_hist.collect.poll import UserPoll, poll
from spotify_hist.collect.spool import Spool
from spotify_hist.collect.watch import Taken, import_pending
from spotify_hist.errors import (
    AlreadyRunning,
    LoginNeeded,
    SpotifyHistError,
    UsageError,
)
from spotify_hist.store import identity, journal

if TYPE_CHECKING:
    from spotify_hist.collect.enrich import Enriched
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.database import Database

_TIDY_EVERY = timedelta(days=1)
Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Synced:
    """What one run did. `users` holds what came in for each listener by whatever way; `errors` are
    steps that failed as a whole; `notes` are steps left to another run that is at work."""

    imports: tuple[Taken, ...] = ()
    backfills: tuple[UserBackfill, ...] = ()
    users: tuple[UserPoll, ...] = ()
    enriched: Enriched | None = None
    errors: tuple[SpotifyHistError, ...] = ()
    notes: tuple[str, ...] = ()


def sync(
    settings: Settings,
    database: Database,
    vault: Vault,
    clock: Clock,
    user: str | None = None,
    *,
    sleep: Sleep = time.sleep,
) -> Synced:
    """Everything that is due, most urgent first: the spool, archives that wait, backfills that
    have not come to their end, a poll, and a slice of the details that are still unknown.

    One step's or one listener's failure never stops the others. Raises LoginNeeded where nobody
    is logged in and no archive waits, and UsageError for a listener nobody knows.
    """
    return _Run(settings, database, vault, clock, user, sleep).whole()


class _Run:
    """One run: each step leaves what it did in `done`, or why it failed."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        vault: Vault,
        clock: Clock,
        user: str | None,
        sleep: Sleep,
    ) -> None:
        self._settings = settings
        self._database = database
        self._vault = vault
        self._clock = clock
        self._user = user
        self._sleep = sleep
        self._spool = Spool(settings.spool)
        self._pages: list[Outcome] = []
        self._done = Synced()

    def whole(self) -> Synced:
        """Every step in turn, whatever becomes of the others."""
        # What stops the spool from being drained stops the poll's own pages, which tells of it.
        with suppress(SpotifyHistError):
            self._pages.extend(drain(self._spool, self._database, self._clock))
        self._try(self._import)
        try:
            self._try(self._backfill)
            self._try(self._poll)
            self._try(self._enrich)
        except LoginNeeded as error:
            if not self._done.imports:
                raise
            self._note(error.message)
        with suppress(SpotifyHistError):
            self._tidy()
        return self._done

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except AlreadyRunning as error:
            self._note(error.message)
        except (LoginNeeded, UsageError):
            raise
        except SpotifyHistError as error:
            self._done = replace(self._done, errors=(*self._done.errors, error))

    def _note(self, text: str) -> None:
        self._done = replace(self._done, notes=(*self._done.notes, text))

    def _import(self) -> None:
        workspace.clear_away(self._settings.scratch)
        taken = import_pending(self._settings, self._database, self._clock)
        self._done = replace(self._done, imports=tuple(taken))

    def _backfill(self) -> None:
        filled = backfill(
            self._settings,
            self._database,
            self._vault,
            self._clock,
            self._user,
            only_unfinished=True,
            sleep=self._sleep,
        )
        self._done = replace(self._done, backfills=tuple(filled))

    def _poll(self) -> None:
        polled = poll(
            self._settings,
            self._database,
            self._vault,
            self._clock,
            self._user,
            sleep=self._sleep,
        )
        self._done = replace(self._done, users=tuple(map(self._with_everything, polled)))

    def _with_everything(self, polled: UserPoll) -> UserPoll:
        """A listener's poll and what else came in for them in this run."""
        for page in self._pages:
            if polled.is_of(page):
                polled = polled.with_page(page)
        for filled in self._done.backfills:
            if filled.account_id == polled.account_id:
                polled = replace(
                    polled,
                    fetched=polled.fetched + filled.fetched,
                    new=polled.new + filled.new,
                )
        return polled

    def _enrich(self) -> None:
        """A slice only, after everything that can be missed."""
        budget = int(self._settings.number("enrich.slice"))
        is_anyone_served = any(not (each.error or each.is_paused) for each in self._done.users)
        if budget < 1 or not is_anyone_served:
            return
        from spotify_hist.collect.enrich import enrich

        enriched = enrich(
            self._settings,
            self._database,
            self._vault,
            self._clock,
            budget=budget,
            sleep=self._sleep,
        )
        self._done = replace(self._done, enriched=enriched)

    def _tidy(self) -> None:
        """Once a day: logs and runs that are too old go, and identities are kept anew."""
        now = self._clock()
        if not self._database.exists():
            return
        with self._database.read() as connection:
            last = journal.last_begun(connection, "tidy", now)
        if last is not None and now - last < _TIDY_EVERY:
            return
        kept = timedelta(days=self._settings.number("logs.retention_days"))
        with self._database.write("tidy") as connection:
            removed = journal.purge(connection, now - kept)
            identity.refresh(connection)
            journal.add_run(connection, "tidy", None, now, now, "ok", {"removed": removed})
