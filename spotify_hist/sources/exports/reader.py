"""Owns reading one history file: a stream of bytes becomes its rows, one at a time.

Never judges a row, never holds a whole file in memory, and never repeats a file's text in an
error, because it may be private.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO, Final
from zipfile import BadZipFile

import ijson

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK: Final = 64 * 1024
_MAX_ROW_BYTES: Final = 4 * 1024 * 1024
# ijson's memory grows with the square of the depth: 20,000 levels take a gigabyte. No row of an
# export has more than one bracket.
_MAX_ROW_BRACKETS: Final = 1024
_SMALL_CHUNK: Final = 512

# Raw control characters are illegal inside JSON strings, yet one real file has one (FACTS 5.10).
# Outside strings they can only be white space, so blanks in their place change nothing else.
_BLANKS: Final = bytes(max(byte, 32) for byte in range(256))
_BOM: Final = b"\xef\xbb\xbf"


class DamagedFile(Exception):
    """A file that cannot be read to its end; `reason` says why, in the person's words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def rows(stream: BinaryIO) -> Iterator[tuple[int, object]]:
    """Yield (0-based index, item) of a JSON list, whatever type each item has.

    Raises DamagedFile where the file breaks off or stops being a list of rows, after every row
    that was complete before the break. The stream is left open.
    """
    feed = _Feed(stream)
    index = 0
    try:
        feed.start()
        for item in ijson.items(feed, "item", use_float=True, buf_size=_CHUNK):
            feed.note_row()
            yield index, item
            index += 1
    except ijson.JSONError as error:
        after = f"after row {index:,}" if index else "before its first row ends"
        if "premature EOF" in str(error) or "ncomplete" in str(error):
            raise DamagedFile(f"the file breaks off {after}") from None
        raise DamagedFile(f"the file is not valid JSON {after}") from None
    except UnicodeDecodeError:
        raise DamagedFile(f"the text after row {index:,} is not valid UTF-8") from None
    except (BadZipFile, zlib.error, EOFError):
        raise DamagedFile(f"the ZIP file is damaged after row {index:,}") from None
    except OSError as error:
        problem = error.strerror or type(error).__name__
        raise DamagedFile(f"the file cannot be read past row {index:,}: {problem}") from None


class _Feed:
    """The stream as ijson reads it: cleaned, and given up where a single row grows monstrous."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._chunk = b""
        self._at = 0
        self._step = _CHUNK
        self._brackets = 0
        self._row_bytes = 0
        self._row_brackets = 0
        self._last_brackets = 0

    def start(self) -> None:
        """Skip a byte order mark and blanks; DamagedFile unless a list begins there."""
        first = self._stream.read(_CHUNK)
        while len(first) < len(_BOM) and (more := self._stream.read(_CHUNK)):
            first += more
        first = first.removeprefix(_BOM).translate(_BLANKS).lstrip()
        while not first and (more := self._stream.read(_CHUNK)):
            first = more.translate(_BLANKS).lstrip()
        if not first:
            raise DamagedFile("the file is empty")
        if not first.startswith(b"["):
            raise DamagedFile("the file is not a list of plays")
        self._take(first)

    def note_row(self) -> None:
        """A row is complete: what was read since then is all that the next one can have."""
        self._row_bytes = 0
        self._row_brackets = self._last_brackets

    def read(self, size: int = -1) -> bytes:
        """The next piece, at most one chunk; empty at the end."""
        if size == 0:
            return b""
        if self._at >= len(self._chunk):
            self._take(self._stream.read(_CHUNK).translate(_BLANKS))
        piece = self._chunk[self._at : self._at + self._step]
        self._at += len(piece)
        whole = len(piece) == len(self._chunk)
        self._last_brackets = self._brackets if whole else _count_brackets(piece)
        self._row_brackets += self._last_brackets
        self._row_bytes += len(piece)
        if self._row_brackets > _MAX_ROW_BRACKETS or self._row_bytes > _MAX_ROW_BYTES:
            raise DamagedFile("a row is far too long or too deeply nested to be a play")
        return piece

    def _take(self, chunk: bytes) -> None:
        self._chunk, self._at = chunk, 0
        self._brackets = _count_brackets(chunk)
        # A piece of n bytes has at most n brackets, so small pieces keep a list of tiny rows
        # apart from a single row of many brackets.
        self._step = _SMALL_CHUNK if self._brackets > _SMALL_CHUNK else _CHUNK


def _count_brackets(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{")
