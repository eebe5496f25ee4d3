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
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from spotify_hist.disk import FULL, READ_ONLY, try_lock
from spotify_hist.errors import BadInput, DatabaseBusy, SpotifyHistError, StorageFull
from spotify_hist.ownership import how_to_take_back
from spotify_hist.private_files import make_directory, open_private

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
        """Share the file with other readers; DatabaseBusy after `deadline` (monotonic seconds).

        Where nothing can be written, and no lock file is there, nobody writes the database either:
        it is read without one.
        """
        with self._opened_to_read(self._turnstile) as turnstile:
            self._take(turnstile, fcntl.LOCK_SH, deadline)
            with self._opened_to_read(self._gate) as gate:
                self._take(gate, fcntl.LOCK_SH, deadline)
                if turnstile is not None:
                    fcntl.flock(turnstile, fcntl.LOCK_UN)
                if (
                    gate is not None and os.fstat(gate).st_size
                ):  # signed by a writer that was killed
                    self._sign(gate, "")
                yield

    @contextmanager
    def writing(self, deadline: float, label: str) -> Iterator[None]:
        """Hold the file alone; `label` (a command's name) tells those who wait who has it."""
        with self._opened(self._turnstile) as turnstile:
            self._take(turnstile, fcntl.LOCK_EX, deadline)
            with self._opened(self._gate) as gate:
                self._take(gate, fcntl.LOCK_EX, deadline)
                fcntl.flock(turnstile, fcntl.LOCK_UN)
                self._sign(gate, f"spotify-hist {label} (pid {os.getpid()})")
                try:
                    yield
                finally:
                    self._sign(gate, "")

    def writer_waits(self) -> bool:
        """Whether a writer waits for those who read now."""
        with self._opened_to_read(self._turnstile) as turnstile:
            return turnstile is not None and not self._is_taken(turnstile, fcntl.LOCK_SH)

    @contextmanager
    def _opened(self, path: Path) -> Iterator[int]:
        """A lock file, made where it is not there. Raises StorageFull, BadInput."""
        try:
            descriptor = _open(path)
        except OSError as error:
            raise _not_opened(path, error) from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _opened_to_read(self, path: Path) -> Iterator[int | None]:
        """The same; None where a reader may make none, and so nobody can be writing."""
        try:
            descriptor = _open(path)
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise _not_opened(path, error) from None
            descriptor = -1
            with suppress(OSError):  # there is none, or it is another's
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield None if descriptor < 0 else descriptor
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _take(self, descriptor: int | None, mode: int, deadline: float) -> None:
        if descriptor is None:
            return
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

    def _is_taken(self, descriptor: int, mode: int) -> bool:
        """Take the lock; whether it was free."""
        return try_lock(descriptor, mode, self._gate)

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


def _open(path: Path) -> int:
    make_directory(path.parent)
    return open_private(path, os.O_RDWR)


def _not_opened(path: Path, error: OSError) -> SpotifyHistError:
    kind = StorageFull if error.errno in FULL else BadInput
    return kind(
        f"Cannot create the lock file {path}: {error.strerror}.",
        hint=f"{how_to_take_back(path) or 'Make that directory writable'}, or set "
        "SPOTIFY_HIST_HOME to another one.",
    )
