"""Owns the page that draws answers within an assistant's chat (MCP Apps, FACTS 8.7).

Never draws anything itself: the page does, in the assistant's sandbox, from the answer it is given.
It loads nothing and calls nobody. An assistant without MCP Apps takes no notice of it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID

from spotify_hist import __version__
from spotify_hist.analytics import catalogue
from spotify_hist.faces.server.questions import Question
from spotify_hist.faces.server.resources import Resource

if TYPE_CHECKING:
    from spotify_hist.faces.server.tool import Tool

__all__ = ["EXTENSION_ID", "PAGE", "meta"]

_URI = "ui://spotify-hist/chart.html"


def meta(tool: Tool) -> dict[str, object] | None:
    """What binds a tool to the page; None for one whose answers are not drawn."""
    is_drawn = isinstance(tool, Question) and tool.query.chart is not None
    return {"ui": {"resourceUri": _URI}} if is_drawn else None


@cache
def _page() -> str:
    """The page, which knows how each question is drawn."""
    charts = {
        query.name: {
            "form": query.chart.form,
            "columns": query.chart.columns,
            "title": query.summary.rstrip("."),
        }
        for query in catalogue.all_queries()
        if query.chart is not None
    }
    text = resources.files("spotify_hist.faces.server.pages").joinpath("chart.html")
    page = text.read_text(encoding="utf-8")
    return page.replace("__CHARTS__", _script(charts)).replace("__VERSION__", _script(__version__))


def _script(value: object) -> str:
    """JSON that can stand in a script: nothing in it can end that."""
    return json.dumps(value, ensure_ascii=True).replace("<", "\\u003c")


PAGE = Resource(
    _URI,
    "chart",
    "Chart",
    "Draws the answers of rankings, courses of time and heatmaps.",
    APP_MIME_TYPE,
    lambda _: _page(),
)
