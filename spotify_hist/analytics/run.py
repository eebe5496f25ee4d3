"""Owns the asking of one question: arguments to parameters, SQL to rows, and the honest notes.

Never writes, and opens the database for just this question.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import duckdb

from spotify_hist.analytics import catalogue, periods
from spotify_hist.analytics.params import Value, check_arguments
from spotify_hist.errors import NoHistory, Temporary, UsageError
from spotify_hist.model import iso
from spotify_hist.settings import Settings, system_timezone
from spotify_hist.store import coverage, listeners, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from spotify_hist.analytics.header import Query
    from spotify_hist.model import Listener
    from spotify_hist.store.database import Connection, Database

_VIEWS = ("v_tracks", "v_plays", "v_tellings", "v_week_hours", "counted_plays")
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


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer; `type` is integer, number, text, boolean, timestamp (ISO 8601 UTC
    with Z), date (ISO 8601) or list (of text)."""

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


def answer(
    database: Database,
    settings: Settings,
    name: str,
    arguments: Mapping[str, object],
    *,
    now: datetime,
    timeout_s: float | None = None,
) -> Answer:
    """Answer a question of the catalogue for one listener.

    `arguments` are by parameter name; unknown ones and bad values raise UsageError. Raises
    UnknownQuery, NoHistory, DatabaseBusy and the other errors of the store, and Temporary where
    the question is not answered within `timeout_s` of the database being open.
    """
    query = catalogue.load(name)
    values = check_arguments(query.params, arguments)
    if "timezone" in values and values["timezone"] is not None:
        periods.zone(str(values["timezone"]))
    with database.read() as connection, _deadline(connection, timeout_s):
        listener = listeners.find_listener(
            connection, _text(values.get("user")), settings.text("default_user")
        )
        if listener is None:
            raise NoHistory("The history holds no listener yet.")
        bound, shown = _bind(query, values, listener, settings, now)
        _create_views(connection)
        columns = _described(connection, query)
        limit = values.get("limit")
        if isinstance(limit, int):
            bound["limit"] = limit + 1  # one more row tells whether there are more
        rows = _rows(connection, _as_json(query, columns), bound)
        truncated = isinstance(limit, int) and len(rows) > limit
        if truncated:
            del rows[-1]
        notes = tuple(_notes(connection, query, bound))
    return Answer(query.name, shown, columns, rows, truncated, notes)


def _rows(
    connection: Connection, statement: str, bound: Mapping[str, object]
) -> list[tuple[object, ...]]:
    try:
        return connection.execute(statement, dict(bound)).fetchall()
    except duckdb.NotImplementedException as error:
        if "Unknown TimeZone" not in str(error):
            raise
        # Python learns of new zones with its system, DuckDB only with its next version.
        raise UsageError(
            f"The database does not know the time zone '{bound.get('timezone')}'.",
            hint="Use an older name of it, or a city near by.",
        ) from error


@contextmanager
def _deadline(connection: Connection, timeout_s: float | None) -> Iterator[None]:
    """Interrupt what runs on the connection after `timeout_s` seconds (DESIGN 9.7)."""
    if timeout_s is None:
        yield
        return
    timer = threading.Timer(timeout_s, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException:
        raise Temporary(
            f"The question took longer than {timeout_s:g} s and was given up.",
            hint="Ask for a shorter period or fewer rows.",
            code="timeout",
        ) from None
    finally:
        timer.cancel()


@cache
def describe(query: Query) -> tuple[Column, ...]:
    """The columns of a question, told by DuckDB from an empty history."""
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("set timezone = 'UTC'")
        migrate.upgrade(connection)
        _create_views(connection)
        return _described(connection, query)
    finally:
        connection.close()


def _described(connection: Connection, query: Query) -> tuple[Column, ...]:
    nothing = dict.fromkeys(sql_parameters(query))
    described = connection.execute("describe " + query.sql, nothing).fetchall()
    return tuple(Column(str(row[0]), _TYPES[str(row[1])]) for row in described)


def sql_parameters(query: Query) -> tuple[str, ...]:
    """The named parameters a question's SQL binds, as its header implies them."""
    names = {param.name for param in query.params} - {"days", "year", "user", "timezone"}
    if any(param.name == "user" for param in query.params):
        names.add("user_id")
    if "$timezone" in query.sql:
        names.add("timezone")
    return tuple(sorted(names))


def _bind(
    query: Query,
    values: Mapping[str, Value],
    listener: Listener,
    settings: Settings,
    now: datetime,
) -> tuple[dict[str, object], dict[str, object]]:
    """(what the SQL binds, what the answer shows as its parameters)."""
    zone_name = (
        _text(values.get("timezone"))
        or listener.timezone
        or settings.text("timezone")
        or system_timezone()
    )
    period = periods.resolve(values, periods.zone(zone_name), now)
    resolved: dict[str, object] = dict(values)
    resolved |= {
        "since": period.since,
        "until": period.until,
        "timezone": zone_name,
        "user_id": listener.user_id,
    }
    shown: dict[str, object] = {}
    for param in query.params:
        value = values[param.name]
        if param.name in {"since", "until"}:
            shown[param.name] = _edge(period, param.name)
        elif param.name == "timezone":
            shown["timezone"] = zone_name
        elif param.name == "user":
            shown["user"] = listener.name
        elif value is not None:
            shown[param.name] = value
    return {name: resolved[name] for name in sql_parameters(query)}, shown


def _as_json(query: Query, columns: tuple[Column, ...]) -> str:
    """The question with instants and dates as text, in its own order."""
    selected = ", ".join(_as_text(column) for column in columns)
    return f"select {selected} from (\n{query.sql}\n)"  # noqa: S608 - the catalogue's own SQL


def _as_text(column: Column) -> str:
    if column.type == "timestamp":
        in_utc = f"{column.name} at time zone 'UTC'"
        return f"strftime({in_utc}, '%Y-%m-%dT%H:%M:%S.%gZ') as {column.name}"
    if column.type == "date":
        return f"{column.name}::varchar as {column.name}"
    return column.name


@cache
def _view_statements() -> tuple[str, ...]:
    folder = resources.files("spotify_hist.analytics.views")
    return tuple(folder.joinpath(f"{name}.sql").read_text(encoding="utf-8") for name in _VIEWS)


def _create_views(connection: Connection) -> None:
    for statement in _view_statements():
        connection.execute(statement)


def _notes(connection: Connection, query: Query, bound: Mapping[str, object]) -> Iterator[str]:
    """What the listener must know to read the numbers right (DESIGN 7)."""
    if not query.has_period or "user_id" not in bound:
        return
    where = {
        "user_id": bound["user_id"],
        "since": bound.get("since"),
        "until": bound.get("until"),
    }
    gaps = coverage.open_gaps(connection, **where)
    if gaps:
        first = gaps[0]
        stretches = "stretch" if len(gaps) == 2 else "stretches"
        more = f", and in {len(gaps) - 1} more {stretches}" if len(gaps) > 1 else ""
        yield (
            f"At least: plays are missing between {iso(first.after)} and {iso(first.before)}"
            f"{more}. An extended export of that time fills this."
        )
    # Only the API (FACTS 3.3, 3.8) and scrobblers leave the listened time out: of tracks.
    is_of_tracks = bound.get("kind") in {None, "track", "all"}
    if is_of_tracks and any(column in query.sql for column in ("ms_played", "listened_ms")):
        unknown = coverage.plays_of_unknown_length(connection, **where)
        if unknown:
            plays = "1 play has" if unknown == 1 else f"{unknown} plays have"
            yield (
                f"{plays} no listened time: only polls or other services saw them, and it is not "
                "told there. Listened time here is at least what is shown."
            )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _edge(period: periods.Period, name: str) -> str | None:
    moment = period.since if name == "since" else period.until
    return None if moment is None else iso(moment)
