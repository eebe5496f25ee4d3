"""The tools that are no questions of the catalogue: how the collecting goes, and free SQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import server_kit as kit
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types
from starlette.testclient import TestClient

from spotify_hist.faces.cli.context import App
from spotify_hist.faces.cli.main import run as run_command
from spotify_hist.faces.server import app, openapi, tools
from spotify_hist.faces.server.guard import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spotify_hist.faces.server.tool import Tool

BASE = "http://127.0.0.1:8765"
MOST_CHARACTERS = 100_000  # of an answer that a GPT action takes (FACTS 8.6)
WORK = {
    "ops.sync_status": ["status"],
    "ops.latest_job_runs": ["jobs"],
    "ops.latest_import_jobs": ["import", "list"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of sixty plays, made by the import command; nobody writes to it."""
    home = tmp_path_factory.mktemp("tools") / "home"
    kit.make_history(home)
    return home


@pytest.fixture
def asked(home: Path) -> Iterator[TestClient]:
    """The app over the common history."""
    tools_of_home = kit.make_tools(home)
    yield TestClient(app.build(tools_of_home, Rules()), base_url=BASE)
    tools_of_home.close()


def call(asked: TestClient, name: str, **args: object) -> Any:  # answers have many shapes
    """What a tool answers through /tools/call, which must be what its schema says."""
    answer = asked.post("/tools/call", json={"tool": name, "args": args})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    Draft202012Validator(tools.find(name).output_schema()).validate(told)
    return told


@pytest.mark.parametrize(("name", "words"), WORK.items())
def test_the_work_is_told_as_the_command_line_tells_it(
    name: str,
    words: list[str],
    home: Path,
    asked: TestClient,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same objects with the same keys (DESIGN 7)."""
    monkeypatch.setattr(App, "now", lambda _: kit.NOW)
    monkeypatch.setattr("spotify_hist.collect.disk_space.disks", lambda *_: ())  # it changes
    assert run_command(["--home", str(home), *words, "--format", "json"]) == 0
    assert call(asked, name) == json.loads(capsys.readouterr().out)


def test_runs_are_told_of_one_job_and_only_those_that_failed(asked: TestClient) -> None:
    """And no more than asked for."""
    assert [run["job"] for run in call(asked, "latest_job_runs", job="import")["jobs"]] == [
        "import"
    ]
    assert call(asked, "latest_job_runs", job="poll")["jobs"] == []
    assert call(asked, "latest_job_runs", failed=True)["jobs"] == []
    assert len(call(asked, "latest_import_jobs", limit=1)["imports"]) == 1


@pytest.mark.parametrize("name", ["latest_job_runs", "latest_import_jobs"])
def test_a_listener_nobody_knows_is_refused(name: str, asked: TestClient) -> None:
    """By the error that every tool gives."""
    answer = asked.post(f"/tools/{name}", json={"user": "nobody"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "usage")


def test_the_status_answers_without_a_history(tmp_path: Path) -> None:
    """It is asked when something is wrong."""
    empty = TestClient(app.build(kit.make_tools(tmp_path), Rules()), base_url=BASE)
    told = call(empty, "ops.sync_status")
    assert told["listeners"] == []
    assert told["next_steps"]


def test_free_sql_is_answered_over_the_promised_views(asked: TestClient) -> None:
    """With the shape of every answer, and truncation said."""
    told = call(asked, "query_sql", sql="select artist from v_plays order by played_at", limit=3)
    assert told["query"] == "sql"
    assert [row["artist"] for row in told["rows"]] == ["Björk", "Björk", "Múm"]
    assert told["truncated"] is True


@pytest.mark.parametrize(
    "sql",
    ["delete from plays", "select * from read_text('/etc/passwd')", "select 1; select 2", "selec"],
)
def test_sql_that_is_no_select_over_the_history_is_refused(sql: str, asked: TestClient) -> None:
    """Nothing is written and no other file is read (DESIGN 9.7)."""
    answer = asked.post("/tools/query_sql", json={"sql": sql})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"]


def test_the_openapi_document_has_the_core_tools_first(asked: TestClient) -> None:
    """No more than GPT actions take; what is left out can still be called."""
    document = asked.get("/openapi.json").json()
    names = [path.removeprefix("/tools/") for path in document["paths"]]
    core = [tool.name for tool in tools.all_tools() if tool.is_core and not tool.is_live]
    assert len(names) == openapi.MOST_OPERATIONS
    assert names[: len(core)] == core
    assert names[len(core) :] == sorted(names[len(core) :])
    assert asked.post("/tools/top_shows").status_code == 200
    assert "top_shows" not in names


@pytest.mark.parametrize(
    "tool", [tool for tool in tools.all_tools() if not tool.is_live], ids=lambda tool: tool.name
)
def test_a_tools_answer_without_arguments_is_short_enough_for_an_action(
    tool: Tool, asked: TestClient
) -> None:
    """And what its schema says it is; the live ones need a login, see test_live_tools."""
    args = kit.arguments_for(tool)
    assert len(json.dumps(call(asked, tool.name, **args))) < MOST_CHARACTERS
