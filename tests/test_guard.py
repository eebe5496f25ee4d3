"""The guard in front of the server, as ASGI middleware."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_hist.faces.server import accesslog
from spotify_hist.faces.server import guard as guard_module
from spotify_hist.faces.server.guard import Guard, Rules
from spotify_hist.faces.server.rate import Buckets

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

HOST = (b"host", b"127.0.0.1:8765")
TOKEN = "correct horse battery staple"


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Inner:
    """The app behind the guard: answers 200 and remembers what reached it."""

    bodies: list[bytes] = field(default_factory=list)
    fails_with: Exception | None = None

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - ASGI's signature
        receive: Receive,
        send: Send,
    ) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        self.bodies.append(body)
        if self.fails_with is not None:
            raise self.fails_with
        headers = [(b"cache-control", b"public"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"fine"})


@dataclass(frozen=True)
class Reply:
    """What the caller gets."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


def ask(
    guard: Guard,
    *headers: tuple[bytes, bytes],
    path: str = "/tools",
    chunks: tuple[bytes, ...] = (b"",),
    client: str = "127.0.0.1",
    leaves: bool = False,
) -> Reply | None:
    """One request through the guard; None where the guard sent nothing."""
    sent: list[Message] = []
    last = len(chunks) - 1
    coming: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": leaves or number < last}
        for number, chunk in enumerate(chunks)
    ]
    coming.append({"type": "http.disconnect"})

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"artist=secret-question",
        "headers": list(headers),
        "client": (client, 50_000),
    }
    anyio.run(guard, scope, receive, send)
    if not sent:
        return None
    start = sent[0]
    named = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], named, b"".join(m.get("body", b"") for m in sent[1:]))


def answered(reply: Reply | None) -> Reply:
    assert reply is not None
    return reply


def guarded(
    rules: Rules | None = None, inner: Inner | None = None, clock: Clock | None = None
) -> Guard:
    return Guard(inner or Inner(), rules or Rules(), clock=clock or Clock())


def bearer(token: str) -> tuple[bytes, bytes]:
    return (b"authorization", b"Bearer " + token.encode())


def test_every_answer_carries_a_request_id_and_the_security_headers() -> None:
    """What passes and what is refused leave with the same headers; nothing is cached."""
    guard = guarded()
    passed, refused = answered(ask(guard, HOST)), answered(ask(guard, (b"host", b"evil.example")))
    assert (passed.status, refused.status) == (200, 421)
    for reply in (passed, refused):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")
        assert reply.headers["cache-control"] == "no-store, no-transform"
    assert passed.headers["x-request-id"] != refused.headers["x-request-id"]
    assert set(json.loads(refused.body)["error"]) == {"code", "message", "hint", "retryable"}


@pytest.mark.parametrize(
    "host", [b"127.0.0.1", b"127.0.0.1:9", b"localhost:8765", b"LOCALHOST", b"[::1]:8765"]
)
def test_loopback_names_are_accepted_at_any_port(host: bytes) -> None:
    """A forwarded port keeps the name but changes the port."""
    assert answered(ask(guarded(), (b"host", host))).status == 200


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example",
        b"127.0.0.1.evil.example",
        b"localhost@evil.example",
        b"localhost:8765:80",
        b"192.168.1.5",
        b"",
        b"[::1",
        b"localhost/",
        b"\xff",
    ],
)
def test_a_host_header_that_is_not_this_server_is_refused(host: bytes) -> None:
    """DNS rebinding: the page's name resolves to us, but its Host header says who it is."""
    inner = Inner()
    assert answered(ask(guarded(inner=inner), (b"host", host))).status == 421
    assert inner.bodies == []


def test_a_missing_or_doubled_host_header_is_refused() -> None:
    """Two Host headers could be read differently by two parties."""
    assert answered(ask(guarded())).status == 421
    assert answered(ask(guarded(), HOST, HOST)).status == 421


def test_a_server_on_every_address_takes_ip_addresses_but_no_foreign_names() -> None:
    """A rebinding attack needs a name."""
    guard = guarded(Rules(any_address=True))
    assert answered(ask(guard, (b"host", b"192.168.1.5:8765"))).status == 200
    assert answered(ask(guard, (b"host", b"[fe80::1]:8765"))).status == 200
    assert answered(ask(guard, (b"host", b"evil.example"))).status == 421


@pytest.mark.parametrize(
    "origin",
    [
        b"https://evil.example",
        b"null",
        b"http://127.0.0.1:3000",
        b"http://localhost:8765",
        b"http://127.0.0.1:8765.evil.example",
        b"http://127.0.0.1:8765/",
        b"ftp://127.0.0.1:8765",
        b"http://127.0.0.1:99999",
        b"http://user@127.0.0.1:8765",
        b"http://",
        b"",
    ],
)
def test_a_page_of_another_origin_is_refused(origin: bytes) -> None:
    """MCP servers must validate Origin (FACTS 8.4)."""
    reply = answered(ask(guarded(), HOST, (b"origin", origin)))
    assert (reply.status, reply.code) == (403, "origin")


def test_the_servers_own_origin_is_accepted() -> None:
    """Also where the port is the scheme's own and therefore left out."""
    assert answered(ask(guarded(), HOST, (b"origin", b"http://127.0.0.1:8765"))).status == 200
    own = ((b"host", b"localhost"), (b"origin", b"http://localhost"))
    assert answered(ask(guarded(), *own)).status == 200
    assert answered(ask(guarded(), HOST, own[1], own[1])).status == 403


def test_with_a_token_set_every_path_but_health_demands_it() -> None:
    """401 names the scheme; the health check stays open."""
    guard = guarded(Rules(token=TOKEN))
    missing = answered(ask(guard, HOST))
    assert (missing.status, missing.code) == (401, "token_needed")
    assert missing.headers["www-authenticate"] == 'Bearer realm="spotify-hist"'
    assert answered(ask(guard, HOST, path="/healthz")).status == 200
    assert answered(ask(guard, HOST, path="/healthz/")).status == 401
    assert answered(ask(guard, HOST, bearer(TOKEN))).status == 200


@pytest.mark.parametrize(
    "presented",
    [
        b"Bearer wrong",
        b"Bearer ",
        b"Bearer",
        TOKEN.encode(),
        b"Basic " + TOKEN.encode(),
        b"Bearer " + TOKEN.encode() + b"x",
        b"Bearer \xff\xfe",
    ],
)
def test_a_wrong_token_is_refused(presented: bytes) -> None:
    """Nothing but the very token under the Bearer scheme will do."""
    reply = answered(ask(guarded(Rules(token=TOKEN)), HOST, (b"authorization", presented)))
    assert (reply.status, reply.code) == (401, "wrong_token")
    assert "invalid_token" in reply.headers["www-authenticate"]
    assert TOKEN not in reply.body.decode()


def test_the_scheme_is_read_in_any_case_and_the_token_may_be_unicode() -> None:
    """RFC 9110: scheme names have no case."""
    guard = guarded(Rules(token="pässwörd"))
    header = (b"authorization", "bEaReR pässwörd".encode())
    assert answered(ask(guard, HOST, header)).status == 200
    assert answered(ask(guard, HOST, header, header)).status == 401


def test_a_body_declared_too_large_is_refused_unread() -> None:
    """Content-Length alone decides, and a length that is no number is refused too."""
    inner = Inner()
    guard = guarded(Rules(max_body=10), inner)
    for length in (b"11", b"-1", b"ten"):
        reply = answered(ask(guard, HOST, (b"content-length", length)))
        assert (reply.status, reply.code) == (413, "body_too_large")
    assert inner.bodies == []


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_a_body_in_any_chunks_arrives_whole_or_is_refused(chunks: list[bytes]) -> None:
    """The limit counts what really arrives, whatever the chunks (or their lack of a length)."""
    inner = Inner()
    reply = answered(ask(guarded(Rules(max_body=64), inner), HOST, chunks=(*chunks, b"")))
    whole = b"".join(chunks)
    if len(whole) <= 64:
        assert (reply.status, inner.bodies) == (200, [whole])
    else:
        assert (reply.status, inner.bodies) == (413, [])


def test_a_caller_who_leaves_while_sending_gets_nothing_and_reaches_nothing() -> None:
    """Half a body is never handed on."""
    inner = Inner()
    assert ask(guarded(inner=inner), HOST, chunks=(b"half",), leaves=True) is None
    assert inner.bodies == []


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    """A connection cannot be held open by sending nothing."""

    async def silent() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "POST", "path": "/tools", "headers": [HOST]}
    anyio.run(guarded(Rules(body_timeout_s=0)), scope, silent, send)
    assert sent[0]["status"] == 408


def test_too_many_requests_are_told_when_to_come_back() -> None:
    """Each address has its own bucket; it refills with time."""
    clock = Clock()
    guard = guarded(Rules(rate_per_minute=2), clock=clock)
    statuses = [answered(ask(guard, HOST)).status for _ in range(2)]
    refused = answered(ask(guard, HOST))
    assert [*statuses, refused.status] == [200, 200, 429]
    assert refused.headers["retry-after"] == "30"
    assert json.loads(refused.body)["error"]["retryable"] is True
    assert answered(ask(guard, HOST, client="192.168.1.9")).status == 200
    clock.now += 30
    assert [answered(ask(guard, HOST)).status for _ in range(2)] == [200, 429]


def test_guessing_tokens_does_not_use_up_the_owners_requests() -> None:
    """Who has the token is counted apart from the address."""
    guard = guarded(Rules(token=TOKEN, rate_per_minute=1))
    guesses = [answered(ask(guard, HOST, bearer("guess"))).status for _ in range(3)]
    assert guesses == [401, 429, 429]
    assert answered(ask(guard, HOST, bearer(TOKEN))).status == 200


@given(st.lists(st.floats(0, 120), max_size=60), st.integers(1, 20))
def test_a_bucket_never_gives_more_than_its_rate_allows(pauses: list[float], rate: int) -> None:
    """Over any stretch: at most the capacity and what was refilled."""
    clock = Clock()
    buckets = Buckets(rate, clock)
    allowed = 0
    for pause in pauses:
        clock.now += pause
        wait_s = buckets.take("caller")
        allowed += wait_s == 0
        assert 0 <= wait_s <= 60 / rate
    assert allowed <= rate + clock.now * rate / 60 + 1e-6


def test_buckets_of_many_addresses_stay_few() -> None:
    """A flood of addresses cannot fill the memory."""
    buckets = Buckets(1, Clock())
    for number in range(5000):
        buckets.take(f"address {number}")
    assert len(buckets._levels) <= 4096


def test_a_bug_becomes_an_answer_and_a_log_line_without_the_errors_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The text of an error may quote what a person asked."""
    guard = guarded(inner=Inner(fails_with=RuntimeError("my secret artist")))
    with caplog.at_level(logging.INFO, guard_module.__name__):
        reply = answered(ask(guard, HOST))
    assert (reply.status, reply.code) == (500, "internal")
    assert "secret" not in reply.body.decode() + caplog.text
    assert "RuntimeError at test_guard.py" in caplog.text
    assert reply.headers["x-request-id"] in caplog.text


def test_a_request_is_logged_by_its_route_and_the_name_of_its_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Never with the path as it was sent, a query, an address or the token; also as fields."""
    guard = Guard(Inner(), Rules(token=TOKEN), clock=Clock(), route_of=lambda _: "/tools/{name}")
    with caplog.at_level(logging.INFO, accesslog.__name__):
        reply = answered(ask(guard, HOST, bearer(TOKEN), path="/tools/x\nFAKE line"))
    (record,) = caplog.records
    ident = reply.headers["x-request-id"]
    assert record.getMessage() == f"POST /tools/{{name}} 200 0 ms 4 bytes {ident} tools_token"
    assert vars(record)["request"] == {
        "method": "POST",
        "route": "/tools/{name}",
        "status": 200,
        "duration_ms": 0.0,
        "bytes": 4,
        "request_id": ident,
        "token": "tools_token",
    }


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        (b"4bf92f35-77b3.4da6_a3", True),
        (b"x" * 64, True),
        (b"x" * 65, False),
        (b"a b", False),
        (b"a\nb", False),
        (b"\xff", False),
        (b"", False),
    ],
)
def test_a_request_keeps_the_id_it_came_with_where_a_log_can_hold_it(
    given: bytes, is_kept: bool
) -> None:
    """So that a proxy's log and this one can be read together; every other gets a new one."""
    reply = answered(ask(guarded(), HOST, (b"x-request-id", given)))
    assert (reply.headers["x-request-id"] == given.decode("latin-1")) is is_kept
    assert re.fullmatch(r"[\w.-]{1,64}", reply.headers["x-request-id"])


def test_the_token_is_in_no_repr() -> None:
    """Rules may end up in a traceback or a debugger."""
    assert TOKEN not in repr(Rules(token=TOKEN))


def test_websockets_are_refused() -> None:
    """Nothing here speaks them."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    anyio.run(guarded(), {"type": "websocket", "path": "/"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
