"""Owns `sync`: what the timer runs, once or in a loop.

Never fetches or stores; `collect` does.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from spotify_hist.errors import ExitCode, NeedsPerson, SpotifyHistError
from spotify_hist.faces.cli import collecting
from spotify_hist.faces.cli.loop import Duration, Stop, repeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from spotify_hist.collect.sync import Synced
    from spotify_hist.collect.watch import Taken
    from spotify_hist.faces.cli.context import App


@click.command()
@click.option(
    "--every",
    type=Duration(),
    metavar="10m",
    help="Stay and do it again at this interval, for containers; SIGTERM ends it.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def sync(app: App, every: float | None, form: str) -> int:
    """Do all that is due: spool, archives in the watched folder, backfill, poll, some details."""
    if every is None:
        return _once(app, form, time.sleep)
    stop = Stop()

    def work() -> None:
        try:
            _once(app, form, stop.sleep)
        except SpotifyHistError as error:
            app.out.error(error, as_json=form == "json")

    with stop.listening():
        app.out.note(f"Syncing every {every:g} seconds; SIGTERM or Ctrl-C ends it.")
        repeat(work, every, stop)
    app.out.note("Stopped.")
    return int(ExitCode.OK)


def _once(app: App, form: str, sleep: Callable[[float], None]) -> int:
    from spotify_hist.collect.sync import sync as synchronise

    done = synchronise(app.settings, app.database, app.vault, app.now, app.user, sleep=sleep)
    if form == "json":
        app.out.json(_as_json(done))
    else:
        _tell(app, done)
    errors = _errors(done)
    collecting.tell_errors(app, errors, form, [*done.users, *done.backfills])
    collecting.tell_recoveries(app, (result.recovered for result in done.users))
    collecting.warn(app, "sync", (result.warning for result in done.users), form)
    served = sum(each.error is None for each in done.users)
    served += sum(each.error is None for each in done.imports)
    return collecting.exit_code(errors, done=served)


def _errors(done: Synced) -> list[SpotifyHistError]:
    """What went wrong. Where a person is to be told that something does not pass, steps that met
    the same, or other trouble that passes, add nothing."""
    errors = [*_failures(done), *done.errors]
    if not any(isinstance(error, NeedsPerson) for error in errors):
        return errors
    steps = [error for error in done.errors if error.exit_code != ExitCode.TEMPORARY]
    return [*_failures(done), *steps]


def _failures(done: Synced) -> list[SpotifyHistError]:
    """What went wrong, each thing once: a listener's backfill mostly fails for the poll's reason.

    Details that could not be had now are no failure: they are asked for again.
    """
    of_users = {result.account_id: result.error for result in done.users}
    errors = [each.error for each in done.imports if each.error is not None]
    errors += [error for error in of_users.values() if error is not None]
    errors += [
        each.error
        for each in done.backfills
        if each.error is not None and of_users.get(each.account_id) is None
    ]
    return errors


def _as_json(done: Synced) -> dict[str, object]:
    return {
        "users": [collecting.poll_as_json(result) for result in done.users],
        "imports": [_import_as_json(taken) for taken in done.imports],
        "backfills": [collecting.backfill_as_json(result) for result in done.backfills],
        "enriched": done.enriched and done.enriched.as_dict(),
        "errors": [error.as_dict() for error in done.errors],
        "notes": list(done.notes),
    }


def _import_as_json(taken: Taken) -> dict[str, object]:
    receipt = taken.receipt
    return {
        "name": taken.name,
        "import_id": receipt and receipt.import_id,
        "user": receipt and receipt.user,
        "records": receipt.records if receipt else 0,
        "plays_added": receipt.plays_added if receipt else 0,
        "error": taken.error and taken.error.as_dict(),
    }


def _tell(app: App, done: Synced) -> None:
    for taken in done.imports:
        if taken.receipt is not None:
            receipt = taken.receipt
            app.out.line(
                f"{receipt.user}: imported {taken.name}: {receipt.records} rows, "
                f"{receipt.plays_added} plays added."
            )
    for filled in done.backfills:
        if filled.error is None:
            app.out.line(f"Backfill of {collecting.backfill_in_words(filled)}")
    for result in done.users:
        if result.error is None or result.rejected:
            app.out.line(collecting.poll_in_words(result))
    if done.enriched is not None and done.enriched.requests:
        app.out.line(done.enriched.in_words())
    for note in done.notes:
        app.out.note(note)
