"""Owns which ids are one thing to a listener: links, songs on several albums, artists' aliases.

Never changes what a source told: identities are made of the other tables, and can be made anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.store import reconcile, sql
from spotify_hist.store.database import integers

if TYPE_CHECKING:
    from spotify_hist.store.database import Connection


def use(connection: Connection) -> None:
    """Make the temporary view `identity`: every told track id with what it stands for.

    Those kept in the file where nothing has changed since they were made, else made for this
    connection alone; either way they are right.
    """
    kept = connection.execute(_step("made")).fetchone()
    if kept is not None and kept[0] == _fingerprint(connection):
        connection.execute(_step("use_kept"))
        return
    _make(connection)
    connection.execute(_step("use_made"))


def refresh(connection: Connection) -> bool:
    """Keep the identities as they are now in the file, for quick questions; whether they changed.

    Runs inside the caller's transaction.
    """
    fingerprint = _fingerprint(connection)
    kept = connection.execute(_step("made")).fetchone()
    if kept is not None and kept[0] == fingerprint:
        return False
    _make(connection)
    for name in ("clear_kept", "keep", "clear_made"):
        connection.execute(_step(name))
    connection.execute(_step("note_made"), {"fingerprint": fingerprint})
    return True


def _fingerprint(connection: Connection) -> str:
    row = connection.execute(_step("fingerprint")).fetchone()
    return str(row[0]) if row else ""


def _make(connection: Connection) -> None:
    """Fill the temporary table `made_identities`."""
    reconcile.prepare(connection)
    for name in ("macros", "artists", "linked", "songs"):
        connection.execute(_step(name))
    if any(integers(connection, _step("count_edges"))):
        connection.execute(_step("edges"))
        connection.execute(_step("roots"))
        connection.execute(_step("spread"))
        while integers(connection, _step("count_spread"))[0]:
            connection.execute(_step("take_spread"))
            connection.execute(_step("spread"))
    else:
        connection.execute(_step("no_roots"))
    connection.execute(_step("make"))


def _step(name: str) -> str:
    return sql.load("identity")[name]
