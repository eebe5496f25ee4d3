"""Owns the bar of an import: what is read and merged of how much, and the time, on a terminal only.

Never shows anything in a pipe.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from rich.progress import Progress, Task
    from rich.text import Text


class Bar:
    """What an import tells its progress to. This one shows nothing."""

    def reading(self, done: int, total: int, rows: int) -> None:
        """Bytes read, bytes in all, rows so far: these are known as files finish."""

    def merging(self, done: int, total: int) -> None:
        """Rows that are in the history, and rows in all."""

    def pause(self) -> None:
        """Leave the terminal to others."""

    def go_on(self) -> None:
        """Take it again."""


class _Shown(Bar):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("Reading", total=None, rows=0)
        self._phase = "Reading"

    def reading(self, done: int, total: int, rows: int) -> None:
        self._progress.update(self._task, completed=done, total=total, rows=rows)
        if done >= total:
            self.merging(0, rows)

    def merging(self, done: int, total: int) -> None:
        # Of a merge in one piece, and of what comes after it, nobody knows how far it is: the bar
        # moves, and the time it took so far is told.
        self._begin("Finishing" if done >= total else "Merging", total)
        if 0 < done < total:
            self._progress.update(self._task, completed=done, total=total)

    def _begin(self, phase: str, rows: int) -> None:
        if phase != self._phase:
            self._progress.remove_task(self._task)
            self._phase = phase
            self._task = self._progress.add_task(phase, total=None, rows=rows)

    def pause(self) -> None:
        self._progress.stop()

    def go_on(self) -> None:
        self._progress.start()


@contextmanager
def reading(*, is_quiet: bool, stream: TextIO | None = None) -> Iterator[Bar]:
    """The bar for one import."""
    stream = sys.stderr if stream is None else stream
    if is_quiet or not stream.isatty():
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

    class Column(ProgressColumn):
        """A text made of the task."""

        def __init__(self, text: Callable[[Task], str]) -> None:
            super().__init__()
            self._text = text

        def render(self, task: Task) -> Text:
            from rich.text import Text

            return Text(self._text(task))

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        Column(amount),
        Column(time_told),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        yield _Shown(progress)


def amount(task: Task) -> str:
    """How much of how much, where that is known, and how fast it is read."""
    rows = task.fields["rows"]
    if task.description != "Reading":
        return f"{rows:,} rows" if task.total is None else f"{task.completed:,.0f} of {rows:,} rows"
    if task.total is None:
        return ""
    read = f"{task.completed / 1e6:,.1f} of {task.total / 1e6:,.1f} MB"
    return "  ".join(filter(None, (read, rows_a_second(rows, task.elapsed))))


def rows_a_second(rows: int, elapsed_s: float | None) -> str:
    """The speed as the bar shows it; nothing before any row is known."""
    return f"{rows / elapsed_s:,.0f} rows/s" if rows and elapsed_s else ""


def time_told(task: Task) -> str:
    """The time left where it can be known, else the time gone."""
    left_s = task.time_remaining if task.total is not None else None
    if left_s:
        return f"{_clock(left_s)} left"
    return _clock(task.elapsed or 0)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
