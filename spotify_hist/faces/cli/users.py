"""Owns `users`: the listeners who share a history, their names, pauses, time zones and removal.

Never changes the history itself; `store.listeners` and `collect.removal` do.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import click

from spotify_hist.errors import SpotifyHistError, UsageError
from spotify_hist.faces.cli import listing
from spotify_hist.faces.cli.listing import counted
from spotify_hist.model import iso
from spotify_hist.system_zone import is_zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from spotify_hist.collect.logins import LoginState
    from spotify_hist.faces.cli.context import App
    from spotify_hist.faces.cli.output import Format
    from spotify_hist.faces.server.tokens import TokenFile
    from spotify_hist.model import Listener
    from spotify_hist.store.database import Connection
    from spotify_hist.store.listeners import Standing
    from spotify_hist.store.removal import Removed

_FIELDS = (
    "name", "account_id", "display_name", "timezone", "paused_at", "plays", "first_played_at",
    "last_played_at", "login", "days_left", "login_ends_at",
)  # fmt: skip


@click.group()
def users() -> None:
    """The listeners who share this history."""


@users.command("list")
@listing.format_option
@click.pass_obj
def list_(app: App, form: str) -> None:
    """Show every listener, what the history holds of them, and how their login stands."""
    from spotify_hist.analytics.run import Column
    from spotify_hist.store import listeners

    with app.database.read() as connection:
        standings = listeners.overview(connection)
    logins = _logins(app, standings)
    account_ids = [each.listener.account_id for each in standings]
    objects = [_as_dict(each, logins.get(each.listener.account_id)) for each in standings]
    found = listing.Listing(
        name="users",
        fields=_FIELDS,
        objects=objects,
        columns=(
            Column("listener", "text"),
            Column("plays", "integer"),
            Column("first_play_at", "timestamp"),
            Column("last_play_at", "timestamp"),
            Column("paused_since_at", "timestamp"),
            Column("time_zone", "text"),
            Column("display_name", "text"),
            Column("account", "word"),
            Column("login", "text"),
        ),
        rows=[
            (*_row(told), listing.login_in_words(logins.get(account_id), account_id))
            for told, account_id in zip(objects, account_ids, strict=True)
        ],
        empty="No listeners yet.",
        spare=("account", "first_play_at", "display_name", "time_zone", "paused_since_at"),
    )
    zone = listing.timezone_of(app.settings, [each.listener for each in standings], None)
    listing.tell(app.out, found, cast("Format", form), zone)


@users.command()
@click.argument("old")
@click.argument("new")
@click.pass_obj
def rename(app: App, old: str, new: str) -> None:
    """Call the listener OLD by the name NEW from now on."""
    from spotify_hist.store import listeners

    with _change(app, old) as (connection, _):
        listeners.rename(connection, old, new)
    app.out.note(f"'{old}' is now called '{new}'.")
    _tokens(app).rename_listener(old, new)
    if app.settings.text("default_user") == old:
        origin = app.settings.origins["default_user"]
        app.out.note(f"Note: default_user (from {origin}) still says '{old}'.")


@users.command()
@click.argument("name")
@click.pass_obj
def pause(app: App, name: str) -> None:
    """Collect nothing for a listener until 'users resume'."""
    from spotify_hist.collect import pauses

    with _change(app, name) as (connection, listener):
        pauses.pause(app.settings, connection, listener, app.now())
    app.out.note(
        f"Nothing is collected for '{name}' now. Spotify keeps the last 50 plays only: "
        f"'spotify-hist users resume {name}' before they are gone."
    )


@users.command()
@click.argument("name")
@click.pass_obj
def resume(app: App, name: str) -> None:
    """Collect for a listener again."""
    from spotify_hist.collect import pauses

    with _change(app, name) as (connection, listener):
        pauses.resume(connection, listener)
    app.out.note(f"The next poll collects for '{name}' again.")


@users.command()
@click.argument("name")
@click.argument("zone", required=False)
@click.option("--unset", is_flag=True, help="Take the listener's own time zone away.")
@click.pass_obj
def timezone(app: App, name: str, zone: str | None, unset: bool) -> None:
    """Give a listener an IANA time zone of their own, such as Europe/Berlin."""
    from spotify_hist.store import listeners

    if (zone is None) is not unset:
        raise UsageError("Give a time zone or --unset, and not both.")
    if zone is not None and not is_zone(zone):
        raise UsageError(
            f"There is no time zone called '{zone}'.",
            hint="Use an IANA name such as Europe/Berlin, Asia/Kolkata or UTC.",
        )
    with _change(app, name) as (connection, listener):
        listeners.set_timezone(connection, listener, zone)
    shown = app.settings.zone(zone)
    app.out.note(f"Days and hours of '{name}' are those of {shown.name} now.")
    if shown.note is not None:
        app.out.note(shown.note)


@users.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@click.pass_obj
def remove(app: App, name: str, yes: bool) -> None:
    """Delete a listener with everything of theirs, for good.

    Asks for the listener's name first. Original archives (uploads/done) and backups are not
    touched. The database file is written anew, so that nothing of theirs is left in it.
    """
    from spotify_hist.collect.removal import finish_removal, remove_listener
    from spotify_hist.store import listeners, removal

    with app.database.read() as connection:
        is_known = any(each.name == name for each in listeners.listeners(connection))
    if not is_known and finish_removal(app.settings, app.database, name):
        app.out.line(f"'{name}' was deleted before; nothing of theirs is left in the file now.")
        return
    with app.database.read() as connection:
        listener = _known(connection, name)
        taken = removal.holdings(connection, listener)
    app.out.note(f"This deletes {_in_words(taken, listener)}. It cannot be undone.")
    app.out.note(
        f"Not touched: original archives (in {app.settings.watched / 'done'} and wherever else "
        f"you keep them), and backups (in {app.settings.backups})."
    )
    if not yes:
        _confirm(app, name, f"users remove {name}")
    # First: nobody who takes over the name may take over a token.
    _tokens(app).revoke_listener(name)
    taken = remove_listener(app.settings, app.database, app.vault, name, app.now())
    app.out.line(f"Deleted '{name}': {counted(taken.plays, 'play')}.")
    _tell_of_leftovers(app, name)


@users.command()
@click.argument("name")
@click.argument("other")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def merge(app: App, name: str, other: str, yes: bool, form: str) -> None:
    """Make the listener OTHER part of the listener NAME.

    For one person who has become two. Everything of OTHER is NAME's then, each play counts once,
    and OTHER is gone. Asks for the name of OTHER first.
    """
    from spotify_hist.collect import listener_merge
    from spotify_hist.store.listener_merge import account_of_both

    with app.database.read() as connection:
        both = listener_merge.find_both(connection, name, other)
    app.out.note(f"This makes everything of '{other}' part of '{name}'. It cannot be undone.")
    kept, theirs = account_of_both(*both), both[1].account
    if kept and theirs and not kept.is_same_as(theirs):
        app.out.note(
            f"They are two Spotify accounts: that of '{name}' is collected from, and the login of "
            f"'{other}' goes."
        )
    if not yes:
        _confirm(app, other, f"users merge {name} {other}", "to make them one", "changed")
    # First: nobody who takes over the name may take over a token.
    _tokens(app).rename_listener(other, name)
    merged = listener_merge.merge_listeners(
        app.settings, app.database, app.vault, app.now, name, other
    )
    if form == "json":
        told = {"user": name, "merged": other, "records": merged.records, "plays": merged.plays}
        app.out.json(told | {"plays_added": merged.plays_added})
    else:
        app.out.line(
            f"'{other}' is part of '{name}': {counted(merged.plays, 'play')}, of which "
            f"{merged.plays_added:,} were not known of '{name}'."
        )
    _tell_of_leftovers(app, other)


@contextmanager
def _change(app: App, name: str) -> Iterator[tuple[Connection, Listener]]:
    """A write transaction, for the listener of this name; no history is made just for that."""
    with app.database.read() as connection:
        _known(connection, name)
    with app.database.write("users") as connection:
        yield connection, _known(connection, name)


def _tokens(app: App) -> TokenFile:
    from spotify_hist.faces.server.tokens import TokenFile

    return TokenFile(app.settings.tokens, app.now)


def _known(connection: Connection, name: str) -> Listener:
    from spotify_hist.store import listeners

    found = listeners.find_listener(connection, name)
    if found is None:
        raise UsageError(f"There is no listener called '{name}'.")
    return found


def _confirm(
    app: App, name: str, command: str, purpose: str = "to delete it all", done: str = "deleted"
) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            f"Nobody is here to confirm that; nothing was {done}.",
            hint=f"If it is meant: 'spotify-hist {command} --yes'.",
        )
    if app.out.ask(f"Type '{name}' {purpose}: ").strip() != name:
        raise UsageError(f"That is not the name; nothing was {done}.", hint="Nothing has changed.")


def _tell_of_leftovers(app: App, name: str) -> None:
    """What would make a listener of this name again."""
    from spotify_hist.collect import watch

    waiting = [each for each in watch.pending(app.settings) if each.user == name]
    if waiting:
        app.out.note(
            f"Note: {counted(len(waiting), 'archive')} for '{name}' in "
            f"{waiting[0].path.parent} would be imported by the next sync. Move them away."
        )
    if app.settings.text("default_user") == name:
        origin = app.settings.origins["default_user"]
        app.out.note(f"Note: default_user (from {origin}) still says '{name}'.")


def _in_words(taken: Removed, listener: Listener) -> str:
    login = " and the login to Spotify" if listener.account_id is not None else ""
    return (
        f"the listener '{listener.name}'{login}: {counted(taken.plays, 'play')} of "
        f"{counted(taken.records, 'record')}, {counted(taken.imports, 'import')}, "
        f"{counted(taken.tracks, 'track')} that nobody else has played, the accounts of "
        f"{counted(taken.runs, 'run')} and {counted(taken.logs, 'message')}"
    )


def _logins(app: App, standings: list[Standing]) -> dict[str | None, LoginState]:
    """How each account's login stands; none where the vault cannot be read, with a note."""
    from spotify_hist.collect.logins import login_states
    from spotify_hist.store import listeners

    known = [each.listener for each in standings]
    try:
        states = login_states(app.vault, listeners.names_of(known), app.now())
    except SpotifyHistError as error:
        app.out.note(f"Note: logins are not shown. {error.message} {error.hint}")
        return {}
    owners = [(listeners.whose(known, state.account), state) for state in states]
    return {owner.account_id: state for owner, state in owners if owner is not None}


def _as_dict(standing: Standing, login: LoginState | None) -> dict[str, object]:
    listener = standing.listener
    return {
        "name": listener.name,
        "account_id": listener.account_id,
        "display_name": listener.display_name,
        "timezone": listener.timezone,
        "paused_at": _iso(standing.paused_at),
        "plays": standing.plays,
        "first_played_at": _iso(standing.first),
        "last_played_at": _iso(standing.newest),
        "login": login.state if login else None,
        "days_left": login.days_left if login else None,
        "login_ends_at": _iso(login.ends_at) if login else None,
    }


def _row(told: Mapping[str, object]) -> list[object]:
    """A line of the table, but for the login, from what programs are told."""
    names = (
        "name", "plays", "first_played_at", "last_played_at", "paused_at", "timezone",
        "display_name", "account_id",
    )  # fmt: skip
    return [told[name] for name in names]


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
