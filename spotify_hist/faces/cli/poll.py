"""Owns `poll`: one capture for each authorised listener, and how its outcome is told.

Never fetches or stores; `collect.poll` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spotify_hist.errors import ExitCode
from spotify_hist.model import iso

if TYPE_CHECKING:
    from spotify_hist.collect.poll import UserPoll
    from spotify_hist.faces.cli.context import App


@click.command()
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def poll(app: App, form: str) -> int:
    """Capture the last plays of every listener who is logged in."""
    from spotify_hist.collect.poll import poll as capture

    results = capture(app.settings, app.database, app.vault, app.now, app.user)
    return tell(app, results, form)


def tell(app: App, results: list[UserPoll], form: str) -> int:
    """Write the outcome and give the exit code: that of the failure, or 6 where others did well."""
    if form == "json":
        app.out.json({"users": [_as_json(result) for result in results]})
    else:
        for result in results:
            if result.error is None:
                app.out.line(_in_words(result))
    errors = [result.error for result in results if result.error is not None]
    for error in errors:
        app.out.error(error, as_json=form == "json")
    if not errors:
        return int(ExitCode.OK)
    if len(errors) < len(results) or len({error.exit_code for error in errors}) > 1:
        return int(ExitCode.PARTIAL)
    return int(errors[0].exit_code)


def _as_json(result: UserPoll) -> dict[str, object]:
    gap = result.gap
    return {
        "user": result.user,
        "fetched": result.fetched,
        "new": result.new,
        "late": result.late,
        "gap": gap and {"after": iso(gap.after), "before": iso(gap.before)},
        "error": result.error and result.error.as_dict(),
        "rejected": result.rejected,
    }


def _in_words(result: UserPoll) -> str:
    plays = "play" if result.new == 1 else "plays"
    text = f"{result.user}: {result.new} new {plays} of {result.fetched} fetched"
    if result.late:
        text += f", {result.late} of them late"
    if result.rejected:
        text += f", {result.rejected} that could not be read"
    if result.gap:
        text += (
            f". Plays between {iso(result.gap.after)} and {iso(result.gap.before)} are missing:"
            " poll more often; an extended export fills the gap"
        )
    return text + "."
