"""Owns `auth`: logging in through the browser or a pasted address, and how long a login lasts.

Never shows a token, and never speaks to Spotify itself; `sources.spotify` does.
"""

from __future__ import annotations

import os
import select
import sys
import time
import webbrowser
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from spotify_hist.errors import LoginNeeded, SettingsError, Temporary

if TYPE_CHECKING:
    from collections.abc import Callable

    from spotify_hist.faces.cli.context import App
    from spotify_hist.sources.spotify.oauth import Login, LoopbackServer
    from spotify_hist.sources.spotify.vault import Token

_PATIENCE_S = 600.0
_GLANCE_S = 0.1
_SOON_DAYS = 30


@click.group()
def auth() -> None:
    """Log in to Spotify, and see how long the login lasts."""


@auth.command()
@click.option("--no-browser", is_flag=True, help="Only print the link; open it anywhere.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port the browser comes back to; by default a free one.",
)
@click.pass_obj
def login(app: App, no_browser: bool, port: int) -> None:
    """Log a listener in.

    Prints a link. Open it, agree, and the browser comes back by itself. If the browser is on
    another machine it ends at an address that does not load: paste that whole address here.
    """

    def show(url: str) -> None:
        app.out.note("Open this link and agree:")
        app.out.line(url)
        app.out.note("If the page it ends at does not load, paste its whole address here.")
        if not no_browser:
            webbrowser.open(url)

    token = log_in(app, show, port=port, reads_stdin=True)
    name = token.account.display_name or token.account.spotify_id or token.account.account_id
    app.out.note(
        f"Logged in as {name}{_as_listener(app, token)}. The login lasts until "
        f"{_day(token.ends_at)}; Spotify then asks for a new one."
    )
    app.out.note("Next: 'spotify-hist poll', and a timer for 'spotify-hist sync'.")


@auth.command()
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def status(app: App, form: str) -> None:
    """Show who is logged in, with which rights, and for how many more days."""
    now = app.now().timestamp()
    from spotify_hist.store import listeners

    tokens = app.vault.tokens()
    names = listeners.names_by_account(app.database)
    rows = [_status(token, names, now) for token in tokens]
    if form == "json":
        app.out.json({"users": rows})
    for row in rows if form == "table" else ():
        app.out.line(
            f"{row['user']}: {row['state']}, {row['days_left']} days left "
            f"(until {row['ends_on']}), may: {', '.join(map(str, _list(row['scopes'])))}"
        )
    if not tokens:
        raise LoginNeeded("No listener is logged in to Spotify.")


def log_in(
    app: App, show: Callable[[str], None], *, port: int = 0, reads_stdin: bool = False
) -> Token:
    """One login: show the link, wait for the browser or the pasted address, keep the token.

    Raises LoginNeeded, Forbidden, SettingsError, UsageError and Temporary errors.
    """
    from spotify_hist.sources.spotify import client, oauth

    client_id = app.settings.text("client_id")
    if not client_id:
        raise SettingsError(
            "No Spotify app is configured.",
            hint="Create one at https://developer.spotify.com/dashboard with the redirect URI "
            "http://127.0.0.1/callback (no port), then set SPOTIFY_HIST_CLIENT_ID or client_id in "
            f"{app.settings.config_file}.",
        )
    accounts_url = app.settings.text("accounts_url") or ""
    with oauth.LoopbackServer(port) as server:
        attempt = oauth.Login.start(accounts_url, client_id, server.redirect_uri)
        show(attempt.url)
        code = _await_code(app, attempt, server, reads_stdin=reads_stdin)
    return client.login(app.settings, app.vault, attempt, code, lambda: app.now().timestamp())


def _await_code(app: App, attempt: Login, server: LoopbackServer, *, reads_stdin: bool) -> str:
    """The code, from the browser or from a pasted address, whichever comes first."""
    deadline = time.monotonic() + _PATIENCE_S
    stdin = _stdin() if reads_stdin else None
    pasted = ""
    while time.monotonic() < deadline:
        arrived = server.wait(_GLANCE_S)
        if arrived is not None:
            # Any local page can call the port: only an answer to this very link counts.
            if attempt.state in arrived:
                return attempt.code_from(arrived)
            app.out.note("Something else called at the login port; still waiting.")
        if stdin is None or not select.select([stdin], [], [], 0)[0]:
            continue
        chunk = os.read(stdin, 65_536)
        pasted += chunk.decode("utf-8", "replace")
        is_end = not chunk
        if is_end:
            stdin = None
        if pasted.strip() and (is_end or pasted.endswith("\n")):
            return attempt.code_from(pasted)
    raise LoginNeeded("Nobody answered the login link for ten minutes.")


def _stdin() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _as_listener(app: App, token: Token) -> str:
    """Make the listener now where the database is free; the next poll does otherwise."""
    from spotify_hist.store import listeners

    try:
        with app.database.write("auth login") as connection:
            listener = listeners.listener_for_account(connection, token.account, app.now())
    except Temporary:
        return ""
    return f" (listener '{listener.name}')"


def _status(token: Token, names: dict[str | None, str], now: float) -> dict[str, object]:
    days = token.days_left(now)
    state = "ok" if days > _SOON_DAYS else "ends soon" if days >= 0 else "ended"
    account = token.account
    fallback = account.display_name or account.spotify_id or account.account_id
    return {
        "user": names.get(account.account_id, fallback),
        "account_id": account.account_id,
        "display_name": account.display_name,
        "state": state,
        "days_left": max(days, 0),
        "ends_on": _day(token.ends_at),
        "scopes": list(token.scopes),
    }


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _day(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).date().isoformat()
