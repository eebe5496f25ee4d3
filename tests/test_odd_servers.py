"""What answers in Spotify's place: anything at all, over a real connection."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from test_vault import make_token

from spotify_hist import settings as settings_module
from spotify_hist.faces.cli import main
from spotify_hist.sources.spotify.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = b'{"items": []}'
OK = b"HTTP/1.1 200 OK\r\n"
PACKED = gzip.compress(PAGE)


def with_length(body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    """A 200 with a body."""
    size = b"Content-Length: %d\r\n" % (len(body) if length is None else length)
    return OK + size + b"".join(each + b"\r\n" for each in headers) + b"\r\n" + body


ANSWERS = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 2",
    "no HTTP": b"220 mail.example ESMTP\r\n",
    "a page of another protocol": b"\x15\x03\x01\x00\x02\x02\x28",
    "a body that breaks off": with_length(PAGE, length=5_000),
    "more than it promised": with_length(PAGE, length=3),
    "a length below zero": OK + b"Content-Length: -5\r\n\r\n",
    "a length that is none": OK + b"Content-Length: many\r\n\r\n",
    "two lengths": OK + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\n{}  ",
    "a chunk of no size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "chunks that break off": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"it",
    "gzip that is none": with_length(PAGE, b"Content-Encoding: gzip"),
    "gzip that breaks off": with_length(PACKED[:12], b"Content-Encoding: gzip"),
    "gzip with a wrong sum": with_length(PACKED[:-8] + b"\0" * 8, b"Content-Encoding: gzip"),
    "deflate that is none": with_length(PAGE, b"Content-Encoding: deflate"),
    "an unknown encoding": with_length(b"\xff\xfe", b"Content-Encoding: x-odd"),
    "an unknown charset": with_length(b"\xff\xfe", b"Content-Type: text/html; charset=odd"),
    "a header without a colon": OK + b"garbage\r\n\r\n",
    "a header of control characters": OK + b"X: a\x00b\r\n\r\n",
    "a header that is not ASCII": OK + b"X\xff: \xff\xfe\r\nContent-Length: 2\r\n\r\n[]",
    "headers without end": OK + b"X: y\r\n" * 40_000,
    "a redirect without a place": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "a redirect to itself": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "a redirect to nowhere": b"HTTP/1.1 301 M\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
    "a redirect to bytes": b"HTTP/1.1 301 M\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
    "a status of its own": b"HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n",
    "a status of no class": b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
    "an information alone": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "a version to come": b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a sign-in page": with_length(b"<html>Sign in", b"Content-Type: text/html"),
    "a refusal of no words": b"HTTP/1.1 429 \r\nRetry-After: \xff\r\nContent-Length: 0\r\n\r\n",
    "a failure that breaks off": b"HTTP/1.1 500 No\r\nContent-Length: 50\r\n\r\nno",
    "numbers without end": with_length(b"9" * 50_000),
    "brackets without end": with_length(b"[" * 100_000),
}  # fmt: skip


@pytest.fixture
def odd_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Answers every connection with the same bytes and closes it."""
    listening = socket.create_server(("127.0.0.1", 0))
    answer: bytes = ANSWERS[request.param]

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65_536)
                    connection.sendall(answer)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@pytest.fixture
def logged_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A login whose access token is good for an hour."""
    now = time.time()
    token = replace(make_token(), authorized_at=now, expires_at=now + 3_600)
    Vault(settings_module.load(home, {}).vault, None).save(token)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("SPOTIFY_HIST_CLIENT_ID", "client")
    monkeypatch.setenv("SPOTIFY_HIST_HTTP_RETRIES", "0")
    monkeypatch.setenv("SPOTIFY_HIST_HTTP_TIMEOUT_S", "5")
    monkeypatch.setenv("SPOTIFY_HIST_HTTP_MAX_WAIT_S", "0")
    return home


@pytest.mark.parametrize("odd_server", ANSWERS, indirect=True)
@pytest.mark.parametrize("is_stale", [False, True], ids=["page", "token"])
def test_whatever_answers_a_poll_ends_in_one_line(
    odd_server: str,
    is_stale: bool,
    logged_in: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 5, the login is kept as it was, and nothing is taken for a page of plays."""
    monkeypatch.setenv("SPOTIFY_HIST_API_URL", odd_server)
    monkeypatch.setenv("SPOTIFY_HIST_ACCOUNTS_URL", odd_server)
    vault = Vault(settings_module.load().vault, None)
    if is_stale:
        vault.save(replace(vault.tokens()[0], expires_at=0.0))
    before = vault.tokens()
    code = main.run(["poll"])
    said = capsys.readouterr()
    assert code == 5, said.err
    (line,) = said.err.splitlines()
    assert line.startswith("Error: ")
    assert "access-0" not in line
    assert vault.tokens() == before
    assert said.out == ""


@pytest.mark.parametrize("name", ["SPOTIFY_HIST_API_URL", "SPOTIFY_HIST_ACCOUNTS_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "http://[", "ftp://x", "http://exa mple", "x", "http:", "http://a..b", "http://h:99999",
        "http://xn--a", "http://h:x", "file:///etc/passwd", "http://" + "a" * 64 + ".example",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_named_by_its_settings(
    name: str,
    url: str,
    logged_in: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2."""
    for each in ("SPOTIFY_HIST_API_URL", "SPOTIFY_HIST_ACCOUNTS_URL"):
        monkeypatch.setenv(each, url if each == name else "http://127.0.0.1:9")
    if name == "SPOTIFY_HIST_ACCOUNTS_URL":
        vault = Vault(settings_module.load().vault, None)
        vault.save(replace(vault.tokens()[0], expires_at=0.0))
    assert main.run(["poll"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert name in line


@pytest.mark.parametrize("url", ["http://nowhere.invalid", "http://127.0.0.1:9", "http://[::1]:9"])
def test_a_host_that_is_not_there_is_temporary(
    url: str, logged_in: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 5."""
    monkeypatch.setenv("SPOTIFY_HIST_API_URL", url)
    assert main.run(["poll"]) == 5
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: Spotify cannot be reached")
