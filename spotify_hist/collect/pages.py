"""Owns what becomes of a fetched page: its rows, gaps, checkpoint and job run, in one transaction.

Never calls Spotify; it takes what lies in the spool, whoever put it there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from spotify_hist.collect.bodies import NO_PAGE, in_words, read_body, reasons
from spotify_hist.collect.spool import NotSetAside
from spotify_hist.errors import BadInput, SpotifyHistError, UnreadablePage
from spotify_hist.store import checkpoints, coverage, journal, listeners, records
from spotify_hist.store.database import instant
from spotify_hist.store.duckdb_errors import OUT_OF_MEMORY

if TYPE_CHECKING:
    from spotify_hist.collect.bodies import Body, Unreadable
    from spotify_hist.collect.pagefile import SpooledPage
    from spotify_hist.collect.spool import Spool
    from spotify_hist.model import Account, Listener, Record
    from spotify_hist.store.coverage import Gap
    from spotify_hist.store.database import Connection, Database

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one committed page brought. `new` counts plays the API had not told of before, `late`
    those among them that are older than ones it had, `gaps_closed` gaps it filled. `error` says
    that most of it cannot be read."""

    user: str
    account: Account
    job: str
    fetched: int
    new: int = 0
    late: int = 0
    rejected: int = 0
    gap: Gap | None = None
    gaps_closed: int = 0
    error: UnreadablePage | None = None


def drain(spool: Spool, database: Database, clock: Clock) -> Iterator[Outcome]:
    """Commit every waiting page, each in one transaction, and forget it; the outcome of each.

    What an older reader had to set aside comes first. Raises DatabaseBusy and its like, and at the
    end NotSetAside; then the pages that remain stay in the spool.
    """
    problem = None
    for page in chain(spool.again(), spool.pages()):
        try:
            outcome = settle(page, spool, database, clock)
        except NotSetAside as error:
            problem = error
        else:
            if outcome is not None:
                yield outcome
    if problem is not None:
        raise problem


def settle(page: SpooledPage, spool: Spool, database: Database, clock: Clock) -> Outcome | None:
    """Commit one waiting page and forget it; None where it is no page, or somebody else did.

    What cannot be read of it is set aside. Raises NotSetAside where that is not possible: what can
    be read is committed then, and the page waits.
    """
    body = read_body(page.body)
    if body is None:
        _refuse(page, spool, database, clock)
        return None
    commit = _Commit(page, body, spool, database, clock)
    try:
        outcome = commit.run(is_small=True)
    except BadInput as error:
        if error.code != OUT_OF_MEMORY:
            raise
        outcome = commit.run(is_small=False)
    if commit.problem is not None:
        raise commit.problem
    if page.is_again and outcome is not None:
        spool.keep_rest(page, body.unreadable)
    else:
        spool.remove(page)
    return outcome


def _refuse(page: SpooledPage, spool: Spool, database: Database, clock: Clock) -> None:
    """Set a page aside that is none, and say so in the log, where there is one."""
    spool.set_aside(page.path, NO_PAGE)
    if page.is_again or not database.exists():
        return
    # That it was set aside is seen in the spool as well.
    with suppress(SpotifyHistError), database.write(page.job, is_small=True) as connection:
        text = f"{page.path.name} was set aside in {spool.FAILED}: {NO_PAGE}."
        journal.write(connection, clock(), [journal.Entry("error", page.job, text)])


class _Commit:
    """Rows, gaps, checkpoint and job run of one page in one transaction.

    What cannot be read is on disk before the page can be forgotten, and logged once, however often
    Spotify tells of it and whenever the process is killed. `problem`: it could not be kept.
    """

    def __init__(
        self, page: SpooledPage, body: Body, spool: Spool, database: Database, clock: Clock
    ) -> None:
        self._page = page
        self._body = body
        self._spool = spool
        self._database = database
        self._clock = clock
        self.problem: NotSetAside | None = None

    def run(self, *, is_small: bool) -> Outcome | None:
        """The outcome; None where the page's file is gone meanwhile: somebody else committed it, or
        removed its listener."""
        page, body = self._page, self._body
        fetched, rejected = body.fetched, len(body.unreadable)
        with self._database.write(page.job, is_small=is_small) as connection:
            if not page.path.exists():
                return None
            now = self._clock()
            listener = listeners.listener_for_account(connection, page.account, now)
            self._keep_unreadable(connection, listener, now)
            earlier = checkpoints.states(connection, page.job).get(listener.user_id, {})
            digest = _digest(body.records)
            new, late, gap, closed = 0, 0, None, 0
            if body.records and (page.is_again or digest != earlier.get("page")):
                new, late, gap, closed = _merge(connection, listener, page, body, now)
            state: Mapping[str, object] = {"page": digest}
            if page.before_ms is not None:
                state = _backfill_state(page, body, new, earlier)
            if not page.is_again:  # nothing has been asked of Spotify
                checkpoints.set_checkpoint(connection, listener.user_id, page.job, now, state)
            error = _error(listener, body)
            stats = {"fetched": fetched, "new": new, "late": late, "rejected": rejected}
            journal.add_run(
                connection, page.job, listener.user_id, page.fetched_at, now,
                "failed" if error else "ok", stats, error.message if error else None,
            )  # fmt: skip
        return Outcome(
            listener.name, page.account, page.job, fetched, new, late, rejected, gap, closed, error
        )

    def _keep_unreadable(self, connection: Connection, listener: Listener, now: datetime) -> None:
        """Put what cannot be read aside; a page that was aside already is left until the end."""
        page, body = self._page, self._body
        if page.is_again or not body.unreadable:
            return
        try:
            kept = self._spool.keep(page, body.unreadable)
        except NotSetAside as error:
            self.problem = error
            return
        if kept and not journal.entries(connection, text=page.path.name, limit=1):
            level: journal.Level = "error" if body.is_mostly_unreadable else "warning"
            text = _told(listener, body, kept, f"{self._spool.FAILED}/{page.path.name}")
            entry = journal.Entry(level, page.job, text, listener.user_id)
            journal.write(connection, now, [entry])


def _told(listener: Listener, body: Body, kept: list[Unreadable], place: str) -> str:
    counts = in_words(reasons(kept))
    return (
        f"{listener.name}: {len(kept)} of {body.fetched} items of a page cannot be read and are "
        f"kept in {place}: {counts}."
    )


def _error(listener: Listener, body: Body) -> UnreadablePage | None:
    if not body.is_mostly_unreadable:
        return None
    return UnreadablePage(
        f"{len(body.unreadable)} of the {body.fetched} plays that Spotify tells of "
        f"'{listener.name}' cannot be read: {in_words(reasons(body.unreadable))}."
    )


def _merge(
    connection: Connection,
    listener: Listener,
    page: SpooledPage,
    body: Body,
    now: datetime,
) -> tuple[int, int, Gap | None, int]:
    """The page's plays into the history; (new, late, the gap it proves, gaps it closes)."""
    user_id = listener.user_id
    latest = instant(max(record.played_at_ms for record in body.records) * 1000)
    before = coverage.known_before(connection, user_id, latest)
    records.create_stage(connection)
    rows = (records.StagedRow(0, index, "", each) for index, each in enumerate(body.records))
    records.stage(connection, rows)
    records.key_stage(connection, user_id)
    new = late = 0
    gap = None
    if records.commit(connection, user_id).fresh:
        records.add_track_details(connection, body.tracks)
        new, late, is_unknown = coverage.page_result(connection, user_id, before)
        if is_unknown and page.before_ms is None and body.is_full:
            gap = coverage.find_gap(connection, user_id, before, now)
    # Of a page that is not read in full nobody knows that it left nothing out.
    if gap is not None or body.unreadable:
        return new, late, gap, 0
    closed = coverage.close_gaps_of_page(
        connection, user_id, now, is_backfill=page.before_ms is not None
    )
    return new, late, None, closed


def _digest(found: list[Record]) -> str:
    """What a page said. Most polls find the page of the last one again: nothing is to be done."""
    return hashlib.sha256(repr(found).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class WayBack:
    """How far back a backfill is after a page, epoch milliseconds, and why it ends if it does.

    `stopped_by` is `end` (Spotify had nothing older), `no_progress` (it told the same again) or
    `max_days`; None where there is more to ask for, before `before_ms`.
    """

    before_ms: int
    reached_ms: int | None
    stopped_by: str | None


def way_back(page: SpooledPage, body: Body) -> WayBack:
    """Where a page of a backfill leads; from the page alone, so that it may be committed twice."""
    asked, cursor = page.before_ms or 0, body.next_before_ms
    if cursor is None:
        return WayBack(asked, None, "no_progress" if body.fetched else "end")
    if cursor >= asked:
        return WayBack(asked, None, "no_progress")
    is_enough = page.until_ms is not None and cursor < page.until_ms
    return WayBack(cursor, cursor, "max_days" if is_enough else None)


def _backfill_state(
    page: SpooledPage, body: Body, new: int, earlier: Mapping[str, object]
) -> dict[str, object]:
    """What is remembered of a backfill after a page; `until_ms` tells one backfill from another."""
    way = way_back(page, body)
    before = earlier if earlier.get("until_ms") == page.until_ms else {}
    known = before.get("new")
    return {
        "before_ms": way.before_ms,
        "until_ms": page.until_ms,
        "reached_ms": way.reached_ms or before.get("reached_ms"),
        "new": new + (known if isinstance(known, int) else 0),
        "finished": way.stopped_by is not None,
        "stopped_by": way.stopped_by,
    }
