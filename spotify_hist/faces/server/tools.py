"""Owns the tools there are: their order, finding one by name, the call, what an error becomes.

Never opens the database and never speaks a protocol: HTTP, MCP and OpenAPI are built on this.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import anyio
import anyio.to_thread

from spotify_hist.analytics import catalogue, run
from spotify_hist.errors import (
    BadInput,
    LoginNeeded,
    NotAllowed,
    SettingsError,
    SpotifyHistError,
    Temporary,
    UnknownQuery,
    UsageError,
)
from spotify_hist.faces.server import live, remembered, work
from spotify_hist.faces.server.caller import ANYBODY, Caller
from spotify_hist.faces.server.courtesy import Courtesy
from spotify_hist.faces.server.questions import FreeSql, Question
from spotify_hist.faces.server.replies import Refusal
from spotify_hist.faces.server.tool import Desk, tool_name
from spotify_hist.faces.server.turns import Turns
from spotify_hist.faces.server.visible import without_folders
from spotify_hist.sources.spotify.vault import Vault, vault_of
from spotify_hist.store import listeners
from spotify_hist.store.database import Database
from spotify_hist.store.kept_open import KeptOpen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from spotify_hist.faces.server.resources import Resource
    from spotify_hist.faces.server.tool import Told, Tool
    from spotify_hist.settings import Settings

OFFERS = ("core", "all")
# Names by which other programs already ask; `history.` before any question's name is one too.
ALIASES = {
    "history.listening_heatmap": "heatmap",
    "spotify.get_top": "spotify_top",
    "spotify.search": "spotify_search",
    "ops.sync_status": "sync_status",
    "ops.latest_job_runs": "latest_job_runs",
    "ops.latest_import_jobs": "latest_import_jobs",
}
_HISTORY = "history."
RETRY_AFTER_S = 5
_HEALTH_WAIT_S = 2.0
_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


class Tools:
    """Every tool of one history. `now` gives the present instant, `user` is the listener meant
    where nobody says one, and `caller` tells who asks; without a guard in front that is anybody.

    Raises SettingsError where the settings do not say which tools to offer.
    """

    def __init__(
        self, settings: Settings, *, now: Callable[[], datetime], user: str | None = None
    ) -> None:
        self._settings = settings
        self._now = now
        self._user = user
        self._timeout_s = settings.number("server.query_timeout_s")
        # Half of the deadline for waiting on a writer leaves the other half for the question.
        wait_s = min(settings.number("database.wait_s"), self._timeout_s / 2)
        self._database = KeptOpen(settings.database, wait_s)
        at_once = int(settings.number("server.queries_at_once"))
        self._turns = Turns(at_once, self._timeout_s / 2)
        self._remembered = remembered.Remembered(time.monotonic, self._database.stamp)
        self.caller: Callable[[], Caller] = lambda: ANYBODY
        self._courtesy = Courtesy(time.monotonic)
        self._folders = _folders(settings)
        self._offer = settings.text("server.tools")
        if self._offer not in OFFERS:
            raise SettingsError(
                f"server.tools cannot be '{self._offer}'.", hint=f"Use {' or '.join(OFFERS)}."
            )

    @property
    def running(self) -> int:
        """How many questions hold a thread at this moment, given up ones included."""
        return self._turns.running

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def offered(self) -> tuple[Tool, ...]:
        """What an assistant is shown, in a fixed order (FACTS 8.4). Not on the event loop."""
        return tuple(tool for tool in self.present() if tool.is_core or self._offer == "all")

    def present(self) -> tuple[Tool, ...]:
        """Every tool but the live ones where nobody is logged in. Not on the event loop."""
        is_live = self._is_logged_in()
        return tuple(tool for tool in all_tools() if is_live or not tool.is_live)

    def _is_logged_in(self) -> bool:
        try:
            return bool(self._vault().tokens())
        except SpotifyHistError:
            return False  # a list is no place to say so; a live tool that is called does

    def _vault(self) -> Vault:
        return vault_of(self._settings)

    async def call(self, name: str, arguments: Mapping[str, object]) -> Told:
        """The answer of one tool, worked out in a thread (never on the event loop).

        Raises UnknownQuery, UsageError (an argument), and what the tool's `ask` raises.
        """
        tool, caller = find(name), self.caller()
        given = caller.arguments(tool, arguments, self._user)
        ask = functools.partial(self._ask, tool, given, caller)
        work = functools.partial(self._turns.work, ask)
        same = remembered.key(tool.name, given) if isinstance(tool, Question) else None
        with anyio.move_on_after(self._timeout_s), self._naming_no_folder():
            return await (work() if same is None else self._remembered.answer(same, work))
        raise Temporary(
            f"The question took longer than {self._timeout_s:g} s and was given up.",
            hint="Ask for a shorter period or fewer rows, or raise server.query_timeout_s.",
            code="timeout",
        )

    def _ask(self, tool: Tool, arguments: Mapping[str, object], caller: Caller) -> Told:
        if caller.listener is not None:
            self._require(caller.listener)
        desk = Desk(
            self._settings,
            self._database,
            self._vault,
            self._courtesy,
            self._now(),
            self._user,
            self._timeout_s,
        )
        try:
            return tool.ask(desk, arguments)
        except OSError as error:
            if error.errno not in _OUT_OF_DESCRIPTORS:
                raise
            raise Temporary(
                "Too many files are open for another question.",
                hint="Ask again in a moment.",
                code="too_many_files",
            ) from None

    def _require(self, name: str) -> None:
        """Raises NotAllowed where no listener has this name, without telling who there is."""
        with self._database.read() as connection:
            if all(each.name != name for each in listeners.listeners(connection)):
                raise NotAllowed(f"This token is for the listener '{name}', who is not there.")

    async def read(self, resource: Resource) -> str:
        """The text of a resource, read in a thread. Raises what reading the history raises."""
        listener = self.caller().listener
        # What tells of the history tells of everyone in it.
        database = self._database if listener is None else _Closed(self._database.path, listener)
        with self._naming_no_folder():
            return await self._turns.work(functools.partial(resource.read, database))

    @contextlib.contextmanager
    def _naming_no_folder(self) -> Iterator[None]:
        """What keeps a question from being answered, said without where this machine keeps things:
        whoever asks may be anywhere, and sends on to others what they are told."""
        try:
            yield
        except SpotifyHistError as error:
            error.message = without_folders(error.message, self._folders)
            error.hint = without_folders(error.hint, self._folders)
            raise

    def now(self) -> datetime:
        """The present instant."""
        return self._now()

    async def check(self) -> None:
        """Open the database once, reading nothing; raises NoHistory, DatabaseBusy and its like."""
        await anyio.to_thread.run_sync(self._open, abandon_on_cancel=True)

    def _open(self) -> None:
        with self._database.read_within(_HEALTH_WAIT_S):
            pass


class _Closed(Database):
    """The history for a caller who may not see all of it."""

    def __init__(self, path: Path, listener: str) -> None:
        super().__init__(path)
        self._listener = listener

    def read(self) -> NoReturn:
        raise NotAllowed(
            f"This token is for the listener '{self._listener}' alone; this tells of everyone."
        )


def _folders(settings: Settings) -> frozenset[Path]:
    """Where this program keeps things, and the person at this machine theirs."""
    told = [settings.data_dir, settings.config_dir, settings.watched, settings.scratch]
    with contextlib.suppress(RuntimeError):  # nobody's home
        told.append(Path.home())
    every = (folder for each in told for folder in (each.absolute(), each.resolve()))
    return frozenset(folder for folder in every if folder != folder.parent)


@functools.cache
def all_tools() -> tuple[Tool, ...]:
    """Every tool: the core ones first, then the others, both in alphabetical order."""
    questions: list[Tool] = [Question(query) for query in catalogue.all_queries()]
    others: list[Tool] = [FreeSql(), *work.TOOLS, *live.TOOLS]
    return tuple(sorted([*questions, *others], key=lambda tool: (not tool.is_core, tool.name)))


def warm(tools: Iterable[Tool]) -> None:
    """Make the schemas of these quick to tell, in one go: see `run.describe_all`."""
    run.describe_all(tool.query for tool in tools if isinstance(tool, Question))


def find(name: str) -> Tool:
    """The tool of this name: underscores, hyphens, or a dotted alias.

    Raises UnknownQuery with the nearest names.
    """
    known = {tool.name: tool for tool in all_tools()}
    wanted = tool_name(name)
    wanted = ALIASES.get(wanted, wanted)
    if wanted not in known and wanted.startswith(_HISTORY):
        wanted = wanted.removeprefix(_HISTORY)
    if wanted in known:
        return known[wanted]
    near = difflib.get_close_matches(wanted, known, n=3)
    raise UnknownQuery(
        f"There is no tool '{name[:80]}'.",
        hint=f"Did you mean {' or '.join(near)}?" if near else f"Tools: {', '.join(_core())}.",
        code="unknown_tool",
    )


def _core() -> Iterator[str]:
    return (tool.name for tool in all_tools() if tool.is_core and not tool.is_live)


def refusal(error: SpotifyHistError) -> Refusal:
    """The HTTP answer for one of our errors."""
    if isinstance(error, UnknownQuery):
        status = 404
    elif isinstance(error, NotAllowed):
        status = 403
    elif isinstance(error, UsageError):
        status = 422
    elif isinstance(error, LoginNeeded):
        status = 409
    elif isinstance(error, (Temporary, BadInput)):
        status = 503
    else:
        status = 500
    headers = {"retry-after": str(RETRY_AFTER_S)} if error.retryable else {}
    return Refusal(status, error.code, error.message, error.hint, error.retryable, headers)
