"""Owns the removal of a listener from the history, with everything that only they had played.

Never touches a record or a play of anybody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.store import reconcile, sql
from spotify_hist.store.database import integers

if TYPE_CHECKING:
    from spotify_hist.model import Listener
    from spotify_hist.store.database import Connection

# What hangs on another row goes before that row.
_ROWS = (
    "remove_rejected", "remove_rows", "remove_files", "remove_imports", "remove_records",
    "remove_plays", "remove_checkpoints", "remove_gaps", "remove_runs", "remove_logs",
    "remove_user",
)  # fmt: skip
_NAMES = (
    "find_names", "drop_names", "unlink", "link", "drop_unlinked",
    "drop_tracks", "drop_credits",
    "unname_tracks", "unname_artists", "unname_albums",
    "upsert_tracks", "upsert_artists", "upsert_albums",
    "drop_artists", "drop_albums", "drop_names_of_nothing", "drop_features", "ask_again",
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

    The rest of the database is then as if the listener had never been: names of tracks, artists
    and albums, and the links between them, are those that the records of the others tell. Only
    what Spotify itself told of a thing that another listener has played too stays.
    """
    taken = holdings(connection, listener)
    steps = {**sql.load("records"), **sql.load("removal")}
    where = {"user_id": listener.user_id}
    reconcile.prepare(connection)
    connection.execute(steps["tellings"], where)
    for name in ("find_names", "remember_told", "remember_things"):
        connection.execute(steps[name])
    for name in _ROWS:
        connection.execute(steps[name], where)
    connection.execute(steps["tellings"], {"user_id": None})
    for name in _NAMES:
        connection.execute(steps[name])
    return taken
