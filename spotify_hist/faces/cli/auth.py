"""Owns `auth`: logging listeners in and out, how long a login lasts, and the key of the vault.

Never shows a token, and never speaks to Spotify itself; `sources.spotify` does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import click

from spotify_hist.errors import (
    ExitCode,
    LoginNeeded,
    Partial,
    SpotifyHistError,
    UsageError,
    VaultError,
)
from spotify_hist.faces.cli import listing
from spotify_hist.faces.cli.attempt import DASHBOARD, REDIRECT_URI, log_in, open_browser
from spotify_hist.model import iso

if TYPE_CHECKING:
    from spotify_hist.collect.logins import LoginState
    from spotify_hist.faces.cli.context import App
    from spotify_hist.faces.cli.output import Format
    from spotify_hist.sources.spotify.vault import Rotation, Token

__all__ = ["auth", "log_in"]  # the demo logs in as well

_FIELDS = (
    "user", "account_id", "display_name", "state", "days_left", "ends_on", "scopes", "warning",
    "error", "refused_at", "next_try_at",
)  # fmt: skip
_APPS_PAGE = "https://www.spotify.com/account/apps/"


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
@click.option(
    "--live",
    is_flag=True,
    help="Also let assistants ask what plays now and for Spotify's own top lists.",
)
@click.pass_obj
def login(app: App, no_browser: bool, port: int, live: bool) -> None:
    """Log a listener in, or renew a login.

    Prints a link. Open it, agree, and the browser comes back by itself. If the browser is on
    another machine it ends at an address that does not load: paste that whole address here.

    Several people can log in one after the other, each as themselves at Spotify.
    """

    def show(url: str) -> None:
        app.out.note("Open this link and agree:")
        app.out.line(url)
        app.out.note("If the page it ends at does not load, paste its whole address here.")
        app.out.note(
            "If Spotify shows INVALID_CLIENT, your app has another client id, or lacks the "
            f"redirect URI {REDIRECT_URI}: see {DASHBOARD}"
        )
        if not no_browser:
            open_browser(url)

    token = log_in(app, show, port=port, reads_stdin=True, needs_stdin=no_browser, is_live=live)
    name = token.account.display_name or token.account.spotify_id or token.account.account_id
    app.out.note(
        f"Logged in as {name}{_as_listener(app, token)}. The login lasts until "
        f"{_day(token.ends_at)}; Spotify then asks for a new one."
    )
    app.out.note("Next: 'spotify-hist poll', and a timer for 'spotify-hist sync'.")


@auth.command()
@listing.format_option
@click.pass_obj
def status(app: App, form: str) -> int:
    """Show who is logged in, with which rights, and for how many more days.

    Ends with 4 if somebody must log in (again), with 3 if a login cannot be read.
    """
    from spotify_hist.analytics.run import Column
    from spotify_hist.collect.logins import warning

    states = [each for each in _states(app) if app.user in {None, each.user}]
    objects = [_as_dict(each) for each in states]
    found = listing.Listing(
        name="users",
        fields=_FIELDS,
        objects=objects,
        columns=(
            Column("listener", "text"),
            Column("state", "word"),
            Column("days_left", "integer"),
            Column("ends_on", "word"),
            Column("scopes", "text"),
        ),
        rows=[_row(each) for each in objects],
        empty="Nobody is logged in.",
    )
    listing.tell(app.out, found, cast("Format", form), "UTC")
    if not states:
        whom = "No listener is" if app.user is None else f"The listener '{app.user}' is not"
        raise LoginNeeded(f"{whom} logged in to Spotify.")
    for state in states if form != "json" else ():
        if (text := warning(state)) is not None:
            app.out.warning(text)
    for state in states:
        if state.error is not None:
            app.out.error(state.error, as_json=form == "json")
    kinds = {state.state for state in states}
    if kinds & {"refused", "ended"}:
        return int(ExitCode.LOGIN_NEEDED)
    return int(ExitCode.BAD_INPUT if "unreadable" in kinds else ExitCode.OK)


@auth.command()
@click.pass_obj
def logout(app: App) -> None:
    """Forget the login of a listener (--user, where there are several); the history is kept."""
    state = _meant(app)
    app.vault.forget_file(state.stem)
    if state.account is not None:
        app.vault.forget(state.account.account_id, state.account.spotify_id)
    app.out.note(
        f"'{state.user}' is logged out, and nothing more is collected for them. Their history is "
        "kept."
    )
    app.out.note(f"At {_APPS_PAGE} they can also withdraw the access they gave to your app.")


@auth.command("rotate-key")
@click.pass_obj
def rotate_key(app: App) -> None:
    """Seal the stored logins with a new key.

    Without a key in the settings a new one is made. Otherwise put the new key in front of the old
    one in SPOTIFY_HIST_TOKEN_KEY, separated by a comma, and run this; then remove the old one.
    """
    rotation = app.vault.rotate_key()
    for text in _in_words(rotation):
        app.out.note(text)
    if rotation.unreadable:
        kind = Partial if rotation.resealed else VaultError
        raise kind(
            f"{_logins(len(rotation.unreadable))} could be opened with none of the keys and "
            "stayed as they were.",
            hint="'spotify-hist auth status' names them.",
        )


def _in_words(rotation: Rotation) -> list[str]:
    """What a change of the key did, and what is left to do."""
    said = [f"{_logins(rotation.resealed)} sealed with the new key."] if rotation.resealed else []
    if not rotation.is_given:
        return said or ["There is a new key; no login was stored under the old one."]
    if rotation.removed_file:
        said.append("The key file of the vault is not needed any more and has been removed.")
    if rotation.needless:
        said.append(
            "SPOTIFY_HIST_TOKEN_KEY needs its first key only: remove the others, here and wherever "
            "else spotify-hist runs."
        )
    if not said:
        said.append(
            "Every login is already sealed with the key of SPOTIFY_HIST_TOKEN_KEY. To change it, "
            "put a new key in front of it, separated by a comma, and run this again. Make a key "
            "with: openssl rand -base64 32 | tr '+/' '-_'"
        )
    return said


def _logins(count: int) -> str:
    return f"{count} login" + ("" if count == 1 else "s")


def _meant(app: App) -> LoginState:
    """The login of --user, of the default listener, or the only one."""
    states = _states(app)
    if not states:
        raise LoginNeeded("No listener is logged in to Spotify.", hint="There is nothing to do.")
    wanted = app.user or app.settings.text("default_user")
    names = ", ".join(f"'{state.user}'" for state in states)
    meant = [state for state in states if wanted in {None, state.user}]
    if wanted is not None and not meant:
        raise UsageError(f"The listener '{wanted}' is not logged in.", hint=f"Logged in: {names}.")
    if len(meant) > 1:
        raise UsageError(f"Several listeners are logged in: {names}.", hint="Choose with --user.")
    return meant[0]


def _states(app: App) -> list[LoginState]:
    from spotify_hist.collect.logins import login_states
    from spotify_hist.store import listeners

    return login_states(app.vault, listeners.names_by_account(app.database), app.now())


def _as_listener(app: App, token: Token) -> str:
    """Make the listener now where the database is free; the next poll does otherwise."""
    from spotify_hist.store import listeners

    try:
        with app.database.write("auth login") as connection:
            listener = listeners.listener_for_account(connection, token.account, app.now())
    except SpotifyHistError as error:
        app.out.detail(f"The listener is made by the next poll: {error.message}")
        return ""
    if app.user not in {None, listener.name}:
        app.out.note(
            f"Note: this Spotify account belongs to the listener '{listener.name}', not to "
            f"'{app.user}'. Log out at Spotify first to log in as somebody else."
        )
    return f" (listener '{listener.name}')"


def _as_dict(state: LoginState) -> dict[str, object]:
    from spotify_hist.collect.logins import warning

    account = state.account
    return {
        "user": state.user,
        "account_id": account and account.account_id,
        "display_name": account and account.display_name,
        "state": state.state,
        "days_left": state.days_left,
        "ends_on": state.ends_at and _day(state.ends_at.timestamp()),
        "scopes": list(state.scopes),
        "warning": warning(state),
        "error": state.error and state.error.as_dict(),
        "refused_at": state.refused_at and iso(state.refused_at),
        "next_try_at": state.next_try_at and iso(state.next_try_at),
    }


def _row(told: dict[str, object]) -> tuple[object, ...]:
    return tuple(told[name] for name in ("user", "state", "days_left", "ends_on", "scopes"))


def _day(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).date().isoformat()
