"""Real processes for tests whose point is a process: they say lines, wait for lines, and die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_PATIENCE_S = 60.0


class Child:
    """A Python process running `script`, with `arguments` as `sys.argv[1:]`."""

    def __init__(self, script: str, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """The next line it says; an empty one where it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        """Let it continue beyond a `sys.stdin.readline()`."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self) -> tuple[int, str, str]:
        """(exit code, the rest of what it said, its errors)."""
        out, err = self.process.communicate(timeout=_PATIENCE_S)
        return self.process.returncode, out, err

    def kill(self) -> None:
        """End it as the kernel would when memory runs out."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=_PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Return as soon as `condition` holds; it must come to hold."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        threading.Event().wait(0.005)
