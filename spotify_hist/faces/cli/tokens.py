"""Owns `tokens`: making, listing and revoking the tokens that open serve-tools.

Never shows a token but once, and writes nothing but the token on stdout when it is made.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import click

from spotify_hist.errors import UsageError
from spotify_hist.faces.cli import listing
from spotify_hist.model import iso

if TYPE_CHECKING:
    from datetime import datetime

    from spotify_hist.faces.cli.context import App
    from spotify_hist.faces.cli.output import Format
    from spotify_hist.faces.server.tokens import Reach, Token, TokenFile

_FIELDS = (
    "id", "name", "scope", "listener", "state", "created_at", "expires_at", "last_used_on",
)  # fmt: skip
_SPAN = re.compile(r"([0-9]{1,5})([hd])")
_UNITS = {"h": "hours", "d": "days"}


@click.group()
def tokens() -> None:
    """The tokens that open serve-tools."""


@tokens.command()
@click.option("--for", "name", required=True, metavar="NAME", help="Whom or what it is for.")
@click.option(
    "--scope",
    type=click.Choice(("tools", "admin")),
    default="tools",
    show_default=True,
    help="What it opens; admin opens everything.",
)
@click.option("--listener", metavar="U", help="The only listener whose plays it may see.")
@click.option("--expires", metavar="AGE", help="When it ends: 12h, 90d. By default never.")
@click.pass_obj
def create(app: App, name: str, scope: str, listener: str | None, expires: str | None) -> None:
    """Make a token, and print it this once.

    Whoever holds it sends 'Authorization: Bearer TOKEN'. A running serve-tools knows it at once.
    """
    tied = listener or app.user
    if tied is not None and scope == "admin":
        raise UsageError(
            "A token that opens everything cannot be for one listener.",
            hint="Leave --listener out, or leave --scope at tools.",
        )
    if tied is not None:
        _check_listener(app, tied)
    file = _file(app)
    was_open = app.settings.text("tools_token") is None and not any(
        each.reach == "tools" for each in file.tokens()
    )
    made, secret = file.create(
        name,
        reach=cast("Reach", scope),
        listener=tied,
        expires_at=None if expires is None else _end(expires, app.now()),
    )
    app.out.line(secret)
    until = "until it is revoked" if made.expires_at is None else f"until {iso(made.expires_at)}"
    what = "everything" if scope == "admin" else "the tools"
    whose = f", for the plays of '{tied}' alone" if tied else ""
    app.out.note(f"Token {made.token_id} for '{name}' opens {what}{whose}, {until}.")
    app.out.note("It is not kept and cannot be shown again. Whoever has it is let in.")
    if was_open and scope == "tools":
        app.out.note("From now on serve-tools asks for a token, on this machine too (not --stdio).")


@tokens.command("list")
@listing.format_option
@click.pass_obj
def list_(app: App, form: str) -> None:
    """Show every token: for whom, what it opens, and until when."""
    from spotify_hist.analytics.answers import Column

    known = _file(app).listed()
    told = [_as_dict(each, app.now()) for each in known]
    found = listing.Listing(
        name="tokens",
        fields=_FIELDS,
        objects=told,
        columns=(
            Column("id", "word"),
            Column("for", "text"),
            Column("scope", "word"),
            Column("listener", "text"),
            Column("state", "word"),
            Column("created_at", "timestamp"),
            Column("expires_at", "timestamp"),
            Column("last_used_on", "text"),
        ),
        rows=[list(each.values()) for each in told],
        empty="No tokens yet: 'spotify-hist tokens create --for NAME' makes one.",
        spare=("created_at", "last_used_on", "listener", "expires_at"),
    )
    listing.tell(app.out, found, cast("Format", form), listing.timezone_of(app.settings, [], None))


@tokens.command()
@click.argument("token", metavar="ID|NAME")
@click.pass_obj
def revoke(app: App, token: str) -> None:
    """Let a token open nothing any more, at once. A name means every token of that name."""
    file = _file(app)
    gone = file.revoke(token)
    if not gone:
        raise UsageError(
            f"There is no token '{token[:80]}'.", hint="'spotify-hist tokens list' shows them."
        )
    told = ", ".join(f"{each.token_id} for '{each.name}'" for each in gone)
    app.out.line(f"Revoked {told}.")
    if not file.tokens():
        app.out.note(
            "No token is left. A serve-tools that is started now answers programs on this machine "
            "without one, unless SPOTIFY_HIST_TOOLS_TOKEN is set."
        )


def _file(app: App) -> TokenFile:
    from spotify_hist.faces.server.tokens import TokenFile

    return TokenFile(app.settings.tokens, app.now)


def _check_listener(app: App, name: str) -> None:
    """Raises UsageError where nobody has this name."""
    from spotify_hist.store import listeners

    with app.database.read() as connection:
        listeners.find_listener(connection, name)


def _end(text: str, now: datetime) -> datetime:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise UsageError(f"--expires cannot be '{text[:80]}'.", hint="Use such as 12h or 90d.")
    try:
        return now + timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        raise UsageError(f"{text} is further ahead than the calendar.") from None


def _as_dict(token: Token, now: datetime) -> dict[str, object]:
    values = (
        token.token_id,
        token.name,
        token.reach,
        token.listener,
        "expired" if token.is_expired(now) else "active",
        iso(token.created_at),
        iso(token.expires_at) if token.expires_at else None,
        str(token.last_used_on) if token.last_used_on else None,
    )
    return dict(zip(_FIELDS, values, strict=True))
