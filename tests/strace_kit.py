"""Faults of the file system at one chosen system call of a real process, by strace.

Never judges what came of it.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Fault = Literal["SIGKILL", "ENOSPC", "EIO"]
FAULTS: tuple[Fault, ...] = ("SIGKILL", "ENOSPC", "EIO")

# Every call that changes a file, a name or what has reached the disk. Some are not there on every
# machine; strace passes over those that are marked with a question mark.
_CALLS = (
    "write", "writev", "pwrite64", "pwritev", "pwritev2", "copy_file_range", "sendfile",
    "fsync", "fdatasync", "sync_file_range", "ftruncate", "truncate", "fallocate",
    "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
    "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "chmod", "fchmod", "fchmodat",
)  # fmt: skip
_SET = ",".join(f"?{name}" for name in _CALLS)
_CALL = re.compile(r"^(?P<thread>\d+) +(?P<name>\w+)\((?P<rest>.*)$")
_OPEN_FILE = re.compile(r"^(?P<number>\d+)<(?P<path>[^>]*)>")
_QUOTED = re.compile(r'"(?P<path>[^"]*)"')
_DONE = re.compile(r" = \d+$")
_PATIENCE_S = 100.0


@dataclass(frozen=True, slots=True)
class Point:
    """The `nth` call of `name` (from 1) that a thread makes. strace counts for each thread and
    name on its own, so that a pair of both is one exact place of a run."""

    name: str
    nth: int


@dataclass(frozen=True, slots=True)
class Call:
    """One call as strace logged it: the open file's number where it had one, and its path."""

    thread: int
    point: Point
    descriptor: int | None
    path: str
    was_refused: bool
    succeeded: bool


@dataclass(frozen=True, slots=True)
class Run:
    """How a traced process ended (negative: the signal), what it said, and its writing calls."""

    code: int
    out: str
    err: str
    calls: tuple[Call, ...]

    @property
    def refused(self) -> list[Call]:
        """The calls that were made to fail, in order; [] where the run never came to its point."""
        return [call for call in self.calls if call.was_refused]

    @property
    def was_silenced(self) -> bool:
        """Whether it could not write to its own stdout or stderr."""
        return any(call.descriptor in {1, 2} for call in self.refused)

    @property
    def points(self) -> list[Point]:
        """Every place of this run at which something can go wrong, in order."""
        return list(dict.fromkeys(call.point for call in self.calls))


@functools.cache
def obstacle() -> str | None:
    """Why no fault can be injected here, or None."""
    if not sys.platform.startswith("linux"):
        return "strace needs Linux"
    strace = shutil.which("strace")
    if strace is None:
        return "strace is not installed"
    probe = [*_strace(strace, "/dev/null", None), sys.executable, "-c", "open('/dev/null', 'w')"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"strace may not trace here: {done.stderr.strip()[-200:]}"
    return None


def _strace(strace: str, log: str | Path, fault: tuple[Point, Fault] | None) -> list[str]:
    # By seccomp, only the calls looked at stop the process: without, everything is ten times
    # slower. Signals cannot be injected then (strace 6.1), so a call that is to be the last one is
    # held instead, for as long as it takes to kill the process.
    command = [strace, "-f", "--seccomp-bpf", "-qq", "-y", "-o", str(log), "-e", f"trace={_SET}"]
    if fault is not None:
        point, kind = fault
        effect = f"delay_enter={_PATIENCE_S:.0f}s" if kind == "SIGKILL" else f"error={kind}"
        command += ["-e", f"inject={point.name}:{effect}:when={point.nth}"]
    return command


def run(
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    log: Path,
    fault: tuple[Point, Fault] | None = None,
    answer: Callable[[subprocess.Popen[str]], str | None] | None = None,
    given: str = "",
) -> Run:
    """Run `spotify-hist` with these arguments under strace, with one fault or none.

    `answer` sees the running process and gives what to write to its stdin; or the file `given` is
    its stdin.
    """
    log.unlink(missing_ok=True)
    with Path(given).open("rb") if given else nullcontext(subprocess.PIPE) as stdin:
        process = subprocess.Popen(
            [*_strace("strace", log, fault), sys.executable, "-m", "spotify_hist", *arguments],
            # Compiled modules are written once, by whichever run comes first: no part of a run.
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
    killer = _Killer(process, log, fault[0]) if fault and fault[1] == "SIGKILL" else None
    if killer is not None:
        killer.start()
    try:
        text = answer(process) if answer is not None else None
        out, err = process.communicate(text, timeout=_PATIENCE_S)
    finally:
        process.kill()
        process.communicate()
    if killer is not None:
        killer.join()
    calls = _calls(log)
    if killer is None or not killer.has_killed:
        return Run(process.returncode, out, err, tuple(calls))
    return Run(-signal.SIGKILL, out, err, tuple(_with_refused(calls, killer.point)))


class _Killer(threading.Thread):
    """Kills the traced process as soon as it is held at its last call, then the strace around."""

    def __init__(self, process: subprocess.Popen[str], log: Path, point: Point) -> None:
        super().__init__(daemon=True)
        self._process, self._log, self.point = process, log, point
        self.has_killed = False

    def run(self) -> None:
        wait_until(self._has_come)
        held = self._held()
        if held is None:
            return
        group = _status(held)["Tgid"]
        self.has_killed = True
        os.kill(int(group), signal.SIGKILL)
        self._process.kill()  # it would stay with the dead for as long as it was to hold the call
        wait_until(lambda: _status(int(group)).get("State", "X")[0] in "ZX")

    def _has_come(self) -> bool:
        return self._process.poll() is not None or self._held() is not None

    def _held(self) -> int | None:
        """The thread that stands at the point."""
        return next((c.thread for c in _calls(self._log) if c.point == self.point), None)


def _status(process: int) -> dict[str, str]:
    """What Linux tells of a process or thread; {} where it is gone."""
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition(":\t") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _calls(log: Path) -> list[Call]:
    """The calls in strace's log, each with its number among those of its thread and name."""
    found: list[Call] = []
    counts: dict[tuple[str, str], int] = {}
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:  # strace has not begun
        return []
    for line in text.splitlines():
        match = _CALL.match(line)
        if match is None:  # the second half of a call, or the end of a process
            continue
        rest = match["rest"]
        key = match["thread"], match["name"]
        counts[key] = counts.get(key, 0) + 1
        opened, quoted = _OPEN_FILE.match(rest), _QUOTED.search(rest)
        found.append(
            Call(
                int(match["thread"]),
                Point(match["name"], counts[key]),
                int(opened["number"]) if opened else None,
                opened["path"] if opened else quoted["path"] if quoted else "",
                was_refused="(INJECTED)" in rest,
                succeeded=_DONE.search(rest) is not None,
            )
        )
    return found


def _with_refused(calls: list[Call], point: Point) -> list[Call]:
    """The same with the call marked at which the process was killed."""
    place = next(index for index, call in enumerate(calls) if call.point == point)
    return [*calls[:place], replace(calls[place], was_refused=True), *calls[place + 1 :]]
