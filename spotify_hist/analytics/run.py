"""Owns the asking of one question: arguments to parameters, SQL to rows, and the honest notes.

Never writes, and opens the database for just this question.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb

from spotify_hist.analytics import catalogue, lookup, notes, periods, scope
from spotify_hist.analytics.answers import Answer, Column
from spotify_hist.analytics.describing import columns_of, describe, describe_all, sql_parameters
from spotify_hist.analytics.params import BUNDLES, Value, check_arguments
from spotify_hist.analytics.scope import Scope
from spotify_hist.errors import NoHistory, Temporary
from spotify_hist.model import iso
from spotify_hist.store import listeners

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from spotify_hist.analytics.header import Query
    from spotify_hist.model import Listener
    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Connection, Database

__all__ = ["Answer", "Column", "answer", "describe", "describe_all", "sql_parameters"]


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
    values = _with_default_period(query, check_arguments(query.params, arguments))
    if "timezone" in values and values["timezone"] is not None:
        periods.zone(str(values["timezone"]))
    with database.read() as connection, _deadline(connection, timeout_s):
        household = tuple(listeners.listeners(connection)) if query.is_household else ()
        wanted = _text(values.get("user")) or settings.text("default_user")
        if wanted is None and household:
            wanted = household[0].name
        listener = listeners.find_listener(connection, wanted)
        if listener is None:
            raise NoHistory("The history holds no listener yet.")
        zone = settings.zone(_text(values.get("timezone")) or listener.timezone)
        looked_at = replace(
            _scope(values, listener, periods.zone(zone.name), now),
            household=tuple(each.user_id for each in household),
        )
        wants_lengths = query.has_period and _tells_lengths(query)
        unknown = notes.unknown_lengths(connection, looked_at) if wants_lengths else 0
        scope.make(
            connection,
            looked_at,
            wants_estimates=bool(unknown),
            sql=f"{query.statement} {lookup.looked_in(query)}",
        )
        columns = columns_of(connection, query)
        whose = None if query.is_household else listener.user_id
        ids, named = lookup.found(connection, query, values, whose)
        bound = _bound(query, {**values, **ids}, looked_at)
        limit = values.get("limit")
        if isinstance(limit, int):
            bound["limit"] = limit + 1  # one more row tells whether there are more
        rows = connection.execute(_as_json(query, columns), bound).fetchall()
        truncated = isinstance(limit, int) and len(rows) > limit
        if truncated:
            del rows[-1]
        told = tuple(notes.notes(connection, looked_at, unknown)) if query.has_period else ()
        if zone.note is not None and "timezone" in values:
            told += (zone.note,)
        shown = _shown(query, {**values, **named}, looked_at, listener)
    return Answer(query.name, shown, columns, rows, truncated, told)


def _with_default_period(query: Query, values: dict[str, Value]) -> dict[str, Value]:
    """The values, with the question's own period where none is asked for."""
    is_given = any(values.get(name) is not None for name in BUNDLES["period"])
    if query.default_period is None or is_given:
        return values
    return values | dict([query.default_period])


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
        timer.join()  # one that fires too late must not end the connection's next question


def _tells_lengths(query: Query) -> bool:
    told_by = ("ms_played", "listened_ms", "sittings")
    return any(name in query.statement for name in told_by)


def _scope(values: Mapping[str, Value], listener: Listener, zone: ZoneInfo, now: datetime) -> Scope:
    """What the question looks at, defaults filled in."""
    period = periods.resolve(values, zone, now)
    against = _text(values.get("with"))
    gap = values.get("gap")
    min_ms = values.get("min_ms")
    return Scope(
        user_id=listener.user_id,
        zone=zone,
        now=now,
        since=period.since,
        until=period.until,
        kind=_text(values.get("kind")) or "all",
        min_ms=min_ms if isinstance(min_ms, int) else 0,
        is_raw=values.get("raw") is True,
        is_travelling=values.get("travel") is True,
        gap_minutes=gap if isinstance(gap, int) else 30,
        earlier=periods.earlier(period, zone, now, against) if against else None,
    )


def _bound(query: Query, values: Mapping[str, Value], looked_at: Scope) -> dict[str, object]:
    """What the SQL binds: the question's own values, and what is looked at."""
    known: dict[str, object] = {
        **values,
        **looked_at.period,
        "timezone": looked_at.zone.key,
        "now": looked_at.now,
    }
    return {name: known[name] for name in sql_parameters(query)}


def _shown(
    query: Query, values: Mapping[str, Value], looked_at: Scope, listener: Listener
) -> dict[str, object]:
    """What the answer shows as its parameters, defaults and times resolved."""
    resolved: dict[str, object] = {
        **values,
        "since": iso(looked_at.since) if looked_at.since else None,
        "until": iso(looked_at.until) if looked_at.until else None,
        "timezone": looked_at.zone.key,
        "user": listener.name,
    }
    always = {"since", "until"}
    return {
        param.name: resolved[param.name]
        for param in query.params
        if resolved[param.name] is not None or param.name in always
    }


def _as_json(query: Query, columns: tuple[Column, ...]) -> str:
    """The question with instants and dates as text, in its own order."""
    selected = ", ".join(_as_text(column) for column in columns)
    return f"select {selected} from (\n{query.statement}\n)"  # noqa: S608 - the catalogue's own SQL


def _as_text(column: Column) -> str:
    if column.type == "timestamp":
        in_utc = f"{column.name} at time zone 'UTC'"
        return f"strftime({in_utc}, '%Y-%m-%dT%H:%M:%S.%gZ') as {column.name}"
    if column.type == "date":
        return f"{column.name}::varchar as {column.name}"
    return column.name


def _text(value: object) -> str | None:
    return None if value is None else str(value)
