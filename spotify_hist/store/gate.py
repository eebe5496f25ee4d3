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
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spotify_hist.disk import FULL
from spotify_hist.errors import BadInput, DatabaseBusy, StorageFull

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Who has the file, in words, and for how many seconds more it is waited for. A wait that was told
# of ends with a call of '' and 0.0.
OnWait = Callable[[str, float], None]

_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05
_TOLD_EVERY_S = 1.0


class Wait:
    """One wait for the file, up to `deadline` (monotonic seconds), and how it is told of.

    Short waits are nobody's business: `on_wait` is called after a second, and then once a second.
    """

    def __init__(self, deadline: float, on_wait: OnWait | None = None) -> None:
        self._deadline = deadline
        self._on_wait = on_wait
        self._next_s = time.monotonic() + _TOLD_EVERY_S
        self._was_told = False

    @property
    def is_over(self) -> bool:
        """Whether the deadline has come."""
        return time.monotonic() >= self._deadline

    def tell(self, holder: str) -> None:
        """Say who is waited for, where it is time to."""
        now = time.monotonic()
        if self._on_wait is not None and now >= self._next_s:
            self._next_s, self._was_told = now + _TOLD_EVERY_S, True
            self._on_wait(holder, max(0.0, self._deadline - now))

    def end(self) -> None:
        """Say that it is over, if it was told of."""
        if self._on_wait is not None and self._was_told:
            self._was_told = False
            self._on_wait("", 0.0)


class Gate:
    """The gate of one database file. Safe across processes and threads (`flock` per open)."""

    def __init__(self, database: Path, on_wait: OnWait | None = None) -> None:
        self._gate = database.with_name(database.name + ".gate")
        self._turnstile = database.with_name(database.name + ".turn")
        self._on_wait = on_wait

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
        wait = Wait(deadline, self._on_wait)
        try:
            while not self._is_taken(descriptor, mode):
                if wait.is_over:
                    raise DatabaseBusy(
                        f"The database is in use by {self.holder()}.",
                        hint="Try again when it has finished; nothing was lost.",
                    )
                wait.tell(self.holder())
                time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries only
                pause = min(pause * 2, _LONGEST_PAUSE_S)
        finally:
            wait.end()

    @staticmethod
    def _is_taken(descriptor: int, mode: int) -> bool:
        """Take the lock; whether it was free."""
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

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
