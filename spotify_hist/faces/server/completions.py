"""Owns what a person is offered while filling in a prompt's argument, or the name of a question.

Never offers what the history does not hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.analytics import catalogue
from spotify_hist.errors import UsageError
from spotify_hist.faces.server import prompts, resources
from spotify_hist.faces.server.tool import tool_name
from spotify_hist.faces.server.visible import hides

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from spotify_hist.faces.server.tools import Tools

MOST = 100  # the most that the protocol lets through


async def of_prompt(tools: Tools, name: str, argument: str, text: str) -> list[str]:
    """What may stand in an argument of a prompt, of which `text` is typed already; likeliest first,
    and one more than `MOST` where there are more.

    Raises UsageError where there is no such prompt, and what the tools raise.
    """
    prompt = prompts.find(name)
    offer = _OFFERS.get(argument) if argument in {each.name for each in prompt.params} else None
    found = [] if offer is None else await offer(tools, text.strip())
    # What is offered is picked by its looks.
    return [each for each in found if not hides(each)]


def of_address(template: str, argument: str, text: str) -> list[str]:
    """The questions, by the names of their tools, that begin with `text`.

    Raises UsageError for another address than theirs.
    """
    if (template, argument) != (resources.ONE_QUESTION, "name"):
        raise UsageError("There is nothing to complete at this address.")
    names = map(tool_name, catalogue.names())
    return [name for name in names if name.startswith(tool_name(text.strip()))]


async def _artists(tools: Tools, text: str) -> list[str]:
    """Artists with this in their name, most played first."""
    limit = {"limit": MOST + 1}
    if not text:
        told = await tools.call("top_artists", limit)
        rows = _rows(told.as_dict())
        return [str(row["artist"]) for row in rows if row["artist"] is not None]
    told = await tools.call("search", {**limit, "text": text[:100]})
    found = [row for row in _rows(told.as_dict()) if row["entity"] == "artist"]
    return [str(row["name"]) for row in found]


async def _years(tools: Tools, text: str) -> list[str]:
    """Years with a play of any kind, latest first."""
    told = await tools.call("timeline", {"step": "year", "kind": "all", "min_ms": 0})
    years = [str(row["starts_on"])[:4] for row in _rows(told.as_dict()) if row["plays"]]
    return [year for year in reversed(years) if year.startswith(text)]


def _rows(answer: Mapping[str, object]) -> list[Mapping[str, object]]:
    rows = answer["rows"]
    return rows if isinstance(rows, list) else []


_OFFERS: Mapping[str, Callable[[Tools, str], Awaitable[list[str]]]] = {
    "artist": _artists,
    "year": _years,
}
