"""Owns a minimal app against the sandbox: a PKCE login in one call, and plain requests.

Never used by the program itself, whose own client is what the sandbox is there to test.
"""

from __future__ import annotations

import json
import secrets
import urllib.request
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from spotify_hist.sandbox.accounts import challenge_of
from spotify_hist.sandbox.browser import agree, opener

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotify_hist.sandbox.answers import Json

REDIRECT_URI = "http://127.0.0.1:9/callback"
SCOPE = "user-read-recently-played"


class Reply(NamedTuple):
    """An answer: status, headers, body as text."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Json:
        """The body as a JSON object."""
        body = json.loads(self.text)
        if not isinstance(body, dict):
            raise TypeError(f"not a JSON object: {self.text[:80]}")
        return body


def request(
    url: str,
    *,
    token: str | None = None,
    form: Mapping[str, str] | None = None,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """GET `url`, or POST a form or a JSON body; error statuses and redirects are returned as is."""
    data = json.dumps(body).encode() if body is not None else None
    if form is not None:
        data = urlencode(form).encode()
    sent = dict(headers or {})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    asked = urllib.request.Request(url, data=data, headers=sent)  # noqa: S310 - the caller's own URL
    with opener().open(asked, timeout=10) as answer:
        text = answer.read().decode("utf-8", "replace")
        return Reply(answer.status, dict(answer.headers.items()), text)


def authorize_url(
    url: str, *, verifier: str, client_id: str = "sandbox-client", **other: str
) -> str:
    """The address a person opens to log in; `other` adds or replaces query fields."""
    query = {
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "scope": SCOPE,
        "state": secrets.token_urlsafe(8),
        "code_challenge_method": "S256",
        "code_challenge": challenge_of(verifier),
    }
    return f"{url}/authorize?{urlencode(query | other)}"


def log_in(
    url: str, *, account: str | None = None, client_id: str = "sandbox-client", scope: str = SCOPE
) -> Json:
    """Log in as `account` (else the first) and return the token answer."""
    verifier = secrets.token_urlsafe(48)
    page = authorize_url(url, verifier=verifier, client_id=client_id, scope=scope)
    code = parse_qs(urlsplit(agree(page, account)).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "client_id": client_id,
        "code_verifier": verifier,
    }
    return request(f"{url}/api/token", form=form).json


def refresh(url: str, refresh_token: str, *, client_id: str = "sandbox-client") -> Reply:
    """Exchange a refresh token."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client_id}
    return request(f"{url}/api/token", form=form)


def recently_played(url: str, token: str, **query: object) -> Reply:
    """Ask for the last plays; `query` as in the Web API."""
    return request(f"{url}/v1/me/player/recently-played?{urlencode(query)}", token=token)


def items_of(reply: Reply) -> list[dict[str, str]]:
    """The items of a recently-played answer; raises ValueError for any other answer."""
    if reply.status != 200:
        raise ValueError(f"no items: HTTP {reply.status} {reply.text[:200]}")
    return cast("list[dict[str, str]]", reply.json["items"])
