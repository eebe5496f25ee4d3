"""Owns Spotify's login: the PKCE attempt, the code and refresh exchanges, the loopback server.

Never stores a token and never opens a browser.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import hmac
import queue
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from pydantic import ValidationError

from spotify_hist.errors import LoginNeeded, Offline, SettingsError, UsageError
from spotify_hist.sources.spotify.answers import json_object
from spotify_hist.sources.spotify.models import TokenAnswer

if TYPE_CHECKING:
    from types import TracebackType

    from spotify_hist.sources.spotify.answers import Answer
    from spotify_hist.sources.spotify.http import Http
    from spotify_hist.sources.spotify.vault import Token

SCOPES = ("user-read-recently-played",)  # enough to collect (FACTS 2.6)
LIVE_SCOPES = ("user-read-currently-playing", "user-top-read")  # what assistants may ask live
CALLBACK = "/callback"
_AGAIN = "Run 'spotify-hist auth login' again and use the newest link."


@dataclass(frozen=True, slots=True)
class Grant:
    """What the token endpoint gave; `expires_at` is epoch seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Login:
    """One attempt to log in with PKCE (FACTS 2.1): show `url`, take back the redirected URL."""

    url: str
    state: str
    verifier: str = field(repr=False)
    accounts_url: str
    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]

    @classmethod
    def start(
        cls,
        accounts_url: str,
        client_id: str,
        redirect_uri: str,
        scopes: tuple[str, ...] = SCOPES,
    ) -> Login:
        """A fresh attempt with a state and a verifier of its own."""
        state = secrets.token_urlsafe(24)
        verifier = secrets.token_urlsafe(64)
        digest = hashlib.sha256(verifier.encode()).digest()
        accounts_url = accounts_url.rstrip("/")
        query = urlencode(
            {
                "response_type": "code",
                "client_id": client_id,
                "scope": " ".join(scopes),
                "redirect_uri": redirect_uri,
                "state": state,
                # Else the browser's account is taken unasked, and the next listener's login
                # would be the first one's again.
                "show_dialog": "true",
                "code_challenge_method": "S256",
                "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            }
        )
        url = f"{accounts_url}/authorize?{query}"
        return cls(url, state, verifier, accounts_url, client_id, redirect_uri, scopes)

    def is_answered_by(self, redirected: str) -> bool:
        """Whether the URL answers this very link, be it with a code or a refusal."""
        return self._has_state(_query(redirected))

    def code_from(self, redirected: str) -> str:
        """The code in the URL the browser was sent to; its query string alone will do.

        Raises LoginNeeded if the person declined, if the state is not this attempt's (an answer
        to another link, or forged), or if there is no code.
        """
        answer = _query(redirected)
        if not self._has_state(answer):
            raise LoginNeeded(
                "This address is not the answer to the link just shown.",
                hint="Open the link, agree, and paste the whole address the browser ends up at, "
                "or run 'spotify-hist auth login' again.",
            )
        if "error" in answer:
            raise _declined(_only(answer, "error"))
        code = _only(answer, "code")
        if not code:
            raise LoginNeeded(
                "This address holds no login code.",
                hint="Paste the address the browser shows after you agreed: it contains 'code='.",
            )
        return code

    def _has_state(self, answer: dict[str, list[str]]) -> bool:
        return hmac.compare_digest(_only(answer, "state").encode(), self.state.encode())


def exchange(http: Http, login: Login, code: str, client_secret: str | None, now: float) -> Grant:
    """Trade the code for tokens; `now` is epoch seconds.

    Raises LoginNeeded (the code is spent, too old or foreign), SettingsError (Spotify does not
    know the app), Offline and RateLimited.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": login.redirect_uri,
        "client_id": login.client_id,
        "code_verifier": login.verifier,
    }
    answer = _ask(http, login.accounts_url, form, client_secret)
    if _error(answer) == "invalid_grant":
        raise LoginNeeded("Spotify no longer accepts this login code.", hint=_AGAIN)
    return _grant(answer, now, login.scopes, None)


def refresh(
    http: Http, accounts_url: str, token: Token, client_secret: str | None, now: float
) -> Grant:
    """New tokens for `token`; an answer without a refresh token keeps the old one (FACTS 2.5).

    `now` is epoch seconds.

    Raises LoginNeeded for `invalid_grant` and for nothing else: Spotify says that the login has
    ended, and may be wrong (FACTS 2.4).
    With SettingsError, Offline and RateLimited the token at hand stays good.
    """
    form = {
        "grant_type": "refresh_token",
        "refresh_token": token.refresh_token,
        "client_id": token.client_id,
    }
    answer = _ask(http, accounts_url.rstrip("/"), form, client_secret)
    if _error(answer) == "invalid_grant":
        raise LoginNeeded("The Spotify login has ended (it lasts six months) or was revoked.")
    return _grant(answer, now, token.scopes, token.refresh_token)


def _ask(http: Http, accounts_url: str, form: dict[str, str], secret: str | None) -> Answer:
    basic = None if secret is None else (form["client_id"], secret)
    return http.post_form(f"{accounts_url}/api/token", form, basic)


def _grant(
    answer: Answer, now: float, asked: tuple[str, ...], old_refresh_token: str | None
) -> Grant:
    error = _error(answer)
    if error in {"invalid_client", "unauthorized_client"}:
        raise SettingsError(
            "Spotify does not accept the client id or client secret of your app.",
            hint="Compare SPOTIFY_HIST_CLIENT_ID (and SPOTIFY_HIST_CLIENT_SECRET, if you set it) "
            "with https://developer.spotify.com/dashboard.",
        )
    if answer.status != 200:
        raise Offline(f"Spotify did not answer the login as expected (HTTP {answer.status}).")
    try:
        granted = TokenAnswer.model_validate(json_object(answer))
    except ValidationError:
        granted = None
    refresh_token = (granted.refresh_token if granted else None) or old_refresh_token
    if granted is None or refresh_token is None:
        # Outside the except, so that nothing of the answer hangs on the error.
        raise Offline("Spotify's answer to the login is incomplete.")
    return Grant(
        access_token=granted.access_token,
        refresh_token=refresh_token,
        expires_at=now + granted.expires_in,
        scopes=asked if granted.scope is None else tuple(sorted(granted.scope.split())),
    )


def _error(answer: Answer) -> str | None:
    """The OAuth error code of a refusal, or None for anything else."""
    if not 400 <= answer.status < 500:
        return None
    try:
        error = json_object(answer).get("error")
    except Offline:
        return None
    return error if isinstance(error, str) else None


def _declined(error: str) -> LoginNeeded:
    if error == "access_denied":
        return LoginNeeded(
            "You declined the access that spotify-hist asked for.",
            hint="To collect your plays, run 'spotify-hist auth login' and agree.",
        )
    name = "".join(
        letter for letter in error if letter.isascii() and (letter.isalnum() or letter == "_")
    )
    return LoginNeeded(f"Spotify refused the login ({name[:40]}).", hint=_AGAIN)


def _query(redirected: str) -> dict[str, list[str]]:
    """The parameters of a URL, or of its query string alone.

    A terminal wraps long lines: a pasted address may come with line breaks and quotes.
    """
    text = "".join(redirected.split()).strip("'\"<>")
    return parse_qs((text.partition("?")[2] or text).partition("#")[0])


def _only(answer: dict[str, list[str]], name: str) -> str:
    """The parameter's value; "" if it is absent or stands there twice."""
    values = answer.get(name, [])
    return values[0] if len(values) == 1 else ""


class LoopbackServer:
    """Waits on 127.0.0.1 for the browser that comes back from Spotify (FACTS 2.2).

    A context manager; `port` 0 lets the system choose. Raises UsageError for a port that cannot
    be used.
    """

    def __init__(self, port: int = 0) -> None:
        self._arrived: queue.SimpleQueue[str] = queue.SimpleQueue()
        try:
            self._server = _Server(port, self._arrived)
        except (OSError, OverflowError) as error:
            busy = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            raise UsageError(
                f"Port {port} is {'in use by another program' if busy else 'not usable'}.",
                hint="Choose another one with --port, or leave it out to have one chosen.",
            ) from None
        # A short poll, as it is also the longest that closing takes.
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def redirect_uri(self) -> str:
        """`http://127.0.0.1:PORT/callback`; the app registers it without the port (FACTS 2.2)."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{CALLBACK}"

    def wait(self, timeout_s: float) -> str | None:
        """The full URL the browser arrived with, or None if none did within `timeout_s`."""
        try:
            return self._arrived.get(timeout=timeout_s)
        except queue.Empty:
            return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, arrived: queue.SimpleQueue[str]) -> None:
        self.arrived = arrived
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own looks up the host's name, which can take seconds without a network.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "spotify-hist", ""
    timeout = 10  # a browser opens connections ahead that it never uses

    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        parts = urlsplit(self.path)
        names = parse_qs(parts.query)
        if parts.path != CALLBACK or not ("code" in names or "error" in names):
            self._page(404, "Nothing is here.")
            return
        text = "spotify-hist has Spotify's answer."
        self._page(200, f"{text} You can close this tab and go back to the terminal.")
        server.arrived.put(f"http://127.0.0.1:{server.server_port}{self.path}")

    def _page(self, status: int, text: str) -> None:
        body = _PAGE.format(text=text).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing: the request line holds the login code."""


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>spotify-hist</title>
<body style="font: 1.2rem system-ui, sans-serif; max-width: 32rem; margin: 20vh auto">
<h1>spotify-hist</h1><p>{text}</p></body></html>
"""
