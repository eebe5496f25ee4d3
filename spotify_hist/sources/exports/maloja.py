"""Owns reading Maloja's own database, which its backup holds, as the rows of its export.

Never writes to it, never runs what it contains, and never trusts it to be what it says.

The backup (krateng/maloja, maloja/proccontrol/tasks/backup.py) is a `.tar.gz` with the folder
`scrobbles`, and in there `malojadb.sqlite` (maloja/database/sqldb.py tells its tables).
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from importlib import resources
from typing import TYPE_CHECKING, BinaryIO, Final

from spotify_hist.sources.exports.lines import CHUNK, numbered
from spotify_hist.sources.exports.reader import DamagedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLES: Final = frozenset(("scrobbles", "tracks", "artists", "trackartists"))
_ALBUM_TABLES: Final = frozenset(("albums", "albumartists"))
# Some minutes of work: an honest database needs a fraction of it, a hostile one would never end.
_MOST_STEPS: Final = 100_000
_STEP_LENGTH: Final = 100_000
_SEPARATOR: Final = "\x1f"


def database_rows(stream: BinaryIO) -> Iterator[tuple[int, object]]:
    """Yield (0-based index, row in the shape of Maloja's export), oldest first.

    Raises DamagedFile where it is not Maloja's database or is damaged, after every row before
    that. It is copied to a temporary file, which goes away; the stream is left open.
    """
    yield from numbered(_items(stream))


def _items(stream: BinaryIO) -> Iterator[object]:
    with tempfile.NamedTemporaryFile(prefix="spotify-hist-", suffix=".sqlite") as file:
        while chunk := stream.read(CHUNK):
            file.write(chunk)
        file.flush()
        # Immutable: no lock, no journal, nothing beside the file is looked at.
        address = f"file:{file.name}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            try:
                yield from _scrobbles(connection)
            except (sqlite3.Error, UnicodeDecodeError):
                raise DamagedFile("Maloja's database is damaged") from None


def _scrobbles(connection: sqlite3.Connection) -> Iterator[object]:
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    connection.execute("pragma trusted_schema = off")
    steps = iter(range(_MOST_STEPS))
    connection.set_progress_handler(lambda: next(steps, None) is None, _STEP_LENGTH)
    tables = {name for (name,) in connection.execute(_statement("maloja_tables"))}
    if not tables >= _TABLES:
        raise DamagedFile("the file is a database, but not Maloja's")
    name = "maloja" if tables >= _ALBUM_TABLES else "maloja_without_albums"
    rows = connection.execute(_statement(name))
    for time, duration, origin, title, artists, album, of_album in rows:
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


def _statement(name: str) -> str:
    return resources.files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def _names(joined: object) -> list[str]:
    return joined.split(_SEPARATOR) if isinstance(joined, str) else []
