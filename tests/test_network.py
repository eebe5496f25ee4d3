"""The way out to the web: what proxies and certificates the system names, and what is no use."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest
from cli_kit import process
from household import household
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from spotify_hist import warn
from spotify_hist.errors import Offline, SettingsError
from spotify_hist.sources.spotify import network
from spotify_hist.sources.spotify.http import Http

if TYPE_CHECKING:
    from collections.abc import Iterator

_SMALL = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
NAMES = (*_SMALL, *map(str.upper, _SMALL), "SSL_CERT_FILE", "SSL_CERT_DIR")


class _Recorder(BaseHTTPRequestHandler):
    """Answers every GET, and says whether it was asked as a proxy is: with a whole address."""

    def do_GET(self) -> None:
        body = b"proxy" if self.path.startswith("http") else b"origin"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing."""


class _SixServer(ThreadingHTTPServer):
    address_family = socket.AF_INET6


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server on 127.0.0.1 that is origin and proxy alike."""
    yield from _serving(ThreadingHTTPServer(("127.0.0.1", 0), _Recorder))


@pytest.fixture(scope="module")
def port6() -> Iterator[int]:
    """The same on ::1."""
    try:
        server = _SixServer(("::1", 0), _Recorder)
    except OSError:
        pytest.skip("there is no IPv6 here")
    yield from _serving(server)


def _serving(server: ThreadingHTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield int(server.server_address[1])
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is warned of; no proxy of this environment is in the way."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    heard: list[str] = []
    warn.forget()
    warn.listen(heard.append)
    return heard


def answered(url: str) -> str:
    """Who answered: the origin or the proxy."""
    with Http(5, 0, 0) as http:
        return http.get(url).body.decode()


@pytest.mark.parametrize(
    ("no_proxy", "host", "by"),
    [
        ("", "127.0.0.1", "proxy"),
        ("127.0.0.1", "127.0.0.1", "origin"),
        ("127.0.0.0/8,::1/128", "127.0.0.1", "origin"),
        ("127.0.0.1/8", "127.0.0.1", "origin"),
        ("10.0.0.0/8, 192.168.0.0/16", "127.0.0.1", "proxy"),
        ("127.0.0.1:{port}", "127.0.0.1", "origin"),
        ("127.0.0.1:1", "127.0.0.1", "proxy"),
        ("[::1]", "127.0.0.1", "proxy"),
        ("fd00::/8", "127.0.0.1", "proxy"),
        ("*", "127.0.0.1", "origin"),
        ("localhost,*", "127.0.0.1", "origin"),
        ("localhost", "localhost", "origin"),
        ("LOCALHOST", "localhost", "origin"),
        (".localhost", "localhost", "proxy"),
        ("host", "localhost", "proxy"),
        ("http://localhost", "localhost", "origin"),
        ("all://localhost", "localhost", "origin"),
        ("https://localhost", "localhost", "proxy"),
        ("nothing local", "localhost", "proxy"),
    ],
)
def test_no_proxy_says_what_goes_without_one(
    port: int, no_proxy: str, host: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts, addresses, networks, ports and schemes, as curl and Go read them."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("NO_PROXY", no_proxy.replace("{port}", str(port)))
    assert answered(f"http://{host}:{port}/") == by


@pytest.mark.parametrize(
    ("no_proxy", "by"),
    [
        ("::1/128", "origin"),
        ("[::1]", "origin"),
        ("::1", "origin"),
        ("[::1]:{port}", "origin"),
        ("[::1]:1", "proxy"),
        ("[::1]/128", "origin"),
        ("::/0", "origin"),
        ("fd00::/8", "proxy"),
        ("127.0.0.0/8", "proxy"),
    ],
)
def test_networks_of_ipv6_are_heeded(
    port: int, port6: int, no_proxy: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OrbStack and Docker Desktop set these (FACTS 11.12)."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", no_proxy.replace("{port}", str(port6)))
    assert answered(f"http://[::1]:{port6}/") == by


@pytest.mark.parametrize(
    ("entry", "url", "is_held"),
    [
        ("example.com", "https://example.com", True),
        ("example.com", "https://api.example.com", True),
        ("example.com", "https://notexample.com", False),
        (".example.com", "https://api.example.com", True),
        (".example.com", "https://example.com", False),
        ("*.example.com", "https://api.example.com", True),
        ("example.com:443", "https://example.com", True),
        ("example.com:443", "http://example.com", False),
        ("b\u00fccher.example", "https://xn--bcher-kva.example", True),
        ("fe80::1%eth0", "http://[fe80::1]", True),
    ],
)
def test_an_entry_holds_the_hosts_it_names(entry: str, url: str, is_held: bool) -> None:
    """A name and all below it, or with a dot in front those below alone."""
    (found,) = network._exceptions(entry)
    assert found is not None
    assert found.holds(httpx.URL(url)) is is_held


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "value",
    [
        "http://[::1", "socks5://127.0.0.1:1080", "socks5h://h:1", "socks4://h:1", "foo", "on",
        "http://127.0.0.1:99999", "http://127.0.0.1:0", "http://h:-1", "http://h:x", "http://",
        "ftp://h:1", "http://exa mple:80", "http://a..b:1", "http://xn--a:1", "http://h\x7f:1",
        "http://user:pass-word@[::1", "bogus://user:pass-word@proxy", "://", "http://%00:1",
    ],
)  # fmt: skip
def test_a_proxy_that_is_none_is_left_out_with_one_warning(
    port: int, name: str, value: str, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    """The variable is named, its value is not, and the request goes directly."""
    monkeypatch.setenv(name, value)
    assert [answered(f"http://127.0.0.1:{port}/") for _ in range(2)] == ["origin"] * 2
    (said,) = warnings
    assert name.upper() in said
    assert "pass-word" not in said


def test_a_good_proxy_is_heeded_beside_a_bad_one(
    port: int, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    """One variable of use is not lost for another that is none."""
    monkeypatch.setenv("HTTPS_PROXY", "http://[::1")
    monkeypatch.setenv("ALL_PROXY", f"127.0.0.1:{port}")
    assert answered(f"http://localhost:{port}/") == "proxy"
    assert len(warnings) == 1


@pytest.mark.parametrize(
    "entry", ["::1/999", "[::1", "::1]x", "h:99999", "exa%mple", "a..b", "1.2.3.4/40", "u:p@h:1"]
)
def test_an_entry_that_is_none_is_left_out_and_the_others_are_heeded(
    port: int, entry: str, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    """One line names it; what may be a password is not shown."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("NO_PROXY", f"{entry},127.0.0.1")
    assert answered(f"http://127.0.0.1:{port}/") == "origin"
    (said,) = warnings
    assert said.startswith("NO_PROXY: ")
    assert (entry in said) is ("@" not in entry)


@examples(deadline=None, max_examples=300)
@given(text=st.text(max_size=40) | st.from_regex(r"[a-z0-9:/.*\[\],@% -]{0,40}", fullmatch=True))
def test_whatever_the_variables_hold_something_is_made_of_it(text: str) -> None:
    """Never an error: a way that can be taken, or none."""
    url = httpx.URL("http://127.0.0.1:8888/v1/me")
    for exception in network._exceptions(text):
        assert exception is None or exception.holds(url) in {True, False}
    proxy = network._proxy("http", text, httpx.create_ssl_context(verify=False))
    assert proxy is None or isinstance(proxy, httpx.HTTPTransport)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("value", ["/nowhere/pass-word", "/dev/null", "x\nd", "/", "{self}"])
def test_certificates_that_cannot_be_read_are_left_out_with_one_warning(
    port: int, name: str, value: str, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    """Those that come with the program are used; a folder cannot be seen through in advance."""
    monkeypatch.setenv(name, value.replace("{self}", __file__))
    assert answered(f"http://127.0.0.1:{port}/") == "origin"
    is_folder = (name, value) == ("SSL_CERT_DIR", "/")
    assert len(warnings) == (0 if is_folder else 1)
    assert all(name in said and "pass-word" not in said for said in warnings)


def test_certificates_that_do_not_vouch_for_spotify_are_told_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong clock and a wrong folder look alike."""

    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired")

    http = Http(5, 0, 0, transport=httpx.MockTransport(refuse))
    with http, pytest.raises(Offline) as caught:
        http.get("https://api.test/")
    assert "clock" in caught.value.hint
    assert "SSL_CERT_FILE" in caught.value.hint


def test_without_any_certificates_the_installation_is_to_blame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing can be asked safely."""

    def broken(**_: object) -> None:
        raise FileNotFoundError("cacert.pem")

    monkeypatch.setattr(httpx, "create_ssl_context", broken)
    with pytest.raises(SettingsError, match="come with the program"):
        Http(5, 0, 0)


# Real commands -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variables",
    [
        {"NO_PROXY": "localhost,127.0.0.0/8,::1/128"},
        {"no_proxy": "[::1]"},
        {"NO_PROXY": "fd07:b51a:cc66:f0::/64,*.orb.local,::1/128"},
        {"HTTPS_PROXY": "http://[::1", "HTTP_PROXY": "socks5://h:1", "all_proxy": "foo"},
        {"http_proxy": "http://h:99999", "SSL_CERT_FILE": "/nowhere", "SSL_CERT_DIR": "/nowhere"},
        {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.0/8"},
        {"NO_PROXY": "::1/999"},
    ],
)
def test_collecting_works_whatever_was_left_in_the_environment(
    tmp_path_factory: pytest.TempPathFactory,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 0, and at most one line about each variable that is no use."""
    folder = tmp_path_factory.mktemp("network")
    with household(folder / "home", "anna") as home:
        (token,) = home.vault.tokens()
        home.vault.save(replace(token, authorized_at=time.time()))
        for name, value in home.environment.items():
            monkeypatch.setenv(name, value)
        done = process("poll", **variables)
    assert done.code == 0, done.err
    warned = [line for line in done.err.splitlines() if line.startswith("Warning:")]
    assert len(warned) == len(
        {name for line in warned for name in variables if name.upper() in line}
    )
    assert "Traceback" not in done.err
