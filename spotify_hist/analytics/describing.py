"""Owns what columns a question's answer has, told by DuckDB from a history without plays.

Never opens the history and never answers a question.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import duckdb

from spotify_hist.analytics import periods, scope
from spotify_hist.analytics.answers import Column
from spotify_hist.analytics.scope import Scope
from spotify_hist.store import migrate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spotify_hist.analytics.header import Query
    from spotify_hist.store.database import Connection

_PARAMETER = re.compile(r"\$([a-z_]+)")
# Of an empty history, whose answers have the same columns.
_NOBODY = Scope(
    0,
    ZoneInfo("UTC"),
    datetime(2026, 1, 1, tzinfo=UTC),
    earlier=periods.Period(None, None),
    household=(0,),
)
_TYPES = {
    "BIGINT": "integer",
    "INTEGER": "integer",
    "DOUBLE": "number",
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "VARCHAR[]": "list",
}
_known: dict[Query, tuple[Column, ...]] = {}
_lock = threading.Lock()


def describe(query: Query) -> tuple[Column, ...]:
    """The columns of a question."""
    return describe_all([query])[0]


def describe_all(queries: Iterable[Query]) -> list[tuple[Column, ...]]:
    """The columns of each question, in the order given.

    An empty history is made once for all that are asked for the first time: making one takes
    80 ms, describing a question in it 2 ms.
    """
    asked = list(queries)
    with _lock:
        unknown = [query for query in asked if query not in _known]
        if unknown:
            with _empty_history() as connection:
                for query in unknown:
                    columns_of(connection, query)
        return [_known[query] for query in asked]


def columns_of(connection: Connection, query: Query) -> tuple[Column, ...]:
    """The columns of a question, where the views it selects from are made already."""
    if query not in _known:
        nothing = dict.fromkeys(sql_parameters(query))
        described = connection.execute("describe " + query.statement, nothing).fetchall()
        _known[query] = tuple(Column(str(row[0]), _TYPES[str(row[1])]) for row in described)
    return _known[query]


def sql_parameters(query: Query) -> tuple[str, ...]:
    """The named parameters a question's SQL binds."""
    return tuple(sorted(set(_PARAMETER.findall(query.statement))))


@contextmanager
def _empty_history() -> Iterator[Connection]:
    with duckdb.connect(":memory:") as connection:
        connection.execute("set timezone = 'UTC'")
        migrate.upgrade(connection)
        scope.make(connection, _NOBODY, wants_estimates=False)
        yield connection
