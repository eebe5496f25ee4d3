"""serve-tools as an MCP server: in memory, over real HTTP, and over real stdio."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import httpx
import httpx2
import pytest
import server_kit as kit
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from spotify_hist.analytics import catalogue, run
from spotify_hist.analytics.run import Answer, Column
from spotify_hist.errors import SettingsError
from spotify_hist.faces.cli.context import App
from spotify_hist.faces.cli.main import run as run_command
from spotify_hist.faces.server import mcp, text, tools

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from mcp_types import CallToolResult, Tool

T = TypeVar("T")
CORE = [
    "artist", "compare", "coverage", "discoveries", "forgotten", "heatmap", "query_sql", "recent",
    "search", "taste_summary", "timeline", "top_albums", "top_artists", "top_tracks", "track",
    "year_review",
]  # fmt: skip
NAMES = [tool.name for tool in tools.all_tools() if not tool.is_live]
MODES = ["legacy", "auto"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of sixty plays, made by the import command; nobody writes to it."""
    home = tmp_path_factory.mktemp("mcp") / "home"
    kit.make_history(home)
    return home


def with_client(connect: Callable[[], Client], use: Callable[[Client], Awaitable[T]]) -> T:
    """What `use` gives with a connected client."""

    async def session() -> T:
        async with connect() as client:
            return await use(client)

    return anyio.run(session)


def in_memory(home: Path, mode: str = "auto", **environ: str) -> Callable[[], Client]:
    """A client of the server in this process."""
    return lambda: Client(mcp.build(kit.make_tools(home, environ)), mode=mode)


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def call(
    connect: Callable[[], Client], name: str, arguments: Mapping[str, object] | None = None
) -> CallToolResult:
    async def use(client: Client) -> CallToolResult:
        return await client.call_tool(name, dict(arguments or {}))

    return with_client(connect, use)


def listed(connect: Callable[[], Client]) -> list[Tool]:
    async def use(client: Client) -> list[Tool]:
        return (await client.list_tools()).tools

    return with_client(connect, use)


@pytest.mark.parametrize("mode", MODES)
def test_an_assistant_is_shown_the_core_tools(mode: str, home: Path) -> None:
    """Those and no others, in alphabetical order: every tool costs a model's attention."""
    assert [tool.name for tool in listed(in_memory(home, mode))] == CORE


def test_an_assistant_is_shown_every_tool_where_all_are_asked_for(home: Path) -> None:
    """The core ones first; every question of the catalogue is among them."""
    found = [tool.name for tool in listed(in_memory(home, SPOTIFY_HIST_SERVER_TOOLS="all"))]
    assert found == NAMES
    assert found[: len(CORE)] == CORE
    assert found[len(CORE) :] == sorted(found[len(CORE) :])
    assert {name.replace("-", "_") for name in catalogue.names()} < set(found)


def test_another_choice_of_tools_is_refused(home: Path) -> None:
    """Where the settings do not say which, nobody guesses."""
    with pytest.raises(SettingsError, match=r"server\.tools") as caught:
        kit.make_tools(home, {"SPOTIFY_HIST_SERVER_TOOLS": "some"})
    assert "core or all" in caught.value.hint


@pytest.mark.parametrize("mode", MODES)
def test_every_tool_says_what_it_takes_gives_and_does(mode: str, home: Path) -> None:
    """Titled, read-only, idempotent, closed-world, and closed to unknown arguments."""
    found = listed(in_memory(home, mode, SPOTIFY_HIST_SERVER_TOOLS="all"))
    for tool in found:
        assert tool.title
        assert tool.description
        assert tool.input_schema["additionalProperties"] is False
        Draft202012Validator.check_schema(tool.input_schema)
        assert tool.output_schema is not None
        Draft202012Validator.check_schema(tool.output_schema)
        hints = tool.annotations
        assert hints is not None
        assert (hints.read_only_hint, hints.destructive_hint) == (True, False)
        assert (hints.idempotent_hint, hints.open_world_hint) == (True, False)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", catalogue.names())
def test_the_structured_answer_is_the_command_lines_and_fits_its_schema(
    mode: str,
    name: str,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same question gives the same JSON on both faces (invariant 5; FACTS 8.4)."""
    monkeypatch.setattr(App, "now", lambda _: kit.NOW)
    tool = tools.find(name)
    options = kit.options_for(tool)
    assert run_command(["--home", str(home), "query", name, *options, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    result = call(in_memory(home, mode), tool.name, kit.arguments_for(tool))
    assert not result.is_error
    assert result.structured_content == printed
    schema = tool.output_schema()
    Draft202012Validator(schema).validate(result.structured_content)
    lines = text_of(result).splitlines()
    assert lines[0].split("\t") == [column["name"] for column in printed["columns"]]
    assert len(lines) >= 1 + len(printed["rows"])


def test_the_text_beside_the_data_is_a_compact_table() -> None:
    """Tab-separated; no cell can break a line; truncation and notes are said."""
    columns = (Column("name", "text"), Column("n", "integer"), Column("tags", "list"))
    rows: list[tuple[object, ...]] = [("tab\tand\nline", 1, ["a", "b"]), (None, 2, None)]
    answer = Answer("q", {}, columns, [*rows, (True, 0, [])], True, ("At least.",))
    assert text.table(answer).splitlines() == [
        "name\tn\ttags",
        "tab and line\t1\ta, b",
        "\t2\t",
        "true\t0\t",
        "There are more rows: ask with a larger limit or an offset.",
        "Note: At least.",
    ]
    empty = Answer("q", {}, columns, [], False, ())
    assert text.table(empty) == "name\tn\ttags\n(no rows)"


def test_the_text_is_a_fraction_of_the_json(home: Path) -> None:
    """A model pays for every character (FACTS 8.3)."""
    result = call(in_memory(home), "recent", {"limit": 50})
    indented = json.dumps(result.structured_content, indent=2)
    assert len(text_of(result)) < len(indented) / 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"lmit": 5}, ["'lmit'", "limit", "offset"]),
        ({"limit": "five"}, ["limit", "1 to 1000", "five"]),
        ({"limit": 0}, ["limit", "1 to 1000"]),
        ({"user": "nobody"}, ["nobody", "me"]),
        ({"timezone": "Mars"}, ["Mars", "Europe/Berlin"]),
        ({"since": "soon"}, ["soon", "2024-06-01"]),
    ],
)
def test_a_bad_argument_is_an_error_the_model_can_act_on(
    arguments: dict[str, object], said: list[str], home: Path
) -> None:
    """Refused, never ignored: an error result with what is wrong and what would be right."""
    result = call(in_memory(home), "top_artists", arguments)
    assert result.is_error
    assert result.structured_content is None
    assert all(word in text_of(result) for word in said)


@pytest.mark.parametrize("mode", MODES)
def test_an_unknown_tool_is_a_protocol_error_with_the_nearest_name(mode: str, home: Path) -> None:
    """As the specification has it."""

    async def use(client: Client) -> None:
        with pytest.raises(MCPError, match="Did you mean top_artists"):
            await client.call_tool("top_artist", {})

    with_client(in_memory(home, mode), use)


def test_without_a_history_the_model_is_told_how_to_begin(tmp_path: Path) -> None:
    """The hint of the command line reaches the chat."""
    result = call(in_memory(tmp_path), "recent")
    assert result.is_error
    assert "spotify-hist import" in text_of(result)


def test_a_bug_is_an_error_result_without_its_text(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The text of an error may quote what a person asked."""

    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("secret artist")

    monkeypatch.setattr(run, "answer", breaks)
    result = call(in_memory(home), "recent")
    assert result.is_error
    assert "secret" not in text_of(result) + caplog.text
    assert "RuntimeError at test_mcp.py" in caplog.text


def test_a_cursor_that_was_never_given_is_refused(home: Path) -> None:
    """The list has one page."""

    async def use(client: Client) -> None:
        with pytest.raises(MCPError, match="no cursor"):
            await client.list_tools(cursor="next")

    with_client(in_memory(home), use)


def test_the_server_offers_no_subscription_and_explains_itself(home: Path) -> None:
    """An open stream could hold up the end (FACTS 8.3)."""

    async def use(client: Client) -> None:
        capabilities = client.server_capabilities
        assert capabilities.tools is not None
        assert not capabilities.tools.list_changed
        assert capabilities.prompts is not None
        assert capabilities.resources is not None
        assert not capabilities.resources.subscribe
        assert "half-open" in str(client.instructions) or "exclude" in str(client.instructions)

    with_client(in_memory(home), use)


@pytest.mark.parametrize("mode", MODES)
def test_over_http_the_tools_answer_behind_the_token(mode: str, home: Path) -> None:
    """A real server process, the SDK's own client, a static bearer token (FACTS 8.4)."""
    with kit.serving(home, SPOTIFY_HIST_TOOLS_TOKEN="sesame") as served:
        url = f"{served.url}/mcp"
        plain = httpx.post(f"{served.url}/tools/top_artists", headers=bearer("sesame")).json()

        async def session(token: str) -> CallToolResult:
            async with (
                httpx2.AsyncClient(headers=bearer(token)) as http,
                Client(streamable_http_client(url, http_client=http), mode=mode) as client,
            ):
                assert [tool.name for tool in (await client.list_tools()).tools] == CORE
                refused = await client.call_tool("top_artists", {"lmit": 1})
                assert refused.is_error
                return await client.call_tool("top_artists", {})

        assert anyio.run(session, "sesame").structured_content == plain
        assert httpx.post(url, json={}).status_code == 401


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_one_address_speaks_every_version_of_the_protocol(home: Path) -> None:
    """From 2024-11-05 on, without a session to keep."""
    with kit.serving(home) as served:
        for version in HANDSHAKE_PROTOCOL_VERSIONS:
            hello = {
                "protocolVersion": version,
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            }
            answer = post(served.url, "initialize", hello)
            assert answer["protocolVersion"] == version
            result = post(served.url, "tools/call", {"name": "top_artists"}, version)
            assert result["isError"] is False
            assert result["content"][0]["text"].startswith("rank\tartist")
        for version in MODERN_PROTOCOL_VERSIONS:
            connect = functools.partial(Client, f"{served.url}/mcp", mode=version)
            assert text_of(call(connect, "top_artists")).startswith("rank\tartist")


def post(
    url: str, method: str, params: Mapping[str, object], version: str | None = None
) -> dict[str, Any]:  # JSON-RPC results have many shapes
    """One JSON-RPC request as an older client posts it; its result."""
    headers = {"accept": "application/json, text/event-stream"}
    if version is not None:
        headers["mcp-protocol-version"] = version
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = httpx.post(f"{url}/mcp", json=message, headers=headers)
    assert answer.status_code == 200
    lines = [line for line in answer.text.splitlines() if line.startswith(("data: {", "{"))]
    result = json.loads(lines[-1].removeprefix("data: "))["result"]
    assert isinstance(result, dict)
    return result


def test_a_page_in_a_browser_cannot_reach_the_mcp_endpoint(home: Path) -> None:
    """Another origin and another host are refused before the SDK sees them."""
    with kit.serving(home) as served:
        url = f"{served.url}/mcp"
        assert httpx.post(url, headers={"origin": "https://evil.example"}).status_code == 403
        assert httpx.post(url, headers={"host": "evil.example"}).status_code == 421
        assert httpx.get(url, headers={"accept": "text/event-stream"}).status_code == 405


@pytest.mark.parametrize("mode", MODES)
def test_over_stdio_the_tools_answer(mode: str, home: Path) -> None:
    """A real process as Claude Desktop starts it."""
    program, *arguments = kit.command(home, "serve-tools", "--stdio")
    server = StdioServerParameters(command=program, args=arguments, env=kit.clean_environment())

    async def use(client: Client) -> tuple[list[str], CallToolResult]:
        names = [tool.name for tool in (await client.list_tools()).tools]
        return names, await client.call_tool("top_artists", {"limit": 2})

    names, result = with_client(lambda: Client(server, mode=mode), use)
    assert names == CORE
    expected = call(in_memory(home), "top_artists", {"limit": 2})
    assert result.structured_content == expected.structured_content


def test_piped_questions_are_answered_with_nothing_but_the_protocol(home: Path) -> None:
    """What was asked before stdin ended is answered; then the process ends with exit code 0."""
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    messages: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": "bad", "method": "tools/call", "params": {"name": "nothing"}},
    ]
    messages += [
        {
            "id": tool.name,
            "method": "tools/call",
            "params": {"name": tool.name, "arguments": kit.arguments_for(tool)},
        }
        for tool in map(tools.find, NAMES)
    ]
    done = subprocess.run(
        kit.command(home, "-v", "serve-tools", "--stdio"),
        input="".join(json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in messages),
        env=kit.clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    answers = {answer["id"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0
    assert set(answers) == {1, *NAMES, "bad"}
    assert all(answers[name]["result"]["isError"] is False for name in NAMES)
    assert "no tool 'nothing'" in answers["bad"]["error"]["message"]
    assert done.stderr == ""


def test_on_stdio_a_signal_ends_the_process_cleanly(home: Path) -> None:
    """Although a thread is waiting in a read of stdin."""
    program = kit.command(home, "serve-tools", "--stdio")
    with subprocess.Popen(
        program,
        env=kit.clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        process.stdin.write(json.dumps(ping) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.terminate()
        assert process.wait(60) == 0


def test_the_server_module_imports_in_a_clean_interpreter() -> None:
    """`from __future__ import annotations` has broken registrations before (FACTS 8.3)."""
    code = "import spotify_hist.faces.server.serving, spotify_hist.faces.server.stdio"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
