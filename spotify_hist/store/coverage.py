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


@dataclass(frozen=True, slots=True)
class PageState:
    """What a listener's history held before a page was added."""

    newest: datetime | None
    newest_api: datetime | None


def page_state(connection: Connection, user_id: int) -> PageState:
    """What is known of a listener before a page is committed."""
    newest_us, newest_api_us = integers(connection, _step("page_state"), {"user_id": user_id})
    return PageState(
        instant(newest_us) if newest_us else None,
        instant(newest_api_us) if newest_api_us else None,
    )


def page_result(connection: Connection, user_id: int, before: PageState) -> tuple[int, int]:
    """(new, late) of a page just committed: plays the API had not told of, and how many of them
    are older than the newest it had told of (FACTS 3.4)."""
    new, late = integers(
        connection, _step("page_result"), {"user_id": user_id, "newest_api": before.newest_api}
    )
    return new, late


def find_gap(connection: Connection, user_id: int, now: datetime) -> Gap | None:
    """Record the gap before a full page that shares nothing with what was known (FACTS 3.9)."""
    if not integers(connection, _step("page_is_unknown"))[0]:
        return None
    oldest = instant(integers(connection, _step("oldest_of_page"))[0])
    (newest_us,) = integers(
        connection, _step("newest_before"), {"user_id": user_id, "before": oldest}
    )
    if not newest_us:
        return None
    gap = Gap(instant(newest_us), oldest)
    connection.execute(
        _step("add_gap"),
        {"user_id": user_id, "after": gap.after, "before": gap.before, "now": now},
    )
    return gap


def close_gaps(connection: Connection, user_id: int, now: datetime, keyed: str) -> None:
    """Close the gaps that an import of the extended history reaches across."""
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
