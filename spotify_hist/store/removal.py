"""Owns the removal of a listener from the history, with everything that only they had played.

Never touches a record or a play of anybody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.store import sql, tellings
from spotify_hist.store.database import integers

if TYPE_CHECKING:
    from spotify_hist.model import Listener
    from spotify_hist.store.database import Connection

# What hangs on another row goes before that row.
_ROWS = (
    "remove_rejected", "remove_rows", "remove_privates", "remove_files", "remove_imports",
    "remove_records", "remove_plays", "remove_checkpoints", "remove_closings", "remove_gaps",
    "remove_runs", "remove_logs", "remove_ignored", "remove_user",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal takes, or took. `tracks` are those that nobody else has played."""

    plays: int
    records: int
    imports: int
    runs: int
    logs: int
    tracks: int


def holdings(connection: Connection, listener: Listener) -> Removed:
    """What `remove` would take."""
    statement = sql.load("removal")["holdings"]
    return Removed(*integers(connection, statement, {"user_id": listener.user_id}))


def remove(connection: Connection, listener: Listener) -> Removed:
    """Delete a listener with everything of theirs, in the caller's transaction; what went.

    The rest of the database is then as if the listener had never been (see `tellings.forget`).
    """
    taken = holdings(connection, listener)
    steps = sql.load("removal")
    where = {"user_id": listener.user_id}
    tellings.note(connection, "user_id = $user_id", where)
    for name in _ROWS:
        connection.execute(steps[name], where)
    tellings.forget(connection)
    return taken
