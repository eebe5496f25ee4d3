"""Owns the removal of a listener from every place that holds something of theirs.

Never touches original archives, backups, or anything of another listener.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from spotify_hist.collect.spool import Spool
from spotify_hist.collect.turns import turn
from spotify_hist.errors import Temporary, UsageError
from spotify_hist.store import listeners, removal

if TYPE_CHECKING:
    from spotify_hist.model import Listener
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.database import Connection, Database
    from spotify_hist.store.removal import Removed


def remove_listener(settings: Settings, database: Database, vault: Vault, name: str) -> Removed:
    """Delete a listener: the login, the pages that wait for them, and everything in the history.

    The file is written anew at the end: deleted rows would be readable in it for a long time. The
    listener's name goes last, so that after a kill at any instant the same call finishes the
    work. Raises UsageError for a listener nobody knows, Temporary while a poll or backfill is at
    work, and the errors of vault and store.
    """
    with ExitStack() as stack:
        # Nobody may fetch a page for this listener meanwhile: it would bring them back.
        if not all(stack.enter_context(turn(settings, job)) for job in ("poll", "backfill")):
            raise Temporary(
                "A poll or a backfill is running, and could bring new plays of this listener.",
                hint="Try again when it has ended.",
            )
        with database.read() as connection:
            account_id = _find(connection, name).account_id
        if account_id is not None:
            vault.forget(account_id)
        with database.write("users remove") as connection:
            listener = _find(connection, name)
            if listener.account_id is not None:
                Spool(settings.spool).forget(listener.account_id)
            removed = removal.remove(connection, listener)
        database.rewrite("users remove")
        return removed


def _find(connection: Connection, name: str) -> Listener:
    listener = listeners.find_listener(connection, name)
    if listener is None:
        raise UsageError("There is no listener in this history.")
    return listener
