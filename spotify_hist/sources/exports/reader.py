"""Owns reading one history file: a stream of bytes becomes its rows, one at a time.

Never judges what a row says, never holds a whole file in memory, and never repeats a file's text in
an error, because it may be private.

The standard library's scanner is tried at each row. Only where it fails is the end of the row
looked for, by quotes and brackets alone, so that a row that is no JSON costs no other. Each
character is looked at a bounded number of times, and no more is held than the longest row may have.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from spotify_hist.model import Rejected
from spotify_hist.sources.exports import rowtext
from spotify_hist.sources.exports.textfeed import FAILURES, TextFeed

if TYPE_CHECKING:
    from collections.abc import Iterator

# As much as DuckDB may take in one go (twice `maximum_object_size`), so that what the fast way of
# an import accepts is accepted here.
_LONGEST_ROW: Final = 8 * 1024 * 1024
# A row this long is looked through for the beginning of the next one.
_LONG_ROW: Final = 64 * 1024
# How many characters may be looked at again after rows that ran into the ones behind them.
_MOST_LOOKED_AT_AGAIN: Final = 1 << 25
_LONGEST_KEY: Final = 80

_STRING: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_BLANK: Final = re.compile(r" *+")
_NEXT_OBJECT: Final = re.compile(r" *+,? *+(?=\{)")
_JUNK: Final = re.compile(r"[^,\[\]{]++")
_OPENING: Final = re.compile(r"[\[{]++")
_CLOSING: Final = re.compile(r"[\]}]++")
# What can be passed over at one go within a row: texts, and brackets with no other within.
_INSIDE: Final = re.compile(
    rf'[^"\[\]{{}}]*+(?:(?:{_STRING}|\[[^"\[\]{{}}]*+\]|\{{[^"\[\]{{}}]*+\}})[^"\[\]{{}}]*+)*+',
    re.DOTALL,
)
_OUTSIDE: Final = re.compile(rf'[^",\[\]{{}}]*+(?:{_STRING}[^",\[\]{{}}]*+)*+', re.DOTALL)
_FIRST_KEY: Final = re.compile(rf"\{{ *+({_STRING}) *+:", re.DOTALL)
_ANY_KEY: Final = r'"[^"\\]++"'

_EMPTY: Final = Rejected("there is no row beside a comma")
_NOT_UTF8: Final = Rejected("not valid UTF-8")
_TOO_LONG: Final = Rejected("far too long to be a play")
_RUNS_ON: Final = Rejected("not valid JSON: a quote or a bracket is missing")


class DamagedFile(Exception):
    """A file that cannot be read to its end; `reason` says why, in the person's words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _BreaksOff(Exception):
    """The file ends within its list."""


class _Stray(Exception):
    """The file goes on, but not with rows; its text is what there is instead."""


def rows(stream: BinaryIO) -> Iterator[tuple[int, object]]:
    """Yield (0-based index, item) of a JSON list, whatever type each item has.

    A row that cannot be read is yielded as Rejected, and its neighbours as they are. Raises
    DamagedFile where the file breaks off or stops being a list of rows, after every row that was
    complete before the break. The stream is left open.
    """
    count = 0
    try:
        for item in _Rows(stream).items():
            yield count, item
            count += 1
    except _BreaksOff:
        after = f"after row {count:,}" if count else "before its first row ends"
        raise DamagedFile(f"the file breaks off {after}") from None
    except _Stray as stray:
        raise DamagedFile(f"{stray} after row {count:,}") from None
    except FAILURES as error:
        # EOFError and the ZIP's own errors have no `strerror`, errors of the system have.
        if not isinstance(error, OSError):
            raise DamagedFile(f"the ZIP file is damaged after row {count:,}") from None
        problem = error.strerror or type(error).__name__
        raise DamagedFile(f"the file cannot be read past row {count:,}: {problem}") from None


class _Rows:
    """The rows of a list, found in text that is read as it is needed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._feed = TextFeed(stream)
        self._latest: dict[str, object] = {}
        self._looked_at_again = 0
        # Whether the row before was spoiled: then it is quicker not to hope.
        self._is_doubtful = False

    def items(self) -> Iterator[object]:
        """The rows in order; _BreaksOff, _Stray or one of FAILURES after the last to be had."""
        feed = self._feed
        self._begin()
        is_after_comma = is_after_row = False
        while True:
            if is_after_row and (match := _NEXT_OBJECT.match(feed.text, feed.at)):
                feed.at = match.end()
                sign = "{"
            else:
                sign = self._sign()
            if sign == "]":
                break
            if sign == ",":
                if not is_after_row:
                    yield _EMPTY
                is_after_comma, is_after_row = True, False
                feed.at += 1
            elif is_after_row and sign not in "[{":
                # Nobody's row. A missing comma alone does no harm.
                feed.at = _end(_JUNK, feed.text, feed.at)
            else:
                yield self._row(sign)
                is_after_comma, is_after_row = False, True
        if is_after_comma:
            yield _EMPTY
        feed.at += 1
        if self._sign_or_end():
            raise _Stray("more text follows the end of the list")

    def _begin(self) -> None:
        """Step into the list; DamagedFile where the file is none."""
        self._feed.start()
        sign = self._sign_or_end()
        if not sign:
            raise DamagedFile("the file is empty")
        if sign != "[":
            raise DamagedFile("the file is not a list of plays")
        self._feed.at += 1

    def _sign(self) -> str:
        """The next character that is no blank."""
        sign = self._sign_or_end()
        if not sign:
            raise _BreaksOff
        return sign

    def _sign_or_end(self) -> str:
        feed = self._feed
        while True:
            feed.at = _end(_BLANK, feed.text, feed.at)
            if feed.at < len(feed.text):
                return feed.text[feed.at]
            if not feed.more():
                return ""

    def _row(self, sign: str) -> object:
        """The row that begins here with `sign`, being past it."""
        feed = self._feed
        if sign in "{[" and not self._is_doubtful:
            try:
                item, end = rowtext.scan(feed.text, feed.at)
            except (ValueError, RecursionError):
                pass  # it is spoiled, or not all of it has been read
            else:
                return self._taken(item, end)
        boundary = self._row_end(_LONG_ROW)
        if boundary is None:
            return self._endless_row()
        item = rowtext.parse(feed.text[feed.at : boundary])
        self._is_doubtful = item is rowtext.NOT_JSON
        if self._is_doubtful and self._step_to_neighbour(boundary):
            return _RUNS_ON
        return self._taken(item, boundary)

    def _taken(self, item: object, end: int) -> object:
        feed = self._feed
        if end - feed.at > _LONGEST_ROW:
            item = _TOO_LONG
        elif feed.is_broken(end):
            item = _NOT_UTF8
        elif isinstance(item, dict):
            self._latest = item
        is_long = end - feed.at > _LONG_ROW
        feed.at = end
        if is_long:
            feed.tidy()
        return item

    def _endless_row(self) -> object:
        """The row whose end is not within reach, being past it."""
        feed = self._feed
        if self._step_to_neighbour(min(len(feed.text), feed.at + 2 * _LONG_ROW)):
            return _RUNS_ON
        end = self._row_end(_LONGEST_ROW)
        if end is not None:
            return self._taken(rowtext.parse(feed.text[feed.at : end]), end)
        end = self._row_end(None) if len(feed.text) - feed.at > _LONGEST_ROW else None
        if end is None:
            raise _BreaksOff
        return self._taken(_TOO_LONG, end)

    def _row_end(self, longest: int | None) -> int | None:
        """Where the row at hand ends, by its quotes and brackets.

        None where the file ends first, or after more than `longest` characters. Where `longest` is
        None the row may have any length, and its text is forgotten on the way.
        """
        feed = self._feed
        depth, place = 0, feed.at
        while True:
            place = _end(_INSIDE if depth else _OUTSIDE, feed.text, place)
            sign = feed.text[place : place + 1]
            if sign in {"[", "{"}:
                end = _end(_OPENING, feed.text, place)
                depth, place = depth + end - place, end
                if longest is not None and place - feed.at > longest:
                    return None
            elif sign in {"]", "}"}:
                closed = min(_end(_CLOSING, feed.text, place) - place, depth)
                depth, place = depth - closed, place + closed
                if not depth:
                    return place
            elif sign == ",":
                return place
            else:  # the end of what has been read, or a string that goes on beyond it
                if longest is None:
                    feed.drop_to(place)
                elif len(feed.text) - feed.at > longest:
                    return None
                place = 0 if longest is None else place - feed.at
                if not feed.more():
                    return None

    def _step_to_neighbour(self, end: int) -> bool:
        """Step to the row that a spoiled one ran into, if its beginning shows before `end`.

        A row begins with the key that the spoiled one, or the one before it, begins with.
        """
        feed = self._feed
        key = _FIRST_KEY.match(feed.text, feed.at)
        first = re.escape(key[1]) if key is not None else _ANY_KEY
        if key is None and self._latest:
            first = f'"{re.escape(next(iter(self._latest)))}"'
        if len(first) > _LONGEST_KEY:
            return False
        found = re.compile(rf", *+(\{{ *+{first} *+:)").search(feed.text, feed.at + 1, end)
        if found is None:
            return False
        self._looked_at_again += end - found.start(1)
        if self._looked_at_again > _MOST_LOOKED_AT_AGAIN:
            raise _Stray("the file is damaged in too many places")
        feed.at = found.start(1)
        return True


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Where the match at `place` ends; the patterns used here match anywhere."""
    return cast("re.Match[str]", pattern.match(text, place)).end()
