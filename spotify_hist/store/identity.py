"""Owns which ids are one thing to a listener: links, songs on several albums, artists' aliases.

Never changes what a source told: identities are made of the other tables, and can be made anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.store import reconcile, sql
from spotify_hist.store.database import instant, integers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from spotify_hist.store.database import Connection


def use(connection: Connection) -> None:
    """Make the temporary view `identity`: every told track id with what it stands for.

    Those kept in the file where nothing has changed since they were made, else made for this
    connection alone; either way they are right.
    """
    fingerprint, kept = _fingerprints(connection)
    if kept == fingerprint:
        connection.execute(_step("use_kept"))
        return
    _make(connection)
    connection.execute(_step("use_made"))


def refresh(connection: Connection) -> bool:
    """Keep the identities as they are now in the file, for quick questions; whether they changed.

    Runs inside the caller's transaction.
    """
    fingerprint, kept = _fingerprints(connection)
    if kept == fingerprint:
        return False
    _make(connection)
    for name in ("clear_kept", "keep", "clear_made"):
        connection.execute(_step(name))
    connection.execute(_step("note_made"), {"fingerprint": fingerprint})
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """What a listener said about one id: it is one with `into_id`, or, where that is None, it is
    apart from all others."""

    id: str
    name: str | None
    into_id: str | None
    into_name: str | None
    made_at: datetime


def rules(connection: Connection, entity: str) -> list[Rule]:
    """The rules about tracks or artists, oldest first; `use` has been called."""
    found = connection.execute(_step("rules"), {"entity": entity}).fetchall()
    return [
        Rule(id_, name, into_id, into_name, instant(made_us))
        for _, id_, name, into_id, into_name, made_us in found
    ]


def versions(connection: Connection, entity: str, id_: str) -> list[tuple[str | None, ...]]:
    """What counts as one track or artist: (id, title, artist, album, ISRC), or (id, name)."""
    step = "versions" if entity == "track" else "names_of_artist"
    return connection.execute(_step(step), {"id": id_}).fetchall()


def join(
    connection: Connection, entity: str, into_id: str, ids: Sequence[str], now: datetime
) -> None:
    """Let `ids` count as `into_id` from now on, for every play before and after."""
    row = connection.execute(_step("target"), {"entity": entity, "id": into_id}).fetchone()
    target = str(row[0]) if row else into_id
    for each in ids:
        if each != target:
            where = {"entity": entity, "id": each, "into_id": target}
            connection.execute(_step("follow"), where)
            connection.execute(_step("put"), where | {"now": now})
    # One that was put apart is joined again by being what others are put to.
    connection.execute(_step("release"), {"entity": entity, "id": target})
    refresh(connection)


def part(connection: Connection, entity: str, id_: str, now: datetime) -> None:
    """Let one id count for itself, whatever it would be joined with."""
    where = {"entity": entity, "id": id_, "into_id": None, "now": now}
    connection.execute(_step("put"), where)
    refresh(connection)


def reset(connection: Connection, entity: str, id_: str) -> bool:
    """Take back what was said about an id; whether anything was."""
    taken = integers(connection, _step("release"), {"entity": entity, "id": id_})[0]
    refresh(connection)
    return bool(taken)


def _fingerprints(connection: Connection) -> tuple[str, str | None]:
    """Of what identities are made of now, and of what those kept were made of."""
    fingerprint, kept = connection.execute(_step("fingerprint")).fetchall()[0]
    return str(fingerprint), kept


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
