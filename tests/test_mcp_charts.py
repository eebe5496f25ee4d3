"""The page that draws answers within a chat: bound to the tools, whole in itself, and safe."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import anyio
import pytest
import server_kit as kit
from mcp import Client
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp_types import TextResourceContents

from spotify_hist.analytics import catalogue
from spotify_hist.faces.server import charts, mcp

if TYPE_CHECKING:
    from pathlib import Path

    from mcp_types import Tool

DRAWN = {query.name: query.chart for query in catalogue.all_queries() if query.chart is not None}


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Tool], str]:
    """Every tool as a client sees it, and the page that the drawn ones name."""
    home: Path = tmp_path_factory.mktemp("charts")
    tools = kit.make_tools(home, {"SPOTIFY_HIST_SERVER_TOOLS": "all"})

    async def session() -> tuple[list[Tool], str]:
        async with Client(mcp.build(tools)) as client:
            assert EXTENSION_ID in (client.server_capabilities.extensions or {})
            found = (await client.list_tools()).tools
            (uri,) = {tool.meta["ui"]["resourceUri"] for tool in found if tool.meta}
            (contents,) = (await client.read_resource(uri)).contents
            assert isinstance(contents, TextResourceContents)
            assert contents.mime_type == APP_MIME_TYPE
            return found, contents.text

    return anyio.run(session)


def told(page: str) -> dict[str, dict[str, object]]:
    """What the page knows of each question."""
    found = re.search(r"^const CHARTS = (.*);$", page, re.MULTILINE)
    assert found is not None
    known = json.loads(found[1])
    assert isinstance(known, dict)
    return known


def test_every_question_with_a_chart_is_bound_to_the_page(met: tuple[list[Tool], str]) -> None:
    """And no other tool is; the host fetches the page once for all."""
    bound = {tool.name.replace("_", "-") for tool in met[0] if tool.meta}
    assert bound == set(DRAWN)
    assert {"heatmap", "timeline", "top-artists"} <= bound


def test_the_page_draws_each_chart_from_columns_of_the_answer(met: tuple[list[Tool], str]) -> None:
    """The forms are those of the catalogue, each with a function of its own."""
    forms = re.search(r"^const FORMS = \{(.*)\};$", met[1], re.MULTILINE)
    assert forms is not None
    drawn = {word.split(":")[0].strip() for word in forms[1].split(",")}
    for name, chart in told(met[1]).items():
        assert chart["form"] == DRAWN[name].form
        assert chart["form"] in drawn
        assert set(DRAWN[name].columns) <= set(catalogue.load(name).columns)


def test_the_page_loads_nothing_and_calls_nobody(met: tuple[list[Tool], str]) -> None:
    """A host's sandbox would forbid it, and a history is nobody else's business."""
    without_namespace = met[1].replace("http://www.w3.org/2000/svg", "")
    assert "://" not in without_namespace
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "import ", "src=", "href=", "@import"):
        assert word not in met[1]


def test_nothing_of_an_answer_becomes_markup(met: tuple[list[Tool], str]) -> None:
    """Names of artists and tracks are text: whoever names a track must not write this page."""
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in met[1]


def test_no_text_can_end_the_script() -> None:
    """What goes into the page from Python is JSON without a bracket."""
    assert "<" not in charts._script("</script><script>")
    assert json.loads(charts._script("</script>")) == "</script>"
