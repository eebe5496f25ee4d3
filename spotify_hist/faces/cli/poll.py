"""Owns `poll`: one capture for each authorised listener.

Never fetches or stores; `collect.poll` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spotify_hist.errors import AlreadyRunning
from spotify_hist.faces.cli import collecting

if TYPE_CHECKING:
    from spotify_hist.faces.cli.context import App


@click.command()
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def poll(app: App, form: str) -> int:
    """Capture the last plays of every listener who is logged in."""
    from spotify_hist.collect.poll import poll as capture

    try:
        results = capture(app.settings, app.database, app.vault, app.now, app.user)
    except AlreadyRunning as other:
        app.out.note(other.message)
        results = []
    if form == "json":
        app.out.json({"users": [collecting.poll_as_json(result) for result in results]})
    else:
        for result in results:
            if result.error is None or result.rejected:
                app.out.line(collecting.poll_in_words(result))
    errors = [result.error for result in results if result.error is not None]
    collecting.tell_errors(app, errors, form, results)
    collecting.tell_recoveries(app, (result.recovered for result in results))
    collecting.warn(app, "poll", (result.warning for result in results), form)
    return collecting.exit_code(errors, done=len(results) - len(errors))
