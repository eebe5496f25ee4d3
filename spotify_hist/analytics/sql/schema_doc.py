"""Owns docs/schema.md: the promised views, told from their files and from DuckDB.

Never reads a history: types are those of an empty one.

    python -m spotify_hist.analytics.sql.schema_doc > docs/schema.md
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from importlib import resources
from zoneinfo import ZoneInfo

import duckdb

from spotify_hist.analytics.scope import Scope
from spotify_hist.analytics.sql import promised
from spotify_hist.store import migrate

_NOBODY = Scope(0, ZoneInfo("UTC"), datetime(2026, 1, 1, tzinfo=UTC), kind="all")


def text() -> str:
    """The whole document."""
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("set timezone = 'UTC'")
        migrate.upgrade(connection)
        promised.make(connection, _NOBODY, wants_estimates=False)
        sections = [_section(connection, promised.load(name)) for name in promised.NAMES]
    finally:
        connection.close()
    head = resources.files("spotify_hist.analytics.sql").joinpath("schema_head.md")
    return head.read_text(encoding="utf-8") + "".join(sections)


def _section(connection: duckdb.DuckDBPyConnection, view: promised.View) -> str:
    described = connection.execute(f"describe {view.name}").fetchall()
    if [row[0] for row in described] != list(view.columns):
        raise ValueError(f"{view.name}.sql: its header does not tell its columns, in their order")
    grain = view.grain[:1].upper() + view.grain[1:]
    rows = [f"| `{row[0]}` | {str(row[1]).lower()} | {view.columns[row[0]]} |" for row in described]
    return "\n".join(
        (
            f"\n## {view.name}\n",
            f"{grain}.\n",
            "| column | type | meaning |",
            "| --- | --- | --- |",
            *rows,
            "",
        )
    )


if __name__ == "__main__":
    sys.stdout.write(text())
