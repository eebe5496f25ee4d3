"""Owns which web pages may use the server, and what a browser is told about it (CORS).

Never lets a page in by itself: a token is asked for all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.faces.server.headers import Origin, is_at, origin_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from spotify_hist.faces.server.headers import Headers

# Answered to every preflight: what the routes take, and nothing that a cookie would make dangerous.
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "authorization, content-type, accept, x-request-id, "
    "mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, last-event-id",
    "access-control-max-age": "600",
    "vary": "origin, access-control-request-method, access-control-request-headers",
}
_EXPOSED = "x-request-id, retry-after, mcp-session-id"


class Origins:
    """The origins of pages that may use the server: its own, its `hosts` (name and port), and
    `foreign` ones, which are told so."""

    def __init__(
        self,
        hosts: Collection[tuple[str, int | None]] = (),
        foreign: Collection[Origin] = (),
    ) -> None:
        self._hosts = tuple(hosts)
        self._foreign = frozenset(foreign)

    def judge(self, headers: Headers, host: tuple[str, int | None]) -> dict[str, str] | None:
        """The headers of the answer, or None where the page may not use the server.

        Without an Origin it is no page; a page of the server's own needs no headers.
        """
        given = [value.decode("latin-1") for name, value in headers if name == b"origin"]
        if not given:
            return {"vary": "origin"} if self._foreign else {}
        origin = origin_of(given[0]) if len(given) == 1 else None
        if origin is None:
            return None
        if origin in self._foreign:
            return {
                "access-control-allow-origin": given[0],
                "access-control-expose-headers": _EXPOSED,
                "vary": "origin",
            }
        if any(is_at(origin, own) for own in (host, *self._hosts)):
            return {}
        return None


def preflight(method: str, headers: Headers, allowed: dict[str, str]) -> dict[str, str] | None:
    """The headers of the answer to a browser that asks beforehand; None where it does not."""
    asks = any(name == b"access-control-request-method" for name, _ in headers)
    if method != "OPTIONS" or not asks or "access-control-allow-origin" not in allowed:
        return None
    return {**allowed, **_PREFLIGHT}
