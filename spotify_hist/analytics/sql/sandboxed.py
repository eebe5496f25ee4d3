"""Owns asking free SQL: starts the process that runs it, reads its rows, ends it at the deadline.

Never opens the database and never runs a statement itself.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import spotify_hist
from spotify_hist import errors
from spotify_hist.analytics.answers import Answer, Column
from spotify_hist.errors import BadInput, SpotifyHistError, Temporary, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from spotify_hist.settings import Settings

DEFAULT_LIMIT, MOST_ROWS = 1000, 100_000
LONGEST_SQL = 1_000_000  # characters
_MOST_BYTES = 50_000_000
_START_S = 120.0  # beyond the wait for the file; a file of an older version is brought up to date
_CHUNK = 1 << 16
# What a process needs to find Python and its libraries; nothing that could be a secret.
_KEPT = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_CHILD = "spotify_hist.analytics.sql.child"


def ask_sql(
    settings: Settings,
    text: str,
    *,
    now: datetime,
    user: str | None = None,
    limit: int = DEFAULT_LIMIT,
    timeout_s: float | None = None,
    wait_s: float | None = None,
    most_bytes: int = _MOST_BYTES,
    on_wait: Callable[[str, float], None] = lambda _holder, _left_s: None,
) -> Answer:
    """The rows of one SELECT over the history, at most `limit` of them and `most_bytes` in all.

    It runs in a process of its own that can read the history and nothing else (DESIGN 9.7).
    `timeout_s` counts from when the file is open, `wait_s` is the longest wait for that; the
    settings' where not given; `on_wait` is told of it. Raises UsageError for what is no SELECT or
    not understood, NoHistory, DatabaseBusy and the other errors of the store, Temporary (code
    `timeout`), and BadInput where there is not memory enough (code `out_of_memory`) or DuckDB
    breaks down (code `broke_down`).
    """
    _check(text, limit)
    deadline_s = settings.number("query.sql_timeout_s") if timeout_s is None else timeout_s
    waited_s = settings.number("database.wait_s") if wait_s is None else wait_s
    zone = settings.zone(None)
    request = {
        "database": str(settings.database),
        "wait_s": waited_s,
        "timeout_s": deadline_s,
        "memory_mb": settings.number("query.sql_memory_mb"),
        "user": user,
        "default_user": settings.text("default_user"),
        "timezone": zone.name,
        "now": now.isoformat(),
        "sql": text,
        "limit": limit,
    }
    with _child(request) as child:
        reading = _Reading(child, time.monotonic() + waited_s + _START_S, deadline_s, most_bytes)
        reading.on_wait = on_wait
        reading.read()
    told = tuple(reading.notes())
    if zone.note is not None and not reading.has_own_zone:
        told += (zone.note,)
    params: dict[str, object] = {"sql": text, "limit": limit, **reading.opened}
    return Answer("sql", params, reading.columns, reading.rows, reading.is_truncated, told)


def _check(text: str, limit: int) -> None:
    if not 1 <= limit <= MOST_ROWS:
        raise UsageError(f"limit must be a whole number from 1 to {MOST_ROWS:,}.")
    if len(text) > LONGEST_SQL:
        raise UsageError(f"The SQL is longer than {LONGEST_SQL:,} characters.")
    if "\0" in text:
        raise UsageError("The SQL has a NUL character in it.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError("The SQL is not valid UTF-8.") from None


@contextmanager
def _child(request: dict[str, object]) -> Iterator[subprocess.Popen[bytes]]:
    """The process, at work on the request; ended when the block is left, however."""
    child = subprocess.Popen(  # noqa: S603 - this program's own module
        # -P: a module in the current directory must not be taken for one of Python's.
        [sys.executable, "-P", "-m", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        cwd="/",
        start_new_session=True,  # Ctrl-C is for us alone, and we end it
    )
    try:
        # On stdin and not as an argument: the process list is for everybody to read.
        with suppress(BrokenPipeError), _pipe(child.stdin) as stdin:  # how it ended tells more
            stdin.write(json.dumps(request).encode())
        yield child
    finally:
        child.kill()
        child.wait()
        _pipe(child.stdout).close()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("the process was started with pipes")
    return stream


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    package = Path(spotify_hist.__file__).parent.parent
    if package.name != "site-packages":  # a checkout, found through the current directory
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (kept.get("PYTHONPATH"), str(package))))
    # Each arena of malloc takes address space, of which there is little.
    return kept | {"TZ": "UTC", "HOME": "/", "PYTHONUTF8": "1", "MALLOC_ARENA_MAX": "2"}


class _Reading:
    """Reads what the process says, up to the deadline and the most bytes."""

    def __init__(
        self, child: subprocess.Popen[bytes], deadline: float, timeout_s: float, most_bytes: int
    ) -> None:
        self._child = child
        self._deadline = deadline
        self._timeout_s = timeout_s
        self._most_bytes = most_bytes
        self._is_over = False
        self._lost = 0
        self._is_cut = False
        self.opened: dict[str, object] = {}
        self.has_own_zone = False
        self.columns: tuple[Column, ...] = ()
        self.rows: list[tuple[object, ...]] = []
        self.is_truncated = False
        self.on_wait: Callable[[str, float], None] = lambda _holder, _left_s: None

    def read(self) -> None:
        """Read to the end; raises what the process says, and what its death says."""
        descriptor = _pipe(self._child.stdout).fileno()
        pending, read = bytearray(), 0
        while chunk := self._chunk(descriptor):
            read += len(chunk)
            if read > self._most_bytes:
                self._is_cut = self.is_truncated = True
                return
            pending += chunk
            if b"\n" in chunk:
                *lines, pending = pending.split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
        if not self._is_over:
            raise self._death()

    def notes(self) -> Iterator[str]:
        """What must be known to read the rows right."""
        if self._is_cut:
            yield (
                f"Cut after {len(self.rows):,} rows: "
                f"the answer has more than {self._most_bytes:,} bytes."
            )
        if self._lost:
            values = "1 value" if self._lost == 1 else f"{self._lost:,} values"
            yield f"{values} left empty that JSON cannot say: NaN, infinite or beyond the calendar."

    def _chunk(self, descriptor: int) -> bytes:
        left = self._deadline - time.monotonic()
        # Not select(): a server with many callers has descriptors beyond what that can take.
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        if left <= 0 or not waiting.poll(left * 1000):
            raise self._too_long()
        return os.read(descriptor, _CHUNK)

    def _take(self, said: Any) -> None:
        if isinstance(said, list):
            self.rows.append(tuple(said))
        elif "waiting" in said:
            self.on_wait(*said["waiting"])
        elif "opened" in said:
            self.opened = said["opened"]
            self.has_own_zone = said["has_own_zone"]
            self._deadline = time.monotonic() + self._timeout_s
        elif "columns" in said:
            self.columns = tuple(Column(each["name"], each["type"]) for each in said["columns"])
        elif "end" in said:
            self._is_over = True
            self.is_truncated, self._lost = said["end"]["truncated"], said["end"]["lost"]
        elif "error" in said:
            raise _told(said["error"])
        else:
            raise RuntimeError(f"the process for SQL broke:\n{said['bug']}")

    def _too_long(self) -> Temporary:
        return Temporary(
            f"The query took longer than {self._timeout_s:g} s and was given up.",
            hint="Ask for less, or raise the setting query.sql_timeout_s.",
            code="timeout",
        )

    def _death(self) -> SpotifyHistError:
        """What it says that the process ended without a word."""
        ended = -self._child.wait()
        if ended in {signal.SIGALRM, signal.SIGXCPU}:
            return self._too_long()
        return BadInput(
            "DuckDB broke down over this query: it is nested too deep, or needs more memory than "
            "it may have.",
            hint="Make it simpler, or raise the setting query.sql_memory_mb.",
            code="broke_down",
        )


def _told(error: dict[str, Any]) -> SpotifyHistError:
    """The error the process met, as one of ours."""
    kind = getattr(errors, error["kind"], SpotifyHistError)
    found: SpotifyHistError = kind(error["message"], hint=error["hint"], code=error["code"])
    return found
