"""Owns the reading of the headers that tell who asks: Host, Origin, and what proxies add.

Never decides whether a request may pass; the guard does.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

Headers = list[tuple[bytes, bytes]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# One caller may own as many addresses of version 6 as they like, all of them in one such network.
_PREFIX_OF_ONE_CALLER = 64


class Origin(NamedTuple):
    """Where a web page comes from; `port` is the scheme's own where none is told."""

    scheme: str
    host: str
    port: int


def only(headers: Headers, name: bytes) -> bytes | None:
    """The value of a header that is there exactly once."""
    values = [value for key, value in headers if key == name]
    return values[0] if len(values) == 1 else None


def host_of(header: bytes | None) -> tuple[str, int | None] | None:
    """Name (no brackets, lower case) and port of a Host header; None where it makes no sense."""
    match = _HOST.fullmatch((header or b"").decode("latin-1").lower())
    if match is None:
        return None
    return match["six"] or match["name"], int(match["port"]) if match["port"] else None


def origin_of(text: str) -> Origin | None:
    """The web origin that `text` is, such as https://music.example; None where it is none."""
    try:
        parts = urlsplit(text.lower())
        port = parts.port
    except ValueError:
        return None
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or "@" in parts.netloc or parts.path or parts.query or parts.fragment:
        return None
    if not parts.hostname or host_of(parts.netloc.encode()) is None:
        return None
    return Origin(parts.scheme, parts.hostname, port or default)


def is_at(origin: Origin, host: tuple[str, int | None]) -> bool:
    """Whether a page of `origin` comes from this host, at the port told or the scheme's own."""
    name, port = host
    return (origin.host, origin.port) == (name, port or _DEFAULT_PORTS[origin.scheme])


def request_id_of(headers: Headers) -> str | None:
    """The id that a proxy or a caller gave the request, where it is one that a log can hold."""
    given = only(headers, b"x-request-id") or b""
    return given.decode() if _REQUEST_ID.fullmatch(given) else None


def network(text: str) -> Network | None:
    """The network that `text` names, an address alone too; None where it is none."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def address_of(peer: str, headers: Headers, proxies: Sequence[Network]) -> str:
    """Whom a request is counted for: the peer, or whoever the last trusted proxy saw (the one
    nearest to us that is not trusted itself)."""
    seen = _address(peer)
    if seen is None:
        return "unknown"
    forwarded = [value for name, value in headers if name == b"x-forwarded-for"]
    hops = [hop.strip() for value in forwarded for hop in value.decode("latin-1").split(",")]
    while hops and is_among(seen, proxies):
        before = _address(hops.pop())
        if before is None:
            break
        seen = before
    if isinstance(seen, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((seen, _PREFIX_OF_ONE_CALLER), strict=False))
    return str(seen)


def is_among(address: ipaddress.IPv4Address | ipaddress.IPv6Address | str | None,
             proxies: Sequence[Network]) -> bool:  # fmt: skip
    """Whether an address is in one of these networks."""
    found = _address(address) if isinstance(address, str) else address
    return found is not None and any(found in each for each in proxies)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address; one of version 4 in the dress of version 6 is one of version 4."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
