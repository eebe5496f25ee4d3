"""Owns what an assistant can read beside the tools: schema, questions, glossary, listeners.

Never answers a question and never speaks a protocol.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist import model
from spotify_hist.analytics import catalogue, run
from spotify_hist.analytics.sql import promised
from spotify_hist.errors import UnknownQuery
from spotify_hist.faces.server.tool import sentence, tool_name
from spotify_hist.faces.server.visible import in_json
from spotify_hist.model import iso
from spotify_hist.store import listeners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spotify_hist.analytics.header import Query
    from spotify_hist.store.database import Database

MARKDOWN, JSON = "text/markdown", "application/json"
QUESTION = "spotify-hist://questions/"
ONE_QUESTION = QUESTION + "{name}"  # a URI template
_SOURCES = re.compile(r" ?\((?:FACTS|DESIGN)[^)]*\)")


@dataclass(frozen=True, slots=True)
class Resource:
    """Something to read. `read` opens the history where it must; not on the event loop."""

    uri: str
    name: str
    title: str
    description: str
    mime_type: str
    read: Callable[[Database], str]


def _schema(_: Database) -> str:
    """The promised views, which free SQL may build on."""
    about = (
        "DuckDB's SQL. Each view holds one listener's history; names and meanings stay. Instants "
        "are `timestamptz`, shown in UTC; `local_…` columns are by the clock of the listener's "
        "time zone."
    )
    lines = ["# Views for query_sql", "", about]
    for name in promised.NAMES:
        view = promised.load(name)
        lines += ["", f"## {view.name}", "", sentence(view.grain), ""]
        lines += [f"- `{column}`: {meaning}" for column, meaning in view.columns.items()]
    return "\n".join(lines) + "\n"


def _glossary(_: Database) -> str:
    """The words of `model.py`."""
    words = (model.__doc__ or "").partition("--------\n")[2]
    return f"# Glossary\n\n```\n{_SOURCES.sub('', words).strip()}\n```\n"


def _questions(_: Database) -> str:
    lines = ["# Questions", ""]
    for query in catalogue.all_queries():
        mark = ", core" if query.is_core else ""
        lines.append(f"- `{_tool(query)}`{mark}: {sentence(query.summary)}")
    lines += ["", f"Read {QUESTION}NAME for the arguments and columns of one."]
    return "\n".join(lines) + "\n"


def _listeners(database: Database) -> str:
    with database.read() as connection:
        found = listeners.overview(connection)
    told = [
        {
            "name": each.listener.name,
            "timezone": each.listener.timezone,
            "plays": each.plays,
            "first_played_at": iso(each.first) if each.first else None,
            "last_played_at": iso(each.newest) if each.newest else None,
        }
        for each in found
    ]
    return in_json(json.dumps({"listeners": told}, ensure_ascii=False, separators=(",", ":")))


def _question(query: Query) -> str:
    """Arguments and columns of one question."""
    return "\n".join([*_arguments(query), "", "Columns:", "", *_columns(query)]) + "\n"


def _arguments(query: Query) -> Iterator[str]:
    yield f"# {_tool(query)}"
    yield ""
    yield f"{sentence(query.summary)} {sentence(query.grain)}"
    yield ""
    yield "Arguments:"
    yield ""
    for param in query.params:
        takes = f", one of {', '.join(param.choices)}" if param.choices else ""
        needed = ", required" if param.is_required else ""
        by_default = "" if param.default is None else f", by default {json.dumps(param.default)}"
        yield f"- `{param.name}` ({param.type}{needed}{takes}{by_default}): {param.help}"


def _columns(query: Query) -> Iterator[str]:
    for column in run.describe(query):
        yield f"- `{column.name}` ({column.type}): {query.columns.get(column.name, '')}"


def _tool(query: Query) -> str:
    return tool_name(query.name)


RESOURCES = (
    Resource(
        "spotify-hist://schema",
        "schema",
        "Views for SQL",
        "The views and columns that query_sql may use.",
        MARKDOWN,
        _schema,
    ),
    Resource(
        "spotify-hist://questions",
        "questions",
        "Questions",
        "Every question there is, in one sentence each.",
        MARKDOWN,
        _questions,
    ),
    Resource(
        "spotify-hist://glossary",
        "glossary",
        "Glossary",
        "What a play, a counted play, a record and a source are.",
        MARKDOWN,
        _glossary,
    ),
    Resource(
        "spotify-hist://listeners",
        "listeners",
        "Listeners",
        "Who shares this history, and how much of each it holds.",
        JSON,
        _listeners,
    ),
)


def find(uri: str) -> Resource | None:
    """The resource of this URI, one of `RESOURCES` or a single question; None for any other."""
    for resource in RESOURCES:
        if resource.uri == uri:
            return resource
    if not uri.startswith(QUESTION):
        return None
    name = uri.removeprefix(QUESTION)
    try:
        query = catalogue.load(name.replace("_", "-"))
    except UnknownQuery:
        return None
    return Resource(uri, name, name, sentence(query.summary), MARKDOWN, lambda _: _question(query))
