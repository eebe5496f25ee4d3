"""What a server says of trouble names files, and never where this machine keeps them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
import server_kit as kit
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent
from starlette.testclient import TestClient

from spotify_hist.faces.server import app, mcp
from spotify_hist.faces.server.guard import Rules
from spotify_hist.faces.server.visible import without_folders

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = "kept here"
CALLS = {"recent": {}, "query_sql": {"sql": "select 1"}, "latest_job_runs": {}}


def damaged(home: Path) -> None:
    (home / "history.duckdb").write_bytes(b"no database" * 1000)


def missing(home: Path) -> None:
    (home / "history.duckdb").unlink()


def a_directory(home: Path) -> None:
    missing(home)
    (home / "history.duckdb").mkdir()


def not_readable(home: Path) -> None:
    (home / "history.duckdb").chmod(0)
    if os.access(home / "history.duckdb", os.R_OK):
        pytest.skip("root may read everything")


def a_damaged_log(home: Path) -> None:
    (home / "history.duckdb.wal").write_bytes(b"no log" * 1000)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A small history in a folder whose name would be seen."""
    home = tmp_path / FOLDER / "home"
    kit.make_history(home, plays=3)
    return home


@pytest.mark.parametrize("spoil", [damaged, missing, a_directory, not_readable, a_damaged_log])
def test_an_error_of_the_server_tells_no_folder(spoil: Callable[[Path], None], home: Path) -> None:
    """On the plain routes, over MCP, in resources and in /healthz."""
    spoil(home)
    server = mcp.build(kit.make_tools(home))
    client = TestClient(app.build(kit.make_tools(home), Rules()), base_url="http://127.0.0.1")
    for name, arguments in CALLS.items():
        answer = client.post(f"/tools/{name}", json=arguments)
        assert answer.status_code in {409, 422, 503}, answer.text
        assert answer.json()["error"]["message"]
        assert FOLDER not in answer.text
    for path in ("/healthz", "/openapi.json", "/tools", "/"):
        assert FOLDER not in client.get(path).text

    async def ask() -> list[str]:
        said = []
        async with Client(server) as asking:
            for name, arguments in CALLS.items():
                result = await asking.call_tool(name, arguments)
                assert result.is_error
                said += [each.text for each in result.content if isinstance(each, TextContent)]
            try:
                await asking.read_resource("spotify-hist://listeners")
            except MCPError as error:
                said.append(str(error))
        return said

    said = anyio.run(ask)
    assert len(said) == 1 + len(CALLS)
    assert not [text for text in said if FOLDER in text]


def test_a_file_is_called_by_its_name_in_its_folder() -> None:
    """The longest folder first; one whose name only begins so is another."""
    folders = [Path("/home/ada"), Path("/home/ada/data")]
    told = "/home/ada/data/history.duckdb and /home/ada/x of /home/ada, /home/ada/data; /home/adam"
    assert (
        without_folders(told, folders)
        == "history.duckdb and x of its folder, its folder; /home/adam"
    )
