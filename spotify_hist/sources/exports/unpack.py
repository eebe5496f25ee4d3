"""Owns unpacking one member of a ZIP as a stream that keeps to its declared size.

Never lists an archive, never writes a file and never trusts a header about how much comes out.

`zipfile` has a reader of its own, but at a wrong checksum or broken data it throws away what it
had already unpacked; the rows in there are someone's plays.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import WriteableBuffer

METHODS: Final = frozenset((ZIP_STORED, ZIP_DEFLATED))

_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_PACKED_CHUNK: Final = 16 * 1024
_HASHED_CHUNK: Final = 1 << 20


def unpacked(archive: BinaryIO, info: ZipInfo) -> BinaryIO:
    """The member's bytes; closing the stream closes `archive`.

    Reading raises BadZipFile, zlib.error or EOFError, but only after the bytes before the damage
    were read. Only the methods in METHODS can be read.
    """
    # RawIOBase has all that BinaryIO asks of a reader; the two are unrelated by name only.
    return cast("BinaryIO", _Unpacked(archive, info))


def packed_sha256(archive: BinaryIO, info: ZipInfo) -> str | None:
    """The SHA-256 of a member as it is packed, at a fraction of the work that unpacking it takes.

    Members of which it is equal unpack to the same bytes. None where it is damaged; `archive` is
    closed.
    """
    digest = hashlib.sha256(f"{info.compress_type} {info.file_size} {info.CRC}:".encode())
    with _Unpacked(archive, info) as member:
        try:
            for piece in member.packed():
                digest.update(piece)
        except (BadZipFile, EOFError):
            return None
    return digest.hexdigest()


class _Unpacked(io.RawIOBase):
    def __init__(self, archive: BinaryIO, info: ZipInfo) -> None:
        super().__init__()
        self._archive = archive
        self._offset = info.header_offset
        self._header_offset: int | None = info.header_offset
        self._packed_left = info.compress_size
        self._left = info.file_size
        self._crc = 0
        self._expected_crc = info.CRC
        self._inflate = zlib.decompressobj(-15) if info.compress_type == ZIP_DEFLATED else None
        self._failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._archive.close()
        super().close()

    def packed(self) -> Iterator[bytes]:
        """The bytes as they are packed, in pieces; nothing has been read before."""
        self._find_data(self._offset)
        while piece := self._packed(_HASHED_CHUNK):
            yield piece

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        if not view.nbytes:
            return 0
        if self._failure is None:
            piece = self._checked(view.nbytes)
            view[: len(piece)] = piece
            if piece or self._failure is None:
                return len(piece)
        raise self._failure

    def _checked(self, size: int) -> bytes:
        """The next piece, as far as it is within the declared size; notes what is wrong."""
        try:
            piece = self._next(size)
        except (BadZipFile, EOFError, OSError, struct.error) as error:
            self._failure = (
                BadZipFile("no such member") if isinstance(error, struct.error) else error
            )
            return b""
        if len(piece) > self._left:
            self._failure = BadZipFile("more data than declared")
            piece = piece[: self._left]
        self._left -= len(piece)
        self._crc = zlib.crc32(piece, self._crc)
        if not piece and self._failure is None and (self._left or self._crc != self._expected_crc):
            self._failure = BadZipFile("wrong length or checksum")
        return piece

    def _next(self, size: int) -> bytes:
        if self._header_offset is not None:
            self._find_data(self._header_offset)
            self._header_offset = None
        if self._inflate is None:
            return self._packed(size)
        while not self._inflate.eof:
            feed = self._inflate.unconsumed_tail or self._packed(_PACKED_CHUNK)
            before = self._inflate.copy()
            try:
                piece = self._inflate.decompress(feed, size)
            except zlib.error as error:
                self._failure = error
                return _salvaged(before, feed)
            if piece:
                return piece
            if not feed:
                raise EOFError
        return b""

    def _find_data(self, offset: int) -> None:
        try:
            self._archive.seek(offset)
            signature, name_length, extra_length = _LOCAL_HEADER.unpack(
                self._archive.read(_LOCAL_HEADER.size)
            )
        except (struct.error, ValueError, OverflowError):
            raise BadZipFile("no such member") from None
        if signature != b"PK\3\4":
            raise BadZipFile("no such member")
        self._archive.seek(name_length + extra_length, io.SEEK_CUR)

    def _packed(self, size: int) -> bytes:
        data = self._archive.read(min(size, self._packed_left))
        if self._packed_left and not data:
            raise EOFError
        self._packed_left -= len(data)
        return data


def _salvaged(inflate: zlib._Decompress, feed: bytes) -> bytes:
    """What comes out of `feed` before the data breaks, but for its very last byte."""
    whole = bytearray()
    # The error is known to come: the caller has just met it, and keeps it.
    with suppress(zlib.error):
        while piece := inflate.decompress(feed, 1):
            whole += piece
            feed = inflate.unconsumed_tail
    return bytes(whole)
