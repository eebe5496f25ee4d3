"""Owns taking a stream of bytes apart where text files are: its beginning, its lines, its failures.

Never knows what a line says, never holds more than one line, and never repeats its text.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO, Final
from zipfile import BadZipFile

from spotify_hist.sources.exports.reader import DamagedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BOM: Final = b"\xef\xbb\xbf"
CHUNK: Final = 64 * 1024
_LONGEST_LINE: Final = 8 * 1024 * 1024
# UTF-16 and UTF-32 begin with a mark of two bytes, or have NUL within the first letters.
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")


class BreaksOff(Exception):
    """The file ends within a row."""


class Replay:
    """A stream whose beginning has been looked at: it is read again from the start."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._rest = b""
        self._failure: Exception | None = None

    def peek(self, size: int = CHUNK) -> bytes:
        """The first `size` bytes, fewer where the file is shorter or fails within them."""
        while len(self._rest) < size and self._failure is None:
            try:
                more = self._stream.read(size - len(self._rest))
            except (BadZipFile, zlib.error, EOFError, OSError) as error:
                self._failure = error
                break
            if not more:
                break
            self._rest += more
        return self._rest[:size]

    def read(self, size: int = CHUNK) -> bytes:
        """The next bytes, at most `size`; empty at the end."""
        if self._rest:
            piece, self._rest = self._rest[:size], self._rest[size:]
            return piece
        if self._failure is not None:
            raise self._failure
        return self._stream.read(size)


def beginning(replay: Replay) -> bytes:
    """What the file begins with, without its mark and blanks.

    Raises DamagedFile where it is empty or in an encoding that no program writes here.
    """
    head = replay.peek()
    if head.startswith(_WIDE) or b"\0" in head[:4]:
        raise DamagedFile("the text is in UTF-16; save the file as UTF-8 and try again")
    start = head.removeprefix(BOM).lstrip()
    if not start:
        replay.read(0)
        raise DamagedFile("the file is empty")
    return start


def lines(stream: BinaryIO | Replay) -> Iterator[bytes | None]:
    """The lines with their ends, without the file's mark; None for one that is far too long.

    Only the last line can lack its end.
    """
    rest = b""
    is_first, is_overlong = True, False
    while chunk := stream.read(CHUNK):
        *whole, last = (rest + chunk).split(b"\n")
        for line in whole:
            if is_overlong:
                yield None
            else:
                yield (line.removeprefix(BOM) if is_first else line) + b"\n"
            is_first, is_overlong = False, False
        rest = b"" if is_overlong else last
        is_overlong = is_overlong or len(rest) > _LONGEST_LINE
    if is_overlong:
        raise BreaksOff
    if is_first:
        rest = rest.removeprefix(BOM)
    if rest:
        yield rest


def numbered(items: Iterable[object]) -> Iterator[tuple[int, object]]:
    """The items with their places from 0; whatever ends them early becomes DamagedFile."""
    count = 0
    try:
        for item in items:
            yield count, item
            count += 1
    except BreaksOff:
        after = f"after row {count:,}" if count else "before its first row ends"
        raise DamagedFile(f"the file breaks off {after}") from None
    except (BadZipFile, zlib.error, EOFError):
        raise DamagedFile(f"the ZIP file is damaged after row {count:,}") from None
    except OSError as error:
        problem = error.strerror or type(error).__name__
        raise DamagedFile(f"the file cannot be read past row {count:,}: {problem}") from None
