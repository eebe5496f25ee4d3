"""Owns the rule that makes plays of records: plays = f(set of records) (DESIGN 2.3, FACTS 6.2).

Never inserts or removes a record, and never asks in what order they came.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from spotify_hist.model import SCROBBLERS
from spotify_hist.store import sql
from spotify_hist.store.database import Connection, instant, integers

REACH = timedelta(seconds=70)  # longer than any rule among Spotify's own sources (FACTS 6.2)
FAR = timedelta(minutes=23)  # longer than any rule for what scrobblers note
# Above this share of changed instants the islands cost more than rebuilding the whole stretch.
_WHOLE_SHARE = 0.2


def prepare(connection: Connection) -> None:
    """Give the connection the name normalisation all rules share."""
    connection.execute(sql.load("reconcile")["macros"])


def rebuild(
    connection: Connection, user_id: int, touched: str, *, has_own_heads: bool = False
) -> tuple[int, int]:
    """Rebuild the plays of one listener around the records in table `touched`.

    `touched` has `played_at` and `source` of records that came or went. Returns how many plays
    stood there before and stand there now. Leaves the temp table `assigned` (record_id, source,
    old_play_id, play_id) for whoever counts what changed, but where nothing stood there before and
    every record is a play of its own. `has_own_heads`: no two of those that came share a head.
    """
    step = sql.load("reconcile")
    bounds = step["bounds"].replace("{touched}", touched)
    low_us, high_us, changed, noted, others = integers(connection, bounds)
    low, high = instant(low_us), instant(high_us)
    reach = FAR if noted else REACH
    where, known, strange, noted = _widened(connection, user_id, low, high, reach)
    if noted and reach is not FAR:
        reach = FAR
        where, known, strange, _ = _widened(connection, user_id, low, high, reach)
    exact: dict[str, object] = {"user_id": user_id, "low": low, "high": high}
    repeats = "0" if has_own_heads else "count(*) - count(distinct head_id)"
    plain = step["plain"].replace("{repeats}", repeats)
    if not strange and not any(integers(connection, plain, exact | {"changed": changed})):
        _make_keys(connection, exact)
        return 0, _insert_single(connection, exact)
    is_whole = changed >= known * _WHOLE_SHARE
    if is_whole:
        connection.execute(step["scope_all"], where)
    else:
        scope = step["scope_islands"].replace("{touched}", touched)
        connection.execute(scope, where | {"link": 2 * reach, "reach": reach})
    if others or any(integers(connection, step["count_others"])):
        _assign(connection, has_noted=reach is FAR)
    else:
        connection.execute(step["assign_plain"])
    if integers(connection, step["count_moved"])[0]:
        connection.execute(step["move_records"], where)
    (former,) = integers(connection, step["delete_plays"], where)
    connection.execute(step["shared"])
    narrowed = "" if is_whole else "and record_id in (select record_id from scope)"
    (shared,) = integers(connection, "select count(*) from shared")
    unshared = " and play_id not in (select play_id from shared)" if shared else ""
    _make_keys(connection, where, narrowed)
    made = _insert_single(connection, where, narrowed + unshared)
    if shared:
        made += integers(connection, step["insert_merged"].replace("{narrowed}", narrowed), where)[
            0
        ]
    return former, made


def _make_keys(connection: Connection, where: dict[str, object], narrowed: str = "") -> None:
    """Make the numbers of the tracks that plays are inserted of: one by one they would cost a large
    import a tenth of its time."""
    statement = sql.load("reconcile")["track_keys"].replace("{narrowed}", narrowed)
    connection.execute(statement, where)


def _insert_single(connection: Connection, where: dict[str, object], narrowed: str = "") -> int:
    """Insert the plays of the records that are plays of their own; how many."""
    statement = sql.load("reconcile")["insert_single"].replace("{narrowed}", narrowed)
    return integers(connection, statement, where)[0]


def _widened(
    connection: Connection, user_id: int, low: datetime, high: datetime, reach: timedelta
) -> tuple[dict[str, object], int, int, int]:
    """The parameters of the rules: the listener and bounds that no rule reaches across.

    Also how many records lie within these; how many of other sources than the extended history so
    near that a rule may join them to what was touched; and how many of scrobblers.

    Records of the extended history never act on each other across time, so that only the others
    can carry a change further: wherever none of them is for twice the reach, nothing goes on.
    """
    surroundings = sql.load("reconcile")["surroundings"]
    before = after = 2 * reach
    while True:
        where: dict[str, object] = {"user_id": user_id, "low": low - reach, "high": high + reach}
        edges = {
            "low_link": low - before,
            "low_touched": low,
            "high_touched": high,
            "high_link": high + after,
            "low_far": low - FAR,
            "high_far": high + FAR,
        }
        earlier, later, known, strange, noted = integers(connection, surroundings, where | edges)
        if not earlier and not later:
            return where, known, strange, noted
        # Ever longer steps: what lies between is no island of its own, but costs little.
        if earlier:
            low, before = low - before, 2 * before
        if later:
            high, after = high + after, 2 * after


def _assign(connection: Connection, *, has_noted: bool) -> None:
    """Fill `assigned`: the play of every record in scope, where scrobblers may have noted some."""
    step = sql.load("reconcile")
    extended, account, api, unidentified, echoes, mixed = integers(connection, step["sources"])
    needs_identity = unidentified and unidentified != extended
    if not echoes and not mixed and not needs_identity:
        connection.execute(step["assign_plain"])
        return
    connection.execute(step["api_heads" if echoes else "no_api_heads"])
    connection.execute(step["create_joined"])
    if mixed or needs_identity:
        connection.execute(step["heads"], {"wants_all": bool(needs_identity) or has_noted})
        proposals = {
            "propose_identified": bool(needs_identity),
            "propose_api": bool(api and extended),
            "propose_account": bool(account),
        }
        for proposal in (name for name, has_both_sides in proposals.items() if has_both_sides):
            connection.execute(step[proposal])
            _join_closest(connection)
        if has_noted:
            _join_noted(connection)
    connection.execute(step["assign"])


def _join_noted(connection: Connection) -> None:
    """Join what scrobblers noted, one after the other, to what is settled by then."""
    step = sql.load("reconcile")
    connection.execute(step["spans"])
    for service in SCROBBLERS:
        where = {"service": service}
        if integers(connection, step["count_service"], where)[0]:
            connection.execute(step["propose_noted"], where)
            _join_closest(connection)
            connection.execute(step["add_spans"], where)


def _join_closest(connection: Connection) -> None:
    """Join the proposed pairs one to one, the best of both sides first."""
    step = sql.load("reconcile")
    while integers(connection, step["count_candidates"])[0]:
        for settle in ("choose", "join_chosen", "drop_settled"):
            connection.execute(step[settle])
