"""Owns `enrich`: how much to ask for, the progress shown, and what came of it.

Never asks or stores; `collect.enrich` does.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from spotify_hist.errors import AlreadyRunning, ExitCode
from spotify_hist.faces.cli import collecting
from spotify_hist.model import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spotify_hist.faces.cli.context import App


@click.command()
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="N",
    help="Ask up to N times now, whatever is left of the day's requests; they count all the same.",
)
@click.option(
    "--retry-unavailable",
    is_flag=True,
    help="Try again what Spotify did not offer your app, such as audio features.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def enrich(app: App, budget: int | None, retry_unavailable: bool, form: str) -> int:
    """Ask Spotify for durations, ISRCs, albums, artwork, genres and missing links.

    What you played most comes first. It goes on where it was left, a day's requests at a time;
    'sync' does a little of it at each run. Everything else works without.
    """
    from spotify_hist.collect.enrich import Enriched
    from spotify_hist.collect.enrich import enrich as ask

    try:
        with _progress(is_shown=sys.stderr.isatty() and not app.out.quiet) as on_progress:
            result = ask(
                app.settings,
                app.database,
                app.vault,
                app.now,
                app.user,
                budget=budget,
                beyond_daily=budget is not None,
                retry_unavailable=retry_unavailable,
                on_progress=on_progress,
            )
    except AlreadyRunning as other:
        app.out.note(other.message)
        if form == "json":
            app.out.json(Enriched().as_dict())
        return int(ExitCode.OK)
    if form == "json":
        app.out.json(result.as_dict())
    else:
        app.out.line(result.in_words())
    if result.resumes_at is not None and result.remaining and result.error is None:
        app.out.note(
            f"The {result.daily_budget:,} requests of a day are used; more may be asked from "
            f"{iso(result.resumes_at)} on, or at once with --budget."
        )
    collecting.warn(app, "enrich", result.warnings, form)
    if result.error is None:
        return int(ExitCode.OK)
    app.out.error(result.error, as_json=form == "json")
    return int(result.error.exit_code)


@contextmanager
def _progress(*, is_shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal; nothing in a pipe."""
    if not is_shown:
        yield lambda _done, _most: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("requests at the most"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Asking", visible=False)
        yield lambda done, most: progress.update(task, completed=done, total=most, visible=True)
