"""Owns reading the tables of other programs: CSV with a header or without, and Maloja's old TSV.

Never judges a value, never holds more than one row, and never lets a bad row cost its neighbours: a
quote that is never closed spoils its own line alone.

Read in the source of these projects: lastfmstats.com quotes every field and parts them by
semicolons after a byte order mark (felhag/lastfm-stats-web, service/export-service.ts);
lastfm-to-csv takes quotes and commas out of its values and has no header, its second version has
one (benfoxall/lastfm-to-csv, js/lastfm-export.js and sw.js); mongoexport --type=csv has a header.
Maloja's TSV of before 2022 has time, artists, title, album and duration, artists parted by U+241F
and `-` for nothing (krateng/maloja, maloja/upgrade.py).
"""

from __future__ import annotations

import csv
import re
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from spotify_hist.model import Rejected
from spotify_hist.sources.exports.formats import OWN_KEYS
from spotify_hist.sources.exports.lines import BreaksOff, Replay, beginning, lines, numbered
from spotify_hist.sources.exports.reader import DamagedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.sources.exports.formats import Format

_LOOKED_AT: Final = 20
# The most that one row may have: a title with line breaks in it, not the rest of the file.
_MOST_LINES: Final = 20
_MOST_CHARACTERS: Final = 64 * 1024
_WITHOUT_HEADER: Final = ("artist", "album", "name", "date")
_DATE: Final = re.compile(r"[0-9]{1,2} [A-Za-z]{3} [0-9]{4},? [0-9]{2}:[0-9]{2}(?::[0-9]{2})?")
_MALOJA: Final = re.compile(rb"[0-9]{9,10}\t[^\t]+\t[^\t]+\t[^\t]*\t(?:[0-9]+|-)?\r?")

_TOO_LONG: Final = Rejected("far too long to be a play")
_BROKEN_TEXT: Final = Rejected("not valid UTF-8")
_NO_ROW: Final = Rejected("not a row of a table")
_OPEN_QUOTE: Final = Rejected("a quote is opened and never closed")


class _Table(NamedTuple):
    """How the file at hand is written."""

    format: Format
    delimiter: str
    names: tuple[str, ...]
    has_header: bool


def recognise(stream: BinaryIO) -> Format | None:
    """The format of a table by its header or its first rows; None where it is none of ours.

    Raises DamagedFile where nothing can be read.
    """
    replay = Replay(stream)
    start = beginning(replay)
    first = [line for line in start.split(b"\n", _LOOKED_AT)[:_LOOKED_AT] if line.strip()]
    if first and _MALOJA.fullmatch(first[0]):
        return "maloja_tsv"
    table = _table([line.decode(errors="replace") for line in first])
    return table and table.format


def csv_rows(stream: BinaryIO) -> Iterator[tuple[int, object]]:
    """Yield (0-based index without the header, row); a row is an object of texts, or Rejected.

    Raises DamagedFile where the file breaks off or is no table of ours, after every row before
    that. The stream is left open.
    """
    yield from numbered(_csv_items(stream))


def maloja_rows(stream: BinaryIO) -> Iterator[tuple[int, object]]:
    """Yield (0-based index, row) of Maloja's TSV, in the shape of its export; as `csv_rows`."""
    yield from numbered(_maloja_items(stream))


def _csv_items(stream: BinaryIO) -> Iterator[object]:
    replay = Replay(stream)
    start = beginning(replay)
    first = [line for line in start.split(b"\n", _LOOKED_AT)[:_LOOKED_AT] if line.strip()]
    table = _table([line.decode(errors="replace") for line in first])
    if table is None:
        raise DamagedFile("the file is not a table of plays")
    texts = (_text(line) for line in lines(replay))
    rows = _logical_rows(table, (text for text in texts if text is not None))
    yield from islice(rows, 1, None) if table.has_header else rows


def _table(first: list[str]) -> _Table | None:
    """What the first lines tell, or None."""
    if not first:
        return None
    for delimiter in ",;\t":
        header = tuple(_fields(first[0].strip("\ufeff\r"), delimiter) or ())
        names = tuple(name.strip().lower().partition("#")[0] for name in header)
        if set(names) >= OWN_KEYS:
            return _Table("spotify_hist_csv", delimiter, names, has_header=True)
        if {"id", "played_at"} <= set(names):
            return _Table("your_spotify_csv", delimiter, names, has_header=True)
        if {"artist", "track", "date"} <= set(names) and any("#" in name for name in header):
            return _Table("lastfmstats_csv", delimiter, names, has_header=True)
        is_named = "artist" in names and ("track" in names or "name" in names)
        if is_named and ("uts" in names or "date" in names):
            return _Table("lastfm_csv", delimiter, names, has_header=True)
    for line in first:
        fields = _fields(line.rstrip("\r"), ",") or []
        if len(fields) == len(_WITHOUT_HEADER) and _DATE.fullmatch(fields[-1].strip()):
            return _Table("lastfm_csv", ",", _WITHOUT_HEADER, has_header=False)
    return None


def _text(line: bytes | None) -> str | Rejected | None:
    """A line as text, Rejected where it is none, None where it is blank."""
    if line is None:
        return _TOO_LONG
    if not line.strip():
        return None
    try:
        return line.decode()
    except UnicodeDecodeError:
        return _BROKEN_TEXT


def _logical_rows(table: _Table, texts: Iterator[str | Rejected]) -> Iterator[object]:
    """Rows of one line, or of a few where a quoted value has line breaks in it."""
    waiting: deque[str | Rejected] = deque()
    while True:
        if not waiting:
            waiting.extend(islice(texts, 1))
        if not waiting:
            return
        line = waiting.popleft()
        if isinstance(line, Rejected):
            yield line
            continue
        row = _row(table, line)
        if isinstance(row, Rejected) and line.count('"') % 2:
            row = _longer_row(table, line, waiting, texts) or row
        if isinstance(row, Rejected) and not line.endswith("\n"):
            raise BreaksOff
        yield row


def _longer_row(
    table: _Table, line: str, waiting: deque[str | Rejected], texts: Iterator[str | Rejected]
) -> object:
    """The row that `line` and lines after it make, these taken from `waiting`; else None."""
    text = line
    for count in range(1, _MOST_LINES):
        if count > len(waiting):
            waiting.extend(islice(texts, 1))
        if count > len(waiting) or len(text) > _MOST_CHARACTERS:
            return None
        following = waiting[count - 1]
        if isinstance(following, Rejected):
            return None
        text += following
        if text.count('"') % 2 == 0:
            row = _row(table, text)
            if isinstance(row, Rejected):
                return None
            for _ in range(count):
                waiting.popleft()
            return row
    return None


def _row(table: _Table, text: str) -> object:
    """The row of a text, an object by the table's names, or Rejected."""
    fields = _fields(text.removesuffix("\n").removesuffix("\r"), table.delimiter)
    if fields is None:
        return _NO_ROW
    if len(fields) != len(table.names):
        if text.count('"') % 2:
            return _OPEN_QUOTE
        return Rejected(f"has {len(fields):,} columns instead of {len(table.names):,}")
    return dict(zip(table.names, fields, strict=True))


def _fields(text: str, delimiter: str) -> list[str] | None:
    """The values of one row; None where it has line breaks outside quotes, or is far too long."""
    try:
        return next(iter(csv.reader([text], delimiter=delimiter)), [])
    except csv.Error:
        return None


def _maloja_items(stream: BinaryIO) -> Iterator[object]:
    replay = Replay(stream)
    beginning(replay)
    for line in lines(replay):
        text = _text(line)
        if text is None or isinstance(text, Rejected):
            if text is not None:
                yield text
            continue
        values = [None if each in {"", "-"} else each for each in text.rstrip("\r\n").split("\t")]
        if len(values) != 5:
            if not text.endswith("\n"):
                raise BreaksOff
            yield Rejected(f"has {len(values):,} columns instead of 5")
            continue
        time, artists, title, album, duration = values
        yield {
            "time": time,
            "track": {
                "artists": (artists or "").split("␟"),
                "title": title,
                "album": {"albumtitle": album},
            },
            "duration": duration,
        }
