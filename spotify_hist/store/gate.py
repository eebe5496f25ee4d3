"""Owns the order in which processes open the database file: an advisory lock beside it.

Never opens the database and never waits without a deadline.

DuckDB lets one process write and then nobody else even read (FACTS 9.1). Readers share the gate;
a waiting writer holds the turnstile, so that readers arriving later queue behind it.
"""

from __future__ import annotations

import fcntl
import os
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spotify_hist.disk import FULL
from spotify_hist.errors import BadInput, DatabaseBusy, StorageFull

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05


class Gate:
    """The gate of one database file. Safe across processes and threads (`flock` per open)."""

    def __init__(self, database: Path) -> None:
        self._gate = database.with_name(database.name + ".gate")
        self._turnstile = database.with_name(database.name + ".turn")

    @contextmanager
    def reading(self, deadline: float) -> Iterator[None]:
        """Share the file with other readers; DatabaseBusy after `deadline` (monotonic seconds)."""
        turnstile = self._open(self._turnstile)
        try:
            self._take(turnstile, fcntl.LOCK_SH, deadline)
            gate = self._open(self._gate)
            try:
                self._take(gate, fcntl.LOCK_SH, deadline)
                fcntl.flock(turnstile, fcntl.LOCK_UN)
                if os.fstat(gate).st_size:  # signed by a writer that was killed
                    self._sign(gate, "")
                yield
            finally:
                os.close(gate)
        finally:
            os.close(turnstile)

    @contextmanager
    def writing(self, deadline: float, label: str) -> Iterator[None]:
        """Hold the file alone; `label` (a command's name) tells those who wait who has it."""
        turnstile = self._open(self._turnstile)
        try:
            self._take(turnstile, fcntl.LOCK_EX, deadline)
            gate = self._open(self._gate)
            try:
                self._take(gate, fcntl.LOCK_EX, deadline)
                fcntl.flock(turnstile, fcntl.LOCK_UN)
                self._sign(gate, f"spotify-hist {label} (pid {os.getpid()})")
                try:
                    yield
                finally:
                    self._sign(gate, "")
            finally:
                os.close(gate)
        finally:
            os.close(turnstile)

    def writer_waits(self) -> bool:
        """Whether a writer waits for those who read now."""
        turnstile = self._open(self._turnstile)
        try:
            fcntl.flock(turnstile, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(turnstile)
        return False

    def _open(self, path: Path) -> int:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            kind = StorageFull if error.errno in FULL else BadInput
            raise kind(
                f"Cannot create the lock file {path}: {error.strerror}.",
                hint="Make that directory writable, or set SPOTIFY_HIST_HOME to another one.",
            ) from None

    def _take(self, descriptor: int, mode: int, deadline: float) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            try:
                fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise DatabaseBusy(
                        f"The database is in use by {self.holder()}.",
                        hint="Try again when it has finished; nothing was lost.",
                    ) from None
                time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries only
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                return

    def holder(self) -> str:
        """Who has the file now, in words."""
        try:
            text = self._gate.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            text = ""
        return text or "other spotify-hist processes that are reading it"

    @staticmethod
    def _sign(descriptor: int, text: str) -> None:
        """Best effort: a full disk must not keep a writer from its work."""
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)
        except OSError:
            return
