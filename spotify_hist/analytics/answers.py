"""Owns what an answer is: columns with types, rows, and what has to be said beside them.

Never asks anything, and imports no database: whoever only shows an answer needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer; `type` is integer, number, text, boolean, timestamp (ISO 8601 UTC
    with Z), date (ISO 8601) or list (of text).

    Answers to free SQL have lists of anything and two types more: local_timestamp (ISO 8601, in no
    zone) and object.
    """

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of one question, in order, and what was asked. `rows` hold JSON-ready values."""

    query: str
    params: Mapping[str, object]
    columns: tuple[Column, ...]
    rows: list[tuple[object, ...]]
    truncated: bool
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """The JSON shape of DESIGN 7: query, params, columns, rows as objects, truncated, notes."""
        names = [column.name for column in self.columns]
        return {
            "query": self.query,
            "params": dict(self.params),
            "columns": [{"name": each.name, "type": each.type} for each in self.columns],
            "rows": [dict(zip(names, row, strict=True)) for row in self.rows],
            "truncated": self.truncated,
            "notes": list(self.notes),
        }
