"""Owns taking an import back: the records that it alone said go, and the plays are made anew.

Never touches what another import or the API says too, and never the account of the import.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.store import coverage, reconcile, sql, tellings
from spotify_hist.store.database import integers

if TYPE_CHECKING:
    from datetime import datetime

    from spotify_hist.store.database import Connection

_HAND_OVER = ("find_heirs", "hand_over_rows", "hand_over_files", "let_go_files", "find_gone")
_REMOVE = (
    "remove_rows", "remove_records", "remove_plays", "find_private", "remove_privates",
    "restore_private",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What went with an import. `plays` may be below zero: what seemed one play can be two again.

    `gaps_opened` are gaps that no other import closes.
    """

    records: int
    plays: int
    gaps_opened: int


def take_back(connection: Connection, import_id: int, user_id: int, now: datetime) -> TakenBack:
    """Make the history what it would be without an import, in the caller's transaction."""
    steps = sql.load("undo")
    both = {"import_id": import_id, "user_id": user_id}
    before = _count_plays(connection, user_id)
    for name in _HAND_OVER:
        _run(connection, steps[name], both)
    (records,) = integers(connection, "select count(*) from gone")
    if records:
        tellings.note(connection, "record_id in (select record_id from gone)", {})
    for name in _REMOVE:
        _run(connection, steps[name], both)
    if records:
        reconcile.rebuild(connection, user_id, "gone")
        tellings.forget(connection)
    opened = coverage.reopen_gaps(connection, user_id, now, import_id)
    return TakenBack(records, before - _count_plays(connection, user_id), opened)


def _count_plays(connection: Connection, user_id: int) -> int:
    where = {"user_id": user_id}
    return integers(connection, sql.load("undo")["count_plays"], where)[0]


def _run(connection: Connection, statement: str, values: dict[str, int]) -> None:
    """DuckDB refuses parameters that a statement does not name."""
    named = {name: value for name, value in values.items() if f"${name}" in statement}
    connection.execute(statement, named)
