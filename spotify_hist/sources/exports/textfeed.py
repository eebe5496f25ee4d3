"""Owns turning a stream of bytes into text, piece by piece, as much as is asked for.

Never fails for what the bytes are: what is not UTF-8 is kept apart, so that it spoils one row only.
"""

from __future__ import annotations

import codecs
import re
import zlib
from typing import BinaryIO, Final
from zipfile import BadZipFile

# What reading a member of a ZIP, or a file, can end in.
FAILURES: Final = (OSError, BadZipFile, zlib.error, EOFError)

# Raw control characters are illegal inside JSON strings, yet one real file has one (FACTS 5.10).
# Outside strings they can only be white space, so blanks in their place change nothing else.
_BLANKS: Final = bytes(max(byte, 32) for byte in range(256))
_BOM: Final = "\ufeff"
# What `surrogateescape` makes of bytes that are not UTF-8; no UTF-8 gives these.
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")


class TextFeed:
    """`text` from `at` on is what has been read and not been used yet."""

    chunk = 64 * 1024  # bytes read at a time, at least

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._undecoded = b""
        self._failure: Exception | None = None
        self._is_suspect = False
        self._ahead = ""
        self.text = ""
        self.at = 0

    def start(self) -> None:
        """Read the first text and skip a byte order mark."""
        self.more()
        self.text = self.text.removeprefix(_BOM)

    def more(self) -> bool:
        """Read on, and forget what lies before `at`; whether there was any more text.

        Raises one of FAILURES, once all that could be read has been handed out.
        """
        rest = self.text[self.at :]
        # As much again as there is, so that a long row is not copied anew for every piece.
        size = max(self.chunk, len(rest))
        if self._ahead:
            new, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            was_suspect, self._is_suspect = self._is_suspect, False
            data = self._read(size)
            new = self._decoded(data, is_last=len(data) < size)
            if was_suspect and not self._is_suspect:
                self._is_suspect = _NOT_UTF8.search(rest) is not None
        self.text, self.at = rest + new, 0
        return bool(new)

    def tidy(self) -> None:
        """Hold but a little text at hand, after a long row: errors cost time by its length."""
        if len(self.text) - self.at > 4 * self.chunk:
            end = self.at + self.chunk
            self._ahead = self.text[end:] + self._ahead
            self.text, self.at = self.text[self.at : end], 0

    def drop_to(self, place: int) -> None:
        """Forget what lies before `place`, and of an unfinished string there all but its quote."""
        rest = self.text[place:]
        if rest:
            backslashes = len(rest) - len(rest.rstrip("\\"))
            rest = '"' + "\\" * (backslashes % 2)
        self.text, self.at = rest, 0

    def is_broken(self, end: int) -> bool:
        """Whether some of the text up to `end` is not UTF-8."""
        return self._is_suspect and _NOT_UTF8.search(self.text, self.at, end) is not None

    def _decoded(self, data: bytes, *, is_last: bool) -> str:
        """The text of `data`, but for the beginning of a character whose rest is to come."""
        raw = self._undecoded + data.translate(_BLANKS)
        try:
            text, used = codecs.utf_8_decode(raw, "strict", is_last)
        except UnicodeDecodeError:
            text, used = codecs.utf_8_decode(raw, "surrogateescape", is_last)
            self._is_suspect = True
        self._undecoded = raw[used:]
        return text

    def _read(self, size: int) -> bytes:
        """`size` bytes; fewer at the end, or where reading fails, which the next call tells."""
        pieces: list[bytes] = []
        while size > 0 and self._failure is None:
            try:
                piece = self._stream.read(size)
            except FAILURES as error:
                self._failure = error
                break
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        if not pieces and self._failure is not None:
            raise self._failure
        return b"".join(pieces)
