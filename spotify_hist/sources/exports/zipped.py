"""Owns reading the directory of a ZIP: its members, how to open each, and what bars reading it.

Never extracts a file and never believes that an archive is as small or as short as it says.
"""

from __future__ import annotations

import io
import shutil
import stat
import tempfile
import weakref
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, BinaryIO, Final, cast

from spotify_hist.errors import BadInput
from spotify_hist.sources.exports.broken import BROKEN_ARCHIVE
from spotify_hist.sources.exports.unpack import METHODS, packed_sha256, unpacked

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import WriteableBuffer

Opener = Callable[[], BinaryIO]

AGAIN: Final = "Download it again."
# Whatever its ratio, a member this small is no bomb; a short file of equal rows packs very well.
_HARMLESS_BYTES: Final = 256 * 1024
_DIRECTORY_BYTES_PER_MEMBER: Final = 512
_LOCAL_HEADER_BYTES: Final = 30
_SPOOL_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class Caps:
    """The most that is accepted: bytes, unpacked bytes, unpacked by packed bytes, files."""

    max_zip_bytes: int
    max_unpacked_bytes: int
    max_ratio: float
    max_members: int


@dataclass(frozen=True)
class Entry:
    """A file of a ZIP or folder. `container` opens it seekable.

    `problem` bars reading it, which is told as a failure where it may be history; `aside` is why it
    is left unread although nothing is wrong with it. `packed_sha256` is that of `unpack`, of
    members of a ZIP.
    """

    name: str
    size: int
    opener: Opener
    container: Opener
    problem: BadInput | None = None
    aside: str | None = None
    packed_sha256: Callable[[], str | None] = lambda: None


def is_zip(path: Path) -> bool:
    """Whether a file begins or ends as a ZIP does; a truncated one only begins so."""
    with path.open("rb") as file:
        if file.read(4) in {b"PK\3\4", b"PK\5\6"}:
            return True
    return zipfile.is_zipfile(path)


def entries(label: str, container: Opener, caps: Caps) -> Iterator[Entry]:
    """The members of a ZIP, from its directory alone.

    Raises BadInput where that cannot be read, or where the ZIP exceeds `caps`.
    """
    crowd = BadInput(
        f"{label} holds more than {caps.max_members:,} files.",
        hint="A Spotify export has a few dozen; see the setting import.max_members.",
    )
    with container() as file:
        if file.seek(0, io.SEEK_END) > caps.max_zip_bytes:
            raise too_large(label, caps.max_zip_bytes)
        careful = _CarefulFile(file, caps.max_members * _DIRECTORY_BYTES_PER_MEMBER, crowd)
        try:
            with zipfile.ZipFile(cast("IO[bytes]", careful)) as archive:
                overlapping = _overlapping(archive.infolist(), archive.start_dir)
                infos = [info for info in archive.infolist() if not info.is_dir()]
        except BROKEN_ARCHIVE:
            raise BadInput(
                f"{label} is not a whole ZIP file: the download seems incomplete.", hint=AGAIN
            ) from None
    if len(infos) > caps.max_members:
        raise crowd
    inner = sum(info.file_size for info in infos if _is_zip_name(info.filename))
    if inner > caps.max_unpacked_bytes:
        raise too_large(label, caps.max_unpacked_bytes, unpacked=True)
    for info in infos:
        opener = partial(_open_member, container, info)
        yield Entry(
            name=info.filename.replace("\\", "/"),
            size=info.file_size,
            opener=opener,
            container=_Spool(opener),
            problem=_problem(label, info, caps, is_overlapping=id(info) in overlapping),
            aside="a link" if stat.S_ISLNK(info.external_attr >> 16) else None,
            packed_sha256=partial(_packed_sha256, container, info),
        )


def too_large(name: str, limit: int, *, unpacked: bool = False) -> BadInput:
    """The refusal of a file whose bytes, packed or unpacked, exceed `limit`."""
    amount = f"{limit / 1e6:,.0f} MB" if limit >= 1_000_000 else f"{limit:,} bytes"
    verb = "unpacks to more than" if unpacked else "is larger than"
    setting = "import.max_unpacked_gb" if unpacked else "import.max_zip_mb"
    return BadInput(
        f"{name} {verb} {amount}.", hint=f"If it is a real export, raise the setting {setting}."
    )


def shown(name: str) -> str:
    """A file's name as it may be printed: whatever is not printable becomes a question mark."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _overlapping(infos: Sequence[zipfile.ZipInfo], end: int) -> set[int]:
    """The `id` of each member that reaches into what lies behind it; `end` is where all must end.

    Bombs of a few kilobytes are made of members that share their packed data.
    """
    found: set[int] = set()
    for info in sorted(infos, key=lambda info: info.header_offset, reverse=True):
        # What the header has beyond this is told nowhere but in the header itself.
        least = _LOCAL_HEADER_BYTES + len(info.orig_filename) + info.compress_size
        if info.header_offset + least > end:
            found.add(id(info))
        end = min(end, info.header_offset)
    return found


def _problem(
    label: str, info: zipfile.ZipInfo, caps: Caps, *, is_overlapping: bool
) -> BadInput | None:
    """What bars reading a member, or None."""
    name = f"{shown(info.filename)} in {label}"
    by_hand = "Unpack it yourself and give the folder instead."
    if info.flag_bits & 0x1:
        return BadInput(f"{label} is protected by a password.", hint=by_hand)
    if is_overlapping:
        return BadInput(
            f"{name} shares its place with another file, as no export does.", hint=AGAIN
        )
    if info.compress_type not in METHODS:
        return BadInput(f"{name} is packed in a way that cannot be read here.", hint=by_hand)
    if info.file_size > caps.max_unpacked_bytes:
        return too_large(name, caps.max_unpacked_bytes, unpacked=True)
    if _is_zip_name(info.filename):
        # A ZIP in a ZIP is unpacked before anything is known about it.
        return too_large(name, caps.max_zip_bytes) if info.file_size > caps.max_zip_bytes else None
    if info.file_size > max(_HARMLESS_BYTES, caps.max_ratio * info.compress_size):
        return BadInput(
            f"{name} unpacks to more than {caps.max_ratio:g} times its size, which no listening "
            "history does.",
            hint=AGAIN,
        )
    return None


def _is_zip_name(name: str) -> bool:
    return name.lower().endswith(".zip")


def _open_member(container: Opener, info: zipfile.ZipInfo) -> BinaryIO:
    return unpacked(container(), info)


def _packed_sha256(container: Opener, info: zipfile.ZipInfo) -> str | None:
    return packed_sha256(container(), info)


class _CarefulFile:
    """A file that lets `zipfile` read a directory of reasonable size only.

    `zipfile` turns the whole directory into objects before anyone can count them.
    """

    def __init__(self, file: BinaryIO, most: int, refusal: BadInput) -> None:
        self._file = file
        self._most = max(most, 2 * 65_536)  # the search for the directory's end takes that much
        self._refusal = refusal
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, self._most + 1) if size >= 0 else self._most + 1)
        if len(data) > self._most:
            raise self._refusal
        return data


class _Spool:
    """A ZIP within a ZIP, unpacked once at first need; each call opens it anew.

    It lives in memory or in a nameless temporary file, and goes away with its last user.
    """

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._file: IO[bytes] | None = None

    def __call__(self) -> BinaryIO:
        if self._file is None:
            file = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115 - see below
            weakref.finalize(self, file.close)
            with self._opener() as stream:
                shutil.copyfileobj(stream, file)
            self._file = file
        return cast("BinaryIO", io.BufferedReader(_View(self, self._file)))


class _View(io.RawIOBase):
    """A reader with a position of its own in a spool that others read too."""

    def __init__(self, spool: _Spool, file: IO[bytes]) -> None:
        super().__init__()
        self._spool = spool  # keeps the file open
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_CUR:
            offset, whence = self._at + offset, io.SEEK_SET
        self._file.seek(offset, whence)
        self._at = self._file.tell()
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        self._file.seek(self._at)
        data = self._file.read(view.nbytes)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
