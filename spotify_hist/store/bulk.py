"""Owns the fast way from files to keyed rows: DuckDB reads ordinary extended history itself.

Never takes a file it has any doubt about: that one is left to `normalise`, row by row. Works in the
scratch database of an import, never in the history.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from spotify_hist.store import records, sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spotify_hist.store.database import Connection


@dataclass(frozen=True, slots=True)
class BulkFile:
    """An unpacked file of the extended history."""

    path: Path
    file_id: int


def create(connection: Connection, user_id: int) -> None:
    """Empty tables for the rows of one listener's import."""
    records.create_stage(connection)
    keys = records.keyed_rows(records.counted(connection))
    connection.execute(_step("create").replace("{keys}", keys), {"user_id": user_id})
    connection.execute(_step("create_files"))


def key_files(connection: Connection, files: Sequence[BulkFile], user_id: int) -> dict[int, int]:
    """Key the rows of the files all of whose rows are plainly good; {file_id: rows} of those taken.

    The rows are those `normalise.extended_row` would give. A file that is not there is damaged, or
    has a row that needs a reason.
    """
    if not files:
        return {}
    file_ids = [file.file_id for file in files]
    read = _step("read").replace("{keys}", records.keyed_rows(_step("counted")))
    parameters = {
        "user_id": user_id,
        # DuckDB takes a path for a pattern, and a folder may be called like one.
        "paths": [glob.escape(str(file.path)) for file in files],
        "file_ids": file_ids,
    }
    try:
        connection.execute(read, parameters)
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException):
        raise  # of our own statement, whatever the files say
    except (duckdb.Error, UnicodeDecodeError):  # DuckDB quotes broken UTF-8 as it is
        # One damaged file spoils the common read: each on its own then.
        if len(files) == 1:
            return {}
        taken: dict[int, int] = {}
        for file in files:
            taken |= key_files(connection, [file], user_id)
        return taken
    found = connection.execute(_step("read_files"), {"file_ids": file_ids}).fetchall()
    good = {file_id: (first_row, count) for file_id, first_row, count, is_good in found if is_good}
    first_rows = [first_row for first_row, _ in good.values()]
    connection.execute(_step("take"), {"file_ids": list(good), "first_rows": first_rows})
    return {file_id: count for file_id, (_, count) in good.items()}


def key_stage(connection: Connection, user_id: int) -> None:
    """Key the rows that were staged one by one, and name them with all others `keyed`."""
    keys = records.keyed_rows(records.counted(connection))
    connection.execute(_step("read").replace("{keys}", keys), {"user_id": user_id})
    view(connection, "keyed")


def view(connection: Connection, name: str, schema: str = "main", file_offset: int = 0) -> None:
    """A temporary view of all keyed rows of the scratch database `schema`, file ids moved on."""
    statement = _step("keyed").replace("{view}", name).replace("{schema}", schema)
    connection.execute(statement.replace("{file_offset}", str(int(file_offset))))


def _step(name: str) -> str:
    return sql.load("bulk")[name]
