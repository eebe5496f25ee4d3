"""Owns the catalogue as tools: names, schemas, the call itself, and what an error becomes.

Never opens the database and never speaks a protocol: HTTP, MCP and OpenAPI are built on this.
"""

from __future__ import annotations

import difflib
import functools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from spotify_hist.analytics import catalogue, run
from spotify_hist.errors import BadInput, SpotifyHistError, Temporary, UnknownQuery, UsageError
from spotify_hist.faces.server.replies import Refusal
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from spotify_hist.analytics.header import Query
    from spotify_hist.settings import Settings

ALIAS_PREFIX = "history."
_ALIASES = {"listening_heatmap": "heatmap"}
RETRY_AFTER_S = 5
_QUESTIONS_AT_ONCE = 4
_HEALTH_WAIT_S = 2.0

_JSON_TYPES: dict[str, dict[str, object]] = {
    "integer": {"type": ["integer", "null"]},
    "number": {"type": ["number", "null"]},
    "text": {"type": ["string", "null"]},
    "boolean": {"type": ["boolean", "null"]},
    "timestamp": {"type": ["string", "null"], "format": "date-time"},
    "date": {"type": ["string", "null"], "format": "date"},
    "list": {"type": ["array", "null"], "items": {}},
}


@dataclass(frozen=True, slots=True)
class Tool:
    """One question of the catalogue as a tool. `name` has underscores (DESIGN 8)."""

    query: Query

    @property
    def name(self) -> str:
        return self.query.name.replace("-", "_")

    @property
    def title(self) -> str:
        return self.query.name.replace("-", " ").capitalize()

    @property
    def description(self) -> str:
        """The summary and the grain, one sentence each."""
        return f"{_sentence(self.query.summary)} {_sentence(self.query.grain)}"

    def input_schema(self) -> dict[str, object]:
        """JSON Schema of the arguments; anything it does not name is refused."""
        return {
            "type": "object",
            "properties": {param.name: param.json_schema() for param in self.query.params},
            "required": [param.name for param in self.query.params if param.is_required],
            "additionalProperties": False,
        }

    def columns(self) -> list[dict[str, object]]:
        """Name, type and meaning of each column. Slow the first time: see `run.describe`."""
        return [
            {
                "name": column.name,
                "type": column.type,
                "meaning": self.query.columns.get(column.name, ""),
            }
            for column in run.describe(self.query)
        ]

    def output_schema(self) -> dict[str, object]:
        """JSON Schema of `Answer.as_dict()`. Slow the first time: see `run.describe`."""
        cells = {
            column.name: _JSON_TYPES[column.type]
            | {"description": self.query.columns.get(column.name, "")}
            for column in run.describe(self.query)
        }
        column = {
            "type": "object",
            "properties": {"name": {"type": "string"}, "type": {"enum": list(_JSON_TYPES)}},
            "required": ["name", "type"],
        }
        row = {
            "type": "object",
            "properties": cells,
            "required": list(cells),
            "additionalProperties": False,
            "description": _sentence(self.query.grain),
        }
        properties: dict[str, object] = {
            "query": {"type": "string", "const": self.query.name},
            "params": {"type": "object", "description": "The values the question was asked with."},
            "columns": {"type": "array", "items": column},
            "rows": {"type": "array", "items": row},
            "truncated": {"type": "boolean", "description": "Whether there are more rows."},
            "notes": {
                "type": "array",
                "items": {"type": "string"},
                "description": "What to know when reading the rows, such as gaps.",
            },
        }
        return {"type": "object", "properties": properties, "required": list(properties)}


class Tools:
    """Every tool of one listener's history. `now` gives the present instant."""

    def __init__(
        self, settings: Settings, *, now: Callable[[], datetime], user: str | None = None
    ) -> None:
        self._settings = settings
        self._now = now
        self._user = user
        self._timeout_s = settings.number("server.query_timeout_s")
        # Half of the deadline for waiting on a writer leaves the other half for the question.
        wait_s = min(settings.number("database.wait_s"), self._timeout_s / 2)
        self._database = Database(settings.database, wait_s)
        self._limiter = anyio.CapacityLimiter(_QUESTIONS_AT_ONCE)
        self._running = 0
        self._count = threading.Lock()

    @property
    def running(self) -> int:
        """How many questions hold a thread at this moment, given up ones included."""
        return self._running

    async def call(self, name: str, arguments: Mapping[str, object]) -> run.Answer:
        """The answer to one question, worked out in a thread (never on the event loop).

        Raises UnknownQuery, UsageError (an argument), and what `run.answer` raises.
        """
        tool = find(name)
        given = dict(arguments)
        if self._user is not None and any(param.name == "user" for param in tool.query.params):
            given.setdefault("user", self._user)
        ask = functools.partial(self._ask, tool.query.name, given)
        with anyio.move_on_after(self._timeout_s):
            return await anyio.to_thread.run_sync(
                ask, abandon_on_cancel=True, limiter=self._limiter
            )
        raise Temporary(
            f"The question took longer than {self._timeout_s:g} s and was given up.",
            hint="Ask for a shorter period or fewer rows, or raise server.query_timeout_s.",
            code="timeout",
        )

    def _ask(self, name: str, arguments: Mapping[str, object]) -> run.Answer:
        with self._count:
            self._running += 1
        try:
            return run.answer(
                self._database,
                self._settings,
                name,
                arguments,
                now=self._now(),
                timeout_s=self._timeout_s,
            )
        finally:
            with self._count:
                self._running -= 1

    async def check(self) -> None:
        """Open the database once, reading nothing; raises NoHistory, DatabaseBusy and its like."""
        await anyio.to_thread.run_sync(self._open, abandon_on_cancel=True)

    def _open(self) -> None:
        with Database(self._settings.database, _HEALTH_WAIT_S).read():
            pass


@functools.cache
def all_tools() -> tuple[Tool, ...]:
    """Every tool, in the catalogue's fixed order (FACTS 8.4)."""
    return tuple(Tool(catalogue.load(name)) for name in catalogue.names())


def find(name: str) -> Tool:
    """The tool of this name: underscores, hyphens, or a dotted alias `history.<name>`.

    Raises UnknownQuery with the nearest names.
    """
    known = {tool.name: tool for tool in all_tools()}
    wanted = name.replace("-", "_")
    if wanted.startswith(ALIAS_PREFIX):
        wanted = wanted.removeprefix(ALIAS_PREFIX)
        wanted = _ALIASES.get(wanted, wanted)
    if wanted in known:
        return known[wanted]
    near = difflib.get_close_matches(wanted, known, n=3)
    raise UnknownQuery(
        f"There is no tool '{name[:80]}'.",
        hint=f"Did you mean {' or '.join(near)}?" if near else f"Tools: {', '.join(known)}.",
        code="unknown_tool",
    )


def refusal(error: SpotifyHistError) -> Refusal:
    """The HTTP answer for one of our errors."""
    if isinstance(error, UnknownQuery):
        status = 404
    elif isinstance(error, UsageError):
        status = 422
    elif isinstance(error, (Temporary, BadInput)):
        status = 503
    else:
        status = 500
    headers = {"retry-after": str(RETRY_AFTER_S)} if error.retryable else {}
    return Refusal(status, error.code, error.message, error.hint, error.retryable, headers)


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:].rstrip(".") + "."
