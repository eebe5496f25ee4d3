"""Owns reading the JSON of other programs: a list, a wrapped list, or one object a line.

Never judges a row, never holds a whole file, and never lets a bad line cost its neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final, cast

from spotify_hist.model import Rejected
from spotify_hist.sources.exports import reader, rowtext
from spotify_hist.sources.exports.lines import BreaksOff, Replay, beginning, lines, numbered
from spotify_hist.sources.exports.reader import DamagedFile
from spotify_hist.sources.exports.scaffold import Unwrapped, is_scaffold, rows_in

if TYPE_CHECKING:
    from collections.abc import Iterator

# As in `reader`: raw control characters are blanks outside strings, and illegal inside them.
_BLANKS: Final = bytes(max(byte, 32) for byte in range(256))
_LOOKED_AT: Final = 5

_TOO_LONG: Final = Rejected("far too long to be a play")
_BROKEN_TEXT: Final = Rejected("not valid UTF-8")


def rows(stream: BinaryIO) -> Iterator[tuple[int, object]]:
    """Yield (0-based index, row), whatever type each has; Rejected for one that cannot be read.

    Raises DamagedFile where the file breaks off or holds no rows, after every row before that. The
    stream is left open.
    """
    yield from numbered(_items(stream))


def _items(stream: BinaryIO) -> Iterator[object]:
    replay = Replay(stream)
    start = beginning(replay)
    if not start.startswith((b"[", b"{")):
        raise DamagedFile("the file is not a list of plays")
    if start.startswith(b"{") and _is_lines(start):
        yield from _line_rows(replay)
    else:
        is_wrapped = is_scaffold(start)
        unwrapped = cast("BinaryIO", Unwrapped(replay) if is_wrapped else replay)
        yield from (row for _, row in reader.rows(unwrapped))


def _is_lines(start: bytes) -> bool:
    """Whether a file that begins so, with a brace, has one object a line.

    The first lines may be spoiled; and a whole object that wraps rows may stand on one line.
    """
    first, *others = [line for line in start.split(b"\n", _LOOKED_AT + 1) if line.strip()]
    if isinstance(_parsed(first), dict):
        return not is_scaffold(first.lstrip()) or any(
            line.lstrip().startswith(b"{") for line in others
        )
    return any(isinstance(_parsed(line), dict) for line in others[:_LOOKED_AT])


def _line_rows(replay: Replay) -> Iterator[object]:
    for line in lines(replay):
        if line is None:
            yield _TOO_LONG
        elif line.strip():
            value = _parsed(line)
            if value is rowtext.NOT_JSON and not line.endswith(b"\n"):
                raise BreaksOff
            yield from rows_in(value)


def _parsed(line: bytes) -> object:
    try:
        return rowtext.parse(line.translate(_BLANKS).decode())
    except UnicodeDecodeError:
        return _BROKEN_TEXT
    except RecursionError:
        return rowtext.NOT_JSON
