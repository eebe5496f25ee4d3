"""Owns `jobs`: what ran, for whom, how long, and what came of it.

Never runs a job; `store.journal` knows what did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from spotify_hist.faces import shapes
from spotify_hist.faces.cli import listing
from spotify_hist.model import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotify_hist.faces.cli.context import App
    from spotify_hist.faces.cli.output import Format
    from spotify_hist.store.journal import Run


@click.command()
@click.option("--job", metavar="NAME", help="Only this job: poll, backfill, import, undo, enrich.")
@click.option("--failed", is_flag=True, help="Only what failed.")
@listing.limit_option(20)
@listing.format_option
@click.pass_obj
def jobs(app: App, job: str | None, failed: bool, limit: int, form: str) -> None:
    """Show what ran, newest first, and what came of it.

    With --user only what ran for that listener.
    """
    from spotify_hist.analytics.run import Column
    from spotify_hist.store import journal, listeners

    with app.database.read() as connection:
        known = listeners.listeners(connection)
        whom = listeners.find_listener(connection, app.user) if app.user else None
        runs = journal.runs(
            connection,
            job=job,
            user_id=whom.user_id if whom else None,
            failed_only=failed,
            limit=limit,
        )
    found = listing.Listing(
        name="jobs",
        fields=shapes.RUN_FIELDS,
        objects=[shapes.run(run) for run in runs],
        columns=(
            Column("when", "timestamp"),
            Column("job", "word"),
            Column("listener", "text"),
            Column("status", "word"),
            Column("took", "word"),
            Column("what", "text"),
        ),
        rows=[_row(run) for run in runs],
        empty="Nothing of that kind has run.",
        spare=("took", "listener"),
    )
    zone = listing.timezone_of(app.settings, known, app.user)
    listing.tell(app.out, found, cast("Format", form), zone)


def in_words(stats: Mapping[str, object]) -> str:
    """The counts of a run as a person says them: '50 fetched, 3 new'. What is 0 goes unsaid, but
    for what is new."""
    told = []
    for name, value in stats.items():
        label = name.replace("_", " ")
        if value == 1 and label.endswith("s"):
            label = label.removesuffix("s")
        if isinstance(value, bool) or value is None:
            if value:
                told.append(label)
        elif isinstance(value, (int, float)):
            if value or name == "new":
                told.append(f"{value:,} {label}")
        elif value:
            told.append(f"{label}: {value}")
    return ", ".join(told) or "nothing to do"


def _row(run: Run) -> tuple[object, ...]:
    told = in_words(run.stats) if run.stats or not run.error else ""
    what = ". ".join(filter(None, [told, run.error]))
    return iso(run.finished_at), run.job, run.user, run.status, _took(shapes.took_s(run)), what


def _took(seconds: float) -> str:
    from spotify_hist.faces.cli.words import duration

    return f"{seconds:.1f} s" if seconds < 10 else duration(round(seconds * 1000))
