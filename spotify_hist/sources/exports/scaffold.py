"""Owns taking the rows of a JSON file out of what other programs wrap around them.

Never parses a row and never holds one that is longer than a row may be. An object that lies where a
page of rows should be is given as `null`, so that it is counted.

A file may be an object whose key holds the list, a list of pages that each hold a list, or a list
of lists. All that is no row is left out of the stream, so that one list remains for `reader.rows`.
"""

from __future__ import annotations

import re
from collections import deque
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Final

import ijson

from spotify_hist.sources.exports.lines import CHUNK
from spotify_hist.sources.exports.reader import DamagedFile

if TYPE_CHECKING:
    from spotify_hist.sources.exports.lines import Replay

# Under these keys lists of rows stand: Maloja and lastfmstats.com, Koito and ListenBrainz' API,
# Maloja's API, submissions to ListenBrainz, Last.fm's API.
LISTS: Final = frozenset(("scrobbles", "listens", "list", "payload", "track"))
# And these hold the object that has such a key.
WRAPPERS: Final = frozenset(("recenttracks", "payload"))

_LOOKED_AT: Final = 256
_LONGEST_ROW: Final = 8 * 1024 * 1024
_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN: Final = re.compile(_STRING + rb"|[\[\]{},:]", re.DOTALL)
# Up to the next bracket outside a string, as far as it shows.
_INSIDE: Final = re.compile(rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+', re.DOTALL)


def is_scaffold(start: bytes) -> bool:
    """Whether a file that begins so, with a bracket, wraps its rows."""
    is_in_list = False
    depth = 0
    key: object = None
    # In small pieces: what stands before a piece that is no JSON is told all the same.
    events = ijson.basic_parse(BytesIO(start), use_float=True, buf_size=_LOOKED_AT)
    with suppress(ijson.JSONError):
        for event, value in events:
            if event in {"start_map", "start_array"}:
                is_list = event == "start_array"
                if is_list and not depth:
                    if is_in_list:
                        return True
                    is_in_list = True
                    continue
                if depth == 1 and key in (LISTS if is_list else WRAPPERS):
                    return True
                depth += 1
            elif event in {"end_map", "end_array"}:
                depth -= 1
                if depth <= 0:
                    return False
            key = value if event == "map_key" else None
    return False


def rows_in(value: object, depth: int = 4) -> list[object]:
    """The rows of a value that has been parsed: itself, or what it wraps."""
    if isinstance(value, list) and depth:
        return [row for each in value for row in rows_in(each, depth - 1)]
    if isinstance(value, dict) and depth:
        for key, inner in value.items():
            if key in LISTS and isinstance(inner, list):
                return list(inner)
            if key in WRAPPERS and isinstance(inner, dict):
                track = inner.get("track")
                return [track] if isinstance(track, dict) else rows_in(inner, depth - 1)
    return [value]


def _name(key: bytes) -> str:
    return key[1:-1].decode("ascii", "replace")


class Unwrapped:
    """A stream of bytes: the JSON list of all rows of a file for which `is_scaffold` holds."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._text = b""
        self._at = 0
        self._out: deque[bytes] = deque([b"["])
        # The open brackets around the rows: each with its key's name, and whether rows came of it.
        self._stack: list[list[object]] = []
        self._key = self._string = ""
        self._depth = 0  # of brackets within the list of rows, or the row, at hand
        self._is_single = False
        self._wants_comma = self._is_comma_due = False
        self._is_over = self._is_at_end = False

    def read(self, size: int = -1) -> bytes:
        """The next bytes of the list, however many; empty at the end."""
        del size
        while not self._out:
            if self._is_at_end:
                return b""
            self._advance()
        return self._out.popleft()

    def _advance(self) -> None:
        rest = self._text[self._at :]
        if len(rest) > _LONGEST_ROW:
            raise DamagedFile("a row is far too long to be a play")
        # Twice as much each time, so that a long string is not looked at again for every piece.
        more = self._replay.read(max(CHUNK, len(rest)))
        if not more:
            self._is_at_end = True
            if self._depth:
                self._give(rest)
            elif self._is_over:
                self._out.append(b"]" + rest.strip())
            return
        self._text, self._at = rest + more, 0
        while self._step():
            pass

    def _step(self) -> bool:
        """Go on by a piece of rows or a sign of what wraps them; False where more is needed."""
        if self._depth:
            return self._step_in_rows()
        if self._is_over:
            return False
        match = _TOKEN.search(self._text, self._at)
        if match is None:
            opened = self._text.find(b'"', self._at)
            self._at = opened if opened >= 0 else len(self._text)
            return False
        opened = self._text.find(b'"', self._at, match.start())
        if opened >= 0:
            self._at = opened
            return False
        self._at = match.end()
        self._take(match[0])
        return True

    def _take(self, token: bytes) -> None:
        if token == b":":
            self._key = self._string
        elif token == b",":
            self._key = ""
        elif token in b"[{":
            self._open(token)
        elif token in b"]}":
            self._close()
        else:
            self._string = _name(token)

    def _open(self, token: bytes) -> None:
        key, self._key = self._key, ""
        is_list = token == b"["
        is_element = len(self._stack) == 1 and self._stack[0][0] == "["
        if is_list and (key in LISTS or is_element):
            self._begin_rows(is_single=False)
        elif not is_list and key == "track":
            self._begin_rows(is_single=True)
            self._give(b"{")
        else:
            self._stack.append([token.decode(), False])

    def _begin_rows(self, *, is_single: bool) -> None:
        for bracket in self._stack:
            bracket[1] = True
        self._depth, self._is_single = 1, is_single
        self._is_comma_due = self._wants_comma

    def _close(self) -> None:
        if not self._stack:
            return
        kind, has_rows = self._stack.pop()
        is_page = len(self._stack) == 1 and self._stack[0][0] == "["
        if kind == "{" and is_page and not has_rows:
            self._is_comma_due = self._wants_comma
            self._give(b"null")
        self._is_over = not self._stack

    def _step_in_rows(self) -> bool:
        start = self._at
        while True:
            match = _INSIDE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            sign = self._text[self._at : self._at + 1]
            if sign in {b"", b'"'}:  # the end of what has been read, or a string that goes on
                self._give(self._text[start : self._at])
                return False
            self._depth += 1 if sign in b"[{" else -1
            self._at += 1
            if not self._depth:
                end = self._at if self._is_single else self._at - 1
                self._give(self._text[start:end])
                return True

    def _give(self, piece: bytes) -> None:
        """Pass on a piece of rows, with a comma before the first one of a further list."""
        if not piece.strip():
            return
        if self._is_comma_due:
            self._out.append(b",")
            self._is_comma_due = False
        self._wants_comma = True
        self._out.append(piece)
