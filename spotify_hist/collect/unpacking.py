"""Owns unpacking the files of an import, a batch ahead of whoever reads them.

Never reads a row but to see which keys it has.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from spotify_hist.collect import unknown_keys
from spotify_hist.sources.exports.formats import source_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from spotify_hist.sources.exports.archive import Member
    from spotify_hist.store.import_jobs import KnownFile

_CHUNK = 1 << 20
# Of the first batch, which is waited for; each one after it is twice as large, up to the last.
_FIRST_BATCH_BYTES = 32_000_000
_BATCH_BYTES = 256_000_000
# DuckDB and Python do not agree on text that holds NUL.
_NUL = b"\\u0000"
_TAIL = 64
_FEW = 1000


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A member by its number, its SHA-256, and the file DuckDB may read it from.

    There is none where it is not wanted, and where the member is damaged or has what DuckDB reads
    otherwise than Python: that is left to the row reader to find and to name. `known` is the file
    of an earlier import that says the very same; `unknown_keys` are those of the file at `path`.
    """

    number: int
    member: Member
    sha256: str
    packed_sha256: str | None
    path: Path | None
    known: KnownFile | None = None
    unknown_keys: Mapping[str, int] = field(default_factory=dict)


class Unpacker:
    """Unpacks the next batch of files in a thread while the one before it is read."""

    def __init__(self, directory: Path, known: Sequence[KnownFile]) -> None:
        self._directory = directory
        self._packed = {(each.format, each.packed_sha256): each for each in known}
        self._plain = {(each.format, each.sha256): each for each in known}
        self._thread = ThreadPoolExecutor(1, "unpack")
        self._next: Future[list[Unpacked]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def batches(
        self, members: Sequence[Member], least_bytes: int | None
    ) -> Iterator[list[Unpacked]]:
        """The members in their order, numbered from 1, some at a time.

        Those of the extended history that have `least_bytes` are unpacked to files, which are gone
        once the next batch is asked for; with None nothing is.
        """
        waiting = _batches(members)
        self._begin(next(waiting, None), least_bytes)
        while self._next is not None:
            batch = self._next.result()
            self._begin(next(waiting, None), least_bytes)
            yield batch
            for each in batch:
                if each.path is not None:
                    each.path.unlink()

    def rest(self) -> None:
        """Wait until nothing is being unpacked: a ZIP inside a ZIP has one place to read at."""
        if self._next is not None:
            self._next.exception()

    def _begin(self, batch: list[tuple[int, Member]] | None, least_bytes: int | None) -> None:
        self._next = None
        if batch is not None:
            self._next = self._thread.submit(
                lambda: [self._one(number, member, least_bytes) for number, member in batch]
            )

    def _one(self, number: int, member: Member, least_bytes: int | None) -> Unpacked:
        packed = member.packed_sha256()
        known = self._packed.get((member.format, packed)) if packed else None
        if known is not None:
            return Unpacked(number, member, known.sha256, packed, None, known)
        path = None
        if least_bytes is not None and source_of(member.format) == "extended":
            path = self._directory / f"{number}.json" if member.size >= least_bytes else None
        sha256, is_plain = _unpack(member, path)
        known = self._plain.get((member.format, sha256))
        if path is not None and (known or not is_plain):
            path.unlink()
            path = None
        unknown = {} if path is None else unknown_keys.in_copy(path, "extended")
        return Unpacked(number, member, sha256, packed, path, known, unknown)


def _batches(members: Sequence[Member]) -> Iterator[list[tuple[int, Member]]]:
    batch: list[tuple[int, Member]] = []
    size, most = 0, _FIRST_BATCH_BYTES
    for number, member in enumerate(members, 1):
        if batch and size + member.size > most:
            yield batch
            batch, size, most = [], 0, min(2 * most, _BATCH_BYTES)
        batch.append((number, member))
        size += member.size
    if batch:
        yield batch


class _UnreadableError(Exception):
    """A member cannot be read to its end. Failing to write the copy is something else."""


def _chunks(member: Member) -> Iterator[bytes]:
    try:
        with member.open() as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError):
        raise _UnreadableError from None


def _has_nul(chunk: bytes) -> bool:
    """Whether text holds an escaped NUL. Single bytes are found much faster than words, so that
    looking at the few backslashes of ordinary text is worth it."""
    at = -1
    for _ in range(_FEW):
        at = chunk.find(b"\\", at + 1)
        if at < 0 or chunk.startswith(_NUL, at):
            return at >= 0
    return _NUL in chunk


def _unpack(member: Member, path: Path | None) -> tuple[str, bool]:
    """A member's SHA-256, and whether DuckDB may read the copy of it at `path`.

    Of a damaged one it is the sum of what comes before the damage.
    """
    digest = hashlib.sha256()
    is_plain = True
    tail = b""
    with nullcontext() if path is None else path.open("xb") as target:
        try:
            for chunk in _chunks(member):
                digest.update(chunk)
                if target is None:
                    continue
                is_plain = is_plain and not _has_nul(chunk) and _NUL not in tail + chunk[:_TAIL]
                tail = (tail + chunk[-_TAIL:])[-_TAIL:]
                target.write(chunk)
        except _UnreadableError:
            is_plain = False
    # DuckDB takes a list that breaks off between two rows for a whole one.
    return digest.hexdigest(), is_plain and tail.rstrip().endswith(b"]")
