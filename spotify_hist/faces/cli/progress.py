"""Owns the bar of an import: bytes, rows a second and the time left, on a terminal only.

Never shows anything in a pipe.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from rich.progress import Task
    from rich.text import Text


@contextmanager
def reading(
    *, is_quiet: bool, stream: TextIO | None = None
) -> Iterator[Callable[[int, int, int], None]]:
    """What an import tells its progress to: bytes read, bytes in all, rows so far.

    Rows are known as files finish; how much is left, the bytes tell.
    """
    stream = sys.stderr if stream is None else stream
    if is_quiet or not stream.isatty():
        yield lambda _done, _total, _rows: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    class RowsColumn(ProgressColumn):
        """Rows a second."""

        def render(self, task: Task) -> Text:
            return rows_a_second(task.fields["rows"], task.elapsed)

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        DownloadColumn(),
        RowsColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        task = progress.add_task("Reading", total=None, rows=0)

        def show(done: int, total: int, rows: int) -> None:
            if done < total:
                progress.update(task, completed=done, total=total, rows=rows)
            else:  # what is left, the merge, has no measure
                progress.update(task, description="Merging", completed=done, total=None, rows=rows)

        yield show


def rows_a_second(rows: int, elapsed_s: float | None) -> Text:
    """The speed as the bar shows it; nothing before any row is known."""
    from rich.text import Text

    return Text(f"{rows / elapsed_s:,.0f} rows/s" if rows and elapsed_s else "")
