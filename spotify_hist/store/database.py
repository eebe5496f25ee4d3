"""Owns the DuckDB file: opens it for reading or writing behind the gate, briefly.

Never keeps a connection beyond the block it was asked for, and never holds a secret.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import duckdb

from spotify_hist.disk import FULL
from spotify_hist.errors import (
    BadInput,
    DamagedDatabase,
    DatabaseBusy,
    NewerDatabase,
    NoHistory,
    SpotifyHistError,
    StorageFull,
)
from spotify_hist.store import migrate
from spotify_hist.store.gate import Gate, OnWait, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from spotify_hist.settings import Settings

Connection = duckdb.DuckDBPyConnection

OUT_OF_MEMORY = "out_of_memory"  # the code of that error
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAUSE_S = 0.05
# A file of another kind must not make DuckDB fetch a reader for it from the network.
_Config = dict[str, str | bool | int | float | list[str]]
_CONFIG: _Config = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
# Where fifty rows are written, threads and the order of rows without one cost more than they give,
# and what was read need not be kept.
_SMALL: _Config = {"threads": 1, "preserve_insertion_order": False, "memory_limit": "64MB"}
# Rows that DuckDB packs together while they come in. What does not fill such a group is packed by
# one thread at the end, so that small ones suit many small batches.
_STAGED_TOGETHER = 16_384


@dataclass(frozen=True, slots=True)
class Room:
    """How much memory DuckDB may take for a large piece of work, and where it puts what is more."""

    memory_mb: int
    directory: Path

    @property
    def config(self) -> _Config:
        return {"memory_limit": f"{self.memory_mb}MB", "temp_directory": str(self.directory)}


_OF_FILES = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.OutOfMemoryException,
    duckdb.InternalException,
    duckdb.SerializationException,
    duckdb.TransactionException,
)
_DAMAGE = (
    "not a valid duckdb", "corrupt", "checksum", "serializ", "could not read enough bytes",
    "is a directory", "sqlite_scanner",
)  # fmt: skip
_NO_MEMORY = ("out of memory", "failed to allocate", "could not allocate")
_BROKEN = ("input/output error", "fsync failed", "could not write")
_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


class Database:
    """The one history file. `wait_s` bounds every wait for other processes, in seconds; `on_wait`
    is told of those that a person would notice."""

    def __init__(self, path: Path, wait_s: float = 30.0, on_wait: OnWait | None = None) -> None:
        self.path = path
        self._wait_s = wait_s
        self._on_wait = on_wait
        self._gate = Gate(path, on_wait)

    @classmethod
    def from_settings(cls, settings: Settings, on_wait: OnWait | None = None) -> Database:
        """The database of these settings."""
        return cls(settings.database, settings.number("database.wait_s"), on_wait)

    def exists(self) -> bool:
        """Whether any history has been written yet."""
        return self.path.exists()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only connection, shared with other readers; session time zone UTC.

        Raises NoHistory where there is no file, DatabaseBusy, NewerDatabase, DamagedDatabase.
        """
        if not self.exists():
            raise NoHistory(f"There is no listening history in {self.path.parent} yet.")
        deadline = time.monotonic() + self._wait_s
        with self._gate.reading(deadline), self._connection(deadline, read_only=True) as found:
            if migrate.version(found) == migrate.latest():
                yield found
                return
        with self.write("migrate"):
            pass
        deadline = time.monotonic() + self._wait_s
        with self._gate.reading(deadline), self._connection(deadline, read_only=True) as found:
            yield found

    @contextmanager
    def write(
        self, label: str, *, is_small: bool = False, room: Room | None = None
    ) -> Iterator[Connection]:
        """One write transaction, alone with the file; rolled back if the block raises.

        Creates the file and brings its schema up to date first. `is_small`: a few rows
        only, which need less memory (BadInput `out_of_memory` where they need more after all) and
        no second thread. `room`: for many rows.
        """
        more: _Config = _SMALL if is_small else {}
        if room is not None:
            more = {**room.config, "preserve_insertion_order": False}
        deadline = time.monotonic() + self._wait_s
        with (
            self._gate.writing(deadline, label),
            self._connection(deadline, read_only=False, more=more) as connection,
        ):
            migrate.upgrade(connection)
            connection.begin()
            try:
                yield connection
                connection.commit()
            except BaseException:
                with suppress(duckdb.Error):
                    connection.rollback()
                raise

    def copy_to(self, target: Path) -> None:
        """Copy the file as it stands, with what is only in its log so far.

        Raises NoHistory where there is none, DatabaseBusy, NewerDatabase, DamagedDatabase, OSError.
        """
        import shutil

        if not self.exists():
            raise NoHistory(f"There is no listening history in {self.path.parent} yet.")
        deadline = time.monotonic() + self._wait_s
        with self._gate.reading(deadline), self._connection(deadline, read_only=True) as found:
            migrate.version(found)
            for ending in ("", ".wal"):
                with suppress(FileNotFoundError):
                    source = self.path.with_name(self.path.name + ending)
                    shutil.copyfile(source, target.with_name(target.name + ending))

    def rewrite(self, label: str) -> None:
        """Write the file anew, without what deleted rows left in it; whole or not at all.

        Raises DatabaseBusy, StorageFull and their like; then the file is as it was.
        """
        deadline = time.monotonic() + self._wait_s
        with self._gate.writing(deadline, label):
            with self._connection(deadline, read_only=False) as connection:
                # What is still in the log must not be taken for the new file's.
                connection.execute("force checkpoint")
            with (
                self._made_anew() as making,
                translated(self.path),
                duckdb.connect(config=_CONFIG) as connection,
            ):
                attach(connection, self.path, "old", "read_only")
                attach(connection, making, "new")
                connection.execute("copy from database old to new")

    @contextmanager
    def _connection(
        self, deadline: float, *, read_only: bool, more: _Config | None = None
    ) -> Iterator[Connection]:
        config = {**_CONFIG, **(more or {})}
        connection = self._connect(deadline, read_only=read_only, config=config)
        try:
            with translated(self.path):
                connection.execute("set timezone = 'UTC'")
                yield connection
        finally:
            connection.close()

    def _connect(self, deadline: float, *, read_only: bool, config: _Config) -> Connection:
        """Open the file, waiting for foreign programs (a shell, a BI tool) until the deadline."""
        wait = Wait(deadline, self._on_wait)
        try:
            while True:
                try:
                    with translated(self.path):
                        if not read_only and not self.path.exists():
                            self._create()
                        return duckdb.connect(str(self.path), read_only=read_only, config=config)
                except DatabaseBusy as error:
                    if wait.is_over:
                        raise
                    wait.tell(error.holder)
                time.sleep(_PAUSE_S)
        finally:
            wait.end()

    def _create(self) -> None:
        """Make an empty database."""
        with self._made_anew() as making:
            duckdb.connect(str(making), config=_CONFIG).close()

    @contextmanager
    def _made_anew(self) -> Iterator[Path]:
        """A name to make the file under; it takes the file's place once the block is through.

        A kill leaves no half-made file there.
        """
        making = self.path.with_name(self.path.name + ".new")
        try:
            making.unlink(missing_ok=True)
            yield making
            making.chmod(0o600)
            making.replace(self.path)
        except OSError as error:
            if error.errno in FULL:
                raise StorageFull(f"The disk of {self.path} is full.") from None
            raise BadInput(
                f"{self.path} cannot be made: {error.strerror}.",
                hint="Make that directory writable, or set SPOTIFY_HIST_HOME to another one.",
            ) from None
        finally:
            for left in (making, making.with_name(making.name + ".wal")):
                with suppress(OSError):
                    left.unlink(missing_ok=True)


def integers(
    connection: Connection, statement: str, parameters: Mapping[str, object] | None = None
) -> tuple[int, ...]:
    """The one row of whole numbers (flags as 0 and 1) a statement gives; null counts as 0."""
    row = connection.execute(statement, dict(parameters or {})).fetchone()
    return tuple(int(value or 0) for value in row or ())


def instant(epoch_us: int) -> datetime:
    """The UTC instant of epoch microseconds: DuckDB hands out timestamptz only as numbers or text
    where pytz is absent (FACTS 9.6)."""
    return _EPOCH + timedelta(microseconds=epoch_us)


def attach(connection: Connection, path: Path, name: str, options: str = "") -> None:
    """Make another database file known to a connection as `name`."""
    quoted = str(path).replace("'", "''")
    connection.execute(f"attach '{quoted}' as {name}{f' ({options})' if options else ''}")


@contextmanager
def scratch(path: Path, room: Room) -> Iterator[Connection]:
    """A throw-away database file for staging, removed with its log afterwards.

    One that cannot be removed stays: what was made of it is done all the same.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with translated(path):
            connection = duckdb.connect(config=room.config)
            try:
                attach(connection, path, "staging", f"row_group_size {_STAGED_TOGETHER}")
                connection.execute("use staging")
                connection.execute("set timezone = 'UTC'")
                yield connection
            finally:
                connection.close()
    finally:
        for left in (path, path.with_name(path.name + ".wal")):
            with suppress(OSError):
                left.unlink(missing_ok=True)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn DuckDB's file errors into ours, in the person's words."""
    try:
        yield
    except duckdb.Error as error:
        # Damage comes as the bare base class; the other subclasses tell of a statement's data.
        if not isinstance(error, _OF_FILES) and type(error) is not duckdb.Error:
            raise
        known = _translate(path, str(error))
        if known is None:
            raise
        raise known from error


def _translate(path: Path, text: str) -> SpotifyHistError | None:
    """Our error for DuckDB's text, or None where it says nothing about the file."""
    lower = text.lower()
    if "lock on file" in lower or "conflicting lock" in lower:
        match = _HOLDER.search(text)
        holder = f"{match['program']} (pid {match['pid']})" if match else "another program"
        return DatabaseBusy(
            f"The database {path} is held by {holder}.",
            hint="Close that program and try again; nothing was lost.",
            holder=holder,
        )
    if any(sign in lower for sign in ("no space left", "file too large", "disk quota")):
        return StorageFull(f"The disk of {path} is full.")
    if any(sign in lower for sign in _NO_MEMORY):
        return BadInput(
            "There is not memory enough for this.",
            hint="Raise the setting import.memory_mb, or close other programs.",
            code=OUT_OF_MEMORY,
        )
    if "version number" in lower or "newer version" in lower:
        return NewerDatabase(f"{path} was written by a newer DuckDB than the one installed.")
    if "permission denied" in lower or "read-only file system" in lower:
        return BadInput(
            f"{path} cannot be opened: permission denied.",
            hint="Run as the user who owns that directory.",
        )
    if any(sign in lower for sign in _BROKEN):
        # Nothing that passes: a timer must show it as a failure while Spotify still has the plays.
        return BadInput(
            f"The disk of {path} failed to read or write it.",
            hint="Check the disk, then run the same command again; what was captured is safe.",
        )
    if any(sign in lower for sign in _DAMAGE):
        return DamagedDatabase(f"{path} cannot be read as a DuckDB database.")
    return None
