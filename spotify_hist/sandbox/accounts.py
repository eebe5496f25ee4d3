"""Owns logins: codes, access tokens, refresh tokens, their rotation, ending and revocation.

Never serves music data, and never shows a page; it only judges what a client presents.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from spotify_hist.sandbox.wire import Answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spotify_hist.sandbox.wire import Request

REFRESH_LIFETIME = timedelta(days=183)  # six months from the person's consent (FACTS 2.3)
CODE_LIFETIME_S = 600
NO_STORE = {"Cache-Control": "no-store"}


class Refused(Exception):
    """The client's request is turned down with this text."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid authorisation request."""

    redirect_uri: str
    scope: str
    state: str | None
    challenge: str | None


@dataclass(frozen=True, slots=True)
class _Code:
    asked: Asked
    account: str
    issued_s: float


@dataclass(frozen=True, slots=True)
class _Login:
    account: str
    scope: str
    authorized_at: datetime


class Accounts:
    """Every login of one sandbox. The caller holds its lock around each call.

    Codes and access tokens end by `clock`, which gives seconds since whenever; refresh tokens by
    the simulated present handed to `token`. While `denies_renewals` is set, each renewal is
    answered as if the login had ended, which it has not (FACTS 2.4).
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str | None,
        token_lifetime_s: float,
        rotate_every: int,
        clock: Callable[[], float],
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.token_lifetime_s = token_lifetime_s
        self.rotate_every = rotate_every
        self.refreshes = 0
        self.denies_renewals = False
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, tuple[_Login, float]] = {}
        self._refresh: dict[str, _Login] = {}
        self._ended: dict[str, str] = {}

    def check_authorize(self, query: Mapping[str, str]) -> Asked:
        """The request behind `/authorize`; raises Refused with Spotify's words."""
        if query.get("client_id") != self.client_id:
            raise Refused("INVALID_CLIENT: Invalid client")
        redirect_uri = query.get("redirect_uri", "")
        if not is_loopback(redirect_uri):
            raise Refused("INVALID_CLIENT: Invalid redirect URI")
        if query.get("response_type") != "code":
            raise Refused("response_type must be code")
        challenge = query.get("code_challenge")
        if challenge is None and self.client_secret is None:
            raise Refused("code_challenge must be specified")
        if challenge is not None and query.get("code_challenge_method") != "S256":
            raise Refused("code_challenge_method must be S256")
        if challenge is not None and len(challenge) != 43:
            raise Refused("code_challenge must be a base64url-encoded SHA-256 hash")
        return Asked(redirect_uri, query.get("scope", ""), query.get("state"), challenge)

    def issue_code(self, asked: Asked, account: str) -> str:
        """A single-use code for a person who agreed."""
        code = secrets.token_urlsafe(48)
        self._codes[code] = _Code(asked, account, self._clock())
        return code

    def token(self, request: Request, now: datetime) -> Answer:
        """The answer of `POST /api/token`."""
        form = request.form
        if not self._is_client(request, form):
            return _error("invalid_client", "Invalid client")
        grant = form.get("grant_type")
        if grant == "authorization_code":
            return self._exchange(form, now)
        if grant == "refresh_token":
            return self._renew(form, now)
        return _error(
            "unsupported_grant_type",
            "grant_type must be client_credentials, authorization_code or refresh_token",
        )

    def login_of(self, authorization: str | None) -> tuple[str, frozenset[str]]:
        """The account and scopes behind an Authorization header; raises Refused."""
        if not authorization:
            raise Refused("No token provided")
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer":
            raise Refused("Only valid bearer authentication supported")
        known = self._access.get(token)
        if known is None:
            raise Refused("Invalid access token")
        login, until = known
        if self._clock() >= until:
            raise Refused("The access token expired")
        return login.account, frozenset(login.scope.split())

    def revoke(self, account: str) -> None:
        """What the person does under "Manage apps": every token of the account ends at once."""
        for token, login in list(self._refresh.items()):
            if login.account == account:
                del self._refresh[token]
                self._ended[token] = "Refresh token revoked"
        self._access = {
            token: held for token, held in self._access.items() if held[0].account != account
        }

    def expire_access_tokens(self) -> None:
        """Let every access token's hour be over."""
        self._access = {token: (login, -math.inf) for token, (login, _) in self._access.items()}

    def _is_client(self, request: Request, form: Mapping[str, str]) -> bool:
        """The id in the body (PKCE), or id and secret as Basic authentication."""
        kind, _, credentials = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return form.get("client_id") == self.client_id
        try:
            decoded = base64.b64decode(credentials, validate=True)
        except binascii.Error:
            return False
        expected = f"{self.client_id}:{self.client_secret}".encode()
        return self.client_secret is not None and hmac.compare_digest(decoded, expected)

    def _exchange(self, form: Mapping[str, str], now: datetime) -> Answer:
        # Gone whatever comes next: a code that was shown once is never good again.
        code = self._codes.pop(form.get("code", ""), None)
        if code is None:
            return _error("invalid_grant", "Invalid authorization code")
        if self._clock() - code.issued_s > CODE_LIFETIME_S:
            return _error("invalid_grant", "Authorization code expired")
        if form.get("redirect_uri") != code.asked.redirect_uri:
            return _error("invalid_grant", "Invalid redirect URI")
        if code.asked.challenge is not None:
            verifier = form.get("code_verifier")
            if verifier is None:
                return _error("invalid_request", "code_verifier required")
            if challenge_of(verifier) != code.asked.challenge:
                return _error("invalid_grant", "code_verifier was incorrect")
        login = _Login(code.account, code.asked.scope, now)
        return self._grant(login, self._new_refresh_token(login))

    def _renew(self, form: Mapping[str, str], now: datetime) -> Answer:
        presented = form.get("refresh_token")
        if self.denies_renewals:
            return _error("invalid_grant", "Refresh token revoked")
        if not presented:
            return _error("invalid_request", "refresh_token must be supplied")
        if presented in self._ended:
            return _error("invalid_grant", self._ended[presented])
        login = self._refresh.get(presented)
        if login is None:
            return _error("invalid_grant", "Invalid refresh token")
        if now - login.authorized_at >= REFRESH_LIFETIME:
            return _error("invalid_grant", "Refresh token expired")
        self.refreshes += 1
        if not self.rotate_every or self.refreshes % self.rotate_every:
            return self._grant(login, None)
        del self._refresh[presented]
        self._ended[presented] = "Refresh token revoked"
        # Rotation does not lengthen a login (FACTS 2.3).
        return self._grant(login, self._new_refresh_token(login))

    def _new_refresh_token(self, login: _Login) -> str:
        token = "AQ" + secrets.token_urlsafe(96)
        self._refresh[token] = login
        return token

    def _grant(self, login: _Login, refresh_token: str | None) -> Answer:
        token = "BQ" + secrets.token_urlsafe(120)
        self._access[token] = (login, self._clock() + self.token_lifetime_s)
        body: dict[str, object] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(self.token_lifetime_s),
            "scope": login.scope,
        }
        if refresh_token is not None:
            body["refresh_token"] = refresh_token
        return json_answer(200, body, NO_STORE)


def is_loopback(redirect_uri: str) -> bool:
    """Whether Spotify takes this redirect URI: http on 127.0.0.1 or [::1] (FACTS 2.2)."""
    try:
        parts = urlsplit(redirect_uri)
        port = parts.port
    except ValueError:
        return False
    plain = parts.username is None and not parts.fragment and port != 0
    return parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1"} and plain


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _error(error: str, description: str) -> Answer:
    return json_answer(400, {"error": error, "error_description": description}, NO_STORE)
