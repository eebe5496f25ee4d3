"""Owns the DuckDB file: opens it for reading or writing behind the gate, briefly.

Never keeps a connection beyond the block it was asked for, and never holds a secret.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from spotify_hist.errors import BadInput, DamagedDatabase, DatabaseBusy, NoHistory, SpotifyHistError
from spotify_hist.ownership import give_path, how_to_take_back
from spotify_hist.private_files import make_directory, tighten
from spotify_hist.store import migrate, rewriting
from spotify_hist.store.duckdb_errors import (
    ASK_FOR_LESS,
    CLOSE_OTHERS,
    RAISE_MEMORY,
    log_of,
    log_without_file,
    not_a_log,
    translated,
)
from spotify_hist.store.engine import CONFIG, Config, attach, stoppable
from spotify_hist.store.gate import Gate, OnWait, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from spotify_hist.settings import Settings

Connection = duckdb.DuckDBPyConnection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAUSE_S = 0.05
# How DuckDB's own log begins; one that was torn may have less, or nothing but zeros.
_LOG_HEAD = b"d\x00b"
# Where fifty rows are written, threads and the order of rows without one cost more than they give,
# and what was read need not be kept.
_SMALL: Config = {"threads": 1, "preserve_insertion_order": False, "memory_limit": "64MB"}
# Rows that DuckDB packs together while they come in. What does not fill such a group is packed by
# one thread at the end, so that small ones suit many small batches.
_STAGED_TOGETHER = 16_384


@dataclass(frozen=True, slots=True)
class Room:
    """How much memory DuckDB may take for a large piece of work, and where it puts what is more."""

    memory_mb: int
    directory: Path

    @property
    def config(self) -> Config:
        return {"memory_limit": f"{self.memory_mb}MB", "temp_directory": str(self.directory)}


class Database:
    """The one history file. `wait_s` bounds every wait for other processes, in seconds; `on_wait`
    is told of those that a person would notice."""

    def __init__(self, path: Path, wait_s: float = 30.0, on_wait: OnWait | None = None) -> None:
        # DuckDB keeps its log beside what a link points to, and what is made anew must not replace
        # the link.
        self.path = Path(os.path.realpath(path)) if path.is_symlink() else path
        self._link = path if path.is_symlink() else None
        self._wait_s = wait_s
        self._on_wait = on_wait
        # One gate for every link to it: who came by another could replace what is being written.
        self._gate = Gate(self.path, on_wait)

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
        self._require()
        deadline = time.monotonic() + self._wait_s
        with self._gate.reading(deadline), self._connection(deadline, read_only=True) as found:
            if migrate.version(found) == migrate.latest():
                yield found
                return
        self._upgrade()
        deadline = time.monotonic() + self._wait_s
        with self._gate.reading(deadline), self._connection(deadline, read_only=True) as found:
            yield found

    def _require(self) -> None:
        """Raise NoHistory where there is no file, and DamagedLog where only its log is left."""
        self._check_link()
        if not self.exists():
            if rewriting.unsettled_logs(self.path):
                raise log_without_file(self.path)
            raise NoHistory(f"There is no listening history in {self.path.parent} yet.")

    def _check_link(self) -> None:
        """Raise BadInput where a link leads nowhere: a new history would hide the one that is on a
        disk not mounted."""
        if self._link is not None and not self.exists():
            raise BadInput(
                f"{self._link} is a link to {self.path}, which is not there.",
                hint="Mount its disk, or remove the link.",
            )

    def _upgrade(self) -> None:
        """Bring the schema up to date for somebody who only reads."""
        try:
            with self.write("migrate"):
                pass
        except BadInput as error:
            if type(error) is BadInput:
                error.message = (
                    "The history is of an earlier version, and must be brought up to date before "
                    f"it can be read. {error.message}"
                )
            raise

    @contextmanager
    def write(
        self, label: str, *, is_small: bool = False, room: Room | None = None
    ) -> Iterator[Connection]:
        """One write transaction, alone with the file; rolled back if the block raises.

        Creates the file and brings its schema up to date first. `is_small`: a few rows
        only, which need less memory (BadInput `out_of_memory` where they need more after all) and
        no second thread. `room`: for many rows.
        """
        more: Config = _SMALL if is_small else {}
        if room is not None:
            more = {**room.config, "preserve_insertion_order": False}
        self._check_link()
        deadline = time.monotonic() + self._wait_s
        with self._gate.writing(deadline, label):
            with suppress(OSError):
                rewriting.clear(self.path)
            with self._connection(deadline, read_only=False, more=more) as connection:
                give_path(self.path)
                migrate.upgrade(connection)
                is_owed = rewriting.is_owed(connection)
                connection.begin()
                try:
                    yield connection
                    connection.commit()
                except BaseException:
                    with suppress(duckdb.Error):
                        connection.rollback()
                    raise
            give_path(log_of(self.path))
            if is_owed:
                # What this writer came for is done; `status` tells of what is still owed.
                with suppress(SpotifyHistError):
                    self._rewrite(deadline)

    def copy_to(self, target: Path) -> None:
        """Copy the file as it stands, with what is only in its log so far.

        Raises NoHistory where there is none, DatabaseBusy, NewerDatabase, DamagedDatabase, OSError.
        """
        import shutil

        self._require()
        deadline = time.monotonic() + self._wait_s
        with self._gate.reading(deadline), self._connection(deadline, read_only=True) as found:
            migrate.version(found)
            for source in (self.path, *rewriting.unsettled_logs(self.path)):
                ending = source.name.removeprefix(self.path.name)
                shutil.copyfile(source, target.with_name(target.name + ending))

    def rewrite(self, label: str) -> None:
        """Write the file anew, without what deleted rows left in it; whole or not at all.

        Raises DatabaseBusy, StorageFull and their like; then the file is as it was.
        """
        deadline = time.monotonic() + self._wait_s
        with self._gate.writing(deadline, label):
            self._rewrite(deadline)

    def require_rewritable(self, label: str) -> None:
        """See that `rewrite` has the room, and that it would leave nothing behind but deleted rows.

        Raises StorageFull, BadInput and their like; the file is not changed.
        """
        deadline = time.monotonic() + self._wait_s
        with self._gate.writing(deadline, label):
            rewriting.require_space(self.path)
            rewriting.rehearse(self.path)

    def _rewrite(self, deadline: float) -> None:
        """The same for whoever is at the gate already."""
        rewriting.require_space(self.path)
        with self._connection(deadline, read_only=False) as connection:
            # What is still in the log must not be taken for the new file's.
            connection.execute("force checkpoint")
            is_owed = rewriting.is_owed(connection)
        with rewriting.made_anew(self.path) as making:
            rewriting.copy(self.path, making)
        if is_owed:
            with self._connection(deadline, read_only=False) as connection:
                rewriting.settle(connection)

    @contextmanager
    def _connection(
        self, deadline: float, *, read_only: bool, more: Config | None = None
    ) -> Iterator[Connection]:
        config = {**CONFIG, **(more or {})}
        no_memory = ASK_FOR_LESS if read_only else CLOSE_OTHERS
        if "temp_directory" in config:
            no_memory = RAISE_MEMORY
        connection = self._connect(deadline, read_only=read_only, config=config)
        try:
            with stoppable(connection), translated(self.path, no_memory):
                connection.execute("set timezone = 'UTC'")
                yield connection
        finally:
            connection.close()

    def _connect(self, deadline: float, *, read_only: bool, config: Config) -> Connection:
        """Open the file, waiting for foreign programs (a shell, a BI tool) until the deadline."""
        if not read_only:  # an older version, or the person's own DuckDB, left them open to others
            tighten(self.path, log_of(self.path))
        wait = Wait(deadline, self._on_wait)
        try:
            while True:
                try:
                    self._check_files()
                    if not read_only and not self.path.exists():
                        self._create()
                    with translated(self.path):
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
        with rewriting.made_anew(self.path) as making:
            with translated(self.path):
                duckdb.connect(str(making), config=CONFIG).close()
            rewriting.check(making)

    def _check_files(self) -> None:
        """Raise DamagedDatabase for what DuckDB would wait at for ever (a pipe), or overwrite."""
        log = log_of(self.path)
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise DamagedDatabase(
                    f"{self.path} is no file.",
                    hint="Move it away, or set SPOTIFY_HIST_HOME to another directory.",
                )
            with log.open("rb") as opened:
                head = opened.read(len(_LOG_HEAD))
        except FileNotFoundError:
            return
        except IsADirectoryError:
            raise not_a_log(self.path) from None
        except OSError as error:
            raise BadInput(
                f"{error.filename} cannot be opened: {error.strerror}.",
                hint=f"{how_to_take_back(log) or 'Run as the user who owns it'}.",
            ) from None
        if not _LOG_HEAD.startswith(head) and any(head):
            raise not_a_log(self.path)


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


@contextmanager
def scratch(path: Path, room: Room) -> Iterator[Connection]:
    """A throw-away database file for staging, removed with its log afterwards.

    One that cannot be removed stays: what was made of it is done all the same.
    """
    make_directory(path.parent)
    try:
        with translated(path, RAISE_MEMORY):
            connection = duckdb.connect(config=room.config)
            try:
                with stoppable(connection):
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
