"""Owns how DuckDB is set up for every file this program opens.

Never opens the history; `database` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

Config = dict[str, str | bool | int | float | list[str]]
# A file of another kind must not make DuckDB fetch a reader for it from the network.
CONFIG: Config = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def in_memory(config: Config | None = None) -> duckdb.DuckDBPyConnection:
    """A connection to no file, which others can be attached to."""
    return duckdb.connect(config={**CONFIG, **(config or {})})


def attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str, options: str = "") -> None:
    """Make another database file known to a connection as `name`."""
    quoted = str(path).replace("'", "''")
    connection.execute(f"attach '{quoted}' as {name}{f' ({options})' if options else ''}")
