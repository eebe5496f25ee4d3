"""Owns MCP on stdin and stdout, for assistants on this machine.

Never writes anything but the protocol to stdout, and listens on no address.
"""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Protocol, Self

import anyio
import mcp_types as types
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from spotify_hist import interrupts
from spotify_hist.faces.server import mcp
from spotify_hist.faces.server.process import leave, quiet_libraries
from spotify_hist.faces.server.tools import Tools
from spotify_hist.faces.server.visible import hides

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable
    from datetime import datetime
    from types import TracebackType

    from anyio.streams.memory import MemoryObjectSendStream

    from spotify_hist.settings import Settings

Incoming = SessionMessage | Exception


class _Stream(Protocol):
    """What is used of the SDK's outgoing stream."""

    async def send(self, item: SessionMessage, /) -> None: ...
    async def aclose(self) -> None: ...


def serve(settings: Settings, *, user: str | None, now: Callable[[], datetime]) -> None:
    """Speak MCP on stdin and stdout until stdin ends, or SIGTERM or SIGINT comes."""
    tools = Tools(settings, now=now, user=user)
    quiet_libraries()
    # A thread is always waiting in a read of stdin, which nothing but the end can interrupt.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    if interrupts.asked() is not None:  # while the modules were imported: there is no better moment
        raise KeyboardInterrupt
    anyio.run(_serve, tools, settings.number("server.query_timeout_s"))
    tools.close()
    leave(still_running=tools.running)


async def _serve(tools: Tools, patience_s: float) -> None:
    server = mcp.build(tools)
    async with stdio_server() as (incoming, outgoing):
        answers = _Answers(outgoing)
        send, receive = anyio.create_memory_object_stream[Incoming](0)
        async with anyio.create_task_group() as group:
            group.start_soon(_relay, incoming, send, answers, patience_s)
            await server.run(receive, answers, server.create_initialization_options())
            group.cancel_scope.cancel()


async def _relay(
    incoming: AsyncIterable[Incoming],
    send: MemoryObjectSendStream[Incoming],
    answers: _Answers,
    patience_s: float,
) -> None:
    """Pass messages on, and the end of stdin only when what was asked before it is answered.

    The SDK drops unanswered calls at the end of stdin, so a piped question would get no answer.
    """
    async with send:
        async for message in incoming:
            if isinstance(message, Exception):
                await answers.send(SessionMessage(_refused(message)))
                continue
            answers.expect(message)
            await send.send(message)
        with anyio.move_on_after(patience_s):
            await answers.complete()


def _refused(error: Exception) -> types.JSONRPCError:
    """The answer to a line that is no message; the SDK would leave whoever sent it waiting."""
    found = error.errors()[0] if isinstance(error, ValidationError) else None
    if found is None or found["type"] != "json_invalid":
        data = types.ErrorData(
            code=types.INVALID_REQUEST, message="The line is JSON, but no JSON-RPC message."
        )
        return types.JSONRPCError(jsonrpc="2.0", id=None, error=data)
    try:
        message = json.loads(found["input"])
    except (ValueError, TypeError, RecursionError):
        said, message = "The line is not JSON.", None
    else:  # what Python's reader lets pass and the SDK's does not
        said = "The line is not JSON, or has half a character in it (a lone surrogate)."
    given = message.get("id") if isinstance(message, dict) else None
    is_usable = type(given) is int or (isinstance(given, str) and not hides(given))
    data = types.ErrorData(code=types.PARSE_ERROR, message=said)
    return types.JSONRPCError(jsonrpc="2.0", id=given if is_usable else None, error=data)


class _Answers:
    """The outgoing stream, counting which requests still wait for their answer."""

    def __init__(self, outgoing: _Stream) -> None:
        self._outgoing = outgoing
        self._open: set[types.RequestId] = set()
        self._answered = anyio.Event()

    def expect(self, message: Incoming) -> None:
        if isinstance(message, SessionMessage) and isinstance(
            message.message, types.JSONRPCRequest
        ):
            self._open.add(message.message.id)

    async def complete(self) -> None:
        while self._open:
            self._answered = anyio.Event()
            await self._answered.wait()

    async def send(self, item: SessionMessage, /) -> None:
        await self._outgoing.send(item)
        if isinstance(item.message, (types.JSONRPCResponse, types.JSONRPCError)):
            if item.message.id is not None:
                self._open.discard(item.message.id)
            self._answered.set()

    async def aclose(self) -> None:
        await self._outgoing.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()
