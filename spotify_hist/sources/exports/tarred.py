"""Owns reading a gzipped tar, as Maloja's backup is: its members and how to open each.

Never extracts a file, never follows a link in it, and never unpacks more than the caps allow.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from functools import partial
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from spotify_hist.errors import BadInput
from spotify_hist.sources.exports.broken import BROKEN_ARCHIVE
from spotify_hist.sources.exports.zipped import AGAIN, Caps, Entry, Opener, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed import WriteableBuffer

_HARMLESS_BYTES = 1024 * 1024


def is_tar_gz(path: Path) -> bool:
    """Whether a file is gzipped and begins, unpacked, as a tar does."""
    try:
        with gzip.open(path) as file:
            block = file.read(tarfile.BLOCKSIZE)
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (gzip.BadGzipFile, *BROKEN_ARCHIVE):
        return False
    return True


def entries(label: str, container: Opener, caps: Caps) -> Iterator[Entry]:
    """The regular files in the archive, from its headers alone.

    Raises BadInput where it cannot be read, or where it exceeds `caps`.
    """
    with container() as file:
        packed = file.seek(0, io.SEEK_END)
        file.seek(0)
        if packed > caps.max_zip_bytes:
            raise too_large(label, caps.max_zip_bytes)
        most = min(caps.max_unpacked_bytes, max(_HARMLESS_BYTES, int(packed * caps.max_ratio)))
        unpacked = _Capped(gzip.GzipFile(fileobj=file), most, too_large(label, most, unpacked=True))
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", unpacked), mode="r:") as archive:
                members = []
                for count, member in enumerate(archive):
                    if count >= caps.max_members:
                        raise BadInput(
                            f"{label} holds more than {caps.max_members:,} files.",
                            hint="See the setting import.max_members.",
                        )
                    if member.isreg() and not member.issparse():
                        members.append(member)
        except (gzip.BadGzipFile, *BROKEN_ARCHIVE):
            raise BadInput(f"{label} is damaged or not whole.", hint=AGAIN) from None
    for member in members:
        opener = partial(_open_member, container, member.offset_data, member.size)
        yield Entry(member.name.removeprefix("./"), member.size, opener, opener)


def _open_member(container: Opener, offset: int, size: int) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Member(container(), offset, size)))


class _Capped:
    """A gzipped file that refuses to unpack more than it may."""

    def __init__(self, file: gzip.GzipFile, most: int, refusal: BadInput) -> None:
        self._file = file
        self._most = most
        self._refusal = refusal
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        """The next bytes; the refusal where they lie behind the cap."""
        room = self._most + 1 - self._file.tell()
        data = self._file.read(min(size, room) if size >= 0 else room)
        if self._file.tell() > self._most:
            raise self._refusal
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go forward or back; going forward unpacks what lies between."""
        if whence == io.SEEK_SET and offset > self._most:
            raise self._refusal
        return self._file.seek(offset, whence)


class _Member(io.RawIOBase):
    """The bytes of one member, and nothing behind them. Closing it closes the archive."""

    def __init__(self, container: BinaryIO, offset: int, size: int) -> None:
        super().__init__()
        self._container = container
        self._file = gzip.GzipFile(fileobj=container)
        self._offset = offset
        self._left = size
        self._is_there = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        if not self._is_there:
            self._file.seek(self._offset)
            self._is_there = True
        data = self._file.read(min(view.nbytes, self._left))
        if not data and self._left and view.nbytes:
            raise EOFError
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        self._container.close()
        super().close()
