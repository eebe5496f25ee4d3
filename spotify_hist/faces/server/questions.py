"""Owns the questions of the catalogue, and free SQL, as tools.

Never answers one itself; `analytics` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spotify_hist.analytics import run
from spotify_hist.analytics.params import SHARED, Param
from spotify_hist.faces.server.tool import JSON_TYPES, checked, table_schema, tool_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotify_hist.analytics.answers import Answer
    from spotify_hist.analytics.header import Query
    from spotify_hist.faces.server.tool import Desk

_SQL_ROWS = 100
_MOST_SQL_ROWS = 1000
_MOST_SQL_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the catalogue as a tool."""

    query: Query
    is_live: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return tool_name(self.query.name)

    @property
    def title(self) -> str:
        return self.query.name.replace("-", " ").capitalize()

    @property
    def summary(self) -> str:
        return self.query.summary

    @property
    def grain(self) -> str:
        return self.query.grain

    @property
    def is_core(self) -> bool:
        return self.query.is_core

    @property
    def params(self) -> tuple[Param, ...]:
        return self.query.params

    def columns(self) -> list[dict[str, object]]:
        return [
            {"name": each.name, "type": each.type, "meaning": self.query.columns.get(each.name, "")}
            for each in run.describe(self.query)
        ]

    def output_schema(self) -> dict[str, object]:
        cells = {
            each.name: JSON_TYPES[each.type]
            | {"description": self.query.columns.get(each.name, "")}
            for each in run.describe(self.query)
        }
        return table_schema(cells, query=self.query.name, row=self.query.grain)

    def ask(self, desk: Desk, arguments: Mapping[str, object]) -> Answer:
        given = dict(arguments)
        if desk.user is not None and any(param.name == "user" for param in self.params):
            given.setdefault("user", desk.user)
        return run.answer(
            desk.database,
            desk.settings,
            self.query.name,
            given,
            now=desk.now,
            timeout_s=desk.timeout_s,
        )


@dataclass(frozen=True, slots=True)
class FreeSql:
    """A SELECT that the caller writes, over the promised views of docs/schema.md."""

    is_live: ClassVar[bool] = False
    name: ClassVar[str] = "query_sql"
    title: ClassVar[str] = "Query with SQL"
    summary: ClassVar[str] = (
        "Answers one SELECT in DuckDB's SQL, for what no other tool answers. Read the resource "
        "spotify-hist://schema first: it tells the views and their columns. It can read this "
        "history and nothing else."
    )
    grain: ClassVar[str] = "one row per row of the SELECT"
    is_core: ClassVar[bool] = True
    params: ClassVar[tuple[Param, ...]] = (
        Param(
            "sql",
            "text",
            "One SELECT, such as: select artist, count(*) as plays from v_plays where is_counted "
            "group by all order by plays desc, artist limit 10.",
            is_required=True,
        ),
        Param(
            "limit",
            "integer",
            "Most rows to return.",
            default=_SQL_ROWS,
            minimum=1,
            maximum=_MOST_SQL_ROWS,
        ),
        SHARED["user"],
    )

    def columns(self) -> list[dict[str, object]]:
        return []

    def output_schema(self) -> dict[str, object]:
        return table_schema({}, query="sql", row=self.grain)

    def ask(self, desk: Desk, arguments: Mapping[str, object]) -> Answer:
        from spotify_hist.analytics.sql.sandboxed import ask_sql

        values = checked(self, desk, arguments)
        limit = values["limit"]
        return ask_sql(
            desk.settings,
            str(values["sql"]),
            now=desk.now,
            user=None if values["user"] is None else str(values["user"]),
            limit=limit if isinstance(limit, int) else _SQL_ROWS,
            timeout_s=desk.timeout_s,
            wait_s=desk.timeout_s / 2,
            most_bytes=_MOST_SQL_BYTES,
        )
