"""Owns the reading of the headers that tell who asks: Host and Origin.

Never decides whether a request may pass; the guard does.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def only(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The value of a header that is there exactly once."""
    values = [value for key, value in headers if key == name]
    return values[0] if len(values) == 1 else None


def host_of(header: bytes | None) -> tuple[str, int | None] | None:
    """Name (no brackets, lower case) and port of a Host header; None where it makes no sense."""
    match = _HOST.fullmatch((header or b"").decode("latin-1").lower())
    if match is None:
        return None
    return match["six"] or match["name"], int(match["port"]) if match["port"] else None


def is_same_origin(headers: list[tuple[bytes, bytes]], host: tuple[str, int | None]) -> bool:
    """Whether no Origin is sent (no browser), or the very one that the request was sent to."""
    origins = [value for key, value in headers if key == b"origin"]
    if not origins:
        return True
    if len(origins) > 1:
        return False
    try:
        parts = urlsplit(origins[0].decode("latin-1").lower())
        port = parts.port
    except ValueError:
        return False
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or "@" in parts.netloc or parts.path or parts.query or parts.fragment:
        return False
    return (parts.hostname, port or default) == (host[0], host[1] or default)
