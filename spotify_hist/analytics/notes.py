"""Owns what a listener must know to read an answer right: gaps, and listened time nobody told.

Never answers a question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.model import iso
from spotify_hist.store import coverage
from spotify_hist.store.database import integers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.analytics.scope import Scope
    from spotify_hist.store.database import Connection


def unknown_lengths(connection: Connection, scope: Scope) -> int:
    """How many of the plays looked at no source tells the listened time of: of tracks alone, as
    only the API (FACTS 3.3, 3.8) and scrobblers leave it out."""
    if scope.kind not in {"track", "all"}:
        return 0
    return sum(
        coverage.plays_of_unknown_length(
            connection, user_id=user_id, since=period.since, until=period.until
        )
        for user_id, period in scope.periods
    )


def notes(connection: Connection, scope: Scope, unknown: int) -> Iterator[str]:
    """What to say beside an answer about periods, of which `unknown` plays have no listened time
    that a source tells."""
    found = {
        gap
        for user_id, period in scope.periods
        for gap in coverage.open_gaps(connection, user_id)
        if gap.touches(period.since, period.until)
    }
    gaps = sorted(found, key=lambda gap: (gap.after, gap.before))
    if gaps:
        first = gaps[0]
        stretches = "stretch" if len(gaps) == 2 else "stretches"
        more = f", and in {len(gaps) - 1} more {stretches}" if len(gaps) > 1 else ""
        yield (
            f"At least: plays are missing between {iso(first.after)} and {iso(first.before)}"
            f"{more}. An extended export of that time fills this."
        )
    if unknown:
        (estimated,) = integers(connection, "select count(*) from estimates")
        plays = "1 play has" if unknown == 1 else f"{unknown:,} plays have"
        yield (
            f"{plays} no listened time: only polls or other services saw them, and it is not "
            f"told there. {_estimated(estimated, unknown)}"
        )


def _estimated(estimated: int, unknown: int) -> str:
    if not estimated:
        return "Listened time here is at least what is shown."
    of_them = "It is" if estimated == unknown else f"For {estimated:,} of them it is"
    rest = "" if estimated == unknown else "; the others add nothing to it"
    return (
        f"{of_them} estimated: the length of the track, at most the time since the play before "
        f"ended{rest}."
    )
