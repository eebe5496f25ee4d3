"""Owns `import`: the paths given, the progress shown, and the receipt told.

Never reads a file; `collect.imports` does.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spotify_hist.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spotify_hist.collect.imports import Receipt
    from spotify_hist.faces.cli.context import App

_SHOWN_ROWS = 10


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--keep-private",
    is_flag=True,
    help="Keep IP address, user agent, user name and place too; they are dropped otherwise.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def import_(app: App, paths: tuple[Path, ...], keep_private: bool, form: str) -> int:
    """Bring in 'Download your data' archives: ZIPs, folders or single JSON files.

    Extended streaming history and account data, of any year, in any order, as often as you like:
    each play counts once.
    """
    from spotify_hist.collect.imports import import_paths

    with _progress(is_shown=sys.stderr.isatty() and not app.out.quiet) as on_progress:
        receipt = import_paths(
            app.settings,
            app.database,
            app.now,
            paths,
            user=app.user,
            keep_private=keep_private,
            on_progress=on_progress,
        )
    if form == "json":
        app.out.json(as_json(receipt))
    else:
        _tell(app, receipt)
    for error in receipt.failed:
        app.out.error(error, as_json=form == "json")
    return _exit_code(receipt)


def as_json(receipt: Receipt) -> dict[str, object]:
    """The receipt as DESIGN 7 fixes it."""
    counts = ("import_id", "records", "new", "upgraded", "duplicate", "rejected", "plays_added")
    return {name: getattr(receipt, name) for name in counts} | {
        "user": receipt.user,
        "files": [
            {
                "name": file.name,
                "format": file.format,
                "records": file.records,
                "rejected": [{"index": index, "reason": reason} for index, reason in file.rejected],
                "damage": file.damage,
            }
            for file in receipt.files
        ],
        "ignored": list(receipt.ignored),
        "failed": [error.as_dict() for error in receipt.failed],
    }


def _tell(app: App, receipt: Receipt) -> None:
    out = app.out
    out.line(f"Import {receipt.import_id} for {receipt.user}: {receipt.records:,} rows read")
    for label, count, meaning in (
        ("new", receipt.new, "plays not known before"),
        ("upgraded", receipt.upgraded, "told more about plays already known"),
        ("duplicate", receipt.duplicate, "said again what was known"),
        ("rejected", receipt.rejected, "could not be read, see below"),
    ):
        if count or label != "rejected":
            out.line(f"  {count:>11,}  {label:<9}  {meaning}")
    out.line(f"Plays added: {receipt.plays_added:,}")
    for file in receipt.files:
        out.detail(f"{file.name}: {file.records:,} rows ({file.format})")
        for index, reason in file.rejected[:_SHOWN_ROWS]:
            out.note(f"Rejected: {file.name}, row {index}: {reason}")
        if len(file.rejected) > _SHOWN_ROWS:
            out.note(
                f"Rejected: {file.name}: {len(file.rejected) - _SHOWN_ROWS:,} more rows; "
                "--format json lists them all."
            )
        if file.damage:
            out.note(
                f"Damaged: {file.name}: {file.damage}. Download the export again for the rest."
            )
    if receipt.ignored:
        names = ", ".join(receipt.ignored[:5])
        more = f" and {len(receipt.ignored) - 5} more" if len(receipt.ignored) > 5 else ""
        out.note(f"Not listening history, left unread: {names}{more}.")


def _exit_code(receipt: Receipt) -> int:
    """6 where whole files failed beside good ones, 3 where rows did, else 0."""
    if receipt.failed or any(file.damage for file in receipt.files):
        return int(ExitCode.PARTIAL)
    return int(ExitCode.BAD_INPUT if receipt.rejected else ExitCode.OK)


@contextmanager
def _progress(*, is_shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal; nothing in a pipe."""
    if not is_shown:
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Reading", total=None)

        def show(done: int, total: int) -> None:
            if done < total:
                progress.update(task, completed=done, total=total)
            else:  # what is left, the merge, has no measure
                progress.update(task, description="Merging", completed=done, total=None)

        yield show
