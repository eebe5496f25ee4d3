"""Owns the fast way into the stage: DuckDB reads ordinary extended-history files itself.

Never takes a file it has any doubt about: that one is left to `normalise`, row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from spotify_hist.store import sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spotify_hist.store.database import Connection


@dataclass(frozen=True, slots=True)
class BulkFile:
    """An unpacked file of the extended history, and whose rows they are."""

    path: Path
    file_id: int
    package: str


def stage_files(connection: Connection, files: Sequence[BulkFile]) -> dict[int, int]:
    """Stage the files all of whose rows are plainly good; {file_id: rows} of those taken.

    The rows are those `normalise.extended_row` would give. A file that is not there was not
    touched: it is damaged, or has a row that needs a reason.
    """
    if not files:
        return {}
    step = sql.load("bulk")
    try:
        connection.execute(step["read"], {"paths": [str(file.path) for file in files]})
    except (duckdb.Error, UnicodeDecodeError):  # DuckDB quotes broken UTF-8 as it is
        # One damaged file spoils the common read: each on its own then.
        if len(files) == 1:
            return {}
        taken: dict[int, int] = {}
        for file in files:
            taken |= stage_files(connection, [file])
        return taken
    good = connection.execute(step["good_files"]).fetchall()
    connection.execute(
        "create or replace temp table bulk_files "
        "(file_index bigint, first_row bigint, file_id integer, package varchar)"
    )
    for index, first_row, _ in good:
        file = files[index]
        connection.execute(
            "insert into bulk_files values (?, ?, ?, ?)",
            [index, first_row, file.file_id, file.package],
        )
    connection.execute(step["stage"])
    connection.execute("drop table bulk_rows")
    return {files[index].file_id: count for index, _, count in good}
