"""An answer has one deadline and one size, whatever the server does with its bytes."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from spotify_hist.errors import Forbidden, Offline, RateLimited
from spotify_hist.sources.spotify.http import LARGEST_BODY, Http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = 1_790_000_000.0
_DRIP_S = 0.02
_DRIPS = 400  # eight seconds and then a whole answer, far beyond every deadline in here


class Dripping:
    """A server that sends `head` at once and then `drops` one by one, until it is stopped."""

    def __init__(self, head: bytes, drops: bytes) -> None:
        self.head, self.drops = head, drops
        self.requests = 0
        self.stopped = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/"

    def _accept(self) -> None:
        while not self.stopped.is_set():
            connection, _ = self.listener.accept()
            thread = threading.Thread(target=self._serve, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            if not connection.recv(65_536):
                return
            self.requests += 1
            try:
                connection.sendall(self.head)
                for drop in self.drops:
                    if self.stopped.wait(_DRIP_S):
                        return
                    connection.sendall(bytes([drop]))
            except OSError:
                return

    def close(self) -> None:
        """Stop, and see every thread off."""
        self.stopped.set()
        with socket.create_connection(self.listener.getsockname()):
            pass
        for thread in self.threads:
            thread.join()
        self.listener.close()


@pytest.fixture
def dripping(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes, bytes], Dripping]]:
    """Makes dripping servers and closes them."""
    monkeypatch.setenv("NO_PROXY", "*")
    made: list[Dripping] = []

    def make(head: bytes, drops: bytes) -> Dripping:
        made.append(Dripping(head, drops))
        return made[-1]

    yield make
    for server in made:
        server.close()


@contextmanager
def impatient(timeout_s: float = 0.2, retries: int = 0) -> Iterator[Http]:
    """An Http with little time, which never sleeps."""
    with Http(timeout_s, retries, 60, lambda _: None, clock=lambda: NOW) as http:
        yield http


def head(status: str, *headers: str) -> bytes:
    """The head of an answer with a body of `_DRIPS` bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {_DRIPS}", *headers, "", ""]
    return "\r\n".join(lines).encode()


BODY = b"{" + b" " * (_DRIPS - 2) + b"}"


@pytest.mark.parametrize("at_once", [0, 20])
def test_an_answer_that_comes_byte_by_byte_is_given_up(
    dripping: Callable[[bytes, bytes], Dripping], at_once: int
) -> None:
    """No single read is late, neither of the head nor of the body; the whole is."""
    whole = head("200 OK") + BODY
    start = at_once or len(head("200 OK"))
    server = dripping(whole[:start], whole[start:])
    with impatient() as http, pytest.raises(Offline, match=r"no answer within 0\.2 s"):
        http.get(server.url)
    assert server.requests == 1


def test_a_question_is_asked_again_after_the_deadline(
    dripping: Callable[[bytes, bytes], Dripping],
) -> None:
    """As after any other failure of the connection."""
    server = dripping(head("200 OK"), BODY)
    with impatient(retries=2) as http, pytest.raises(Offline):
        http.get(server.url)
    assert server.requests == 3


def test_a_form_is_not_sent_again_after_the_deadline(
    dripping: Callable[[bytes, bytes], Dripping],
) -> None:
    """It may be at work: a second one could be taken for the reuse of a spent token (FACTS 2.5)."""
    server = dripping(head("200 OK"), BODY)
    with impatient(retries=2) as http, pytest.raises(Offline):
        http.post_form(server.url, {"grant_type": "refresh_token"})
    assert server.requests == 1


def test_a_wait_is_heard_even_where_its_body_never_comes(
    dripping: Callable[[bytes, bytes], Dripping],
) -> None:
    """The head of a 429 says it all."""
    server = dripping(head("429 Too Many Requests", "Retry-After: 18720"), BODY)
    with impatient() as http, pytest.raises(RateLimited) as caught:
        http.get(server.url)
    assert caught.value.not_before_s == NOW + 18_720
    assert http.rate_limits == 1


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, b"Too many", RateLimited),
        (403, b'{"error": {"message": "User not registered', Forbidden),
        (503, b"", Offline),
    ],
)
def test_a_refusal_counts_even_where_its_body_breaks_off(
    dripping: Callable[[bytes, bytes], Dripping], status: int, body: bytes, error: type[Exception]
) -> None:
    """More was promised than came."""
    server = dripping(head(f"{status} No", "Retry-After: 18720") + body, b"")
    with impatient(timeout_s=20) as http, pytest.raises(error) as caught:
        http.get(server.url)
    assert "broke off" not in str(caught.value)


def test_a_page_that_breaks_off_is_asked_for_again(
    dripping: Callable[[bytes, bytes], Dripping],
) -> None:
    """Half a page is none."""
    server = dripping(head("200 OK") + b'{"items": [', b"")
    with impatient(timeout_s=20, retries=1) as http, pytest.raises(Offline, match="broke off"):
        http.get(server.url)
    assert server.requests == 2


@pytest.mark.parametrize("excess", [0, 1])
def test_an_answer_has_a_largest_size(excess: int) -> None:
    """Memory is bounded; what is larger than that is no answer of Spotify's."""
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        piece = b"x" * (1 << 20)
        for _ in range(LARGEST_BODY // len(piece)):
            read += len(piece)
            yield piece
        yield b"x" * excess
        for _ in range(100):
            read += len(piece)
            yield piece[: len(piece) * excess]

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=pieces()))
    with Http(60, 3, 60, lambda _: None, transport, clock=lambda: NOW) as http:
        if excess:
            with pytest.raises(Offline, match="too large"):
                http.get("http://spotify.test/")
            assert read == LARGEST_BODY
        else:
            assert len(http.get("http://spotify.test/").body) == LARGEST_BODY


def test_an_interrupted_wait_lets_the_person_out(
    dripping: Callable[[bytes, bytes], Dripping], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while an answer is awaited is no failure of Spotify's."""
    server = dripping(head("200 OK"), BODY)

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    with impatient(timeout_s=20) as http:
        monkeypatch.setattr(threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            http.get(server.url)
        monkeypatch.undo()


def test_a_loop_can_be_woken_out_of_a_wait() -> None:
    """What the given sleep raises ends the call."""

    class Stop(Exception):
        pass

    def stop(_: float) -> None:
        raise Stop

    transport = httpx.MockTransport(lambda _: httpx.Response(429, headers={"Retry-After": "30"}))
    with Http(5, 3, 60, stop, transport, clock=lambda: NOW) as http, pytest.raises(Stop):
        http.get("http://spotify.test/")


def test_after_a_used_up_quota_nothing_more_is_sent() -> None:
    """It is final for the run, for every listener and for the login as well (FACTS 1.5)."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(429, text="QUOTA_EXCEEDED")

    with Http(5, 3, 60, lambda _: None, httpx.MockTransport(answer), clock=lambda: NOW) as http:
        for act in (http.get, http.get, lambda url: http.post_form(url, {})):
            with pytest.raises(RateLimited, match="QUOTA_EXCEEDED") as caught:
                act("http://spotify.test/")
            assert caught.value.not_before_s is None
        assert (len(requests), http.rate_limits) == (1, 1)


def test_every_429_is_counted() -> None:
    """The backfill stops after a few of them."""
    limited = httpx.Response(429, headers={"Retry-After": "1"})
    answers = [limited, httpx.Response(200), limited, limited, httpx.Response(200)]
    transport = httpx.MockTransport(lambda _: answers.pop(0))
    with Http(5, 3, 60, lambda _: None, transport, clock=lambda: NOW) as http:
        counts = [http.rate_limits]
        for _ in range(2):
            http.get("http://spotify.test/")
            counts.append(http.rate_limits)
    assert counts == [0, 1, 3]


def test_a_bug_in_a_transport_is_not_taken_for_a_bad_connection() -> None:
    """It is raised where the answer is awaited."""

    def broken(_: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError

    transport = httpx.MockTransport(broken)
    with Http(5, 3, 60, transport=transport) as http, pytest.raises(ZeroDivisionError):
        http.get("http://spotify.test/")
