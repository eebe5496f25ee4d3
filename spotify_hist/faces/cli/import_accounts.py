"""Owns `import list`, `import show` and `import undo`: what was imported, and taking it back.

Never changes the history itself; `collect.undo` does.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

import click

from spotify_hist.errors import UsageError
from spotify_hist.faces import shapes
from spotify_hist.faces.cli import listing, receipts
from spotify_hist.faces.cli.listing import counted
from spotify_hist.model import iso

if TYPE_CHECKING:
    from spotify_hist.faces.cli.context import App
    from spotify_hist.faces.cli.output import Format
    from spotify_hist.store.import_jobs import Receipt
    from spotify_hist.store.undo import TakenBack


@click.command("list")
@listing.limit_option(20)
@listing.format_option
@click.pass_obj
def list_(app: App, limit: int, form: str) -> None:
    """Show what was imported, newest first, and what was undone.

    With --user only what was imported for that listener.
    """
    from spotify_hist.analytics.run import Column
    from spotify_hist.store import import_jobs, listeners

    with app.database.read() as connection:
        known = listeners.listeners(connection)
        whom = listeners.find_listener(connection, app.user) if app.user else None
        found = import_jobs.receipts(
            connection, user_id=whom.user_id if whom else None, limit=limit
        )
    shown = listing.Listing(
        name="imports",
        fields=shapes.IMPORT_FIELDS,
        objects=[shapes.listed_import(receipt) for receipt in found],
        columns=(
            Column("id", "integer"),
            Column("when", "timestamp"),
            Column("listener", "text"),
            Column("rows", "integer"),
            Column("new", "integer"),
            Column("upgraded", "integer"),
            Column("duplicate", "integer"),
            Column("rejected", "integer"),
            Column("state", "word"),
            Column("files", "text"),
        ),
        rows=[_row(receipt) for receipt in found],
        empty="Nothing has been imported yet.",
        spare=("listener", "duplicate", "upgraded", "rejected", "new", "state"),
    )
    zone = listing.timezone_of(app.settings, known, app.user)
    listing.tell(app.out, shown, cast("Format", form), zone)


@click.command()
@click.argument("import_id", metavar="ID", type=int)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def show(app: App, import_id: int, form: str) -> None:
    """Show the receipt of an import again, with its rejected rows; ID is that of 'import list'."""
    from spotify_hist.collect.undo import account_of

    with app.database.read() as connection:
        receipt = account_of(connection, import_id, _meant(app))
    if form == "json":
        app.out.json(shapes.account(receipt))
        return
    zone = receipts.zone_of(app.settings, receipt)
    receipts.tell(app.out, receipt, zone)
    done = f"Imported {listing.local(receipt.finished_at, zone)}"
    if receipt.undone_at is not None:
        done += f", undone {listing.local(receipt.undone_at, zone)}: none of it stands any more"
    app.out.line(f"{done}.")
    for error in receipt.failed:
        app.out.note(f"Could not be read: {error.message}")


@click.command()
@click.argument("import_id", metavar="ID", type=int)
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def undo(app: App, import_id: int, yes: bool, form: str) -> None:
    """Take an import back: the history is then as if it had never run.

    What another import or a poll tells as well stays. ID is that of 'import list', where the import
    goes on being listed; its files can be imported again.
    """
    from spotify_hist.collect.undo import undo_import, undoable

    with app.database.read() as connection:
        receipt = undoable(connection, import_id, _meant(app))
    if not yes:
        _confirm(app, receipt)
    taken = undo_import(app.database, app.now, import_id, _meant(app))
    if form == "json":
        app.out.json(_undone_as_json(receipt, taken))
        return
    app.out.line(
        f"Import {import_id} of '{receipt.user}' is undone: plays {-taken.plays:+,}, "
        f"records {-taken.records:+,}."
    )
    if taken.gaps_opened:
        app.out.line(f"Gaps that are open again: {taken.gaps_opened:,}")


WORDS = {"list": list_, "show": show, "undo": undo}


def _meant(app: App) -> str | None:
    """The listener who is asked for by name; an import's id alone says whose it is."""
    return app.user or app.settings.text("default_user")


def _confirm(app: App, receipt: Receipt) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            "Nobody is here to confirm that; nothing was undone.",
            hint=f"If it is meant: 'spotify-hist import undo {receipt.import_id} --yes'.",
        )
    names = receipts.names(receipt)
    rest = f" and {counted(len(names) - 1, 'more file')}" if len(names) > 1 else ""
    app.out.note(
        f"This takes back what only import {receipt.import_id} of '{receipt.user}' told: "
        f"{counted(receipt.records, 'row')} of {names[0]}{rest}."
    )
    if app.out.ask("Type 'yes' to undo it: ").strip().lower() != "yes":
        raise UsageError("Nothing was undone.", hint="Nothing has changed.")


def _row(receipt: Receipt) -> tuple[object, ...]:
    names = receipts.names(receipt)
    rest = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return (
        receipt.import_id,
        iso(receipt.finished_at),
        receipt.user,
        receipt.records,
        receipt.new,
        receipt.upgraded,
        receipt.duplicate,
        receipt.rejected or None,
        None if receipt.undone_at is None else "undone",
        names[0] + rest,
    )


def _undone_as_json(receipt: Receipt, taken: TakenBack) -> dict[str, object]:
    return {
        "import_id": receipt.import_id,
        "user": receipt.user,
        "records_removed": taken.records,
        "plays_removed": taken.plays,
        "gaps_opened": taken.gaps_opened,
    }
