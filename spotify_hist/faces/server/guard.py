"""Owns what a request must pass before the app sees it: one ASGI middleware before everything.

Never looks inside a body, and never logs a header, a query string, an address or a token.

In this order: Host (DNS rebinding), Origin (FACTS 8.4), rate, bearer token and what it reaches,
size and pace of the body. Every answer, refusals included, carries a request id and the security
headers.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from spotify_hist.errors import SpotifyHistError
from spotify_hist.faces.server import accesslog, caller, origins
from spotify_hist.faces.server.access import Keyring
from spotify_hist.faces.server.caller import Caller
from spotify_hist.faces.server.headers import (
    Network,
    address_of,
    host_of,
    is_among,
    only,
    request_id_of,
)
from spotify_hist.faces.server.origins import Origins
from spotify_hist.faces.server.rate import Buckets
from spotify_hist.faces.server.replies import (
    SECURITY_HEADERS,
    Refusal,
    internal_error,
    where,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from spotify_hist.faces.server.tokens import TokenFile

logger = logging.getLogger(__name__)

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_PATIENCE = 16
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What the guard holds a request to.

    `hosts` are host names without ports, lower case. With `any_address` (bound to every address)
    an IP literal is accepted too: a rebinding attack needs a name. `token` opens the tools,
    `admin_token` everything, `created` are the tokens made by command; `is_closed` asks for one
    even where none exists. `open_paths` need none. `max_body` is in bytes.
    """

    hosts: frozenset[str] = LOOPBACK_NAMES
    any_address: bool = False
    origins: Origins = field(default_factory=Origins)
    token: str | None = field(default=None, repr=False)
    admin_token: str | None = field(default=None, repr=False)
    created: TokenFile | None = field(default=None, repr=False)
    is_closed: bool = False
    open_paths: frozenset[str] = frozenset({"/healthz"})
    proxies: tuple[Network, ...] = ()
    max_body: int = 1024 * 1024
    body_timeout_s: float = 15.0
    rate_per_minute: float = 600.0

    def keyring(self) -> Keyring:
        """The tokens that open the server."""
        return Keyring(self.token, self.admin_token, self.created, is_closed=self.is_closed)


_STOPPING = Refusal(
    503,
    "stopping",
    "The server is stopping, and the question took too long to wait for.",
    "Ask again when it runs again.",
    retryable=True,
    headers={"retry-after": "5"},
)
_HOST = Refusal(
    421,
    "host",
    "The Host header does not name this server.",
    "Use the address that serve-tools printed at start; behind a proxy, set server.allowed_hosts.",
)
_ORIGIN = Refusal(
    403,
    "origin",
    "A web page of another origin may not use this server.",
    "Call it from the same origin, from a program that sends no Origin header, or name the origin "
    "in the setting server.cors_origins.",
)


class Guard:
    """The ASGI app in front of `app`. `clock` gives monotonic seconds, `route_of` the template of
    a request's path for the log."""

    def __init__(
        self,
        app: ASGIApp,
        rules: Rules,
        *,
        clock: Callable[[], float],
        keyring: Keyring | None = None,
        route_of: Callable[[Scope], str] = lambda _: "-",
    ) -> None:
        self._app = app
        self._rules = rules
        self._clock = clock
        self._keyring = keyring or rules.keyring()
        self._route_of = route_of
        self._buckets = Buckets(rules.rate_per_minute, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        answer = _Answer(send, request_id=request_id_of(headers) or secrets.token_hex(8))
        started = self._clock()
        try:
            await self._let_in(scope, receive, answer)
        except asyncio.CancelledError:
            await answer.refuse(_STOPPING)
            raise
        except Exception as error:  # noqa: BLE001 - the outermost edge: nobody else could answer
            # Not logger.exception: a traceback's text may quote a person's values.
            logger.error("request %s failed: %s", answer.request_id, where(error))  # noqa: TRY400
            await answer.refuse(internal_error())
        finally:
            accesslog.write(
                accesslog.Line(
                    method=scope["method"] if scope["method"] in _METHODS else "-",
                    route=self._route_of(scope),
                    status=answer.status,
                    duration_ms=round((self._clock() - started) * 1000, 1),
                    bytes=answer.bytes,
                    request_id=answer.request_id,
                    token=answer.token,
                )
            )
        if self._keyring.has_new_uses:
            await self._write_uses()

    async def _let_in(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Check the request and hand it on, or refuse it."""
        admitted = self._admit(scope, answer)
        if isinstance(admitted, Refusal):
            await answer.refuse(admitted)
            return
        body = await self._read_body(scope, receive)
        if isinstance(body, Refusal):
            await answer.refuse(body)
        elif body is not None:
            present = caller.present.set(admitted)
            try:
                await self._app(scope, _replay(body, receive), answer.send)
            finally:
                caller.present.reset(present)

    def _admit(self, scope: Scope, answer: _Answer) -> Caller | Refusal:
        """Who asks, or why this request is refused. Nothing of the body has been read yet."""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        host = host_of(only(headers, b"host"))
        if host is None or not self._is_ours(host[0]):
            return _HOST
        about_origin = self._rules.origins.judge(headers, host)
        if about_origin is None:
            return _ORIGIN
        answer.more = about_origin
        peer = scope["client"][0] if scope.get("client") else ""
        if is_among(peer, self._rules.proxies):
            scheme = only(headers, b"x-forwarded-proto")
            if scheme in {b"http", b"https"}:
                scope["scheme"] = scheme.decode()
        try:
            found = self._keyring.caller(headers)
            answer.token = found.name if isinstance(found, Caller) else None
            # Who guesses tokens uses up the address's requests, not the owner's.
            refusal = self._slow_down(
                f"token {found.token_id or found.name}"
                if isinstance(found, Caller)
                else f"address {address_of(peer, headers, self._rules.proxies)}"
            )
            if refusal is not None:
                return refusal
            before = origins.preflight(scope["method"], headers, about_origin)
            if before is not None:
                return Refusal(204, "", "", headers=before)
            if scope["path"] in self._rules.open_paths:
                return found if isinstance(found, Caller) else caller.ANYBODY
            return self._keyring.admit(found, scope["path"])
        except SpotifyHistError as error:
            # The tokens cannot be read. The message names a path: for the person at the machine.
            logger.error("%s %s", error.message, error.hint)  # noqa: TRY400
            return Refusal(503, error.code, "The tokens cannot be read now.", retryable=True)

    def _slow_down(self, whom: str) -> Refusal | None:
        wait_s = self._buckets.take(whom)
        if wait_s <= 0:
            return None
        seconds = max(1, math.ceil(wait_s))
        return Refusal(
            429,
            "too_many_requests",
            "Too many requests in a short time.",
            f"Wait {seconds} s, then try again.",
            retryable=True,
            headers={"retry-after": str(seconds)},
        )

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

    async def _write_uses(self) -> None:
        """Once a day and token; a disk that refuses costs the day, not the request."""
        try:
            await anyio.to_thread.run_sync(self._keyring.write_uses)
        except SpotifyHistError as error:
            logger.error("%s %s", error.message, error.hint)  # noqa: TRY400

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
    """One response on its way out: adds the headers every answer has, remembers what the log tells.

    `more` are headers for this caller; `token` is the name of the token they came with.
    """

    def __init__(self, send: Send, *, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.more: dict[str, str] = {}
        self.token: str | None = None
        self.status: int | None = None
        self.bytes = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            # The history is private: no cache keeps it, whatever a library below us says.
            own = {b"cache-control": b"no-store, no-transform"}
            own[b"x-request-id"] = self.request_id.encode()
            own |= {name.encode(): value.encode() for name, value in self.more.items()}
            given = [pair for pair in message.get("headers", ()) if pair[0].lower() not in own]
            names = {name.lower() for name, _ in given}
            own |= {name: value for name, value in SECURITY_HEADERS.items() if name not in names}
            message = {**message, "headers": [*given, *own.items()]}
        self.bytes += len(message.get("body", b""))
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Send a refusal, or an answer without a body; nothing where an answer has begun."""
        if self.status is not None:
            return
        headers = dict(refusal.headers)
        body = b""
        if refusal.status == 204:
            self.more = headers
        else:
            body = refusal.body()
            headers |= {"content-type": "application/json", "content-length": str(len(body))}
        await self.send(
            {
                "type": "http.response.start",
                "status": refusal.status,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        await self.send({"type": "http.response.body", "body": body})


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
