"""Owns what becomes of a fetched page: its rows, gaps, checkpoint and job run, in one transaction.

Never calls Spotify; it takes what lies in the spool, whoever put it there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from spotify_hist import normalise
from spotify_hist.errors import BadInput
from spotify_hist.model import Account, ApiTrack, Record
from spotify_hist.store import checkpoints, coverage, journal, listeners, records
from spotify_hist.store.database import instant
from spotify_hist.store.duckdb_errors import OUT_OF_MEMORY

if TYPE_CHECKING:
    from spotify_hist.collect.spool import Spool, SpooledPage
    from spotify_hist.model import Listener
    from spotify_hist.store.coverage import Gap
    from spotify_hist.store.database import Connection, Database

PAGE_LIMIT = 50  # all that Spotify keeps (FACTS 3.2)
_NEARLY_FULL = 40
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one committed page brought. `new` counts plays the API had not told of before, `late`
    those among them that are older than ones it had, `gaps_closed` gaps it filled."""

    user: str
    account: Account
    job: str
    fetched: int
    new: int = 0
    late: int = 0
    rejected: int = 0
    gap: Gap | None = None
    gaps_closed: int = 0


@dataclass(frozen=True, slots=True)
class Body:
    """The plays of a page, whether Spotify may have had more of them, and where those begin.

    `next_before_ms` is the cursor of the next older page, epoch milliseconds; None where there is
    none, since the page is empty.
    """

    items: list[object]
    is_full: bool
    next_before_ms: int | None


def read_body(body: str) -> Body | None:
    """What a page says, or None where it is no page at all.

    A few of the 50 are missing from some full pages (FACTS 3.7): such a page still points to an
    older one.
    """
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        return None
    items = page.get("items") if isinstance(page, dict) else None
    if not isinstance(items, list):
        return None
    is_nearly_full = len(items) >= _NEARLY_FULL and bool(page.get("next"))
    return Body(items, len(items) >= PAGE_LIMIT or is_nearly_full, _next_before(page, items))


def drain(spool: Spool, database: Database, clock: Clock) -> Iterator[Outcome]:
    """Commit every waiting page, each in one transaction, and forget it; the outcome of each.

    Raises DatabaseBusy and its like; then the pages that remain stay in the spool.
    """
    for page in spool.pages():
        outcome = settle(page, spool, database, clock)
        if outcome is not None:
            yield outcome


def settle(page: SpooledPage, spool: Spool, database: Database, clock: Clock) -> Outcome | None:
    """Commit one waiting page and forget it; None where it is no page, or somebody else did."""
    body = read_body(page.body)
    if body is None:
        spool.set_aside(page.path)
        return None
    try:
        outcome = _commit(page, body, database, clock, is_small=True)
    except BadInput as error:
        if error.code != OUT_OF_MEMORY:
            raise
        outcome = _commit(page, body, database, clock, is_small=False)
    spool.remove(page)
    return outcome


def _commit(
    page: SpooledPage, body: Body, database: Database, clock: Clock, *, is_small: bool
) -> Outcome | None:
    """Rows, gaps, checkpoint and job run of one page in one transaction.

    None where its file is gone meanwhile: somebody else committed it, or removed its listener.
    """
    found: list[Record] = []
    tracks: list[ApiTrack] = []
    rejected = 0
    for item in body.items:
        record = normalise.api_item(item)
        if isinstance(record, Record):
            found.append(record)
            track = normalise.api_track(item)
            if track is not None:
                tracks.append(track)
        else:
            rejected += 1
    with database.write(page.job, is_small=is_small) as connection:
        if not page.path.exists():
            return None
        now = clock()
        listener = listeners.listener_for_account(connection, page.account, now)
        earlier = checkpoints.states(connection, page.job).get(listener.user_id, {})
        digest = _digest(found)
        new, late, gap, closed = 0, 0, None, 0
        if found and digest != earlier.get("page"):
            new, late, gap, closed = _merge(connection, listener, page, body, found, tracks, now)
        state: Mapping[str, object] = {"page": digest}
        if page.before_ms is not None:
            state = _backfill_state(page, body, new, earlier)
        checkpoints.set_checkpoint(connection, listener.user_id, page.job, now, state)
        stats = {"fetched": len(body.items), "new": new, "late": late, "rejected": rejected}
        journal.add_run(connection, page.job, listener.user_id, page.fetched_at, now, "ok", stats)
    return Outcome(
        listener.name, page.account, page.job, len(body.items), new, late, rejected, gap, closed
    )


def _merge(
    connection: Connection,
    listener: Listener,
    page: SpooledPage,
    body: Body,
    found: list[Record],
    tracks: list[ApiTrack],
    now: datetime,
) -> tuple[int, int, Gap | None, int]:
    """The page's plays into the history; (new, late, the gap it proves, gaps it closes)."""
    user_id = listener.user_id
    latest = instant(max(record.played_at_ms for record in found) * 1000)
    before = coverage.known_before(connection, user_id, latest)
    records.create_stage(connection)
    records.stage(
        connection, (records.StagedRow(0, index, "", record) for index, record in enumerate(found))
    )
    records.key_stage(connection, user_id)
    new = late = 0
    gap = None
    if records.commit(connection, user_id).fresh:
        records.add_track_details(connection, tracks)
        new, late, is_unknown = coverage.page_result(connection, user_id, before)
        if is_unknown and page.before_ms is None and body.is_full:
            gap = coverage.find_gap(connection, user_id, before, now)
    if gap is not None:
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
        return WayBack(asked, None, "end")
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


def _next_before(page: Mapping[str, object], items: list[object]) -> int | None:
    """Where the next older page begins: Spotify's cursor, else the oldest play of this one.

    Past the last play there are no items and no cursors (FACTS 3.2).
    """
    if not items:
        return None
    cursors = page.get("cursors")
    told = cursors.get("before") if isinstance(cursors, dict) else None
    if isinstance(told, str) and told.isdecimal() and len(told) <= 15:
        return int(told)
    ends = [
        each.played_at_ms for each in map(normalise.api_item, items) if isinstance(each, Record)
    ]
    return min(ends, default=None)
