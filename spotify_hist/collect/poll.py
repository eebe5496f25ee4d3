"""Owns one capture of the last plays for each listener: fetch, spool, commit.

Never calls Spotify while the database is open, and never loses a page it has fetched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spotify_hist.collect.bodies import PAGE_LIMIT
from spotify_hist.collect.logins import warning
from spotify_hist.collect.pages import Clock, Outcome, drain
from spotify_hist.collect.people import Person, people
from spotify_hist.collect.spool import Spool
from spotify_hist.collect.trouble import Judge, is_success, recovery
from spotify_hist.collect.turns import turn
from spotify_hist.errors import (
    AlreadyRunning,
    DatabaseBusy,
    NeedsPerson,
    RateLimited,
    SpotifyHistError,
    Temporary,
    UnreadablePage,
)
from spotify_hist.store import journal, listeners

if TYPE_CHECKING:
    from datetime import datetime

    from spotify_hist.model import Account
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.coverage import Gap
    from spotify_hist.store.database import Database

Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class UserPoll:
    """What one run brought for one listener, pages that earlier runs had to leave in the spool
    included. `new` counts plays the API had not told of before, `late` those among them that are
    older than ones it had. `warning` says that the login ends soon, `recovered` that a listener
    whose polls had failed for long is collected for again."""

    user: str
    account_id: str | None
    fetched: int = 0
    new: int = 0
    late: int = 0
    rejected: int = 0
    gap: Gap | None = None
    error: SpotifyHistError | None = None
    is_paused: bool = False
    warning: str | None = None
    recovered: str | None = None
    account: Account | None = None

    def is_of(self, page: Outcome) -> bool:
        """Whether a page is of the same account."""
        if self.account is None:
            return page.account.account_id == self.account_id
        return page.account.is_same_as(self.account)

    def with_page(self, page: Outcome) -> UserPoll:
        """The same and what one more page brought."""
        return replace(
            self,
            user=page.user,
            fetched=self.fetched + page.fetched,
            new=self.new + page.new,
            late=self.late + page.late,
            rejected=self.rejected + page.rejected,
            gap=page.gap or self.gap,
            error=self.error or page.error,
        )


def poll(
    settings: Settings,
    database: Database,
    vault: Vault,
    clock: Clock,
    user: str | None = None,
    *,
    sleep: Sleep = time.sleep,
) -> list[UserPoll]:
    """Capture the last plays of every authorised listener, or of `user` alone.

    One listener's failure is in their `error` and never stops the others; a login that has ended
    is one. What has lasted too long is told as NeedsPerson. Raises LoginNeeded where nobody is
    logged in, AlreadyRunning where another poll is at work.
    """
    try:
        with turn(settings, "poll") as is_ours:
            if not is_ours:
                raise AlreadyRunning("Another poll is running.")
            return _poll(settings, database, vault, clock, user, sleep)
    except Temporary as error:
        raise Judge(settings, database, clock()).failure_of_all(vault, user, error) from None


def _poll(
    settings: Settings,
    database: Database,
    vault: Vault,
    clock: Clock,
    user: str | None,
    sleep: Sleep,
) -> list[UserPoll]:
    spool = Spool(settings.spool)
    committed: list[Outcome] = []
    # What earlier runs left; a busy database must not keep us from fetching.
    _drain_into(committed, spool, database, clock)
    everyone = people(settings, database, vault, clock(), user, with_backfill=False)
    fetched: list[UserPoll] = []
    for person in everyone:
        # Spotify counts an app's calls together (FACTS 1.5): one refusal is for all.
        refusal = next((r.error for r in fetched if isinstance(r.error, RateLimited)), None)
        fetched.append(_capture(settings, vault, spool, person, clock, sleep, refusal))
    ours: list[Outcome] = []
    error = _drain_into(ours, spool, database, clock)
    results = [_result(each, committed, ours, error) for each in fetched]
    if any(result.error for result in results):
        known = listeners.names_by_account(database)
        results = [replace(each, user=_name(known, each)) for each in results]
    results = _judged(settings, database, everyone, results, clock())
    if any(result.error for result in results):
        _record_failures(database, results, clock)
    return results


def _name(known: Mapping[str | None, str], result: UserPoll) -> str:
    spotify_id = None if result.account is None else result.account.spotify_id
    found = known.get(result.account_id)
    return found or (spotify_id and known.get(spotify_id)) or result.user


def _judged(
    settings: Settings,
    database: Database,
    everyone: Sequence[Person],
    results: Sequence[UserPoll],
    now: datetime,
) -> list[UserPoll]:
    """The results, in the order of `everyone`; failures that have lasted too long, and those that
    are over, are told as such."""
    judge = Judge(settings, database, now)
    judged = [_judge(judge, *each) for each in zip(everyone, results, strict=True)]
    texts = [(each.account_id, each.recovered) for each in judged if each.recovered]
    if texts:
        judge.log_recoveries(texts)
    return judged


def _judge(judge: Judge, person: Person, result: UserPoll) -> UserPoll:
    login = replace(person.login, user=result.user)
    if result.error is not None and not is_success(result.error):
        return replace(result, error=judge.failure(login, result.error))
    outage = judge.success(login)
    if outage is None or result.is_paused:
        return result
    return replace(result, recovered=recovery(result.user, outage))


def _capture(
    settings: Settings,
    vault: Vault,
    spool: Spool,
    person: Person,
    clock: Clock,
    sleep: Sleep,
    refusal: SpotifyHistError | None,
) -> UserPoll:
    """Fetch one page into the spool, unless something forbids it."""
    login = person.login
    account_id = None if login.account is None else login.account.account_id
    result = UserPoll(
        login.user,
        account_id,
        is_paused=person.is_paused,
        warning=warning(login),
        account=login.account,
    )
    if person.is_paused:
        return result
    if login.is_useless or login.account is None:
        return replace(result, error=login.error)
    if refusal is not None:
        return replace(result, error=refusal)
    try:
        fetch(settings, vault, spool, login.account, clock, sleep)
    except SpotifyHistError as error:
        return replace(result, error=error)
    return result


def fetch(
    settings: Settings, vault: Vault, spool: Spool, account: Account, clock: Clock, sleep: Sleep
) -> None:
    """One page of an account's last plays, on disk when this returns (DESIGN 2.1)."""
    from spotify_hist.sources.spotify.client import Spotify

    with Spotify(
        settings, vault, account.account_id, lambda: clock().timestamp(), sleep=sleep
    ) as spotify:
        body = spotify.recently_played(limit=PAGE_LIMIT)
    spool.add(account, body, clock())


def _result(
    fetched: UserPoll,
    earlier: Sequence[Outcome],
    ours: Sequence[Outcome],
    problem: SpotifyHistError | None,
) -> UserPoll:
    """A listener's result with all pages of theirs that were committed."""
    result = fetched
    for page in (*earlier, *ours):
        if fetched.is_of(page):
            result = result.with_page(page)
    if result.error or result.is_paused:
        return result
    is_committed = any(fetched.is_of(page) for page in ours)
    # Another process may have committed our page: then nothing stopped it, and no error is due.
    return result if is_committed else replace(result, error=problem)


def _record_failures(database: Database, results: Sequence[UserPoll], clock: Clock) -> None:
    """Failed runs and messages for `jobs` and `logs`, where the database can be written."""
    failed = [
        (result, result.error)
        for result in results
        # A page that cannot be read was noted when it was committed.
        if result.error is not None and not isinstance(result.error, UnreadablePage)
    ]
    if not database.exists() or all(_is_busy(error) for _, error in failed):
        return
    with suppress(SpotifyHistError), database.write("poll") as connection:
        known = listeners.listeners(connection)
        for result, error in failed:
            listener = listeners.whose(known, result.account)
            user_id = None if listener is None else listener.user_id
            now = clock()
            is_named = isinstance(error, NeedsPerson)
            text = error.message if is_named else f"{result.user}: {error.message}"
            journal.add_run(connection, "poll", user_id, now, now, "failed", {}, text)
            journal.write(connection, now, [journal.Entry("error", "poll", text, user_id)])


def _is_busy(error: SpotifyHistError) -> bool:
    cause = error.cause if isinstance(error, NeedsPerson) else error
    return isinstance(cause, DatabaseBusy)


def _drain_into(
    committed: list[Outcome], spool: Spool, database: Database, clock: Clock
) -> SpotifyHistError | None:
    """Commit what waits; the error that stopped it."""
    try:
        committed.extend(drain(spool, database, clock))
    except SpotifyHistError as error:
        return error
    return None
