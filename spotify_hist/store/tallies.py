"""Owns the counting of a batch by the files its rows stand in.

Never changes anything: it looks at the rows and at what a commit has just made of them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spotify_hist.store import sql
from spotify_hist.store.database import instant

if TYPE_CHECKING:
    from datetime import datetime

    from spotify_hist.store.database import Connection
    from spotify_hist.store.records import Committed


@dataclass(slots=True)
class Told:
    """What the rows of one file are: the ends of their first and last play, and rows by kind."""

    first: datetime | None = None
    last: datetime | None = None
    kinds: dict[str, int] = field(default_factory=dict)


def told_by_file(connection: Connection, keyed: str) -> dict[int, Told]:
    """What the rows of table `keyed` are, by file id; a file without a good row is not there."""
    found: defaultdict[int, Told] = defaultdict(Told)
    statement = sql.load("tallies")["told"].replace("{keyed}", keyed)
    for file_id, kind, rows, first_us, last_us in connection.execute(statement).fetchall():
        told = found[file_id]
        first, last = instant(first_us), instant(last_us)
        told.first = min(told.first or first, first)
        told.last = max(told.last or last, last)
        told.kinds[kind] = rows
    return dict(found)


def fresh_by_file(connection: Connection, committed: Committed) -> dict[int, tuple[int, int]]:
    """(new, upgraded) records by file id, right after the commit that gave `committed`.

    They add up to its `new` and `upgraded`.
    """
    if not committed.fresh:
        return {}
    step = sql.load("tallies")
    fresh: dict[int, int] = dict(connection.execute(step["fresh"]).fetchall())
    if not committed.upgraded:
        return {file_id: (count, 0) for file_id, count in fresh.items()}
    new: dict[int, int] = dict(connection.execute(step["new"]).fetchall())
    return {
        file_id: (new.get(file_id, 0), count - new.get(file_id, 0))
        for file_id, count in fresh.items()
    }
