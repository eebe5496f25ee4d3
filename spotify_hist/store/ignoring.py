"""Owns what is hidden from questions: artists, tracks, albums, contexts and kinds, by rules.

Never deletes a play: a rule that goes brings back what it hid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.store import sql
from spotify_hist.store.database import integers

if TYPE_CHECKING:
    from datetime import datetime

    from spotify_hist.store.database import Connection

ENTITIES = ("artist", "track", "album", "context", "kind")


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is hidden, by its id; of everybody where `listener` is None."""

    rule_id: int
    listener: str | None
    entity: str
    id: str
    name: str | None


def rules(connection: Connection) -> list[Rule]:
    """Every rule, in the order they were made."""
    return [Rule(*row) for row in connection.execute(_step("all_rules")).fetchall()]


def hidden(connection: Connection, user_id: int) -> dict[str, list[str]]:
    """{entity: ids} of what is hidden from one listener's questions."""
    found: dict[str, list[str]] = {}
    for entity, each in connection.execute(_step("rules_for"), {"user_id": user_id}).fetchall():
        found.setdefault(entity, []).append(each)
    return found


def add(
    connection: Connection,
    user_id: int | None,
    entity: str,
    id_: str,
    name: str | None,
    now: datetime,
) -> bool:
    """Hide one thing from a listener, or from all; whether it was not hidden yet."""
    where = {"user_id": user_id, "entity": entity, "id": id_, "name": name, "now": now}
    return bool(integers(connection, _step("add"), where)[0])


def remove(connection: Connection, rule_id: int) -> bool:
    """Take a rule back; whether there was one."""
    return bool(integers(connection, _step("remove"), {"rule_id": rule_id})[0])


def _step(name: str) -> str:
    return sql.load("ignoring")[name]
