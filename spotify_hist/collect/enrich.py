"""Owns asking Spotify for the details of what was played: a queue that any run goes on with.

Never calls Spotify while the database is open, and never asks more than the budget allows.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from spotify_hist.collect.details.abilities import ABILITY_FOR, Abilities
from spotify_hist.collect.logins import warning
from spotify_hist.collect.people import people
from spotify_hist.collect.turns import turn
from spotify_hist.errors import AlreadyRunning, RateLimited, SpotifyHistError
from spotify_hist.model import iso
from spotify_hist.store import enrich as store
from spotify_hist.store import identity, journal

if TYPE_CHECKING:
    from datetime import datetime

    from spotify_hist.collect.details.asking import Asker, Purse
    from spotify_hist.collect.pages import Clock
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.database import Connection, Database
    from spotify_hist.store.enrich import Answers, Entity

Progress = Callable[[int, int], None]
Sleep = Callable[[float], None]

# All that a kill can lose: the answers of one round.
_ROUND_REQUESTS = 20
_AT_ONCE = 50
_TALLIES: Mapping[Entity, str] = {
    "track": "tracks", "link": "links", "artist": "artists", "album": "albums",
    "features": "features",
}  # fmt: skip
_COUNTS = (*_TALLIES.values(), "not_found", "failed")


@dataclass(frozen=True, slots=True)
class Enriched:
    """What one run brought. `remaining` is what is still to be asked, by entity.

    `not_found` counts what Spotify does not know, `failed` what is to be tried again.
    `days_left` is how long the rest takes at `daily_budget` requests a day, None where nothing is
    left or nothing may be asked; `resumes_at` is when the budget allows the next request, where it
    allows none now; `error` is what ended the run early; `warnings` say that logins end soon.
    """

    tracks: int = 0
    links: int = 0
    artists: int = 0
    albums: int = 0
    features: int = 0
    not_found: int = 0
    failed: int = 0
    requests: int = 0
    remaining: Mapping[Entity, int] = field(default_factory=dict)
    days_left: int | None = None
    daily_budget: int = 0
    resumes_at: datetime | None = None
    error: SpotifyHistError | None = None
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The JSON of a run; instants ISO 8601 UTC."""
        return {name: getattr(self, name) for name in (*_COUNTS, "requests")} | {
            "remaining": dict(self.remaining),
            "days_left": self.days_left,
            "daily_budget": self.daily_budget,
            "resumes_at": self.resumes_at and iso(self.resumes_at),
            "error": self.error and self.error.as_dict(),
            "warnings": list(self.warnings),
        }

    def in_words(self) -> str:
        """One line: what was found and how much is to come."""
        parts = [
            _counted(self.tracks, "track"),
            _counted(self.artists, "artist"),
            _counted(self.albums, "album"),
            _counted(self.features, "track's audio features", "tracks' audio features"),
            _counted(self.links, "link"),
        ]
        text = ", ".join(filter(None, parts))
        text = f"Details: {text} found" if text else "Details: nothing new found"
        if self.not_found:
            text += f", {self.not_found:,} that Spotify does not know"
        if self.failed:
            text += f", {self.failed:,} to be tried again"
        left = sum(self.remaining.values())
        if not left:
            return text + "; nothing more is to come."
        text += f"; {left:,} still to come"
        if self.days_left is not None:
            days = "1 day" if self.days_left == 1 else f"{self.days_left:,} days"
            text += f", about {days} at {self.daily_budget:,} requests a day"
        return text + "."


def enrich(
    settings: Settings,
    database: Database,
    vault: Vault,
    clock: Clock,
    user: str | None = None,
    *,
    budget: int | None = None,
    beyond_daily: bool = False,
    retry_unavailable: bool = False,
    on_progress: Progress = lambda _done, _all: None,
    sleep: Sleep = time.sleep,
) -> Enriched:
    """Ask for details that are not known yet, most played first, as any listener who is logged in
    and not paused, or as `user` alone.

    At most `budget` requests, and no more than the daily budget leaves of the last 24 hours
    unless `beyond_daily`; they count in any case. With `retry_unavailable`, what the app was
    found not to offer is tried again. Raises NoHistory, AlreadyRunning where another run is at
    work, LoginNeeded where nobody has a login, DatabaseBusy and its like. What else keeps the run
    from asking or ends it is in its `error`, and everything got by then is kept.
    """
    with turn(settings, "enrich") as is_ours:
        if not is_ours:
            raise AlreadyRunning("Another run is fetching details.")
        from spotify_hist.collect.details.asking import Asker, Purse

        awake = [
            each for each in people(settings, database, vault, clock(), user) if not each.is_paused
        ]
        logins = [each.login for each in awake if each.login.error is None]
        accounts = [each.account for each in logins if each.account is not None]
        daily = int(settings.number("enrich.daily_budget"))
        most = daily if budget is None else budget
        purse = Purse(on_progress)
        with Asker(settings, vault, accounts, clock, purse, sleep) as asker:
            run = _Run(database, clock, asker, purse, daily)
            run.work(most, beyond_daily=beyond_daily, retry_unavailable=retry_unavailable)
            result = run.outcome()
    if not accounts and awake:
        return replace(result, error=awake[0].login.error)
    return replace(result, warnings=tuple(filter(None, map(warning, logins))))


class _Run:
    """One run: rounds of requests, and a short transaction after each."""

    def __init__(
        self, database: Database, clock: Clock, asker: Asker, purse: Purse, daily: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._asker = asker
        self._purse = purse
        self._daily = daily
        self._tally: Counter[str] = Counter()
        self._error: SpotifyHistError | None = None

    def work(self, most: int, *, beyond_daily: bool, retry_unavailable: bool) -> None:
        """Ask until nothing is left to ask, the purse is empty, or something ends it."""
        client_id = self._asker.client_id
        with self._database.read() as connection:
            self._look(connection, client_id, ignores_lacking=retry_unavailable)
        left = self._daily - self._spent.requests
        self._purse.fill(most if beyond_daily else min(most, left))
        if not self._wants or not self._purse.left or client_id is None:
            return
        try:
            self._asker.check()
        except RateLimited as error:
            self._error = error
            return
        with self._database.write("enrich") as connection:
            if retry_unavailable:
                store.forget_lacking(connection, client_id)
            stats = self._stats(self._purse.put_aside(_ROUND_REQUESTS))
            run_id = store.begin_run(connection, self._clock(), stats)
        self._rounds(run_id, client_id)

    def _rounds(self, run_id: int, client_id: str) -> None:
        from spotify_hist.collect.details.questions import Questions

        questions = Questions(self._asker, self._clock)
        is_over = False
        while not is_over:
            answers = questions.round(self._wants, self._abilities)
            self._error = questions.error
            following: str | None = client_id
            try:
                following = self._asker.client_id
            except SpotifyHistError as error:
                self._error = self._error or error
            with self._database.write("enrich") as connection:
                self._keep(connection, answers, client_id)
                client_id = following or client_id
                self._look(connection, client_id)
                is_over = self._error is not None or not self._wants or not self._purse.left
                self._account_for(connection, run_id, is_over=is_over)
                if is_over:
                    identity.refresh(connection)

    def _keep(self, connection: Connection, answers: Answers, client_id: str) -> None:
        """Keep the answers of a round and what its calls showed of the app that asked."""
        now = self._clock()
        links = store.keep(connection, answers, now)
        for ability, is_available in self._abilities.learnt.items():
            store.set_ability(connection, client_id, ability, now, is_available=is_available)
        for each in answers.settled:
            name = {"done": _TALLIES[each.entity], "waiting": "failed"}.get(each.state, each.state)
            self._tally[name] += 1
        self._tally["links"] += links
        self._tally["not_found"] += len(answers.found) - links

    def _look(
        self, connection: Connection, client_id: str | None, *, ignores_lacking: bool = False
    ) -> None:
        """Find out what is wanted now and may be asked, and what the budget allows."""
        now = self._clock()
        known = {} if client_id is None else store.abilities(connection, client_id)
        if ignores_lacking:
            known = {name: told for name, told in known.items() if told[0]}
        self._abilities = Abilities(known, now)
        askable = [
            entity
            for entity in store.ENTITIES
            if entity not in ABILITY_FOR or self._abilities.may(ABILITY_FOR[entity])
        ]
        self._wants = store.wants(connection, now, askable, _AT_ONCE)
        self._remaining = store.remaining(connection)
        self._spent = store.spent(connection, now)

    def _account_for(self, connection: Connection, run_id: int, *, is_over: bool) -> None:
        """The run's account, with what its next round may spend already in it."""
        now = self._clock()
        if not is_over:
            stats = self._stats(self._purse.put_aside(_ROUND_REQUESTS))
            store.tell_run(connection, run_id, now, stats, "running")
            return
        stats = self._stats(0)
        if self._error is None:
            store.tell_run(connection, run_id, now, stats, "ok")
        else:
            text = self._error.message
            store.tell_run(connection, run_id, now, stats, "failed", text)
            journal.write(connection, now, [journal.Entry("warning", "enrich", text)])
        self._spent = store.spent(connection, now)

    def _stats(self, aside: int) -> dict[str, object]:
        return {"requests": self._purse.spent + aside, **self._tally}

    def outcome(self) -> Enriched:
        """What the run brought."""
        requests = sum(map(self._requests_for, self._remaining.items()))
        is_used_up = self._spent.requests >= self._daily
        tally = self._tally
        return Enriched(
            tracks=tally["tracks"],
            links=tally["links"],
            artists=tally["artists"],
            albums=tally["albums"],
            features=tally["features"],
            not_found=tally["not_found"],
            failed=tally["failed"],
            requests=self._purse.spent,
            remaining=self._remaining,
            days_left=math.ceil(requests / self._daily) if requests and self._daily else None,
            daily_budget=self._daily,
            resumes_at=self._spent.frees_at if is_used_up else None,
            error=self._error,
        )

    def _requests_for(self, rest: tuple[Entity, int]) -> int:
        entity, count = rest
        is_batch = self._abilities.may("several") and self._abilities.is_proven("several")
        return math.ceil(count / self._asker.most_at_once(entity)) if is_batch else count


def _counted(count: int, one: str, many: str = "") -> str:
    """`3 tracks`; nothing for none."""
    return f"{count:,} {one if count == 1 else many or one + 's'}" if count else ""
