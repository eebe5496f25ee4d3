"""Connections that keep the server waiting: each has its deadline, and none keeps others out."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest
import server_kit as kit
from processes import wait_until

from spotify_hist.faces.server.connections import Connections
from spotify_hist.faces.server.serving import Server, server_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

HELD = 150
SHORT_S, LONG_S = 0.3, 60.0
UNFINISHED = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
WHOLE = UNFINISHED + b"\r\n"
HALF_BODY = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
LARGE = 32 * 1024 * 1024


@dataclass
class Running:
    """A server in a thread, whose app tells how many requests it works on."""

    port: int
    connections: Connections
    go_on: threading.Event = field(default_factory=threading.Event)

    def connect(self, sent: bytes = b"", *, receive_buffer: int | None = None) -> socket.socket:
        """A connection on which this much has been sent."""
        connection = socket.socket()
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(LONG_S)
        connection.connect(("127.0.0.1", self.port))
        connection.sendall(sent)
        return connection

    @property
    def open(self) -> int:
        return len(self.connections._open)


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body where it is a POST, and answers `hello`, or very much for /large."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    assert "spotify_hist.connection" not in scope["state"]
    message = await receive()
    while message.get("more_body", False):
        message = await receive()
    if message["type"] == "http.disconnect":
        return
    body = b"x" * LARGE if scope["path"] == "/large" else b"hello"
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def running(
    *, most: int = 1000, header_s: float = LONG_S, answer_s: float = LONG_S
) -> Iterator[Running]:
    """The server as it runs, with these deadlines."""
    connections = Connections(most=most, header_s=header_s, answer_s=answer_s)
    ready = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(server_config(_app, connections), connections, ready.set)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert ready.wait(LONG_S)
            yield Running(listener.getsockname()[1], connections)
        finally:
            server.should_exit = True
            thread.join()


def all_of(connection: socket.socket) -> bytes:
    """Everything the server says until it closes the connection."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(1 << 20):
            found += chunk
    return found


def wait_for_open(server: Running, number: int) -> None:
    """Return when so many connections are open."""
    wait_until(lambda: server.open == number)


def answered(connection: socket.socket) -> None:
    """Read one answer."""
    found = b""
    while not found.endswith(b"hello"):
        chunk = connection.recv(65536)
        assert chunk, found
        found += chunk


def test_headers_that_never_end_are_given_up() -> None:
    """With an answer that says why; a connection that sends nothing is only closed."""
    with running(header_s=SHORT_S) as server:
        with server.connect(UNFINISHED) as unfinished, server.connect() as silent:
            answer = all_of(unfinished)
            assert all_of(silent) == b""
        assert server.open == 0
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"x-content-type-options: nosniff" in head
    assert b'"code":"headers_too_slow"' in body
    assert f"content-length: {len(body)}".encode() in head


def test_the_deadline_counts_from_the_start_and_not_from_the_last_byte() -> None:
    """Whoever sends a byte now and then is given up like anyone else."""
    with running(header_s=SHORT_S) as server, server.connect() as dripping:
        started = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - started < LONG_S:
                dripping.sendall(b"G")
                threading.Event().wait(SHORT_S / 10)
        assert time.monotonic() - started < LONG_S


@pytest.mark.parametrize("first", [WHOLE, HALF_BODY + b'": 1234}', HALF_BODY + b"2345678" + WHOLE])
def test_each_next_request_of_a_connection_has_the_deadline_too(first: bytes) -> None:
    """One that is kept alive answers as often as it is asked, until its headers do not come."""
    with running(header_s=SHORT_S) as server, server.connect(first) as connection:
        wait_until(lambda: b"hello" in connection.recv(65536, socket.MSG_PEEK))
        connection.sendall(UNFINISHED)
        answers = all_of(connection)
    assert answers.count(b"hello") == 1 + first.count(WHOLE) * first.startswith(b"POST")
    assert answers.count(b"408 Request Timeout") == 1


def test_what_comes_in_time_is_answered_in_any_pieces() -> None:
    """Byte by byte, several requests at once, HTTP/1.0, and an upgrade that nobody offers."""
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with running() as server:
        with server.connect() as slow:
            for byte in WHOLE:
                slow.sendall(bytes([byte]))
            answered(slow)
        with server.connect(WHOLE * 3) as several:
            several.shutdown(socket.SHUT_WR)
            assert several.recv(65536).startswith(b"HTTP/1.1 200")
        with server.connect(b"GET / HTTP/1.0\r\n\r\n") as old:
            assert all_of(old).endswith(b"hello")
        with server.connect(upgrade) as upgrading:
            answered(upgrading)


@pytest.mark.parametrize("sent", [b"\0\1\2 garbage\r\n\r\n", UNFINISHED + b"no header\r\n\r\n"])
def test_what_is_no_request_is_refused_and_its_connection_closed(sent: bytes) -> None:
    """At once, and also behind a request that was answered."""
    with running() as server:
        with server.connect(sent) as connection:
            assert all_of(connection).startswith(b"HTTP/1.1 400")
        with server.connect(WHOLE + sent) as connection:
            answers = all_of(connection)
            assert (answers.count(b"hello"), answers.count(b"HTTP/1.1 400")) == (1, 1)
        wait_for_open(server, 0)


@pytest.mark.parametrize("path", [b"/large", b"/"])
def test_an_answer_that_nobody_takes_is_given_up(path: bytes) -> None:
    """Whatever the size of what is left; its memory and its descriptor are free again."""
    asked = WHOLE.replace(b"/", path, 1)
    with running(answer_s=SHORT_S) as server, server.connect(receive_buffer=1) as connection:
        # Small answers are many, so that the kernel cannot hold them all.
        asking = threading.Thread(target=_ask_on, args=(connection, asked))
        asking.start()
        wait_for_open(server, 1)
        wait_for_open(server, 0)
        asking.join()


def _ask_on(connection: socket.socket, asked: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(asked * 100)


def test_an_answer_that_is_taken_steadily_is_not_cut() -> None:
    """However many deadlines it takes."""
    with running(answer_s=SHORT_S) as server:
        connection = server.connect(WHOLE.replace(b"/", b"/large", 1))
        with connection:
            left = LARGE
            while left > 0:
                left -= len(connection.recv(1 << 18))
                threading.Event().wait(SHORT_S / 40)


def test_where_connections_run_short_the_one_that_waited_longest_goes() -> None:
    """Whether for headers, for a body, or between requests; what is newest is answered."""
    with running(most=3) as server, contextlib.ExitStack() as opened:
        held = []
        for number, sent in enumerate((UNFINISHED, HALF_BODY, WHOLE), start=1):
            held.append(opened.enter_context(server.connect(sent)))
            wait_for_open(server, number)
        answered(held[2])
        for oldest in held:
            newest = opened.enter_context(server.connect(WHOLE))
            answered(newest)
            assert all_of(oldest) == b""
            wait_for_open(server, 3)
        with server.connect(WHOLE) as another:
            answered(another)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small history."""
    home = tmp_path_factory.mktemp("held") / "home"
    kit.make_history(home, plays=10)
    return home


@pytest.mark.skipif(sys.platform != "linux", reason="counts the descriptors of a process")
@pytest.mark.parametrize(
    ("descriptors", "sent"),
    [(64, b""), (64, UNFINISHED), (64, HALF_BODY), (128, UNFINISHED), (1024, UNFINISHED)],
)
def test_others_are_answered_while_many_connections_are_held(
    descriptors: int, sent: bytes, home: Path
) -> None:
    """With few descriptors as with many: pages, questions and free SQL, within seconds."""
    command = kit.command(home, "serve-tools", "--port", "0")
    with subprocess.Popen(
        ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command],
        env=kit.clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process, contextlib.ExitStack() as held:  # fmt: skip
        held.callback(process.kill)
        assert process.stderr is not None
        url = process.stderr.readline().split()[2]
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        for _ in range(HELD):
            connection = held.enter_context(socket.create_connection(address, 5))
            with contextlib.suppress(OSError):  # it is closed already
                connection.sendall(sent)
        for _ in range(3):
            assert httpx.get(f"{url}/healthz", timeout=10).status_code == 200
            asked = {"sql": "select count(*) as plays from v_plays"}
            answer = httpx.post(f"{url}/tools/query_sql", json=asked, timeout=10)
            assert answer.status_code == 200, answer.text
            assert httpx.post(f"{url}/tools/recent", timeout=10).status_code == 200
        assert process.poll() is None
