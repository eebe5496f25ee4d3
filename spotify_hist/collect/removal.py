"""Owns the removal of a listener from every place that holds something of theirs.

Never touches original archives, backups, or anything of another listener.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from spotify_hist.collect import workspace
from spotify_hist.collect.outages import Outages
from spotify_hist.collect.spool import Spool
from spotify_hist.collect.turns import turn
from spotify_hist.errors import SpotifyHistError, Temporary, UsageError
from spotify_hist.store import listeners, removal, rewriting

if TYPE_CHECKING:
    from datetime import datetime

    from spotify_hist.model import Listener
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.database import Connection, Database
    from spotify_hist.store.removal import Removed


def remove_listener(
    settings: Settings, database: Database, vault: Vault, name: str, now: datetime
) -> Removed:
    """Delete a listener: the login, the pages that wait for them, and everything in the history.

    The file is written anew at the end: deleted rows would be readable in it for a long time. That
    this is owed is noted with the deletion, so that after a kill at any instant the same call, or
    whoever writes next, finishes the work. Raises UsageError for a listener nobody knows, Temporary
    while a poll or backfill is at work, StorageFull and BadInput before anything is deleted where
    the file cannot be written anew, and the errors of vault and store.
    """
    with ExitStack() as stack:
        # Nobody may fetch a page for this listener meanwhile: it would bring them back.
        if not all(stack.enter_context(turn(settings, job)) for job in ("poll", "backfill")):
            raise Temporary(
                "A poll or a backfill is running, and could bring new plays of this listener.",
                hint="Try again when it has ended.",
            )
        with database.read() as connection:
            account = _find(connection, name).account
        database.require_rewritable("users remove")
        if account is not None:
            vault.forget(account.account_id, account.spotify_id)
            Outages(settings).over(account.account_id, now)
        with database.write("users remove") as connection:
            listener = _find(connection, name)
            if listener.account is not None:
                Spool(settings.spool).forget(listener.account)
            removed = removal.remove(connection, listener)
            rewriting.owe(connection, name, now)
        _rewrite(settings, database, name)
        return removed


def finish_removal(settings: Settings, database: Database, name: str) -> bool:
    """Write the file anew where a removal of this listener was stopped before that; whether it was.

    Raises the errors of the store.
    """
    with database.read() as connection:
        is_owed = rewriting.is_owed(connection, name)
    if is_owed:
        _rewrite(settings, database, name)
    return is_owed


def _rewrite(settings: Settings, database: Database, name: str) -> None:
    # What an import of theirs that was killed had unpacked is theirs, too.
    workspace.clear_away(settings.scratch)
    try:
        database.rewrite("users remove")
    except SpotifyHistError as error:
        raise rewriting.still_owed(error, f"'{name}' is deleted") from None


def _find(connection: Connection, name: str) -> Listener:
    listener = listeners.find_listener(connection, name)
    if listener is None:
        raise UsageError("There is no listener in this history.")
    return listener
