"""Owns the scratch area of an import: files unpacked, rows normalised, keys made, off the history.

Never opens the history itself.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from spotify_hist import normalise
from spotify_hist.disk import FULL
from spotify_hist.errors import BadInput, StorageFull
from spotify_hist.model import Record
from spotify_hist.sources.exports import reader
from spotify_hist.sources.exports.formats import source_of
from spotify_hist.store import bulk, records
from spotify_hist.store.bulk import BulkFile
from spotify_hist.store.database import Connection, scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from spotify_hist.sources.exports.archive import Member

_CHUNK = 1 << 20
_BULK_BYTES = 256_000_000  # how much lies unpacked at a time
_BULK_LEAST_BYTES = 100_000  # below this a file is read row by row just as fast
# DuckDB and Python do not agree on text that holds NUL.
_NUL = b"\\u0000"
_TAIL = 64
_PREFIX = "import-"


@dataclass(slots=True)
class StagedFile:
    """One file of an import: its rows, those rejected as (index, reason), where it broke off."""

    number: int
    name: str
    package: str
    format: str
    sha256: str
    records: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    damage: str | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """A directory of an import's own and the scratch database in it."""

    directory: Path
    connection: Connection

    def attach(self, connection: Connection) -> None:
        """Make the keyed rows readable from another connection as `scratch.keyed`."""
        self.connection.close()
        path = str(self.directory / "scratch.duckdb").replace("'", "''")
        connection.execute(f"attach '{path}' as scratch (read_only)")


@contextmanager
def workspace(parent: Path) -> Iterator[Workspace]:
    """A fresh workspace, removed afterwards; those that killed imports left go as well."""
    try:
        with (
            _directory_of_our_own(parent) as directory,
            scratch(directory / "scratch.duckdb") as connection,
        ):
            records.create_stage(connection, temporary=False)
            yield Workspace(directory, connection)
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(f"The disk of {parent} is full.") from None
        if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
            raise BadInput(
                f"{parent} cannot be written to: {error.strerror}.",
                hint="Mend the permissions, or set SPOTIFY_HIST_HOME to another directory.",
            ) from None
        raise


@contextmanager
def _directory_of_our_own(parent: Path) -> Iterator[Path]:
    """A directory locked while it is in use. A process id would not tell: in a container each run
    has the same one."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as in_use:
        with _locked(parent):
            for path in parent.glob(_PREFIX + "*"):
                with suppress(BlockingIOError, FileNotFoundError), _locked(path, fcntl.LOCK_NB):
                    shutil.rmtree(path, ignore_errors=True)
            directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            in_use.enter_context(_locked(directory))
        in_use.callback(shutil.rmtree, directory, ignore_errors=True)
        yield directory


@contextmanager
def _locked(directory: Path, how: int = 0) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(descriptor)


def stage_members(
    space: Workspace,
    members: Sequence[Member],
    *,
    max_rows: int,
    keep_private: bool,
    on_progress: Callable[[int, int], None],
    least_bulk_bytes: int = _BULK_LEAST_BYTES,
) -> list[StagedFile]:
    """Stage the rows of all members; what became of each file, in their order.

    Raises BadInput where there are more than `max_rows`.
    """
    total = sum(member.size for member in members)
    done = 0
    staged: list[StagedFile] = []
    waiting: list[tuple[Member, StagedFile, BulkFile]] = []
    waiting_bytes = 0

    def flush() -> None:
        nonlocal done, waiting_bytes
        taken = bulk.stage_files(space.connection, [each for _, _, each in waiting])
        for member, file, unpacked in waiting:
            unpacked.path.unlink()
            if file.number in taken:
                file.records = taken[file.number]
            else:
                _stage_rows(space, member, file, keep_private=keep_private)
            done += member.size
            on_progress(done, total)
        waiting.clear()
        waiting_bytes = 0
        _check_rows(staged, max_rows)

    for number, member in enumerate(members, 1):
        path = space.directory / f"{number}.json"
        sha256, is_plain = _unpack(member, path)
        file = StagedFile(number, member.name, member.package, member.format, sha256)
        staged.append(file)
        is_bulk = source_of(member.format) == "extended" and member.size >= least_bulk_bytes
        if is_bulk and is_plain and not keep_private:
            waiting.append((member, file, BulkFile(path, number, member.package)))
            waiting_bytes += member.size
            if waiting_bytes >= _BULK_BYTES:
                flush()
            continue
        path.unlink()
        _stage_rows(space, member, file, keep_private=keep_private)
        done += member.size
        on_progress(done, total)
        _check_rows(staged, max_rows)
    flush()
    return staged


def key(space: Workspace, user_id: int) -> None:
    """Make the table `keyed` of what is staged."""
    records.key_stage(space.connection, user_id, temporary=False)


def number_files(connection: Connection, last_file_id: int) -> str:
    """The name of a view of `scratch.keyed` whose file ids follow on the history's own."""
    connection.execute(
        "create or replace temp view keyed_files as select * "  # noqa: S608 - an integer of ours
        f"replace ((file_id + {int(last_file_id)})::integer as file_id) from scratch.keyed"
    )
    return "keyed_files"


def _check_rows(staged: Sequence[StagedFile], max_rows: int) -> None:
    if sum(file.records for file in staged) > max_rows:
        raise BadInput(
            f"This import has more than {max_rows:,} rows.",
            hint="Import its files in several goes, or raise import.max_rows.",
        )


def _unpack(member: Member, path: Path) -> tuple[str, bool]:
    """Copy a member to `path`; its SHA-256, and whether DuckDB may read it.

    Damage is left for the row reader to find and to name; the sum is then of what came before.
    """
    digest = hashlib.sha256()
    is_plain = True
    tail = b""
    with path.open("xb") as target:
        try:
            with member.open() as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    is_plain = is_plain and _NUL not in tail + chunk
                    tail = (tail + chunk)[-_TAIL:]
                    target.write(chunk)
        except (zipfile.BadZipFile, zlib.error, EOFError):
            is_plain = False
    # DuckDB takes a list that breaks off between two rows for a whole one.
    return digest.hexdigest(), is_plain and tail.rstrip().endswith(b"]")


def _stage_rows(space: Workspace, member: Member, file: StagedFile, *, keep_private: bool) -> None:
    """Read one file row by row: the reference for what the fast way must give."""

    def good_rows() -> Iterator[records.StagedRow]:
        is_account = source_of(member.format) == "account"
        try:
            with member.open() as stream:
                for index, raw in reader.rows(stream):
                    file.records += 1
                    record = (
                        normalise.account_row(raw)
                        if is_account
                        else normalise.extended_row(raw, keep_private=keep_private)
                    )
                    if isinstance(record, Record):
                        yield records.StagedRow(file.number, index, file.package, record)
                    else:
                        file.rejected.append((index, record.reason))
        except reader.DamagedFile as damage:
            file.damage = damage.reason

    records.stage(space.connection, good_rows())
