"""Owns the running server: what it listens on, who may reach it, and a quick clean end.

Never answers a request; the app behind the guard does.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from typing import TYPE_CHECKING, TypeVar, cast

import uvicorn

from spotify_hist.errors import SettingsError, UsageError
from spotify_hist.faces.server import app
from spotify_hist.faces.server.connections import Connections, most_connections
from spotify_hist.faces.server.guard import LOOPBACK_NAMES, Rules
from spotify_hist.faces.server.headers import Network, Origin, host_of, network, origin_of
from spotify_hist.faces.server.origins import Origins
from spotify_hist.faces.server.process import leave, quiet_libraries
from spotify_hist.faces.server.tokens import TokenFile
from spotify_hist.faces.server.tools import Tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import FrameType

    from starlette.types import ASGIApp

    from spotify_hist.settings import Settings

T = TypeVar("T")

_GRACE_S = 1
_QUEUE = 1024
_IN_THE_WAY = {
    errno.EADDRINUSE: (
        "Port {port} on {host} is already in use.",
        "Stop the program that uses it, or choose another with --port (0 finds a free one).",
    ),
    errno.EACCES: (
        "Port {port} on {host} may not be used.",
        "Choose a port of 1024 or above with --port.",
    ),
    errno.EADDRNOTAVAIL: (
        "This machine has no address {host}.",
        "Leave --host out, or give an address of this machine.",
    ),
}


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    user: str | None,
    now: Callable[[], datetime],
    announce: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then return within about two seconds.

    `announce` gets one line once requests are answered. Port 0 finds a free one. Raises
    UsageError where it cannot or must not listen there.
    """
    family, address = _resolve(host, port)
    rules = _rules(settings, host, address[0], now)
    tools = Tools(settings, now=now, user=user)
    with _listen(family, address, host) as listener:
        quiet_libraries()
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        connections = Connections(most=most_connections())
        config = server_config(app.build(tools, rules), connections)
        ready = f"Serving on {url} — MCP at /mcp, OpenAPI at /openapi.json"
        Server(config, connections, lambda: announce(ready)).run(sockets=[listener])
    tools.close()
    leave(still_running=tools.running)


def server_config(app: ASGIApp, connections: Connections) -> uvicorn.Config:
    """How uvicorn serves `app`, over these connections."""
    return uvicorn.Config(
        connections.watching(app),
        # uvicorn only calls it, for each connection.
        http=cast("type[asyncio.Protocol]", connections.protocol),
        loop="asyncio",
        # asyncio takes so many callers before anything else has its turn: one, so that there is
        # room for it. How many the kernel lets wait is said once the server is up.
        backlog=1,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_GRACE_S,
    )


class Server(uvicorn.Server):
    """uvicorn that says when it is ready, and ends by returning rather than by the signal."""

    def __init__(
        self, config: uvicorn.Config, connections: Connections, ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._connections = connections
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self._connections.on_loop_error)
        await super().startup(sockets=sockets)
        for listener in sockets or ():
            listener.listen(_QUEUE)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.force_exit = self.should_exit
        self.should_exit = True


def _rules(settings: Settings, host: str, address: str, now: Callable[[], datetime]) -> Rules:
    """What the guard enforces. Raises UsageError where the server would be open to others."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    allowed = _allowed_hosts(settings)
    created = TokenFile(settings.tokens, now)
    rules = Rules(
        hosts=_hosts(host, address) | {name for name, _ in allowed},
        any_address=ip.is_unspecified,
        origins=Origins(allowed, _foreign_origins(settings)),
        token=_token(settings, "tools_token"),
        admin_token=_token(settings, "admin_token"),
        created=created,
        # Behind a proxy, others reach a loopback address too.
        is_closed=bool(allowed) or not ip.is_loopback,
        proxies=_proxies(settings),
        max_body=int(settings.number("server.max_body_kb")) * 1024,
        rate_per_minute=settings.number("server.rate_per_minute"),
    )
    present = now()
    has_token = rules.token is not None or rules.admin_token is not None
    if rules.is_closed and not has_token and all(t.is_expired(present) for t in created.tokens()):
        raise UsageError(
            f"Others can reach {allowed[0][0] if allowed else host}, so the tools need a token "
            "there.",
            hint="Make one with 'spotify-hist tokens create --for NAME', or set "
            "SPOTIFY_HIST_TOOLS_TOKEN to a long random text.",
        )
    return rules


def _token(settings: Settings, key: str) -> str | None:
    token = settings.text(key)
    if token is not None and not token.strip():
        origin = settings.origins[key]
        raise UsageError(f"The token in {origin} is empty.", hint="Give it a value, or remove it.")
    return None if token is None else token.strip()


def _hosts(host: str, address: str) -> frozenset[str]:
    """The names under which this machine is asked itself."""
    names = {host.lower(), address}
    if ipaddress.ip_address(address.partition("%")[0]).is_unspecified:
        name = socket.gethostname().lower()
        names |= {name, f"{name}.local"}
    return LOOPBACK_NAMES | names


def _allowed_hosts(settings: Settings) -> tuple[tuple[str, int | None], ...]:
    return tuple(
        _checked(
            settings, "server.allowed_hosts", text, host_of(text.encode("utf-8")),
            "Give names such as music.example, or music.example:8443, without a scheme.",
        )
        for text in settings.texts("server.allowed_hosts")
    )  # fmt: skip


def _foreign_origins(settings: Settings) -> tuple[Origin, ...]:
    return tuple(
        _checked(
            settings, "server.cors_origins", text, origin_of(text),
            "Give origins such as https://dash.example; '*' is none.",
        )
        for text in settings.texts("server.cors_origins")
    )  # fmt: skip


def _proxies(settings: Settings) -> tuple[Network, ...]:
    hint = "Give addresses or networks such as 127.0.0.1 or 10.0.0.0/8."
    key = "server.trusted_proxies"
    found: tuple[Network, ...] = ()
    for text in settings.texts(key):
        known: Network | None = network(text)
        if known is None:
            raise _unusable(settings, key, text, hint)
        found = (*found, known)
    return found


def _checked(settings: Settings, key: str, text: str, value: T | None, hint: str) -> T:
    if value is None:
        raise _unusable(settings, key, text, hint)
    return value


def _unusable(settings: Settings, key: str, text: str, hint: str) -> SettingsError:
    origin = settings.origins[key]
    return SettingsError(f"{key} (from {origin}) cannot hold '{text}'.", hint=hint)


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """The one address that `host` means, so that what is checked is what is bound."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM) if host else []
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise UsageError(
            f"'{host}' is no address of this machine.",
            hint="Leave --host out to serve this machine only, or give an IP address.",
        )
    family, _, _, _, address = found[0]
    return family, (str(address[0]), port)


def _listen(family: socket.AddressFamily, address: tuple[str, int], host: str) -> socket.socket:
    # The protocol is named because asyncio sends small answers at once only where it is.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        message, hint = _IN_THE_WAY.get(
            error.errno or 0, ("Cannot listen on {host}, port {port}.", "Try another --port.")
        )
        raise UsageError(message.format(host=host, port=address[1]), hint=hint) from None
    return listener
