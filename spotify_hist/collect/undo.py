"""Owns the undoing of an import: whose it is, whether it still stands, and one transaction for all.

Never decides what goes with it; `store.undo` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.errors import BadInput
from spotify_hist.store import import_jobs, journal, listeners, undo

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from spotify_hist.store.database import Connection, Database
    from spotify_hist.store.import_jobs import Receipt
    from spotify_hist.store.undo import TakenBack


def account_of(connection: Connection, import_id: int, user: str | None) -> Receipt:
    """The account of an import, of the listener called `user` where one is given.

    Raises BadInput where there is none of this id or it is another listener's, UsageError for a
    listener nobody knows.
    """
    receipt = import_jobs.receipt(connection, import_id)
    listener = listeners.find_listener(connection, user) if user else None
    if receipt is None:
        raise BadInput(
            f"There is no import {import_id}.",
            hint="See 'spotify-hist import list'.",
            code="unknown_import",
        )
    if listener is not None and listener.user_id != receipt.user_id:
        raise BadInput(
            f"Import {import_id} is not one of '{user}' but of '{receipt.user}'.",
            hint=f"If it is meant, give --user {receipt.user}.",
            code="unknown_import",
        )
    return receipt


def undoable(connection: Connection, import_id: int, user: str | None) -> Receipt:
    """The account of an import that can be undone; BadInput for one that was."""
    receipt = account_of(connection, import_id, user)
    if receipt.undone_at is not None:
        raise BadInput(
            f"Import {import_id} was undone already, on {receipt.undone_at:%Y-%m-%d}.",
            hint="Nothing has changed. Import its files again to have it back.",
            code="already_undone",
        )
    return receipt


def undo_import(
    database: Database, clock: Callable[[], datetime], import_id: int, user: str | None
) -> TakenBack:
    """Make the history what it would be had an import never run; what went.

    Its account stays, as undone. Raises the errors of `undoable` and of the store; then nothing
    has changed.
    """
    started = clock()
    with database.write("import undo") as connection:
        user_id = undoable(connection, import_id, user).user_id
        taken = undo.take_back(connection, import_id, user_id, started)
        import_jobs.mark_undone(connection, import_id, started)
        stats = {
            "import_id": import_id,
            "records_removed": taken.records,
            "plays_removed": taken.plays,
            "gaps_opened": taken.gaps_opened,
        }
        journal.add_run(connection, "undo", user_id, started, clock(), "ok", stats)
    return taken
