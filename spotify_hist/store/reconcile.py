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


def rebuild(connection: Connection, user_id: int, touched: str) -> int:
    """Rebuild the plays of one listener around the instants (`played_at`) in table `touched`.

    How many plays stood there before. Leaves the temp table `assigned` (record_id, old_play_id,
    play_id) for whoever counts what changed.
    """
    step = sql.load("reconcile")
    low_us, high_us, changed = integers(connection, step["bounds"].replace("{touched}", touched))
    where, known = _widened(connection, user_id, instant(low_us), instant(high_us))
    is_whole = changed >= known * _WHOLE_SHARE
    scope = step["scope_all" if is_whole else "scope_islands"].replace("{touched}", touched)
    connection.execute(scope, where)
    _assign(connection)
    if integers(connection, step["count_moved"])[0]:
        connection.execute(step["move_records"], where)
    (former,) = integers(connection, step["delete_plays"], where)
    connection.execute(step["shared"])
    narrowed = "" if is_whole else "and record_id in (select record_id from scope)"
    (shared,) = integers(connection, "select count(*) from shared")
    unshared = "and play_id not in (select play_id from shared)" if shared else ""
    single = step["insert_single"].replace("{narrowed}", narrowed).replace("{unshared}", unshared)
    connection.execute(single, where)
    if shared:
        connection.execute(step["insert_merged"].replace("{narrowed}", narrowed), where)
    return former


def _widened(
    connection: Connection, user_id: int, low: datetime, high: datetime
) -> tuple[dict[str, object], int]:
    """The parameters of the rules, the listener and the bounds of whole islands; and how many
    records lie within these."""
    surroundings = sql.load("reconcile")["surroundings"]
    low -= _REACH
    high += _REACH
    while True:
        where: dict[str, object] = {"user_id": user_id, "low": low, "high": high}
        reach = {"low_reach": low - _REACH, "high_reach": high + _REACH}
        before, after, known = integers(connection, surroundings, where | reach)
        if not before and not after:
            return where, known
        low -= _STEP if before else timedelta(0)
        high += _STEP if after else timedelta(0)


def _assign(connection: Connection) -> None:
    """Fill `assigned`: the play of every record in scope."""
    step = sql.load("reconcile")
    extended, account, api, unidentified, echoes, mixed = integers(connection, step["sources"])
    needs_identity = unidentified and unidentified != extended
    if not echoes and not mixed and not needs_identity:
        connection.execute(step["assign_plain"])
        return
    connection.execute(step["api_heads"])
    connection.execute(step["create_joined"])
    if mixed or needs_identity:
        connection.execute(step["heads"], {"has_unidentified": bool(needs_identity)})
        proposals = {
            "propose_identified": bool(needs_identity),
            "propose_api": bool(api and extended),
            "propose_account": bool(account),
        }
        for proposal in (name for name, has_both_sides in proposals.items() if has_both_sides):
            connection.execute(step[proposal])
            while integers(connection, step["count_candidates"])[0]:
                for settle in ("choose", "join_chosen", "drop_settled"):
                    connection.execute(step[settle])
    connection.execute(step["assign"])
