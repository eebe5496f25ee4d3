"""Owns one attempt to log in: showing the link, waiting for the browser or a pasted address.

Never shows a token, and never speaks to Spotify itself; `sources.spotify` does.
"""

from __future__ import annotations

import os
import select
import sys
import time
import webbrowser
from typing import TYPE_CHECKING

from spotify_hist.errors import LoginNeeded, SettingsError, UsageError
from spotify_hist.private_files import umask_at_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from spotify_hist.faces.cli.context import App
    from spotify_hist.sources.spotify.oauth import Login, LoopbackServer
    from spotify_hist.sources.spotify.vault import Token

DASHBOARD = "https://developer.spotify.com/dashboard"
REDIRECT_URI = "http://127.0.0.1/callback"
_PATIENCE_S = 600.0
_GLANCE_S = 0.1
_LONGEST_PASTE = 65_536


def log_in(
    app: App,
    show: Callable[[str], None],
    *,
    port: int = 0,
    reads_stdin: bool = False,
    needs_stdin: bool = False,
    is_live: bool = False,
) -> Token:
    """One login: show the link, wait for the browser or the pasted address, keep the token.

    `needs_stdin`: no browser is opened here, so that nothing on stdin is nobody there at all.
    `is_live` asks for the rights of the live tools too.

    Raises LoginNeeded, Forbidden, SettingsError, UsageError and Temporary errors.
    """
    from spotify_hist.sources.spotify import client, oauth
    from spotify_hist.sources.spotify.limits import Limits

    client_id = app.settings.text("client_id")
    if not client_id:
        raise SettingsError(
            "No Spotify app is configured.",
            hint=f"Create one at {DASHBOARD} with the redirect URI {REDIRECT_URI} (no port), "
            "then set SPOTIFY_HIST_CLIENT_ID or client_id in "
            f"{app.settings.config_file}.",
        )
    # Before the person goes to any trouble: the login would end with a call that is not allowed.
    Limits(app.settings.limits, client_id).check("plays", app.now().timestamp())
    accounts_url = app.settings.text("accounts_url") or ""
    with oauth.LoopbackServer(port) as server:
        scopes = oauth.SCOPES + (oauth.LIVE_SCOPES if is_live else ())
        attempt = oauth.Login.start(accounts_url, client_id, server.redirect_uri, scopes)
        show(attempt.url)
        stdin = _stdin() if reads_stdin else None
        code = _await_code(app, attempt, server, stdin, needs_stdin=needs_stdin)
    return client.login(app.settings, app.vault, attempt, code, lambda: app.now().timestamp())


def open_browser(url: str) -> bool:
    """Open a browser with a window of its own; one that lives in the terminal would take stdin."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    has_window = not isinstance(browser, webbrowser.GenericBrowser) or isinstance(
        browser, webbrowser.BackgroundBrowser
    )
    with umask_at_start():  # what the person saves with that browser is none of our files
        return has_window and browser.open(url)


def _await_code(
    app: App, attempt: Login, server: LoopbackServer, stdin: int | None, *, needs_stdin: bool
) -> str:
    """The code, from the browser or from a pasted address, whichever comes first."""
    deadline = time.monotonic() + _PATIENCE_S
    pasted = ""
    while time.monotonic() < deadline:
        arrived = server.wait(_GLANCE_S)
        if arrived is not None:
            # Any local page can call the port: only an answer to this very link counts.
            if attempt.is_answered_by(arrived):
                return attempt.code_from(arrived)
            app.out.note("Something else called at the login port; still waiting.")
        if stdin is None or not select.select([stdin], [], [], 0)[0]:
            continue
        chunk = os.read(stdin, _LONGEST_PASTE)
        pasted = (pasted + chunk.decode("utf-8", "replace"))[:_LONGEST_PASTE]
        is_end = not chunk
        if is_end:
            stdin = None
        if pasted.strip() and (is_end or pasted.endswith("\n")):
            return attempt.code_from(pasted)
        if is_end and needs_stdin:
            raise UsageError(
                "Nobody is here to log in: there is no terminal, and nothing on standard input.",
                hint="Run 'spotify-hist auth login --no-browser' in a terminal; in a container, "
                "with an interactive one (docker run -it).",
            )
    raise LoginNeeded(
        f"Nobody answered the login link for {_PATIENCE_S / 60:g} minutes.",
        hint="If Spotify showed an error instead of a question, compare the client id "
        f"(SPOTIFY_HIST_CLIENT_ID) with your app at {DASHBOARD}, and see that the app has the "
        f"redirect URI {REDIRECT_URI} there. Then run 'spotify-hist auth login' again.",
    )


def _stdin() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None
