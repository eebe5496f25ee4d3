"""Owns how DuckDB is set up for every file this program opens.

Never opens the history; `database` does.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import duckdb

from spotify_hist import interrupts

if TYPE_CHECKING:
    from collections.abc import Iterator
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


@contextmanager
def stoppable(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Have what runs on a connection stop at once at Ctrl-C: DuckDB itself looks seldom or never,
    while it writes a file for example."""

    def stop() -> None:
        with suppress(duckdb.Error):  # it may be closed by now
            connection.interrupt()

    with interrupts.stopping(stop):
        yield
