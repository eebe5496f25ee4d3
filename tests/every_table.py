"""A whole database as text, for tests about what must not be left behind, or must not change."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from spotify_hist.store.database import Connection

Rows: TypeAlias = "list[tuple[str | None, ...]]"


def everything(connection: Connection) -> dict[str, Rows]:
    """All rows of all tables of the file, in a fixed order."""
    names = connection.execute(
        "select table_name from duckdb_tables() where not temporary order by table_name"
    ).fetchall()
    return {
        name: connection.execute(f"select columns(*)::varchar from {name} order by all").fetchall()
        for (name,) in names
    }
