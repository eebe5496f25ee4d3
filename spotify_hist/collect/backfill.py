"""Owns going back page by page from now, as far as Spotify lets a listener go.

Never decides what a page means; `pages` commits it together with how far the backfill has come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING

from spotify_hist.collect.bodies import PAGE_LIMIT, read_body
from spotify_hist.collect.logins import warning
from spotify_hist.collect.pages import Clock, drain, settle, way_back
from spotify_hist.collect.people import Person, people
from spotify_hist.collect.spool import Spool
from spotify_hist.collect.trouble import Judge
from spotify_hist.collect.turns import turn
from spotify_hist.errors import (
    AlreadyRunning,
    Offline,
    RateLimited,
    SpotifyHistError,
    Temporary,
)

if TYPE_CHECKING:
    from spotify_hist.collect.pagefile import SpooledPage
    from spotify_hist.collect.pages import Outcome
    from spotify_hist.model import Account
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.database import Database

JOB = "backfill"
Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How far and how hard a backfill may go: days back, pages asked for, 429s met."""

    max_days: int
    max_requests: int
    max_rate_limits: int

    @classmethod
    def from_settings(
        cls, settings: Settings, max_days: int | None = None, max_requests: int | None = None
    ) -> Limits:
        """Those of the settings, where none are given."""
        return cls(
            max_days or int(settings.number("backfill.max_days")),
            max_requests or int(settings.number("backfill.max_requests")),
            int(settings.number("backfill.max_rate_limits")),
        )


@dataclass(frozen=True, slots=True)
class UserBackfill:
    """What one run of a backfill brought for one listener.

    `stopped_by` is why it stopped: `end` (Spotify had nothing older), `no_progress`, `max_days`,
    `max_requests`, `rate_limit` or `error`; after the last three the next run goes on from there.
    `reached` is the end of the oldest play it was shown.
    """

    user: str
    account_id: str
    requests: int = 0
    fetched: int = 0
    new: int = 0
    gaps_closed: int = 0
    reached: datetime | None = None
    is_finished: bool = False
    stopped_by: str | None = None
    error: SpotifyHistError | None = None
    warning: str | None = None

    def with_page(self, page: Outcome) -> UserBackfill:
        """The same and what one committed page brought."""
        return replace(
            self,
            user=page.user,
            fetched=self.fetched + page.fetched,
            new=self.new + page.new,
            gaps_closed=self.gaps_closed + page.gaps_closed,
            error=self.error or page.error,
        )


def backfill(
    settings: Settings,
    database: Database,
    vault: Vault,
    clock: Clock,
    user: str | None = None,
    *,
    limits: Limits | None = None,
    only_unfinished: bool = False,
    sleep: Sleep = time.sleep,
) -> list[UserBackfill]:
    """Go back for every authorised listener, or for `user` alone, several listeners at once.

    An earlier run that was cut short is gone on with; otherwise it begins anew from now.
    `only_unfinished` leaves out those whose backfill has come to its end once. One listener's
    failure is in their `error`; what has lasted too long is told as NeedsPerson. Raises
    LoginNeeded where nobody is logged in, AlreadyRunning where another backfill is at work, and
    the store's errors for pages that wait in the spool.
    """
    steps = _Steps(
        settings,
        database,
        vault,
        clock,
        Spool(settings.spool),
        limits or Limits.from_settings(settings),
        sleep,
    )
    judge = Judge(settings, database, clock())
    with turn(settings, JOB) as is_ours:
        if not is_ours:
            raise AlreadyRunning("Another backfill is running.")
        try:
            return steps.whole(judge, user, only_unfinished=only_unfinished)
        except Temporary as error:
            raise judge.failure_of_all(vault, user, error) from None


def _judged(judge: Judge, person: Person, result: UserBackfill) -> UserBackfill:
    """The result, whose error says so where it has lasted too long. That one is over is for the
    next poll to tell."""
    if result.error is None:
        return result
    return replace(result, error=judge.failure(person.login, result.error))


def _side_by_side(
    everyone: Sequence[Person], steps: _Steps, concurrency: int
) -> list[UserBackfill]:
    """Each person's backfill, several at a time; a run that is stopped waits for nobody's page."""
    pool = ThreadPoolExecutor(max_workers=max(1, min(concurrency, len(everyone))))
    is_patient = True
    try:
        return list(pool.map(steps.run, everyone))
    except BaseException as error:
        steps.stop.set()
        # Whoever presses Ctrl-C ends the process; a thread may wait for Spotify for long.
        is_patient = not isinstance(error, KeyboardInterrupt)
        raise
    finally:
        pool.shutdown(wait=is_patient, cancel_futures=True)


class _Steps:
    """The way back of one listener at a time; of several in threads of their own."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        vault: Vault,
        clock: Clock,
        spool: Spool,
        limits: Limits,
        sleep: Sleep,
    ) -> None:
        self._settings = settings
        self._database = database
        self._vault = vault
        self._clock = clock
        self._spool = spool
        self._limits = limits
        self._sleep = sleep
        # Spotify counts an app's calls together (FACTS 1.5): one refusal is for all.
        self._refusal: RateLimited | None = None
        self.stop = Event()

    def whole(self, judge: Judge, user: str | None, *, only_unfinished: bool) -> list[UserBackfill]:
        """The spool first, then everybody's way back."""
        for _ in drain(self._spool, self._database, self._clock):
            pass
        now = self._clock()
        everyone = [
            person
            for person in people(self._settings, self._database, self._vault, now, user)
            if not person.is_paused and not (only_unfinished and _is_done_with(person, now))
        ]
        concurrency = int(self._settings.number("backfill.concurrency"))
        results = _side_by_side(everyone, self, concurrency)
        return [_judged(judge, *each) for each in zip(everyone, results, strict=True)]

    def run(self, person: Person) -> UserBackfill:
        """One listener's way back until a stop condition."""
        login = person.login
        account_id = "" if login.account is None else login.account.account_id
        result = UserBackfill(login.user, account_id, warning=warning(login))
        if login.is_useless or login.account is None:
            return replace(result, stopped_by="error", error=login.error)
        return self._go_back(result, login.account, *self._start(person))

    def _start(self, person: Person) -> tuple[int, int]:
        """Where to go on, or now; and how far back to go. Epoch milliseconds."""
        state, now = person.backfill, self._clock()
        before_ms, until_ms = state.get("before_ms"), state.get("until_ms")
        is_cut_short = state.get("finished") is False and not _is_ahead(state, now)
        if is_cut_short and isinstance(before_ms, int) and isinstance(until_ms, int):
            return before_ms, until_ms
        until = now - timedelta(days=self._limits.max_days)
        return _to_ms(now), _to_ms(until)

    def _go_back(
        self, result: UserBackfill, account: Account, before_ms: int, until_ms: int
    ) -> UserBackfill:
        from spotify_hist.sources.spotify.client import Spotify, http_for

        def seconds() -> float:
            return self._clock().timestamp()

        with (
            http_for(self._settings, seconds, self._sleep) as http,
            Spotify(self._settings, self._vault, account.account_id, seconds, http) as spotify,
        ):
            while not (stopped_by := self._why_stop(result, http.rate_limits)):
                try:
                    body = spotify.recently_played(limit=PAGE_LIMIT, before=before_ms)
                    result = replace(result, requests=result.requests + 1)
                    page = self._spool.add(
                        account, body, self._clock(), before_ms=before_ms, until_ms=until_ms
                    )
                    result, before_ms = self._settle(result, page)
                except RateLimited as error:
                    self._refusal = error
                except SpotifyHistError as error:
                    return replace(result, stopped_by="error", error=error)
                if result.is_finished:
                    return result
        refusal = self._refusal if stopped_by == "rate_limit" else None
        return replace(result, stopped_by=stopped_by, error=refusal or result.error)

    def _settle(self, result: UserBackfill, page: SpooledPage) -> tuple[UserBackfill, int]:
        """The result with a page that is now committed, and the cursor of the next one."""
        committed = settle(page, self._spool, self._database, self._clock)
        body = read_body(page.body)
        if body is None:
            raise Offline("Spotify answered something that is not a page of plays.")
        if committed is not None:
            result = result.with_page(committed)
        state = way_back(page, body)
        if state.reached_ms is not None:
            result = replace(result, reached=_instant(state.reached_ms))
        result = replace(
            result, stopped_by=state.stopped_by, is_finished=state.stopped_by is not None
        )
        return result, state.before_ms

    def _why_stop(self, result: UserBackfill, rate_limits: int) -> str | None:
        if self._refusal is None and rate_limits >= self._limits.max_rate_limits:
            self._refusal = RateLimited(
                f"Spotify asked the backfill {rate_limits} times to slow down.",
                hint="The next run goes on from here.",
            )
        if self._refusal is not None:
            return "rate_limit"
        if result.requests >= self._limits.max_requests:
            return "max_requests"
        return "error" if self.stop.is_set() else None


def _is_done_with(person: Person, now: datetime) -> bool:
    """Whether `sync` has nothing to do: it came to its end once, or the poll will say why not."""
    is_over = bool(person.backfill.get("finished")) and not _is_ahead(person.backfill, now)
    return is_over or not person.is_known or bool(person.login.error)


def _is_ahead(state: Mapping[str, object], now: datetime) -> bool:
    """Whether a backfill was to reach back to a moment that lies ahead: a clock was wrong then."""
    until_ms = state.get("until_ms")
    return isinstance(until_ms, int) and until_ms > _to_ms(now)


def _to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _instant(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)
