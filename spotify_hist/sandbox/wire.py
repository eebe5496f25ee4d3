"""Owns the HTTP plumbing: a quiet threaded server that turns requests into `Request` objects.

Never knows what Spotify is; the handler function given to it decides every answer.
"""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_BODY = 1_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `query` and `form` keep the first value of each name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form-encoded body."""
        return _first_values(self.body.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `truncated` promises more bytes than are sent; `dropped` sends nothing at all."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    truncated: bool = False
    dropped: bool = False


def json_answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """`body` as JSON."""
    data = json.dumps(body, ensure_ascii=False).encode()
    return Answer(status, data, headers=headers or {})


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1 from construction on; `stop()` also ends connections kept alive."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, handle: Callable[[Request], Answer]) -> None:
        self.handle_request_with = handle
        self._open: set[socket.socket] = set()
        self._workers: list[Thread] = []
        self._lock = Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self._accepting = Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        """Answer requests in the background."""
        self._accepting.start()

    def stop(self) -> None:
        """Stop accepting, cut open connections, wait for their threads, release the port."""
        if self._accepting.is_alive():
            self.shutdown()
            self._accepting.join()
        with self._lock:
            for connection in self._open:
                _cut(connection)
            workers = list(self._workers)
        for worker in workers:
            worker.join(timeout=5)
        self.server_close()

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)  # noqa: S101 - a TCP server has nothing else
        worker = Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        with self._lock:
            self._open.add(request)
            self._workers = [*(w for w in self._workers if w.is_alive()), worker]
            worker.start()

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)  # noqa: S101 - a TCP server has nothing else
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no news; anything else is our bug and may be told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one packet, or delayed ACKs cost 40 ms an answer
    disable_nagle_algorithm = True
    server_version = "spotify-hist-sandbox"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Stay silent: what was asked is in `Sandbox.requests`."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self._send(Answer(413))
            return
        self._send(
            self.server.handle_request_with(
                Request(
                    method=self.command,
                    path=parts.path,
                    query=_first_values(parts.query),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(int(length)),
                )
            )
        )

    def _send(self, answer: Answer) -> None:
        if answer.dropped or answer.truncated:
            self.close_connection = True
        if answer.dropped:
            _cut(self.connection)
            return
        self.send_response(answer.status)
        if answer.status != 204:
            self.send_header("Content-Type", answer.content_type)
        missing = 512 if answer.truncated else 0
        self.send_header("Content-Length", str(len(answer.body) + missing))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)


def _first_values(encoded: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        values.setdefault(name, value)
    return values


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # already gone, which is what was wanted
