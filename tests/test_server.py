"""The HTTP side of serve-tools: routes, errors, OpenAPI, and the server as a process."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import anyio
import pytest
import server_kit as kit
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.testclient import TestClient

from spotify_hist import __version__
from spotify_hist.analytics import catalogue, run
from spotify_hist.errors import NoHistory, Temporary, UnknownQuery
from spotify_hist.faces.cli.context import App
from spotify_hist.faces.cli.main import run as run_command
from spotify_hist.faces.server import app, openapi, tools
from spotify_hist.faces.server.guard import Rules
from spotify_hist.faces.server.tool import input_schema
from spotify_hist.store.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BASE = "http://127.0.0.1:8765"
NAMES = tuple(tool.name for tool in tools.all_tools() if not tool.is_live)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of sixty plays, made by the import command; nobody writes to it."""
    home = tmp_path_factory.mktemp("server") / "home"
    kit.make_history(home)
    return home


def client(home: Path, rules: Rules | None = None, **environ: str) -> TestClient:
    """The app over `home`, without its lifespan."""
    built = app.build(kit.make_tools(home, environ), rules or Rules())
    return TestClient(built, base_url=BASE)


@pytest.fixture
def asked(home: Path) -> TestClient:
    """The app over the common history."""
    return client(home)


@pytest.fixture
def held(home: Path) -> Iterator[None]:
    """Another program's write: the gate stays closed to readers."""
    with Gate(home / "history.duckdb").writing(time.monotonic() + 10, "import"):
        yield


def test_the_tools_are_the_catalogue_in_its_fixed_order(asked: TestClient) -> None:
    """Names with underscores, a closed schema, and columns with types and meanings."""
    listed = asked.get("/tools").json()["tools"]
    assert tuple(tool["name"] for tool in listed) == NAMES
    names = set(catalogue.names())
    questions = [tool for tool in listed if tool["name"].replace("_", "-") in names]
    assert len(questions) == len(names)
    for tool in questions:
        query = catalogue.load(tool["name"].replace("_", "-"))
        assert tool["core"] is query.is_core
        assert tool["summary"] == query.summary
        assert tool["input_schema"]["additionalProperties"] is False
        assert list(tool["input_schema"]["properties"]) == [param.name for param in query.params]
        types = {column["type"] for column in tool["columns"]}
        assert types <= {"integer", "number", "text", "boolean", "timestamp", "date", "list"}
        assert {column["name"] for column in tool["columns"]} == set(query.columns)
        assert all(column["meaning"] for column in tool["columns"])


@pytest.mark.parametrize("name", catalogue.names())
def test_the_answer_is_what_the_command_line_prints(
    name: str,
    home: Path,
    asked: TestClient,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same question gives the same JSON on both faces (invariant 5)."""
    monkeypatch.setattr(App, "now", lambda _: kit.NOW)
    # In this history nothing is told twice.
    several: dict[str, object] = {"several": "all"} if name == "duplicates" else {}
    several |= kit.arguments_for(tools.find(name))
    options = [word for key, value in several.items() for word in (f"--{key}", str(value))]
    assert run_command(["--home", str(home), "query", name, *options, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    answer = asked.post(f"/tools/{name.replace('-', '_')}", json=several)
    assert answer.status_code == 200
    assert answer.json() == printed


@pytest.mark.parametrize(
    "name", ["top_artists", "top-artists", "history.top_artists", "history.top-artists"]
)
def test_a_tool_answers_to_its_hyphenated_name_and_its_alias(name: str, asked: TestClient) -> None:
    """Both on its own route and through /tools/call."""
    plain = asked.post("/tools/top_artists", json={"limit": 2}).json()
    assert len(plain["rows"]) == 2
    assert plain["truncated"] is True
    assert asked.post(f"/tools/{name}", json={"limit": 2}).json() == plain
    called = asked.post("/tools/call", json={"tool": name, "args": {"limit": 2}})
    assert called.json() == plain


@pytest.mark.parametrize(
    ("alias", "query"),
    [
        ("history.taste_summary", "taste-summary"),
        ("history.top_artists", "top-artists"),
        ("history.top_tracks", "top-tracks"),
        ("history.listening_heatmap", "heatmap"),
        ("history.repeat_rate", "repeat-rate"),
        ("history.coverage", "coverage"),
    ],
)
def test_every_dotted_alias_means_a_question(alias: str, query: str, asked: TestClient) -> None:
    """The names that other programs already use."""
    answer = asked.post("/tools/call", json={"tool": alias})
    assert (answer.status_code, answer.json()["query"]) == (200, query)


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}", b'{"limit": null}'])
def test_an_empty_body_asks_with_the_defaults(body: bytes, asked: TestClient) -> None:
    """Nothing, an empty object and null all mean: not given."""
    answer = asked.post("/tools/top_artists", content=body)
    assert answer.json()["params"]["limit"] == 20


def test_the_content_type_does_not_matter_where_the_body_is_json(asked: TestClient) -> None:
    """curl -d says it sends a form."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = asked.post("/tools/top_artists", content=b'{"limit": 1}', headers=headers)
    assert len(answer.json()["rows"]) == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/tools/top_artist", b"", 404, "unknown_tool"),
        ("/tools/history.nothing", b"", 404, "unknown_tool"),
        ("/tools/call", b'{"tool": "nothing"}', 404, "unknown_tool"),
        ("/tools/call", b"{}", 422, "bad_call"),
        ("/tools/call", b'{"tool": 5}', 422, "bad_call"),
        ("/tools/call", b'{"tool": "recent", "args": [1]}', 422, "bad_call"),
        ("/tools/call", b'{"tool": "recent", "arguments": {}}', 422, "bad_call"),
        ("/tools/recent", b'{"lmit": 5}', 422, "usage"),
        ("/tools/recent", b'{"limit": "5"}', 422, "usage"),
        ("/tools/recent", b'{"limit": true}', 422, "usage"),
        ("/tools/recent", b'{"limit": 0}', 422, "usage"),
        ("/tools/recent", b'{"user": "nobody"}', 422, "usage"),
        ("/tools/recent", b'{"timezone": "Mars/Olympus"}', 422, "usage"),
        ("/tools/recent", b'{"timezone": "\\ud800"}', 422, "usage"),
        ("/tools/recent", b'{"since": "2024", "days": 3}', 422, "usage"),
        ("/tools/recent", b"{", 400, "not_json"),
        ("/tools/recent", b"\xff", 400, "not_json"),
        ("/tools/recent", b'{"limit": NaN}', 400, "not_json"),
        ("/tools/recent", b"[" * 100_000, 400, "not_json"),
        ("/tools/recent", b'{"limit": ' + b"9" * 5000 + b"}", 400, "not_json"),
        ("/tools/recent", b"[1]", 400, "not_an_object"),
        ("/tools/recent?limit=5", b"", 400, "query_string"),
        ("/nothing", b"", 404, "not_found"),
        ("/tools", b"", 405, "method"),
        ("/healthz", b"", 405, "method"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_the_same_envelope(
    path: str, body: bytes, status: int, code: str, asked: TestClient
) -> None:
    """Code, message, hint and retryable, whatever went wrong."""
    answer = asked.post(path, content=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert set(error) == {"code", "message", "hint", "retryable"}
    assert error["message"]
    assert error["hint"]
    assert error["retryable"] is False
    assert answer.headers["x-request-id"]


def test_a_mistyped_name_is_answered_with_the_nearest_one(asked: TestClient) -> None:
    """A model can correct itself from the message alone."""
    error = asked.post("/tools/top_artist").json()["error"]
    assert error["hint"].startswith("Did you mean top_artists")
    error = asked.post("/tools/recent", json={"lmit": 5}).json()["error"]
    assert "'lmit'" in error["message"]
    assert "limit" in error["hint"]


def test_a_tool_is_asked_with_post_and_says_so(asked: TestClient) -> None:
    """405 names the method that works."""
    for path in ("/tools/recent", "/tools/call", "/mcp"):
        answer = asked.get(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert asked.delete("/mcp").status_code == 405


def test_a_body_over_the_limit_is_refused(home: Path) -> None:
    """The guard stands in front of every route, MCP too."""
    small = client(home, Rules(max_body=100))
    for path in ("/tools/recent", "/mcp"):
        assert small.post(path, content=b" " * 101).status_code == 413
    assert small.post("/tools/recent", content=b" " * 100).status_code == 200


def test_health_says_ok_without_a_token_and_reveals_nothing(home: Path) -> None:
    """A monitor has no token; everything else demands one."""
    guarded = client(home, Rules(token="t"))
    health = guarded.get("/healthz")
    assert health.status_code == 200
    assert health.json() == {"status": "ok", "version": __version__}
    for path in ("/", "/tools", "/openapi.json"):
        assert guarded.get(path).status_code == 401
    authorised = {"authorization": "Bearer t"}
    assert guarded.get("/tools", headers=authorised).status_code == 200


def test_without_a_history_health_and_tools_say_so(tmp_path: Path) -> None:
    """503, no path in the health answer, and no promise that waiting helps."""
    empty = client(tmp_path)
    health = empty.get("/healthz")
    assert health.status_code == 503
    assert health.json() == {"status": "unavailable", "reason": "no_history", "retryable": False}
    assert str(tmp_path) not in health.text
    answer = empty.post("/tools/recent")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_history")
    assert "retry-after" not in answer.headers


@pytest.mark.usefixtures("held")
def test_while_another_program_writes_the_caller_is_told_when_to_come_back(home: Path) -> None:
    """Busy is temporary: 503 with Retry-After."""
    busy = client(home, SPOTIFY_HIST_DATABASE_WAIT_S="0.05")
    answer = busy.post("/tools/recent")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_busy")
    assert answer.json()["error"]["retryable"] is True
    assert int(answer.headers["retry-after"]) > 0
    health = busy.get("/healthz")
    assert (health.status_code, health.json()["reason"]) == (503, "database_busy")
    assert int(health.headers["retry-after"]) > 0


def test_a_question_past_its_deadline_is_given_up(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller gets a temporary error; the thread is still counted until it ends."""
    over = threading.Event()
    seen: list[int] = []

    def slow(*_: object, **__: object) -> None:
        over.wait(60)

    monkeypatch.setattr(run, "answer", slow)
    asking = kit.make_tools(home, {"SPOTIFY_HIST_SERVER_QUERY_TIMEOUT_S": "0.1"})

    async def ask() -> None:
        try:
            with pytest.raises(Temporary, match=r"longer than 0\.1 s") as caught:
                await asking.call("recent", {})
            assert caught.value.code == "timeout"
            seen.append(asking.running)
        finally:
            over.set()

    anyio.run(ask)
    assert seen == [1]


def test_a_question_never_runs_on_the_event_loop(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question waits for something only the loop can do; on the loop it would wait for ever."""
    freed = threading.Event()

    def waits(*_: object, **__: object) -> None:
        assert freed.wait(30)
        raise NoHistory("freed")

    monkeypatch.setattr(run, "answer", waits)
    asking = kit.make_tools(home)

    async def ask() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(free)
            with pytest.raises(NoHistory):
                await asking.call("recent", {})

    async def free() -> None:
        freed.set()

    anyio.run(ask)


def test_a_bug_is_answered_without_its_text(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The envelope, and nothing of what went wrong inside."""

    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(run, "answer", breaks)
    answer = client(home).post("/tools/recent")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "inside" not in answer.text.replace("inside spotify-hist", "")


def test_the_listener_of_the_command_line_is_the_one_asked(home: Path) -> None:
    """--user means the same here; an argument still goes before it."""
    asking = tools.Tools(kit.make_settings(home), now=lambda: kit.NOW, user="nobody")
    built = TestClient(app.build(asking, Rules()), base_url=BASE)
    assert "nobody" in built.post("/tools/recent").json()["error"]["message"]
    assert built.post("/tools/recent", json={"user": "me"}).status_code == 200


def test_the_index_tells_where_everything_is(asked: TestClient) -> None:
    """Every link in it answers."""
    index = asked.get("/").json()
    assert index["tools"] == list(NAMES)
    assert asked.get(index["links"]["tools"]).status_code == 200
    assert asked.get(index["links"]["openapi"]).status_code == 200
    assert asked.get(index["links"]["health"]).status_code == 200


def test_an_unknown_tool_is_found_nowhere() -> None:
    """The prefix of the aliases alone is no name."""
    with pytest.raises(UnknownQuery):
        tools.find("history.")


def operations(document: Mapping[str, object]) -> list[dict[str, object]]:
    paths = document["paths"]
    assert isinstance(paths, dict)
    return [operation for path in paths.values() for operation in path.values()]


def test_the_openapi_document_is_valid_and_has_one_operation_a_tool(asked: TestClient) -> None:
    """OpenAPI 3.1, with the tool's own schemas in it."""
    document = asked.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": BASE}]
    offered = [tools.find(name) for name in NAMES[: openapi.MOST_OPERATIONS]]
    assert [operation["operationId"] for operation in operations(document)] == [
        tool.name for tool in offered
    ]
    for tool in offered:
        operation = document["paths"][f"/tools/{tool.name}"]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        assert body == input_schema(tool)
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer == tool.output_schema()
        assert {"401", "404", "422", "429", "503"} - {"404"} <= set(operation["responses"])


def test_the_openapi_document_stays_within_what_gpt_actions_take(asked: TestClient) -> None:
    """FACTS 8.6: 30 operations, 300 characters an operation, 700 a parameter."""
    document = asked.get("/openapi.json").json()
    found = operations(document)
    assert len(found) <= 30
    for operation in found:
        assert len(str(operation["description"])) <= 300
        assert len(str(operation["summary"])) <= 300
    texts = [
        schema["description"]
        for tool in tools.all_tools()
        for schema in input_schema(tool)["properties"].values()  # type: ignore[attr-defined]
    ]
    assert texts
    assert max(map(len, texts)) <= 700
    assert "…" not in json.dumps(document, ensure_ascii=False)


def test_the_bearer_scheme_is_declared_and_demanded_where_a_token_is_set(home: Path) -> None:
    """Without a token set it is optional."""
    token = client(home, Rules(token="t"))
    demanded = token.get("/openapi.json", headers={"authorization": "Bearer t"}).json()
    assert demanded["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert demanded["security"] == [{"bearer": []}]
    assert client(home).get("/openapi.json").json()["security"] == [{}, {"bearer": []}]


def test_long_texts_are_cut_between_words() -> None:
    """A cut is announced with an ellipsis."""
    assert openapi.shorten("one two three", 13) == "one two three"
    assert openapi.shorten("one two, three", 13) == "one two…"
