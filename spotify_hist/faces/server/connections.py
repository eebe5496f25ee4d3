"""Owns how long a connection may keep the server waiting, and which goes when they run short.

Never reads a request and never looks at who sent it: a household behind a proxy is one address.

uvicorn has no deadline for the headers of a request, nor for taking an answer (FACTS 11.12), so
each of its protocols stands behind one of ours. Ours sees what asyncio tells any protocol, and is
told by the app, through the `state` of the ASGI scope, when a request begins and ends.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from spotify_hist.faces.server.replies import SECURITY_HEADERS, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from uvicorn import Config
    from uvicorn.server import ServerState

logger = logging.getLogger(__name__)

_MOST, _FEWEST = 1000, 8
# What answering takes beside the connections: the history, the gate, the pipes of free SQL.
_RESERVE = 32
_SLOWEST = 16 * 1024  # bytes of an answer taken in a second
_TELL_S = 600.0
_IDLE_S = 60.0  # longer than uvicorn lets a connection be idle
_STATE = "spotify_hist.connection"
_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_TOO_SLOW = Refusal(
    408,
    "headers_too_slow",
    "The headers of the request did not arrive in time.",
    "Send the request without pauses.",
    retryable=True,
)


class Connections:
    """All connections of one server.

    A request's headers must be there `header_s` after the connection was made, or after their
    first byte on one that is kept alive (for how long it may be idle uvicorn knows). An answer
    must be taken within `answer_s`, or so fast. Beyond `most` connections, the one that has waited
    longest for its caller is closed.
    """

    def __init__(self, *, most: int, header_s: float = 5.0, answer_s: float = 10.0) -> None:
        self.most = most
        self.header_s = header_s
        self.answer_s = answer_s
        self._open: set[_Connection] = set()
        self._told_at: float | None = None

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        """What uvicorn calls for each connection, in place of its own class."""
        loop = _loop or asyncio.get_running_loop()

        def inner(connection: _Connection) -> asyncio.Protocol:
            return H11Protocol(config, server_state, {**app_state, _STATE: connection}, _loop)

        return _Connection(self, loop, inner)

    def watching(self, app: ASGIApp) -> ASGIApp:
        """`app`, which from now on tells its connections when a request begins and ends."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            connection = scope["state"].pop(_STATE, None) if "state" in scope else None
            if isinstance(connection, _Connection):
                await connection.serve(app, scope, receive, send)
            else:
                await app(scope, receive, send)

        return watched

    def opened(self, connection: _Connection) -> None:
        """One more; where that is one too many, the one that waited longest goes."""
        self._open.add(connection)
        if self._close_beyond(self.most):
            self._tell(connection.loop.time())

    def closed(self, connection: _Connection) -> None:
        self._open.discard(connection)

    def on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle what asyncio has nobody else to tell: above all, no descriptor for a caller.

        Then something else in this process has many files open, and there is room for fewer
        connections than was thought. asyncio accepts again after a second.
        """
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in _OUT_OF_DESCRIPTORS:
            self.most = max(_FEWEST // 2, min(self.most, len(self._open)) - _FEWEST // 2)
            self._close_beyond(self.most)
            self._tell(loop.time())
        else:
            loop.default_exception_handler(context)

    def _close_beyond(self, most: int) -> bool:
        """Close connections that wait for their callers, longest first; whether any was."""
        there = [each for each in self._open if not each.is_aborted]
        waiting = sorted((each for each in there if each.is_waiting), key=lambda each: each.since)
        too_many = waiting[: max(len(there) - most, 0)]
        for each in too_many:
            each.abort()
        return bool(too_many)

    def _tell(self, now: float) -> None:
        if self._told_at is None or now - self._told_at >= _TELL_S:
            self._told_at = now
            logger.error(
                "More than %d connections at once: those that keep the server waiting are closed, "
                "longest first.",
                self.most,
            )


class _Connection(asyncio.Protocol):
    """One connection: passes everything on to uvicorn's protocol, and ends what takes too long."""

    def __init__(
        self,
        connections: Connections,
        loop: asyncio.AbstractEventLoop,
        inner: Callable[[_Connection], asyncio.Protocol],
    ) -> None:
        self.loop = loop
        self.since = loop.time()  # since when it has waited for its caller
        self.is_aborted = False
        self._connections = connections
        self._inner = inner(self)
        self._transport: asyncio.Transport | None = None
        self._headers: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._has_begun = False  # whether bytes of the next request are there
        self._is_kept_alive = False
        self._requests = 0  # pipelined ones may overlap by a moment
        self._worked_on = 0
        self._sent = 0

    @property
    def is_waiting(self) -> bool:
        """Whether it is the caller's turn: to send headers or a body, or to take an answer."""
        return self._worked_on == 0

    def abort(self) -> None:
        """Close it at once, whatever was still to be sent."""
        self.is_aborted = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._expect_headers(self._connections.header_s)
        self._inner.connection_made(transport)
        self._connections.opened(self)

    def data_received(self, data: bytes) -> None:
        if not self._requests and not self._has_begun:
            self._has_begun = True
            if self._is_kept_alive:
                self._expect_headers(self._connections.header_s)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()
        self._expect_taking()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._headers, self._taking):
            if timer is not None:
                timer.cancel()
        self._connections.closed(self)
        self._inner.connection_lost(exc)

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the app answer one request; the headers are there."""
        self._requests += 1
        self._has_begun, self._is_kept_alive = False, True
        self._expect_headers(None)
        is_read = False

        async def receiving() -> Message:
            nonlocal is_read
            message = await receive()
            if not is_read and not message.get("more_body", False):
                is_read = True
                self._worked_on += 1
            return message

        async def sending(message: Message) -> None:
            self._sent += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receiving, sending)
        finally:
            self._requests -= 1
            self._worked_on -= is_read
            self.since = self.loop.time()
            if not self._requests:
                # The first bytes of the next request may be among what came during this one.
                self._expect_headers(_IDLE_S + self._connections.header_s)
            if self._unsent():
                self._expect_taking()

    def _expect_headers(self, within_s: float | None) -> None:
        if self._headers is not None:
            self._headers.cancel()
            self._headers = None
        if within_s is not None:
            self._headers = self.loop.call_later(within_s, self._give_up_headers)

    def _give_up_headers(self) -> None:
        transport = self._transport
        if transport is None:
            return
        # A caller that has sent nothing waits for no answer, and one that takes none gets none.
        if self._has_begun and not transport.is_closing() and not self._unsent():
            transport.write(_as_bytes(_TOO_SLOW))
            transport.close()
        else:
            self.abort()

    def _expect_taking(self) -> None:
        if self._taking is None:
            self._look_later()

    def _look_later(self) -> None:
        self._taking = self.loop.call_later(
            self._connections.answer_s, self._look, self._sent - self._unsent()
        )

    def _look(self, taken_before: int) -> None:
        """Go on waiting only for a caller that has taken its part since the last look."""
        self._taking = None
        unsent = self._unsent()
        if not unsent:
            return
        if self._sent - unsent - taken_before < _SLOWEST * self._connections.answer_s:
            self.abort()
        else:
            self._look_later()

    def _unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()


def most_connections() -> int:
    """How many connections there are descriptors for, beside what else is open and will be."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return _MOST
    try:
        in_use = len(list(Path("/dev/fd").iterdir()))
    except OSError:
        in_use = _RESERVE
    return max(_FEWEST, min(_MOST, limit - in_use - _RESERVE))


def _as_bytes(refusal: Refusal) -> bytes:
    """A whole answer, for where uvicorn has no request that it could answer."""
    body = refusal.body()
    headers = {
        **SECURITY_HEADERS,
        b"cache-control": b"no-store, no-transform",
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
        b"connection": b"close",
    }
    lines = [f"HTTP/1.1 {refusal.status} Request Timeout".encode()]
    lines += [name + b": " + value for name, value in headers.items()]
    return b"\r\n".join([*lines, b"", body])
