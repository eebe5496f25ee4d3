"""Owns the rule that makes plays of records: plays = f(set of records) (DESIGN 2.3, FACTS 6.2).

Never inserts or removes a record, and never asks in what order they came.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from spotify_hist.store import sql
from spotify_hist.store.database import Connection, instant, integers

_REACH = timedelta(seconds=70)  # longer than any rule reaches (FACTS 6.2)
_STEP = timedelta(hours=6)
# Above this share of changed instants the islands cost more than rebuilding the whole stretch.
_WHOLE_SHARE = 0.2


def prepare(connection: Connection) -> None:
    """Give the connection the name normalisation all rules share."""
    connection.execute(sql.load("reconcile")["macros"])


def rebuild(connection: Connection, user_id: int) -> None:
    """Rebuild the plays of one listener around the instants in the temp table `touched`.

    Leaves the temp tables `assigned` (record_id, old_play_id, play_id) and `former` (the plays
    that stood there before) for whoever counts what changed.
    """
    step = sql.load("reconcile")
    low_us, high_us, touched = integers(connection, step["bounds"])
    where = _widened(connection, user_id, instant(low_us), instant(high_us))
    (known,) = integers(connection, step["count_known"], where)
    is_whole = touched >= known * _WHOLE_SHARE
    connection.execute(step["scope_all" if is_whole else "scope_islands"], where)
    _assign(connection)
    if integers(connection, step["count_moved"])[0]:
        connection.execute(step["move_records"], where)
    connection.execute(step["remember_plays"], where)
    connection.execute(step["delete_plays"], where)
    connection.execute(step["shared"])
    narrowed = "" if is_whole else "and record_id in (select record_id from scope)"
    connection.execute(step["insert_plays"].replace("{narrowed}", narrowed), where)


def _widened(
    connection: Connection, user_id: int, low: datetime, high: datetime
) -> dict[str, object]:
    """The parameters of the rules: the listener and the bounds of whole islands."""
    neighbour = sql.load("reconcile")["has_neighbour"]

    def has(first: datetime, last: datetime) -> bool:
        return bool(
            integers(connection, neighbour, {"user_id": user_id, "low": first, "high": last})[0]
        )

    low -= _REACH
    while has(low - _REACH, low):
        low -= _STEP
    high += _REACH
    while has(high, high + _REACH):
        high += _STEP
    return {"user_id": user_id, "low": low, "high": high}


def _assign(connection: Connection) -> None:
    """Fill `assigned`: the play of every record in scope."""
    step = sql.load("reconcile")
    extended, account, api, unidentified = integers(connection, step["sources"])
    is_mixed = unidentified and unidentified != extended
    if not account and not api and not is_mixed:
        connection.execute(step["assign_plain"])
        return
    connection.execute(step["api_heads"])
    connection.execute(step["create_joined"])
    if not extended and not account:
        connection.execute(step["assign"])  # polls alone: no other source to match
        return
    connection.execute(step["heads"], {"has_unidentified": bool(is_mixed)})
    proposals = {
        "propose_identified": bool(is_mixed),
        "propose_api": bool(api and extended),
        "propose_account": bool(account),
    }
    for proposal in (name for name, has_both_sides in proposals.items() if has_both_sides):
        connection.execute(step[proposal])
        while integers(connection, step["count_candidates"])[0]:
            for settle in ("choose", "join_chosen", "drop_settled"):
                connection.execute(step[settle])
    connection.execute(step["assign"])
