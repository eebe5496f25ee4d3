"""Owns `sync`: what the timer runs.

Never fetches or stores; `collect` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spotify_hist.faces.cli.poll import tell

if TYPE_CHECKING:
    from spotify_hist.faces.cli.context import App


@click.command()
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def sync(app: App, form: str) -> int:
    """Commit what the spool still holds, then poll every listener."""
    from spotify_hist.collect.sync import sync as synchronise

    return tell(app, synchronise(app.settings, app.database, app.vault, app.now, app.user), form)
