"""Owns the server's routes: tools, MCP, OpenAPI, health, and how errors leave them.

Never listens on anything itself, and lets no request past without the guard.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from typing import TYPE_CHECKING, NoReturn

import anyio.to_thread
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from spotify_hist import __version__
from spotify_hist.errors import SpotifyHistError
from spotify_hist.faces.server import caller, mcp, openapi
from spotify_hist.faces.server import tools as registry
from spotify_hist.faces.server.guard import Guard, Rules
from spotify_hist.faces.server.replies import Refusal, as_json, internal_error
from spotify_hist.faces.server.tool import input_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.types import Scope

    from spotify_hist.faces.server.access import Keyring
    from spotify_hist.faces.server.tools import Tools

_NOT_FOUND = "GET / lists what there is."
_CALL_HINT = 'Send {"tool": "top_artists", "args": {"limit": 5}}.'


def build(tools: Tools, rules: Rules, *, clock: Callable[[], float] = time.monotonic) -> Guard:
    """The whole ASGI app behind its guard; it runs once, from its lifespan's start to its end.

    From now on the tools answer only to whom the guard let in.
    """
    tools.caller = caller.present.get
    keyring = rules.keyring()
    manager = StreamableHTTPSessionManager(
        app=mcp.build(tools), stateless=True, max_request_body_size=rules.max_body
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            yield

    pages = _Pages(tools, keyring)
    app = Starlette(
        routes=[
            Route("/", pages.index),
            Route("/healthz", pages.health),
            Route("/openapi.json", pages.openapi),
            Route("/tools", pages.list_tools),
            Route("/tools/call", pages.call_named, methods=["POST"]),
            Route("/tools/{name}", pages.call_tool, methods=["POST"]),
            # A GET would only open a stream that nothing is ever sent on.
            Route("/mcp", StreamableHTTPASGIApp(manager), methods=["POST"]),
        ],
        exception_handlers={
            SpotifyHistError: _our_error,
            HTTPException: _http_error,
            Exception: _bug,
        },
        lifespan=lifespan,
    )
    return Guard(
        app, rules, clock=clock, keyring=keyring, route_of=functools.partial(_route_of, app)
    )


def _route_of(app: Starlette, scope: Scope) -> str:
    """The template of the path asked for; '-' where there is nothing at that path."""
    for route in app.routes:
        if route.matches(scope)[0] is not Match.NONE:
            return str(getattr(route, "path", "-"))
    return "-"


class _Pages:
    """The endpoints. Errors are raised; `_our_error` and its like turn them into answers."""

    def __init__(self, tools: Tools, keyring: Keyring) -> None:
        self._tools = tools
        self._keyring = keyring

    async def index(self, _: Request) -> Response:
        links = {"tools": "/tools", "mcp": "/mcp", "openapi": "/openapi.json", "health": "/healthz"}
        names = [tool.name for tool in await anyio.to_thread.run_sync(self._tools.present)]
        about = {"name": "spotify-hist", "version": __version__, "links": links, "tools": names}
        return _json(about)

    async def health(self, _: Request) -> Response:
        try:
            await self._tools.check()
        except SpotifyHistError as error:
            found = registry.refusal(error)
            # Anyone may ask: the code says enough, the message could name a path.
            body = {"status": "unavailable", "reason": error.code, "retryable": error.retryable}
            return _json(body, 503, dict(found.headers))
        return _json({"status": "ok", "version": __version__})

    async def openapi(self, request: Request) -> Response:
        def describe() -> dict[str, object]:
            present = self._tools.present()
            registry.warm(present)
            server = str(request.base_url).rstrip("/")
            return openapi.document(present, server=server, needs_token=self._keyring.is_needed)

        return _json(await anyio.to_thread.run_sync(describe))

    async def list_tools(self, _: Request) -> Response:
        def describe() -> list[dict[str, object]]:
            present = self._tools.present()
            registry.warm(present)
            return [
                {
                    "name": tool.name,
                    "title": tool.title,
                    "summary": tool.summary,
                    "grain": tool.grain,
                    "core": tool.is_core,
                    "input_schema": input_schema(tool),
                    "columns": tool.columns(),
                }
                for tool in present
            ]

        return _json({"tools": await anyio.to_thread.run_sync(describe)})

    async def call_tool(self, request: Request) -> Response:
        name = str(request.path_params["name"])
        registry.find(name)
        return await self._answer(name, await _json_object(request))

    async def call_named(self, request: Request) -> Response:
        body = await _json_object(request)
        name, arguments = body.pop("tool", None), body.pop("args", None)
        if not isinstance(name, str) or body:
            _refuse(
                422, "bad_call", "The body must have 'tool', and 'args' or nothing.", _CALL_HINT
            )
        if arguments is not None and not isinstance(arguments, dict):
            _refuse(422, "bad_call", "'args' must be an object.", _CALL_HINT)
        return await self._answer(name, arguments or {})

    async def _answer(self, name: str, arguments: dict[str, object]) -> Response:
        told = await self._tools.call(name, arguments)
        # A million rows take seconds to write: not on the event loop either.
        body = await anyio.to_thread.run_sync(lambda: as_json(told.as_dict()))
        return Response(body, media_type="application/json")


class _Refused(HTTPException):
    """Carries a refusal to the handler that sends it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


async def _json_object(request: Request) -> dict[str, object]:
    """The body as a JSON object, whatever its content type says; an empty body is {}."""
    if request.url.query:
        # An address is kept in logs and histories; a question should not be.
        _refuse(
            400,
            "query_string",
            "Arguments in the address are not read.",
            "Send them as a JSON object in the body.",
        )
    raw = await request.body()
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        _refuse(400, "not_json", "The body is not JSON.", 'Send an object such as {"limit": 5}.')
    if not isinstance(value, dict):
        _refuse(400, "not_an_object", "The body is JSON, but no object.", 'Send {"limit": 5}.')
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _refuse(status: int, code: str, message: str, hint: str) -> NoReturn:
    raise _Refused(Refusal(status, code, message, hint))


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(as_json(value), status, headers, media_type="application/json")


def _reply(refusal: Refusal, headers: dict[str, str] | None = None) -> Response:
    every = {**(headers or {}), **refusal.headers}
    return Response(refusal.body(), refusal.status, every, media_type="application/json")


async def _our_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, SpotifyHistError):
        raise error
    return _reply(registry.refusal(error))


async def _http_error(request: Request, error: Exception) -> Response:
    """A refusal of ours, or one of Starlette's: no such path, or another method."""
    if isinstance(error, _Refused):
        return _reply(error.refusal)
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return _reply(Refusal(404, "not_found", "There is nothing at this address.", _NOT_FOUND))
    headers = dict(error.headers or {})
    if error.status_code == 405:
        allowed = headers.get("Allow", "another method")
        message = f"{request.method[:20]} is not possible here."
        return _reply(Refusal(405, "method", message, f"Use {allowed}."), headers)
    return _reply(Refusal(error.status_code, "http", error.detail), headers)


async def _bug(_: Request, __: Exception) -> Response:
    """Starlette raises the error again after this answer, so that the guard can log it."""
    return _reply(internal_error())
