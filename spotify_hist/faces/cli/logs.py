"""Owns `logs`: the messages of unattended runs, and their end.

Never logs anything itself.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

import click

from spotify_hist.faces.cli import listing
from spotify_hist.model import iso

if TYPE_CHECKING:
    from spotify_hist.faces.cli.context import App
    from spotify_hist.faces.cli.output import Format
    from spotify_hist.store.journal import Level

_FIELDS = ("logged_at", "level", "job", "user", "message")
_LEVELS = ("info", "warning", "error")


@click.group(invoke_without_command=True)
@click.option("--level", type=click.Choice(_LEVELS), help="Only this level and graver ones.")
@click.option("--text", metavar="T", help="Only messages with these words, in any case.")
@click.option("--since", metavar="WHEN", help="Only since then: 30m, 12h, 2d, or 2026-11-01.")
@listing.limit_option(100)
@listing.format_option
@click.pass_context
def logs(
    ctx: click.Context,
    level: str | None,
    text: str | None,
    since: str | None,
    limit: int,
    form: str,
) -> None:
    """Show what unattended runs had to say, newest first.

    With --user only what is about that listener.
    """
    if ctx.invoked_subcommand is not None:
        return
    from spotify_hist.analytics.run import Column
    from spotify_hist.store import journal, listeners

    app: App = ctx.obj
    with app.database.read() as connection:
        known = listeners.listeners(connection)
        whom = listeners.find_listener(connection, app.user) if app.user else None
        zone = listing.timezone_of(app.settings, known, app.user)
        found = journal.entries(
            connection,
            level=cast("Level | None", level),
            user_id=whom.user_id if whom else None,
            text=text,
            since=None if since is None else listing.since(since, zone, app.now()),
            limit=limit,
        )
    rows = [(iso(each.logged_at), each.level, each.job, each.user, each.message) for each in found]
    told = listing.Listing(
        name="logs",
        fields=_FIELDS,
        objects=[dict(zip(_FIELDS, row, strict=True)) for row in rows],
        columns=(
            Column("when", "timestamp"),
            Column("level", "word"),
            Column("job", "word"),
            Column("listener", "text"),
            Column("message", "text"),
        ),
        rows=rows,
        empty="No messages of that kind.",
        spare=("listener",),
    )
    listing.tell(app.out, told, cast("Format", form), zone)


@logs.command()
@click.option("--older-than", metavar="AGE", help="Such as 90d; by default the setting's days.")
@click.pass_obj
def purge(app: App, older_than: str | None) -> None:
    """Delete old messages and the accounts of old runs. No play is touched."""
    from spotify_hist.store import journal

    now = app.now()
    days = app.settings.number("logs.retention_days")
    before = (
        now - timedelta(days=days) if older_than is None else listing.older_than(older_than, now)
    )
    if not app.database.exists():
        app.out.line("There is nothing to delete.")
        return
    with app.database.write("logs purge") as connection:
        count = journal.purge(connection, before)
    rows = "1 message or run" if count == 1 else f"{count:,} messages and runs"
    app.out.line(f"Deleted {rows} from before {before:%Y-%m-%d %H:%M} UTC.")
