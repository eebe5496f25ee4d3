"""Owns counting the keys of rows that this program does not know: nobody reads them, but they are
told of.

Never judges a row, and never keeps more than a few short names, whatever a file is made of.

Only Spotify's own exports are looked through: in them a key nobody knows may be a new field, worth
reading in a later version. Rows of other programs are full of keys that are of no use here.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final

from spotify_hist.normalise.exports import KNOWN_KEYS
from spotify_hist.sources.exports import reader
from spotify_hist.sources.exports.formats import OWN
from spotify_hist.sources.exports.zipped import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from spotify_hist.model import Source
    from spotify_hist.sources.exports.formats import Own

# Stands for the rest of a name, and for all names beyond the first ones of a file.
_REST: Final = "…"
_MOST_NAMES: Final = 50
_LONGEST_NAME: Final = 60

_CHUNK: Final = 1 << 20
# How much is read at the beginning and end of a copy, and how much at each megabyte.
_AT_ENDS: Final = 8 * 1024
_BETWEEN: Final = 4 * 1024
_ROWS_AT_ONCE: Final = 200
# Further than this the end of the first row is not looked for.
_LONGEST_ROW: Final = 8 * 1024 * 1024
_BLANK: Final = rb"[ \t\r\n]*+"
# More blanks between a key and its colon than any program writes.
_MOST_BLANKS: Final = 64


class UnknownKeys:
    """In how many of the rows it has seen each key stands that rows of a source do not have.

    The first 50 names are kept, cut where they are long; all others count as one, named "…".
    """

    def __init__(self, source: Source | Own) -> None:
        self._known = None if source == OWN else KNOWN_KEYS.get(source)
        self.rows: dict[str, int] = {}

    def look_at(self, row: object) -> None:
        """Count the unknown keys of a row, whatever else may be wrong with it."""
        known = self._known
        if known is None or not isinstance(row, dict) or known.issuperset(row):
            return
        names = set()
        for key in (key for key in row if key not in known):
            name = key if len(key) <= _LONGEST_NAME else key[:_LONGEST_NAME] + _REST
            if name not in self.rows and len(self.rows) >= _MOST_NAMES:
                name = _REST
            self.rows.setdefault(name, 0)
            names.add(name)
        for name in names:
            self.rows[name] += 1


def printable(rows: Mapping[str, int], most: int) -> dict[str, int]:
    """{name as it may be printed: rows}; there are `most` rows in all."""
    told = Counter[str]()
    for name, count in rows.items():
        told[shown(name)] += count
    return {name: min(count, most) for name, count in told.items()}


def in_copy(path: Path, source: Source) -> dict[str, int]:
    """What `UnknownKeys` would find in a file of plainly good rows, without reading all of them.

    The names are those in some of the rows: at the beginning, at the end and at each megabyte. Then
    it is counted how often each name stands before a colon. So a name that only few rows in between
    have may be missed, and one that an object within the row has as well counts once more. Of cut
    names, and those beyond the first 50, only the rows that were looked at count.
    """
    sampled = UnknownKeys(source)
    with path.open("rb") as file:
        for row in _sample(file):
            sampled.look_at(row)
        if not sampled.rows:
            return {}
        counted = _counted(file, sampled.rows)
    # A name that is written in some other way is told with the rows it was seen in.
    return {name: counted[name] or rows for name, rows in sampled.rows.items()}


def _sample(file: BinaryIO) -> Iterator[object]:
    """Some rows of a file."""
    size = file.seek(0, io.SEEK_END)
    read = _AT_ENDS
    rows = _rows(_piece(file, 0, read))
    while not rows and read < min(size, _LONGEST_ROW):
        read *= 8
        rows = _rows(_piece(file, 0, read))
    yield from rows
    if read >= size or not rows or not isinstance(rows[0], dict):
        return
    # A row begins with the key that the first one begins with.
    key = json.dumps(next(iter(rows[0]), "")).encode()
    beginning = _as_key(key, rb"\{" + _BLANK)
    last = max(read, size - _AT_ENDS)
    for place in (*range(_CHUNK, last, _CHUNK), last):
        piece = _piece(file, place, _AT_ENDS if place == last else _BETWEEN)
        found = beginning.search(piece)
        if found is not None:
            yield from _rows(b"[" + piece[found.start() :])


def _piece(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _rows(piece: bytes) -> list[object]:
    """The first whole rows of a list that may break off."""
    rows: list[object] = []
    with suppress(reader.DamagedFile):
        for _, row in islice(reader.rows(io.BytesIO(piece)), _ROWS_AT_ONCE):
            rows.append(row)
    return rows


def _counted(file: BinaryIO, names: Iterable[str]) -> Counter[str]:
    """How often each of the names stands before a colon in the whole file."""
    forms = [(name, form) for name in names for form in _written(name)]
    patterns = [(name, _as_key(form), _as_key(form, rb"\\")) for name, form in forms]
    reach = max(len(form) for _, form in forms) + _MOST_BLANKS
    counted = Counter[str]()
    before = b""
    file.seek(0)
    while chunk := file.read(_CHUNK):
        text = before + chunk
        for name, key, within_text in patterns:
            counted[name] += len(key.findall(text)) - len(key.findall(before))
            counted[name] -= len(within_text.findall(text)) - len(within_text.findall(before))
        before = text[-reach:]
    return counted


def _as_key(form: bytes, opening: bytes = b"") -> re.Pattern[bytes]:
    return re.compile(opening + re.escape(form) + _BLANK + b":")


def _written(name: str) -> set[bytes]:
    """A key as programs write it: with letters of all kinds, or with escapes for most of them."""
    return {
        json.dumps(name, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
        for is_ascii in (False, True)
    }
