"""Owns which token reaches what: those of the settings and those made by `tokens create`.

Never keeps a token in the clear, and answers without the database.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from spotify_hist.faces.server.caller import ANYBODY, Caller
from spotify_hist.faces.server.headers import only
from spotify_hist.faces.server.replies import Refusal
from spotify_hist.faces.server.tokens import digest_of

if TYPE_CHECKING:
    from spotify_hist.faces.server.tokens import TokenFile

_CHALLENGE = 'Bearer realm="spotify-hist"'
_SEND = "Send a token as 'Authorization: Bearer …'; 'spotify-hist tokens create' makes one."
NEEDED = Refusal(
    401,
    "token_needed",
    "This server asks for a token.",
    _SEND,
    headers={"www-authenticate": _CHALLENGE},
)
WRONG = Refusal(
    401,
    "wrong_token",
    "The token is not the right one.",
    _SEND,
    headers={"www-authenticate": _CHALLENGE + ', error="invalid_token"'},
)
EXPIRED = Refusal(
    401,
    "expired_token",
    "The token has expired.",
    "Make a new one with 'spotify-hist tokens create'.",
    headers={"www-authenticate": _CHALLENGE + ', error="invalid_token"'},
)
TOO_LITTLE = Refusal(
    403,
    "scope",
    "This token opens the tools, not the administration.",
    "Use a token made with '--scope admin', or the value of SPOTIFY_HIST_ADMIN_TOKEN.",
    headers={"www-authenticate": _CHALLENGE + ', error="insufficient_scope"'},
)


class Keyring:
    """Every token that opens this server.

    `is_closed`: nothing is open without a token, even where none exists. Otherwise the tools are,
    until a token for them is seen: revoking the last one must open nothing.
    """

    def __init__(
        self,
        tools_token: str | None = None,
        admin_token: str | None = None,
        created: TokenFile | None = None,
        *,
        is_closed: bool = False,
    ) -> None:
        self._of_settings = [
            (digest_of(token.encode()), caller)
            for token, caller in (
                (tools_token, Caller("tools_token", "tools")),
                (admin_token, Caller("admin_token", "admin")),
            )
            if token is not None
        ]
        self._created = created
        self._is_closed = is_closed or tools_token is not None

    @property
    def is_needed(self) -> bool:
        """Whether the tools ask for a token. Raises VaultError."""
        if not self._is_closed and self._created is not None:
            self._is_closed = any(each.reach == "tools" for each in self._created.tokens())
        return self._is_closed

    def caller(self, headers: list[tuple[bytes, bytes]]) -> Caller | Refusal | None:
        """Who presents a token of ours; None where none is presented, a refusal for any other.

        Takes the same time whichever token it is. Raises VaultError where they cannot be read.
        """
        if not any(name == b"authorization" for name, _ in headers):
            return None
        scheme, _, value = (only(headers, b"authorization") or b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return WRONG if self.is_needed else None
        presented = digest_of(value.strip())
        found: Caller | Refusal = WRONG
        for digest, caller in self._of_settings:
            if hmac.compare_digest(digest, presented):
                found = caller
        if isinstance(found, Caller) or self._created is None:
            return found
        now = self._created.now()
        for token in self._created.tokens():
            if hmac.compare_digest(token.digest, presented):
                if token.is_expired(now):
                    found = EXPIRED
                    continue
                self._created.note_use(token)
                found = Caller(token.name, token.reach, token.listener, token.token_id)
        return found

    def admit(self, caller: Caller | Refusal | None, path: str) -> Caller | Refusal:
        """The caller who may have this path, or why not."""
        if isinstance(caller, Refusal):
            return caller
        needs_admin = path == "/admin" or path.startswith("/admin/")
        if caller is None:
            return NEEDED if needs_admin or self.is_needed else ANYBODY
        if needs_admin and caller.reach != "admin":
            return TOO_LITTLE
        return caller

    @property
    def has_new_uses(self) -> bool:
        return self._created is not None and self._created.has_new_uses

    def write_uses(self) -> None:
        """Keep the days of use; see `TokenFile.write_uses`."""
        if self._created is not None:
            self._created.write_uses()
