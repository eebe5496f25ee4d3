"""Owns what a request must pass before the app sees it: one ASGI middleware before everything.

Never looks inside a body, and never logs a header, a query string or a token.

In this order: Host (DNS rebinding), Origin (FACTS 8.4), bearer token, rate, size and pace of the
body. Every answer, refusals included, carries a request id and the security headers.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import math
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio

from spotify_hist.faces.server.headers import host_of, is_same_origin, only
from spotify_hist.faces.server.rate import Buckets
from spotify_hist.faces.server.replies import Refusal, internal_error, where

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_PATIENCE = 16

SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the guard holds a request to.

    `hosts` are host names without ports, lower case. With `any_address` (bound to every address)
    an IP literal is accepted too: a rebinding attack needs a name. `token` None leaves every
    path open; otherwise only `open_paths` are. `max_body` is in bytes.
    """

    hosts: frozenset[str] = LOOPBACK_NAMES
    any_address: bool = False
    token: str | None = field(default=None, repr=False)
    open_paths: frozenset[str] = frozenset({"/healthz"})
    max_body: int = 1024 * 1024
    body_timeout_s: float = 15.0
    rate_per_minute: float = 600.0


_STOPPING = Refusal(
    503,
    "stopping",
    "The server is stopping, and the question took too long to wait for.",
    "Ask again when it runs again.",
    retryable=True,
    headers={"retry-after": "5"},
)


class Guard:
    """The ASGI app in front of `app`. `clock` gives monotonic seconds."""

    def __init__(self, app: ASGIApp, rules: Rules, *, clock: Callable[[], float]) -> None:
        self._app = app
        self._rules = rules
        self._clock = clock
        self._token = None if rules.token is None else rules.token.encode()
        self._buckets = Buckets(rules.rate_per_minute, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(send, request_id=secrets.token_hex(8))
        started = self._clock()
        try:
            refusal = self._check(scope)
            if refusal is not None:
                await answer.refuse(refusal)
                return
            body = await self._read_body(scope, receive)
            if isinstance(body, Refusal):
                await answer.refuse(body)
            elif body is not None:
                await self._app(scope, _replay(body, receive), answer.send)
        except asyncio.CancelledError:
            await answer.refuse(_STOPPING)
            raise
        except Exception as error:  # noqa: BLE001 - the outermost edge: nobody else could answer
            # Not logger.exception: a traceback's text may quote a person's values.
            logger.error("request %s failed: %s", answer.request_id, where(error))  # noqa: TRY400
            await answer.refuse(internal_error())
        finally:
            logger.info(
                "%s %s %s %.0f ms %s",
                scope["method"],
                quote(scope["path"], safe="/")[:200],
                answer.status or "gone",
                (self._clock() - started) * 1000,
                answer.request_id,
            )

    def _check(self, scope: Scope) -> Refusal | None:
        """Why this request is refused, or None. Nothing of the body has been read yet."""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        host = host_of(only(headers, b"host"))
        if host is None or not self._is_ours(host[0]):
            return Refusal(
                421,
                "host",
                "The Host header does not name this server.",
                "Use the address that serve-tools printed at start.",
            )
        if not is_same_origin(headers, host):
            return Refusal(
                403,
                "origin",
                "A web page of another origin may not use this server.",
                "Call it from the same origin, or from a program that sends no Origin header.",
            )
        authorised = self._is_authorised(headers)
        client = scope.get("client")
        caller = "token" if authorised else f"address {client[0] if client else 'unknown'}"
        wait_s = self._buckets.take(caller)
        if wait_s > 0:
            seconds = max(1, math.ceil(wait_s))
            return Refusal(
                429,
                "too_many_requests",
                "Too many requests in a short time.",
                f"Wait {seconds} s, then try again.",
                retryable=True,
                headers={"retry-after": str(seconds)},
            )
        if self._token is None or authorised or scope["path"] in self._rules.open_paths:
            return None
        return _unauthorised(headers)

    def _is_ours(self, name: str) -> bool:
        if name in self._rules.hosts:
            return True
        if not self._rules.any_address:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _is_authorised(self, headers: list[tuple[bytes, bytes]]) -> bool:
        presented = only(headers, b"authorization")
        if self._token is None or presented is None:
            return False
        scheme, _, value = presented.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(value.strip(), self._token)

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes | Refusal | None:
        """The whole body, a refusal where it is too large or too slow, None if the caller left."""
        limit = self._rules.max_body
        too_large = Refusal(
            413,
            "body_too_large",
            f"The request body is larger than {limit // 1024} kB.",
            "Send less, or raise the setting server.max_body_kb.",
            headers={"connection": "close"},
        )
        declared = only(scope["headers"], b"content-length") or b"0"
        if not declared.isdigit() or int(declared) > limit:
            return too_large
        body = bytearray()
        received = 0
        with anyio.move_on_after(self._rules.body_timeout_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                received += len(message.get("body", b""))
                if received <= limit:
                    body += message.get("body", b"")
                over = not message.get("more_body", False)
                # What is too large is dropped but read on for a while: a caller that is cut off
                # in the middle of sending sees a broken connection instead of the reason.
                if received > limit and (over or received > limit * _PATIENCE):
                    return too_large
                if over:
                    return bytes(body)
        return Refusal(
            408,
            "body_too_slow",
            "The request body did not arrive in time.",
            "Send the body without pauses.",
            retryable=True,
            headers={"connection": "close"},
        )


class _Answer:
    """One response on its way out: adds the headers every answer has, remembers the status."""

    def __init__(self, send: Send, *, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            # The history is private: no cache keeps it, whatever a library below us says.
            own = {b"cache-control": b"no-store, no-transform"}
            own[b"x-request-id"] = self.request_id.encode()
            given = [pair for pair in message.get("headers", ()) if pair[0].lower() not in own]
            names = {name.lower() for name, _ in given}
            own |= {name: value for name, value in SECURITY_HEADERS.items() if name not in names}
            message = {**message, "headers": [*given, *own.items()]}
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        if self.status is not None:
            return
        body = refusal.body()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            **refusal.headers,
        }
        await self.send(
            {
                "type": "http.response.start",
                "status": refusal.status,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        await self.send({"type": "http.response.body", "body": body})


def _unauthorised(headers: list[tuple[bytes, bytes]]) -> Refusal:
    challenge = 'Bearer realm="spotify-hist"'
    if any(name == b"authorization" for name, _ in headers):
        return Refusal(
            401,
            "wrong_token",
            "The token is not the right one.",
            "Send the value of SPOTIFY_HIST_TOOLS_TOKEN as 'Authorization: Bearer …'.",
            headers={"www-authenticate": challenge + ', error="invalid_token"'},
        )
    return Refusal(
        401,
        "token_needed",
        "This server asks for a token.",
        "Send the value of SPOTIFY_HIST_TOOLS_TOKEN as 'Authorization: Bearer …'.",
        headers={"www-authenticate": challenge},
    )


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body already read, then waits on the connection."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
