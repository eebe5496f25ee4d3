"""Owns how a history file is read: which reader gives the rows of which format.

Never judges a row and never finds files; `formats` tells their formats apart.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final

from spotify_hist.model import Rejected
from spotify_hist.sources.exports import documents, formats, reader, tables
from spotify_hist.sources.exports.lines import Replay, beginning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spotify_hist.sources.exports.zipped import Opener

_PEEKED_ROWS: Final = 20
_SQLITE: Final = b"SQLite format 3\0"
_OF_ANOTHER: Final = Rejected("belongs to another user of your_spotify than the first row")


def open_rows(name: formats.Format, stream: BinaryIO) -> Iterator[tuple[int, object]]:
    """Yield (0-based index, raw row) of a file of this format; Rejected for an unreadable row.

    Raises reader.DamagedFile where the file breaks off or is something else, after every row that
    was complete before. The stream is left open.
    """
    if formats.source_of(name) in {"extended", "account"}:
        return reader.rows(stream)
    if name == "your_spotify":
        return _of_one_owner(documents.rows(stream))
    return _READERS.get(name, documents.rows)(stream)


def detect(opener: Opener) -> formats.Format | None:
    """The format of a file of foreign name, by its first rows; None where it is no history.

    Raises reader.DamagedFile where no row can be read, and OSError.
    """
    with opener() as stream:
        start = beginning(Replay(stream))
    if start.startswith(_SQLITE):
        return "maloja_database"
    with opener() as stream:
        if not start.startswith((b"[", b"{")):
            return tables.recognise(stream)
        rows = islice(documents.rows(stream), _PEEKED_ROWS)
        found = formats.by_keys(next((row for _, row in rows if isinstance(row, dict)), None))
    if found is None and start.startswith(b"{"):
        raise reader.DamagedFile("the file is not a list of plays")
    return found


def _of_one_owner(rows: Iterator[tuple[int, object]]) -> Iterator[tuple[int, object]]:
    """The rows, but Rejected for those of further users.

    A copy of the collection `infos` holds the plays of all who use one your_spotify, told apart by
    `owner` (apps/server/src/database/schemas/info.ts); an import is for one listener.
    """
    first: object = None
    for index, row in rows:
        owner = row.get("owner") if isinstance(row, dict) else None
        first = owner if first is None else first
        yield index, row if owner is None or owner == first else _OF_ANOTHER


def _database_rows(stream: BinaryIO) -> Iterator[tuple[int, object]]:
    from spotify_hist.sources.exports import maloja

    return maloja.database_rows(stream)


_READERS: Final[dict[formats.Format, Callable[[BinaryIO], Iterator[tuple[int, object]]]]] = {
    "spotify_hist_csv": tables.csv_rows,
    "your_spotify_csv": lambda stream: _of_one_owner(tables.csv_rows(stream)),
    "lastfm_csv": tables.csv_rows,
    "lastfmstats_csv": tables.csv_rows,
    "maloja_tsv": tables.maloja_rows,
    "maloja_database": _database_rows,
}
