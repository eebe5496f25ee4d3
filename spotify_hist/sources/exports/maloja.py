"""Owns reading Maloja's own database, which its backup holds, as the rows of its export.

Never writes to it, never runs what it contains, and never trusts it to be what it says.

The backup (krateng/maloja, maloja/proccontrol/tasks/backup.py) is a `.tar.gz` with the folder
`scrobbles`, and in there `malojadb.sqlite` (maloja/database/sqldb.py tells its tables).
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from spotify_hist.sources.exports.foreign import ForeignDatabase, refused, statement
from spotify_hist.sources.exports.lines import CHUNK, numbered
from spotify_hist.sources.exports.reader import DamagedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_READ: Final[Mapping[str, tuple[str, ...]]] = {
    "scrobbles": ("timestamp", "duration", "origin", "track_id"),
    "tracks": ("id", "title", "album_id"),
    "artists": ("id", "name"),
    "trackartists": ("track_id", "artist_id"),
}
_READ_OF_ALBUMS: Final[Mapping[str, tuple[str, ...]]] = {
    "albums": ("id", "albtitle"),
    "albumartists": ("album_id", "artist_id"),
}
# Some minutes: an honest database of a million scrobbles needs a fraction of it.
_LONGEST_S: Final = 180.0
# All its rows say more than the file holds, as a name is said with each play. But how much more?
_MOST_CHARACTERS: Final = 50_000_000
_MOST_CHARACTERS_A_BYTE: Final = 20
_SEPARATOR: Final = "\x1f"


def database_rows(
    stream: BinaryIO, *, longest_s: float = _LONGEST_S
) -> Iterator[tuple[int, object]]:
    """Yield (0-based index, row in the shape of Maloja's export), oldest first.

    Raises DamagedFile where it is not Maloja's database, is damaged, or costs more to read than an
    honest one could, after every row before that. It is copied to a temporary file, which goes
    away; the stream is left open.
    """
    yield from numbered(_items(stream, longest_s))


def _items(stream: BinaryIO, longest_s: float) -> Iterator[object]:
    with tempfile.NamedTemporaryFile(prefix="spotify-hist-", suffix=".sqlite") as file:
        while chunk := stream.read(CHUNK):
            file.write(chunk)
        file.flush()
        most = _MOST_CHARACTERS + _MOST_CHARACTERS_A_BYTE * file.tell()
        try:
            with closing(ForeignDatabase(Path(file.name), longest_s=longest_s)) as database:
                yield from _scrobbles(database, most)
        except (sqlite3.Error, MemoryError, UnicodeDecodeError) as error:
            raise refused(error, "Maloja's database") from None


def _scrobbles(database: ForeignDatabase, most_characters: int) -> Iterator[object]:
    tables = database.tables()
    if not tables >= set(_READ):
        raise DamagedFile("the file is a database, but not Maloja's")
    has_albums = tables >= set(_READ_OF_ALBUMS)
    read = {**_READ, **(_READ_OF_ALBUMS if has_albums else {})}
    if not all(database.is_stored(table, columns) for table, columns in read.items()):
        raise DamagedFile("the file is a database that computes what Maloja's would hold")
    ((left,),) = database.rows(statement("maloja_count"))
    said = 0
    name = "maloja" if has_albums else "maloja_without_albums"
    for row in database.rows(statement(name)):
        left = int(str(left)) - 1
        said += sum(len(value) for value in row if isinstance(value, str | bytes))
        if left < 0 or said > most_characters:
            raise DamagedFile("Maloja's database says the same things over and over")
        time, duration, origin, title, artists, album, of_album = row
        yield {
            "time": time,
            "track": {
                "artists": _names(artists),
                "title": title,
                "album": {"albumtitle": album, "artists": _names(of_album)},
            },
            "duration": duration,
            "origin": origin,
        }


def _names(joined: object) -> list[str]:
    return joined.split(_SEPARATOR) if isinstance(joined, str) else []
