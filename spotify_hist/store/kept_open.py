"""Owns a read-only connection that is kept for a moment, for many readers in one process.

Never keeps a writer of another process waiting for more than the questions being worked on, and
never answers from a file that is no longer there.

Opening and closing the file costs as much as a small question. Between two questions that follow
each other closely it stays open; the gate's turnstile tells when a writer waits. What a reader made
or learned of it stays with the connection (`left_on`), as nothing in the file can change meanwhile.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar, cast
from weakref import WeakKeyDictionary

from spotify_hist.errors import DatabaseBusy, SpotifyHistError, UsageError
from spotify_hist.store.database import Database
from spotify_hist.store.duckdb_errors import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from pathlib import Path

    from spotify_hist.store.database import Connection
    from spotify_hist.store.gate import OnWait

Stamp = tuple[int, ...]
T = TypeVar("T")

_KEPT_S = 0.3
_LOOK_S = 0.02
# DuckDB gives back what it needed for questions only when the file is closed: some kilobytes each.
# After so many readers it is, if those at work leave soon.
_MOST_READERS = 100
_PATIENCE_S = 0.1

# Of the connections that one reader hands to the next.
_left: WeakKeyDictionary[Connection, dict[Hashable, object]] = WeakKeyDictionary()


def left_on(connection: Connection) -> dict[Hashable, object]:
    """What readers before left on a connection, for this one to use and add to: the temporary views
    that are made already. Empty on any connection that is nobody's after this block."""
    return _left.get(connection, {})


def once(connection: Connection, key: Hashable, look: Callable[[], T]) -> T:
    """What `look` finds in the file, looked for once as long as this connection is kept."""
    left = left_on(connection)
    if key not in left:
        left[key] = look()
    return cast("T", left[key])


class _Opened:
    """The open file, and how many use it. `stamp` is what the file was when it was opened."""

    def __init__(self, stack: ExitStack, connection: Connection, stamp: Stamp | None) -> None:
        self.stack = stack
        self.connection = connection
        self.stamp = stamp
        self.users = 1
        self.readers = 1
        self.unused: list[Connection] = []
        self.is_retired = False
        self.left_at = 0.0


class KeptOpen(Database):
    """The one history file, for the threads of a server."""

    def __init__(self, path: Path, wait_s: float = 30.0, on_wait: OnWait | None = None) -> None:
        super().__init__(path, wait_s, on_wait)
        self._changed = threading.Condition()
        self._opened: _Opened | None = None
        self._is_opening = False

    def stamp(self) -> Stamp | None:
        """What tells this state of the file from any other; None where there is no file.

        Whoever writes changes it: a commit changes the file or the log beside it.
        """
        try:
            one = self.path.stat()
        except OSError:
            return None
        try:
            log = self.path.with_name(self.path.name + ".wal").stat()
        except OSError:
            return one.st_dev, one.st_ino, one.st_mtime_ns, one.st_size
        return (one.st_dev, one.st_ino, one.st_mtime_ns, one.st_size,
                log.st_ino, log.st_mtime_ns, log.st_size)  # fmt: skip

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """As `Database.read`; many threads may read at once, each on a connection of its own."""
        with self.read_within(self._wait_s) as connection:
            yield connection

    @contextmanager
    def read_within(self, wait_s: float) -> Iterator[Connection]:
        """As `read`, waiting at most so many seconds for other processes."""
        opened = self._enter(time.monotonic() + wait_s)
        connection: Connection | None = None
        try:
            with translated(self.path):
                connection = self._taken(opened)
                yield connection
        except UsageError:
            raise
        except BaseException:
            # A file that failed once may fail for good in this connection; a new one may not.
            self._retire(opened)
            raise
        finally:
            self._leave(opened, connection)

    def close(self) -> None:
        """Close the file as soon as nobody uses it."""
        with self._changed:
            if self._opened is not None:
                self._opened.is_retired = True
                self._close_unused(self._opened)

    def _enter(self, deadline: float) -> _Opened:
        with self._changed:
            while True:
                opened = self._opened
                if opened is not None and not opened.is_retired:
                    if self._is_worn(opened) or self._must_go(opened):
                        opened.is_retired = True
                    if not opened.is_retired:
                        opened.users += 1
                        opened.readers += 1
                        return opened
                if opened is not None:
                    self._close_unused(opened)
                if self._opened is None and not self._is_opening:
                    self._is_opening = True
                    break
                if not self._changed.wait(deadline - time.monotonic()):
                    raise DatabaseBusy(
                        f"The database is in use by {self._gate.holder()}.",
                        hint="Try again when it has finished; nothing was lost.",
                    )
        return self._open(max(0.0, deadline - time.monotonic()))

    def _open(self, wait_s: float) -> _Opened:
        """Open the file; outside the lock, since another process may hold it for long."""
        made: _Opened | None = None
        try:
            with ExitStack() as stack:
                connection = stack.enter_context(Database(self.path, wait_s).read())
                made = _Opened(stack.pop_all(), connection, self.stamp())
        finally:
            with self._changed:
                self._is_opening = False
                self._opened = made
                self._changed.notify_all()
        # No daemon: one that the interpreter stops inside DuckDB takes the process down with it.
        threading.Thread(target=self._watch, args=(made,), daemon=False).start()
        return made

    def _watch(self, opened: _Opened) -> None:
        """Close the file when nobody has used it for a moment, or a writer waits."""
        while True:
            with self._changed:
                if self._opened is not opened:
                    return
                is_idle = time.monotonic() - opened.left_at > _KEPT_S
                if opened.users == 0 and (is_idle or self._must_go(opened)):
                    opened.is_retired = True
                    self._close_unused(opened)
                    return
            time.sleep(_LOOK_S)

    def _must_go(self, opened: _Opened) -> bool:
        """Whether nobody else may begin to use what is open."""
        try:
            return opened.stamp != self.stamp() or self._gate.writer_waits()
        except SpotifyHistError:
            return True  # the directory has gone; whoever opens the file next is told

    def _is_worn(self, opened: _Opened) -> bool:
        """Whether what is open has had its readers and nobody uses it any more. A moment is waited
        for that; then it is good for some more. The caller holds the lock."""
        if opened.readers < _MOST_READERS:
            return False
        if self._changed.wait_for(lambda: opened.users == 0, _PATIENCE_S):
            return True
        opened.readers -= _MOST_READERS // 2
        return False

    def _retire(self, opened: _Opened) -> None:
        with self._changed:
            opened.is_retired = True

    def _taken(self, opened: _Opened) -> Connection:
        """A connection to what is open that nobody else uses, with what its last reader left."""
        with self._changed:
            if opened.unused:
                return opened.unused.pop()
        connection = opened.connection.cursor()
        connection.execute("set timezone = 'UTC'")
        _left[connection] = {}
        return connection

    def _leave(self, opened: _Opened, connection: Connection | None) -> None:
        with self._changed:
            opened.users -= 1
            if connection is not None:
                opened.unused.append(connection)
            opened.left_at = time.monotonic()
            if opened.users == 0:
                self._changed.notify_all()
            self._close_unused(opened)

    def _close_unused(self, opened: _Opened) -> None:
        """Close what is retired and used by nobody; the caller holds the lock."""
        if self._opened is opened and opened.is_retired and opened.users == 0:
            try:
                for connection in opened.unused:
                    connection.close()
                opened.stack.close()
            finally:
                self._opened = None
                self._changed.notify_all()
