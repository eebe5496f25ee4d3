"""Owns the directory an import works in: its own, locked, gone afterwards, with a scratch database.

Never opens the history itself.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spotify_hist import interrupts
from spotify_hist.disk import FULL, NO_LOCKS, READ_ONLY
from spotify_hist.errors import BadInput, NoLocks, StorageFull
from spotify_hist.private_files import make_directory
from spotify_hist.store import bulk
from spotify_hist.store.database import Connection, Room, scratch
from spotify_hist.store.engine import attach

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "import-"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A directory of an import's own and the scratch database in it."""

    directory: Path
    connection: Connection
    room: Room

    def attach(self, connection: Connection) -> None:
        """Make the scratch database readable from another connection as `scratch`."""
        self.connection.close()
        attach(connection, self.directory / "scratch.duckdb", "scratch", "read_only")


@contextmanager
def workspace(parent: Path, memory_mb: int) -> Iterator[Workspace]:
    """A fresh workspace, removed afterwards; those that killed imports left go as well.

    DuckDB may take `memory_mb` for it at a time, and the history's merge as much.
    """
    try:
        with _directory_of_our_own(parent) as directory:
            room = Room(memory_mb, directory / "spill")
            with scratch(directory / "scratch.duckdb", room) as connection:
                yield Workspace(directory, connection, room)
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(f"The disk of {parent} is full.") from None
        if error.errno in NO_LOCKS:
            raise NoLocks(f"The file system of {parent} has no file locks.") from None
        if error.errno in READ_ONLY:
            raise BadInput(
                f"{parent} cannot be written to: {error.strerror}.",
                hint="Mend the permissions, or set SPOTIFY_HIST_HOME to another directory.",
            ) from None
        if error.errno == errno.EIO:
            raise BadInput(
                f"The disk of {parent} failed to read or write it.",
                hint="Check the disk, then run the same command again; nothing was lost.",
            ) from None
        raise BadInput(
            f"{error.filename or parent} cannot be used: {error.strerror}.",
            hint="Nothing was imported. Mend that, then run the same command again.",
        ) from None


@contextmanager
def _directory_of_our_own(parent: Path) -> Iterator[Path]:
    """A directory locked while it is in use. A process id would not tell: in a container each run
    has the same one."""
    make_directory(parent)
    with ExitStack() as in_use:
        with _locked(parent):
            _remove_unused(parent)
            with interrupts.held():  # made without being removed afterwards, it would stay
                directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
                in_use.enter_context(_locked(directory))
                in_use.callback(shutil.rmtree, directory, ignore_errors=True)
        yield directory


def clear_away(parent: Path) -> list[Path]:
    """Remove what imports that were killed have left: it holds all that they had read. Those
    directories that stay, in use or not to be removed."""
    with suppress(OSError), _locked(parent):
        _remove_unused(parent)
    return sorted(parent.glob(_PREFIX + "*"))


def _remove_unused(parent: Path) -> None:
    for path in parent.glob(_PREFIX + "*"):
        with suppress(BlockingIOError, FileNotFoundError), _locked(path, fcntl.LOCK_NB):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(directory: Path, how: int = 0) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(descriptor)


def number_files(connection: Connection, last_file_id: int) -> str:
    """The name of a view of all rows of an attached scratch database whose file ids follow on the
    history's own."""
    bulk.view(connection, "keyed_files", schema="scratch", file_offset=last_file_id)
    return "keyed_files"
