"""Owns opening a SQLite file that somebody else made: read only, with all that it may cost bounded.

Never writes to it, never runs what it contains, and never trusts it to be what it says.

A column can be computed, a text can be made of nothing, a view can have a table's name: three rows
can take gigabytes and days. So each value, statement and expression has its longest, and what
SQLite works has its deadline.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from importlib import resources
from typing import TYPE_CHECKING, Final

from spotify_hist.sources.exports.reader import DamagedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_LONGEST_VALUE: Final = 64 * 1024  # bytes, of a text or a whole row that is read
_LIMITS: Final[Mapping[int, int]] = {
    sqlite3.SQLITE_LIMIT_LENGTH: _LONGEST_VALUE,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 10_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 50,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 5,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 5_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 10,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_PRAGMAS: Final = (
    "trusted_schema = off",
    "cell_size_check = on",
    "mmap_size = 0",
    "query_only = on",
    "cache_size = -4096",
)
_STEPS: Final = 10_000
_GENERATED: Final = frozenset((2, 3))
_KNOWS_KINDS: Final = sqlite3.sqlite_version_info >= (3, 37)


class ForeignDatabase:
    """An open SQLite file of somebody else. SQLite works on it `longest_s` seconds in all.

    What it raises where the file is damaged or means ill: sqlite3.Error,
    MemoryError and, for names that are no text, UnicodeDecodeError.
    """

    def __init__(self, path: Path, *, longest_s: float) -> None:
        # Immutable: no lock, no journal, nothing beside the file is looked at.
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        for limit, most in _LIMITS.items():
            self._connection.setlimit(limit, most)
        self._connection.text_factory = lambda data: data.decode("utf-8", "replace")
        self._left_s = longest_s
        self._began = time.monotonic()
        self._connection.set_progress_handler(self._is_over, _STEPS)
        for pragma in _PRAGMAS:
            self._connection.execute(f"pragma {pragma}")

    def close(self) -> None:
        self._connection.close()

    def tables(self) -> frozenset[str]:
        """The names of its real tables: views and virtual tables could run anything."""
        found = self.rows(statement("foreign_tables"))
        return frozenset(str(name) for (name,) in found if self._is_table(str(name)))

    def is_stored(self, table: str, columns: Iterable[str]) -> bool:
        """Whether these columns of a table are there as data, and are not computed when read."""
        wanted = frozenset(columns)
        told = self.rows(statement("foreign_columns"), (table,))
        return not any(name in wanted and hidden in _GENERATED for name, hidden in told)

    def rows(self, text: str, values: tuple[str, ...] = ()) -> Iterator[tuple[object, ...]]:
        """The rows of one of our statements; the time of whoever takes them is not counted."""
        self._began = time.monotonic()
        with closing(self._connection.execute(text, values)) as cursor:
            while True:
                row = cursor.fetchone()
                self._left_s -= time.monotonic() - self._began
                if row is None:
                    return
                yield row
                self._began = time.monotonic()

    def _is_table(self, name: str) -> bool:
        if not _KNOWS_KINDS:
            return True
        kinds = self.rows(statement("foreign_kind"), (name,))
        return [kind for (kind,) in kinds] == ["table"]

    def _is_over(self) -> bool:
        return time.monotonic() - self._began > self._left_s


def refused(error: Exception, what: str) -> DamagedFile:
    """What is said of a file that costs more than an honest one, or is damaged."""
    if isinstance(error, MemoryError | sqlite3.DataError):
        return DamagedFile(f"{what} holds a text longer than any name, or one made of nothing")
    if isinstance(error, sqlite3.OperationalError) and "interrupted" in str(error):
        return DamagedFile(f"{what} takes longer to read than any honest one")
    return DamagedFile(f"{what} is damaged")


def statement(name: str) -> str:
    """The text of one of this package's statements."""
    return resources.files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
