"""Owns how the benchmarks run whole processes and judge what they cost.

Never judges by one run: each ratio is the median of paired runs, ours and bare in turn.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HERE = Path(__file__).parent
# Kilobytes on Linux, bytes on macOS.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds of each pair of runs; `target` is the highest ratio that is good enough."""

    what: str
    ours: Sequence[float]
    bare: Sequence[float]
    target: float

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios."""
        return statistics.median(a / b for a, b in zip(self.ours, self.bare, strict=True))

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.target

    def line(self) -> str:
        """The row of the table."""
        ours, bare = statistics.median(self.ours), statistics.median(self.bare)
        return (
            f"{self.what:<34} {ours:>7.3f} s  {bare:>7.3f} s  {self.ratio:>6.2f} "
            f"<= {self.target:<6g} {_verdict(self.is_met)}"
        )


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What each run took, in megabytes or seconds; `target` is the most that ours may in any."""

    what: str
    ours: Sequence[float]
    bare: Sequence[float]
    target: float
    unit: str = "MB"

    @property
    def is_met(self) -> bool:
        return max(self.ours) <= self.target

    def line(self) -> str:
        """The row of the table."""
        ours, bare = max(self.ours), max(self.bare)
        return (
            f"{self.what:<34} {ours:>7.1f} {self.unit:<2} {bare:>7.1f} {self.unit:<2} "
            f"{ours / bare:>6.2f} <= {self.target:<3g} {self.unit:<2} {_verdict(self.is_met)}"
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process took: seconds, CPU seconds (user and system), its most memory in MB."""

    elapsed_s: float
    cpu_s: float
    rss_mb: float


def heading() -> str:
    """The first row of the table."""
    return f"{'what':<34} {'ours':>9}  {'bare':>9}  {'ratio':>6} target"


def program(home: Path) -> list[str]:
    """The installed command, as a person starts it."""
    script = Path(sys.executable).parent / "spotify-hist"
    return [str(script), "--home", str(home)]


def paired(ours: Callable[[], T], bare: Callable[[], T], runs: int) -> tuple[list[T], list[T]]:
    """What `runs` pairs cost after one warm-up pair, in turn so that both meet the same noise."""
    ours(), bare()
    pairs = [(ours(), bare()) for _ in range(runs)]
    return [first for first, _ in pairs], [second for _, second in pairs]


def seconds(command: Sequence[str]) -> float:
    """The time a command takes."""
    started = time.perf_counter()
    run(command)
    return time.perf_counter() - started


def run(command: Sequence[str], environ: Mapping[str, str] | None = None) -> str:
    """The command's stdout; its stderr is shown where it fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(environ), check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def usage(command: Sequence[str], environ: Mapping[str, str] | None = None) -> Usage:
    """What the command took, without whatever else runs on the machine."""
    started = time.perf_counter()
    launcher = [sys.executable, "-S", "-E", str(HERE / "launch.py"), *command]
    done = subprocess.run(
        launcher, capture_output=True, text=True, env=environment(environ), check=True
    )
    elapsed_s = time.perf_counter() - started
    told = json.loads(done.stdout)
    if told["exit"]:
        raise RuntimeError(f"{command} ended with {told['exit']}: {done.stderr}")
    return Usage(elapsed_s, told["cpu_s"], told["maxrss"] * _RSS_UNIT / 1e6)


def environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """This process's environment without settings of ours, and with `more`."""
    # PYTHONDONTWRITEBYTECODE and its like would charge our side alone for compiling.
    foreign = ("SPOTIFY_HIST_", "PYTHON")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**ours, **(more or {})}


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "MISSED"
