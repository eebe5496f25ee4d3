"""Owns what is known to be known: what a page brought, and the gaps between plays.

Never touches records or plays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.store import sql
from spotify_hist.store.database import instant, integers

if TYPE_CHECKING:
    from datetime import datetime

    from spotify_hist.store.database import Connection


@dataclass(frozen=True, slots=True)
class Gap:
    """Plays are missing between these two instants (FACTS 3.9)."""

    after: datetime
    before: datetime


def newest_told(connection: Connection, user_id: int) -> datetime | None:
    """The end of the newest play the API has told of; before a page is committed."""
    (newest_us,) = integers(connection, _step("newest_told"), {"user_id": user_id})
    return instant(newest_us) if newest_us else None


def page_result(
    connection: Connection, user_id: int, newest_told: datetime | None
) -> tuple[int, int]:
    """(new, late) of a page just committed: plays the API had not told of, and how many of them
    are older than the newest it had told of (FACTS 3.4)."""
    new, late = integers(
        connection, _step("page_result"), {"user_id": user_id, "newest_told": newest_told}
    )
    return new, late


def find_gap(connection: Connection, user_id: int, now: datetime) -> Gap | None:
    """Record the gap before a full page that shares nothing with what was known (FACTS 3.9).

    It begins at the newest play known before and ends at the first play of the page after that:
    older plays of the page came late (FACTS 3.4) and say nothing about the time between.
    """
    if not integers(connection, _step("page_is_unknown"))[0]:
        return None
    (newest_us,) = integers(connection, _step("newest_known"), {"user_id": user_id})
    if not newest_us:
        return None
    after = instant(newest_us)
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
    before = integers(connection, _step("count_open_gaps"), where)[0]
    if not before:
        return 0
    closing = {**where, "now": now}
    connection.execute(_step("close_spanned_gaps"), {**closing, "is_backfill": is_backfill})
    connection.execute(_step("close_filled_gaps"), closing)
    return before - integers(connection, _step("count_open_gaps"), where)[0]


def close_gaps(connection: Connection, user_id: int, now: datetime, keyed: str) -> None:
    """Close the gaps that an import reaches across."""
    statement = _step("close_gaps").replace("{keyed}", keyed)
    connection.execute(statement, {"user_id": user_id, "now": now})


def open_gaps(
    connection: Connection, *, user_id: object, since: object, until: object
) -> list[Gap]:
    """The stretches of a period in which plays are known to be missing, oldest first."""
    rows = connection.execute(
        _step("open_gaps"), {"user_id": user_id, "since": since, "until": until}
    ).fetchall()
    return [Gap(instant(after_us), instant(before_us)) for after_us, before_us in rows]


def plays_of_unknown_length(
    connection: Connection, *, user_id: object, since: object, until: object
) -> int:
    """How many plays of a period no source tells the listened time of."""
    where = {"user_id": user_id, "since": since, "until": until}
    return integers(connection, _step("unknown_length"), where)[0]


def _step(name: str) -> str:
    return sql.load("coverage")[name]
