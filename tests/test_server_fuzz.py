"""Whatever is sent, the server answers in its own words: never with a 500."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import hypothesis
import pytest
import server_kit as kit
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from spotify_hist.faces.server import app, tools
from spotify_hist.faces.server.guard import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "http://127.0.0.1:8765"
# Free SQL starts a process of its own for each call, and has fuzz tests of its own.
NAMES = tuple(
    tool.name for tool in tools.all_tools() if not tool.is_live and tool.name != "query_sql"
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.text(st.characters(categories=["Cs", "Cc", "Cf", "Ll"]), min_size=1, max_size=5)
    | st.sampled_from(
        ["2024", "2024-02-30", "06-01", "UTC", "me", "'; drop table plays; --", "\x00", "\ud800"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
header_values = st.text(
    st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=60
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The app as it runs, MCP too; requests are not counted."""
    home = tmp_path_factory.mktemp("fuzz") / "home"
    kit.make_history(home)
    built = app.build(kit.make_tools(home), Rules(rate_per_minute=1e9))
    with TestClient(built, base_url=BASE, raise_server_exceptions=False) as client:
        yield client


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    """A tool, and arguments of which some have names that it knows."""
    name = draw(st.sampled_from(NAMES))
    known = [param.name for param in tools.find(name).params]
    odd = st.text(max_size=8) | st.text(st.characters(categories=["Cs", "Cf"]), max_size=2)
    names = st.sampled_from(known) if known else odd
    arguments = draw(st.dictionaries(names | odd, values, max_size=4))
    return name, {**kit.arguments_for(tools.find(name)), **arguments}


@given(calls())
def test_no_arguments_make_a_tool_fail(
    client: TestClient, call: tuple[str, dict[str, object]]
) -> None:
    """An answer, or a refusal that says what is wrong; on both protocols."""
    name, arguments = call
    answer = client.post(f"/tools/{name}", content=json.dumps(arguments))
    assert answer.status_code in {200, 422, 503}, answer.text
    if answer.status_code == 503:
        assert answer.json()["error"]["code"] != "internal"
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    body["params"] = {"name": name, "arguments": arguments}
    accept = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    called = client.post("/mcp", content=json.dumps(body), headers=accept)
    assert called.status_code < 500
    assert "Something went wrong inside" not in called.text


@given(
    path=st.sampled_from(
        ["/tools/recent", "/tools/call", "/mcp", "/", "/admin/x", "/openapi.json"]
    ),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"]),
    body=st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()),
    names=st.lists(
        st.sampled_from(
            [
                "host", "origin", "authorization", "content-type", "accept", "x-request-id",
                "x-forwarded-for", "x-forwarded-proto", "mcp-protocol-version", "mcp-session-id",
                "access-control-request-method", "content-encoding", "range", "expect", "cookie",
            ]
        ),
        max_size=4,
    ),
    data=st.data(),
)  # fmt: skip
@hypothesis.settings(max_examples=150)
def test_no_request_makes_the_server_fail(
    client: TestClient,
    path: str,
    method: str,
    body: bytes,
    names: list[str],
    data: st.DataObject,
) -> None:
    """Any method, body and headers; every answer carries an id and the security headers."""
    headers = [(name.encode(), data.draw(header_values).encode("latin-1")) for name in names]
    answer = client.request(method, path, content=body, headers=headers)
    assert answer.status_code < 500, answer.text
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store, no-transform"


@pytest.mark.parametrize("half", [r"\ud800", r"a\udfffb", r"\udc00\ud800"])
def test_half_a_character_is_refused_in_words(client: TestClient, half: str) -> None:
    """Wherever it stands: in any text, as a name, as the tool; and no answer repeats it."""
    bodies = [
        (
            f"/tools/{name}",
            json.dumps({**kit.arguments_for(tools.find(name)), param.name: "HALF"}).replace(
                "HALF", half
            ),
        )
        for name in NAMES
        for param in tools.find(name).params
    ]
    bodies += [
        ("/tools/recent", f'{{"{half}": 1}}'),
        ("/tools/query_sql", f'{{"sql": "select \'{half}\'"}}'),
        ("/tools/call", f'{{"tool": "{half}"}}'),
        ("/tools/call", f'{{"tool": "recent", "args": {{"{half}": 1}}}}'),
        ("/tools/call", f'{{"tool": "recent", "args": {{}}, "{half}": 1}}'),
    ]
    for path, body in bodies:
        answer = client.post(path, content=body)
        assert answer.status_code in {404, 422}, (path, body, answer.text)
        error = answer.json()["error"]
        assert error["message"].isprintable()
        assert error["hint"].isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe{}", b"\x00", b"{}\x00", b'{"limit": 1}{}', b'{"user": "\xff"}', b"[" * 90_000,
        b'{"a":' * 90_000, b'{"limit": -Infinity}', b'{"limit": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused(client: TestClient, body: bytes) -> None:
    """Whatever keeps it from being JSON."""
    answer = client.post("/tools/recent", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_json")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_in_any_of_its_encodings_is_read(client: TestClient, encoding: str) -> None:
    """With a mark too; of two equal names the last counts, as everywhere."""
    answer = client.post("/tools/recent", content='{"limit": 9, "limit": 1}'.encode(encoding))
    assert len(answer.json()["rows"]) == 1


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_path_makes_the_server_fail(client: TestClient, path: str) -> None:
    """Found or not."""
    for prefix in ("/", "/tools/", "/admin/"):
        answer = client.post(prefix + quote(path, safe="/"))
        assert answer.status_code < 500, answer.text
