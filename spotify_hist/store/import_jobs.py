"""Owns the accounts of imports: their files and the rows that were rejected.

Never touches records or plays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.store import sql
from spotify_hist.store.database import integers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from spotify_hist.store.database import Connection


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A row of `import_files` and its rejected rows as (index, reason)."""

    file_id: int
    import_id: int
    user_id: int
    name: str
    package: str
    format: str
    sha256: str
    records: int
    damage: str | None
    rejected: Sequence[tuple[int, str]]


def next_import_ids(connection: Connection) -> tuple[int, int]:
    """(the id of the next import, the last file id given out)."""
    import_id, last_file_id = integers(connection, _step("next_ids"))
    return import_id, last_file_id


def add_file(connection: Connection, file: ImportedFile) -> None:
    """Write the account of one imported file."""
    fields = {name: getattr(file, name) for name in ImportedFile.__slots__}
    fields["rejected"] = len(file.rejected)
    connection.execute(_step("add_file"), fields)
    if file.rejected:
        indexes, reasons = zip(*file.rejected, strict=True)
        connection.execute(
            _step("add_rejected"),
            {"file_id": file.file_id, "indexes": list(indexes), "reasons": list(reasons)},
        )


def add_import(
    connection: Connection,
    import_id: int,
    user_id: int,
    started: datetime,
    finished: datetime,
    counts: Mapping[str, int],
) -> None:
    """Write the account of one import; `counts` are those of its receipt."""
    where = {
        "import_id": import_id,
        "user_id": user_id,
        "started": started,
        "finished": finished,
        **counts,
    }
    connection.execute(_step("add_import"), where)


def _step(name: str) -> str:
    return sql.load("import_jobs")[name]
