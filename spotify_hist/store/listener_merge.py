"""Owns making two listeners one in the history: the records of both, and plays made anew of them.

Never touches a record or a play of anybody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.store import coverage, identity, records, sql
from spotify_hist.store.database import integers

if TYPE_CHECKING:
    from datetime import datetime

    from spotify_hist.model import Account, Listener
    from spotify_hist.store.database import Connection

_REMOVE = ("remove_rows", "remove_records", "remove_plays")
_MOVE = (
    "move_privates", "move_imports", "move_runs", "move_logs", "drop_equal_rules", "move_rules",
    "closings", "gaps", "checkpoints", "drop_closings", "drop_gaps", "drop_checkpoints",
    "insert_closings", "insert_gaps", "insert_checkpoints", "take_over", "remove_user",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of it. `records` and `plays` are the other's; `plays_added` of these plays were
    not the listener's own as well."""

    records: int
    plays: int
    plays_added: int


def account_of_both(listener: Listener, other: Listener) -> Account | None:
    """The account of the listener they become: the first one's, else the other's; of one account
    whatever is known of it. Where each is known by another of its two ids alone, the person's word
    is that they are one."""
    mine, theirs = listener.account, other.account
    if mine is None or theirs is None:
        return mine or theirs
    by_account_id = theirs if mine.is_by_spotify_id else mine
    is_half_known = (
        mine.is_by_spotify_id != theirs.is_by_spotify_id and by_account_id.spotify_id is None
    )
    if is_half_known or mine.is_same_as(theirs):
        return mine.with_ids_of(theirs)
    return mine


def merge(connection: Connection, listener: Listener, other: Listener, now: datetime) -> Merged:
    """Make `other` part of `listener`, in the caller's transaction.

    The records are then those that would be there had all of them come in under `listener`, and so
    are the plays. The accounts of imports and runs go on telling what they told.
    """
    steps = sql.load("listener_merge")
    both = {"user_id": listener.user_id, "other_id": other.user_id}
    plays = {each: _count(connection, each.user_id) for each in (listener, other)}
    keys = records.keyed_rows(steps["rows"])
    _run(connection, f"create or replace temp table keyed as {keys}", both)
    connection.execute(steps["former"])
    (count,) = integers(connection, "select count(*) from former")
    for name in _REMOVE:
        _run(connection, steps[name], both)
    if count:
        records.commit(connection, listener.user_id)
    for name in _MOVE:
        _run(connection, steps[name], both)
    account = account_of_both(listener, other)
    if account is not None:
        ids = (account.account_id, account.spotify_id, account.display_name)
        names = ("account_id", "spotify_id", "display_name")
        told = dict(zip(names, ids, strict=True))
        connection.execute(steps["set_account"], {"user_id": listener.user_id, **told})
    coverage.close_filled_gaps(connection, listener.user_id, now)
    identity.refresh(connection)
    added = _count(connection, listener.user_id) - plays[listener]
    return Merged(count, plays[other], added)


def _count(connection: Connection, user_id: int) -> int:
    statement = sql.load("undo")["count_plays"]
    return integers(connection, statement, {"user_id": user_id})[0]


def _run(connection: Connection, statement: str, values: dict[str, int]) -> None:
    """DuckDB refuses parameters that a statement does not name."""
    named = {name: value for name, value in values.items() if f"${name}" in statement}
    connection.execute(statement, named)
