"""Owns the way out to the web: the proxies and certificates that the system names, if usable.

Never sends a request of its own, and never tells a proxy's address, which may hold a password.
"""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.request import getproxies

import httpx

from spotify_hist import warn
from spotify_hist.errors import SettingsError

# What httpx, idna and the system raise for an address that is none. InvalidURL is no ValueError.
NO_ADDRESS = (httpx.InvalidURL, ValueError, TypeError, OverflowError)
_SCHEMES = ("http", "https", "all")
_HOST = re.compile(r"[^\s/?#@%\\\[\]:]+")
_BRACKETED = re.compile(r"\[(?P<host>[^\[\]]+)\](?::(?P<port>\d{1,5}))?")
_HOST_AND_PORT = re.compile(r"(?P<host>[^\[\]:]+)(?::(?P<port>\d{1,5}))?")
_IN_BRACKETS = re.compile(r"^\[([^\[\]]+)\](/\d+)?$")
_PORTS, _SHOWN = 65_536, 60


class Network(httpx.BaseTransport):
    """Sends each request by the proxy that the system names for it, or directly.

    The variables are those of curl and httpx: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in
    capitals or small letters, SSL_CERT_FILE and SSL_CERT_DIR. What cannot be used is left out
    with a warning: a note that other programs left must not keep plays from being collected.
    """

    def __init__(self) -> None:
        named = getproxies()
        self._exceptions = _exceptions(named.get("no", ""))
        context = _certificates()
        self._direct = httpx.HTTPTransport(verify=context, trust_env=False)
        self._by_scheme = {}
        for scheme in _SCHEMES:
            if named.get(scheme) and None not in self._exceptions:
                proxy = _proxy(scheme, named[scheme], context)
                if proxy is not None:
                    self._by_scheme[scheme] = proxy

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, by whatever way the address asks for."""
        return self._way(request.url).handle_request(request)

    def close(self) -> None:
        """Let go of the connections."""
        for transport in (self._direct, *self._by_scheme.values()):
            transport.close()

    def _way(self, url: httpx.URL) -> httpx.HTTPTransport:
        proxy = self._by_scheme.get(url.scheme) or self._by_scheme.get("all")
        if proxy is None or any(each is not None and each.holds(url) for each in self._exceptions):
            return self._direct
        return proxy


@dataclass(frozen=True, slots=True)
class _Exception:
    """What goes without a proxy: a network, or a host with (`is_parent`) or without its own name.

    `port` and `scheme` narrow it where they are given.
    """

    network: IPv4Network | IPv6Network | None
    host: str
    port: int | None
    scheme: str | None
    is_parent: bool = False

    def holds(self, url: httpx.URL) -> bool:
        """Whether the address is meant."""
        if self.scheme not in {None, "all", url.scheme}:
            return False
        if self.port not in {None, url.port or {"https": 443}.get(url.scheme, 80)}:
            return False
        host = url.raw_host.decode("ascii", "replace").lower()
        if self.network is None:
            return host.endswith(f".{self.host}") or (host == self.host and not self.is_parent)
        try:
            return ip_address(host.partition("%")[0]) in self.network
        except ValueError:
            return False


def is_usable(url: httpx.URL) -> bool:
    """Whether something can be asked at the address: it has a host, and a port where one is given.

    httpx takes addresses that only the connecting finds to be none.
    """
    try:
        url.raw_host.decode("ascii").encode("idna")  # as the system's resolver wants it
    except UnicodeError:
        return False
    is_host = ":" in url.host or _HOST.fullmatch(url.host) is not None
    return is_host and (url.port is None or 0 < url.port < _PORTS)


def _proxy(scheme: str, text: str, context: ssl.SSLContext) -> httpx.HTTPTransport | None:
    """The way through a proxy; None, with a warning, where it cannot be used."""
    name = f"{scheme.upper()}_PROXY"
    # A bare word is no address: somebody wrote `on`, `none` or a name without its port.
    has_form = "://" in text or ":" in text or "." in text
    try:
        proxy = httpx.Proxy(text if "://" in text else f"http://{text}")
        if has_form and is_usable(proxy.url):
            return httpx.HTTPTransport(verify=context, trust_env=False, proxy=proxy)
    except ImportError:
        warn.once(
            f"The proxy of {name} is left out: for SOCKS the package 'socksio' is needed "
            "(pip install socksio)."
        )
        return None
    except (*NO_ADDRESS, OSError):
        pass  # told below, without its words: they may hold a password
    warn.once(
        f"{name} is left out: it is not the address of a proxy that can be used, such as "
        "http://proxy.example:3128."
    )
    return None


def _exceptions(text: str) -> list[_Exception | None]:
    """What goes without a proxy; None stands for everything."""
    found: list[_Exception | None] = []
    for entry in re.split(r"[,\s]+", text):
        if not entry:
            continue
        if entry == "*":
            found.append(None)
            continue
        try:
            found.append(_exception(entry))
        except NO_ADDRESS:
            shown = "an entry" if "@" in entry else f"'{entry[:_SHOWN]}'"
            warn.once(f"NO_PROXY: {shown} is left out, as it is no host, address or network.")
    return found


def _exception(entry: str) -> _Exception:
    """One entry of NO_PROXY. Raises one of NO_ADDRESS for what is none."""
    before, separator, rest = entry.rpartition("://")
    scheme = before.lower() if separator else None
    try:
        plain = _IN_BRACKETS.sub(r"\1\2", rest)
        return _Exception(ip_network(plain, strict=False), "", None, scheme)
    except ValueError:
        pass  # a name, or an address with a port
    found = _BRACKETED.fullmatch(rest) or _HOST_AND_PORT.fullmatch(rest)
    if found is None:
        raise ValueError("no host")
    host, port = found["host"], int(found["port"]) if found["port"] else None
    if "/" in host or not (port is None or 0 < port < _PORTS):
        raise ValueError("no host")
    if rest.startswith("[") or re.fullmatch(r"[\d.]+", host):
        return _Exception(ip_network(host.partition("%")[0]), "", port, scheme)
    name = host.removeprefix("*").removeprefix(".")
    url = httpx.URL(f"http://{name}")
    if not is_usable(url):
        raise ValueError("no host")
    plain = url.raw_host.decode("ascii").lower()
    return _Exception(None, plain, port, scheme, is_parent=name != host)


def _certificates() -> ssl.SSLContext:
    """Whom to believe at the other end: the system's word, else the list that came with httpx."""
    for name, is_file in (("SSL_CERT_FILE", True), ("SSL_CERT_DIR", False)):
        path = os.environ.get(name)
        if not path:
            continue
        try:
            if is_file:
                return ssl.create_default_context(cafile=path)
            os.listdir(path)  # noqa: PTH208 - only to see that it can be: ssl does not look
            return ssl.create_default_context(capath=path)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            why = getattr(error, "reason", None) or getattr(error, "strerror", None) or "unusable"
            warn.once(f"{name} is left out: what it names cannot be used ({why}).")
    try:
        return httpx.create_ssl_context(trust_env=False)
    except (OSError, ValueError):
        raise SettingsError(
            "The certificates that come with the program cannot be read.",
            hint="Install it anew, or name a file of certificates in SSL_CERT_FILE.",
        ) from None
