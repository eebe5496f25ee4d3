"""Owns the running server: what it listens on, who may reach it, and a quick clean end.

Never answers a request; the app behind the guard does.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import TYPE_CHECKING

import uvicorn

from spotify_hist.errors import UsageError
from spotify_hist.faces.server import app
from spotify_hist.faces.server.guard import LOOPBACK_NAMES, Rules
from spotify_hist.faces.server.process import leave, quiet_libraries
from spotify_hist.faces.server.tools import Tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import FrameType

    from spotify_hist.settings import Settings

_GRACE_S = 1
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
    rules = _rules(settings, host, address[0])
    tools = Tools(settings, now=now, user=user)
    with _listen(family, address, host) as listener:
        quiet_libraries()
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            app.build(tools, rules),
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_GRACE_S,
        )
        ready = f"Serving on {url} — MCP at /mcp, OpenAPI at /openapi.json"
        _Server(config, lambda: announce(ready)).run(sockets=[listener])
    leave(still_running=tools.running)


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready, and ends by returning rather than by the signal."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.force_exit = self.should_exit
        self.should_exit = True


def _rules(settings: Settings, host: str, address: str) -> Rules:
    """What the guard enforces. Raises UsageError where the server would be open to others."""
    token = settings.text("tools_token")
    if token is not None and not token.strip():
        raise UsageError(
            "The token of the tools is empty.",
            hint="Give SPOTIFY_HIST_TOOLS_TOKEN a value, or remove it.",
        )
    ip = ipaddress.ip_address(address.partition("%")[0])
    if token is None and not ip.is_loopback:
        raise UsageError(
            f"Other machines can reach {host}, so the tools need a token there.",
            hint="Set SPOTIFY_HIST_TOOLS_TOKEN to a long random text, or leave --host out.",
        )
    hosts = LOOPBACK_NAMES | {host.lower(), address}
    if ip.is_unspecified:
        name = socket.gethostname().lower()
        hosts |= {name, f"{name}.local"}
    return Rules(
        hosts=hosts,
        any_address=ip.is_unspecified,
        token=None if token is None else token.strip(),
        max_body=int(settings.number("server.max_body_kb")) * 1024,
        rate_per_minute=settings.number("server.rate_per_minute"),
    )


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
    listener = socket.socket(family, socket.SOCK_STREAM)
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
