"""Owns what a tool is to every protocol: name, texts, arguments, the schema of its answers.

Never answers one itself, and never speaks a protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from spotify_hist.analytics.params import Param, Value, check_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from spotify_hist.faces.server.courtesy import Courtesy
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.database import Database

_NOTHING = {"type": "null"}


def nullable(schema: Mapping[str, object]) -> dict[str, object]:
    """`schema` or null. Not a list of types, which providers with a dialect of their own refuse."""
    return {"anyOf": [dict(schema), _NOTHING]}


def tool_name(name: str) -> str:
    """What a question is called as a tool, however its words are joined."""
    return name.replace("-", "_")


JSON_TYPES: Mapping[str, dict[str, object]] = {
    "integer": nullable({"type": "integer"}),
    "number": nullable({"type": "number"}),
    "text": nullable({"type": "string"}),
    "boolean": nullable({"type": "boolean"}),
    "timestamp": nullable({"type": "string", "format": "date-time"}),
    "date": nullable({"type": "string", "format": "date"}),
    "list": nullable({"type": "array", "items": {"type": "string"}}),
}


@dataclass(frozen=True, slots=True)
class Desk:
    """What a tool is answered with. `user` is the listener meant where the arguments name none."""

    settings: Settings
    database: Database
    vault: Callable[[], Vault]
    courtesy: Courtesy
    now: datetime
    user: str | None
    timeout_s: float


class Told(Protocol):
    """The answer of a tool."""

    def as_dict(self) -> dict[str, object]:
        """The whole of it, JSON-ready."""


class Tool(Protocol):
    """One tool. `name` has underscores (DESIGN 8).

    `is_core`: an assistant is shown it without asking for all. `is_live`: it asks Spotify, and so
    is there only where somebody is logged in.
    """

    is_live: ClassVar[bool]

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def grain(self) -> str: ...
    @property
    def is_core(self) -> bool: ...
    @property
    def params(self) -> tuple[Param, ...]: ...
    def columns(self) -> list[dict[str, object]]:
        """Name, type and meaning of each column; none where the answer is no table."""

    def output_schema(self) -> dict[str, object]:
        """JSON Schema of `Told.as_dict()`."""

    def ask(self, desk: Desk, arguments: Mapping[str, object]) -> Told:
        """The answer, worked out in the thread that calls this.

        Raises UsageError (an argument) and whatever keeps it from being answered.
        """


def description(tool: Tool) -> str:
    """The summary and the grain, one sentence each."""
    return " ".join(sentence(text) for text in (tool.summary, tool.grain) if text)


def input_schema(tool: Tool) -> dict[str, object]:
    """JSON Schema of the arguments; anything it does not name is refused."""
    return {
        "type": "object",
        "properties": {param.name: param.json_schema() for param in tool.params},
        "required": [param.name for param in tool.params if param.is_required],
        "additionalProperties": False,
    }


def checked(tool: Tool, desk: Desk, arguments: Mapping[str, object]) -> dict[str, Value]:
    """Every argument's value; the listener is the desk's where none is named."""
    values = check_arguments(tool.params, arguments)
    if "user" in values and values["user"] is None:
        values["user"] = desk.user
    return values


def table_schema(
    cells: Mapping[str, dict[str, object]], *, query: str, row: str
) -> dict[str, object]:
    """JSON Schema of `Answer.as_dict()`; no cells where only the question decides on them."""
    column = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
        "required": ["name", "type"],
    }
    rows: dict[str, object] = {"type": "object", "description": sentence(row)}
    if cells:
        rows |= {"properties": cells, "required": list(cells), "additionalProperties": False}
    return closed(
        {
            "query": {"type": "string", "const": query},
            "params": {"type": "object", "description": "The values the question was asked with."},
            "columns": {"type": "array", "items": column},
            "rows": {"type": "array", "items": rows},
            "truncated": {"type": "boolean", "description": "Whether there are more rows."},
            "notes": {
                "type": "array",
                "items": {"type": "string"},
                "description": "What to know when reading the rows, such as gaps.",
            },
        }
    )


def closed(properties: Mapping[str, object]) -> dict[str, object]:
    """JSON Schema of an object that has all of these."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def sentence(text: str) -> str:
    """`text` beginning with a capital and ending with one full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:].rstrip(".") + "."
