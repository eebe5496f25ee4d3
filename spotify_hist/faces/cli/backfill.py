"""Owns `backfill`: going back as far as Spotify lets each listener go.

Never fetches or stores; `collect.backfill` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spotify_hist.errors import AlreadyRunning
from spotify_hist.faces.cli import collecting

if TYPE_CHECKING:
    from spotify_hist.faces.cli.context import App


@click.command()
@click.option(
    "--max-days", type=click.IntRange(1), metavar="N", help="Days to go back.  [default: 30]"
)
@click.option(
    "--max-requests", type=click.IntRange(1), metavar="N", help="Most pages.  [default: 200]"
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def backfill(app: App, max_days: int | None, max_requests: int | None, form: str) -> int:
    """Go back page by page from now, as far as Spotify lets each listener go.

    Spotify keeps about the last 50 plays, so this gains little; it is tried all the same, and it
    says how far it came. A run that was cut short is gone on with.
    """
    from spotify_hist.collect.backfill import Limits
    from spotify_hist.collect.backfill import backfill as go_back

    limits = Limits.from_settings(app.settings, max_days, max_requests)
    try:
        results = go_back(app.settings, app.database, app.vault, app.now, app.user, limits=limits)
    except AlreadyRunning as other:
        app.out.note(other.message)
        results = []
    if form == "json":
        app.out.json({"users": [collecting.backfill_as_json(result) for result in results]})
    else:
        for result in results:
            if result.error is None or result.requests:
                app.out.line(collecting.backfill_in_words(result))
    errors = [result.error for result in results if result.error is not None]
    collecting.tell_errors(app, errors, form, results)
    collecting.warn(app, "backfill", (result.warning for result in results), form)
    return collecting.exit_code(errors, done=len(results) - len(errors))
