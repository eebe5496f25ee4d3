"""Owns what is known to be known: what a page brought, and the gaps between plays.

Never touches records or plays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from spotify_hist.store import sql
from spotify_hist.store.database import instant, integers
from spotify_hist.store.kept_open import once

if TYPE_CHECKING:
    from datetime import datetime

    from spotify_hist.store.database import Connection


@dataclass(frozen=True, slots=True)
class Gap:
    """Plays are missing between these two instants (FACTS 3.9)."""

    after: datetime
    before: datetime

    def touches(self, since: datetime | None, until: datetime | None) -> bool:
        """Whether any of it lies in a half-open period."""
        return (since is None or self.before > since) and (until is None or self.after < until)


class Before(NamedTuple):
    """What was known before a page: the end of the newest play the API had told of, and the instant
    of the newest record of Spotify's own that is older than the page's newest."""

    told: datetime | None
    known: datetime | None


def known_before(connection: Connection, user_id: int, latest: datetime) -> Before:
    """What is known before a page is committed whose newest play ended at `latest`."""
    told_us, known_us = integers(
        connection, _step("known_before"), {"user_id": user_id, "latest": latest}
    )
    return Before(instant(told_us) if told_us else None, instant(known_us) if known_us else None)


class PageResult(NamedTuple):
    """What a page just committed brought: plays the API had not told of, how many of them are older
    than the newest it had told of (FACTS 3.4), and whether nothing in it was known before."""

    new: int
    late: int
    is_unknown: bool


def page_result(connection: Connection, user_id: int, before: Before) -> PageResult:
    """What the page brought whose records are in the tables `keyed`, `fresh` and `assigned`."""
    new, late, is_unknown = integers(
        connection, _step("page_result"), {"user_id": user_id, "newest_told": before.told}
    )
    return PageResult(new, late, bool(is_unknown))


def find_gap(connection: Connection, user_id: int, before: Before, now: datetime) -> Gap | None:
    """Record the gap before a full page that shares nothing with what was known (FACTS 3.9).

    It begins at the newest play known before and ends at the first play of the page after that:
    older plays of the page came late (FACTS 3.4) and say nothing about the time between.
    """
    if before.known is None:
        return None
    where = {"user_id": user_id, "known": before.known}
    after = instant(integers(connection, _step("end_of_play"), where)[0])
    (oldest_us,) = integers(connection, _step("oldest_after"), {"after": after})
    gap = Gap(after, instant(oldest_us))
    connection.execute(
        _step("add_gap"),
        {"user_id": user_id, "after": gap.after, "before": gap.before, "now": now},
    )
    return gap


def close_gaps_of_page(
    connection: Connection, user_id: int, now: datetime, *, is_backfill: bool
) -> int:
    """Close the open gaps that a page just committed fills; how many.

    A gap is filled by a page that holds the very play it begins after: Spotify told of all since
    then, up to the page's newest play or, in a backfill, up to where that began. It is filled as
    well where plays that came late leave no room for another one.
    """
    where = {"user_id": user_id}
    paging = {**where, "is_backfill": is_backfill}
    before, closings = _count(connection, user_id)
    if closings:
        connection.execute(_with_condition("settle_spanned_gaps", "is_spanned"), paging)
    if not before:
        return 0
    connection.execute(_with_condition("close_spanned_gaps", "is_spanned"), {**paging, "now": now})
    close_filled_gaps(connection, user_id, now)
    return before - _count(connection, user_id)[0]


def close_gaps(connection: Connection, user_id: int, now: datetime, import_id: int) -> int:
    """Close the gaps that an import reaches across, once its rows are in; how many were open."""
    where = {"user_id": user_id}
    before, closings = _count(connection, user_id)
    if not before and not closings:
        return 0
    connection.execute(_step("find_told"), {**where, "import_id": import_id})
    connection.execute(_step("note_crossed_gaps"), {**where, "import_id": import_id})
    connection.execute(_step("close_noted_gaps"), {**where, "now": now})
    return before - _count(connection, user_id)[0]


def reopen_gaps(connection: Connection, user_id: int, now: datetime, import_id: int) -> int:
    """Open the gaps again that only this import had closed, now that its records are gone.

    How many are open that were not. Temp table `gone` holds the instants of the records: a gap that
    began at a play of theirs begins at the one before it, and where there is none it is no gap.
    """
    where = {"user_id": user_id}
    before = _count(connection, user_id)[0]
    connection.execute(_step("find_edges"), where)
    for name in ("move_closings", "drop_edges", "add_edges", "drop_stray_closings"):
        connection.execute(_step(name), where)
    if any(_count(connection, user_id)):
        undoing = {**where, "import_id": import_id}
        connection.execute(_step("find_doubtful"), undoing)
        connection.execute(_step("drop_closings"), undoing)
        connection.execute(_with_condition("drop_unfilled", "is_filled"), where)
        connection.execute(_step("open_unproven_gaps"), where)
        close_filled_gaps(connection, user_id, now)
    return max(_count(connection, user_id)[0] - before, 0)


def _count(connection: Connection, user_id: int) -> tuple[int, int]:
    """(gaps that are open, what closed others)."""
    is_open, closings = integers(connection, _step("count_gaps"), {"user_id": user_id})
    return is_open, closings


def close_filled_gaps(connection: Connection, user_id: int, now: datetime) -> None:
    """Close the gaps in which known plays leave no room for another one."""
    connection.execute(_with_condition("note_filled_gaps", "is_filled"), {"user_id": user_id})
    connection.execute(_step("close_noted_gaps"), {"user_id": user_id, "now": now})


def _with_condition(name: str, condition: str) -> str:
    """A statement with a condition that several share in its place."""
    return _step(name).replace(f"{{{condition}}}", _step(condition))


def open_gaps(connection: Connection, user_id: int) -> list[Gap]:
    """The stretches in which plays of a listener are known to be missing, oldest first."""
    return once(connection, ("open_gaps", user_id), partial(_open_gaps, connection, user_id))


def _open_gaps(connection: Connection, user_id: int) -> list[Gap]:
    rows = connection.execute(_step("open_gaps"), {"user_id": user_id}).fetchall()
    return [Gap(instant(after_us), instant(before_us)) for after_us, before_us in rows]


def plays_of_unknown_length(
    connection: Connection, *, user_id: object, since: object, until: object
) -> int:
    """How many plays of a period no source tells the listened time of."""
    where = {"user_id": user_id, "since": since, "until": until}
    return integers(connection, _step("unknown_length"), where)[0]


def _step(name: str) -> str:
    return sql.load("coverage")[name]
