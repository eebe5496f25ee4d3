"""The commands that are swept with faults: what each begins with, and what must be there after.

Never injects a fault; `strace_kit` does.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

from spotify_hist import settings as settings_module
from spotify_hist.faces.cli.main import run
from spotify_hist.sandbox import browser
from spotify_hist.sandbox.life import live
from spotify_hist.sandbox.server import Sandbox
from spotify_hist.sources.spotify import client, oauth
from spotify_hist.sources.spotify.vault import Vault
from spotify_hist.store.database import Database
from spotify_hist.store.gate import Gate

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)
EARLIER = datetime(2026, 1, 20, 8, tzinfo=UTC)
NOW = datetime(2026, 1, 20, 18, tzinfo=UTC)
RECENTLY_PLAYED = "/v1/me/player/recently-played"
_PATIENT = {
    "SPOTIFY_HIST_HTTP_RETRIES": "0",
    "SPOTIFY_HIST_DATABASE_WAIT_S": "20",
    "SPOTIFY_HIST_ENRICH_SLICE": "1",
}

Rows = tuple[tuple[object, ...], ...]


class Said(NamedTuple):
    """How a command that ran in this process ended, and its stderr."""

    code: int
    err: str


@dataclass(frozen=True, slots=True)
class State:
    """What must not depend on any fault: the history, and the names of all files."""

    users: Rows
    plays: Rows
    records: Rows
    checkpoints: Rows
    gaps: Rows
    files: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """A home and a Spotify of its own."""

    home: Path
    sandbox: Sandbox

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that works on this stage."""
        return {
            **os.environ,
            **_PATIENT,
            "SPOTIFY_HIST_HOME": str(self.home),
            "SPOTIFY_HIST_CLIENT_ID": self.sandbox.client_id,
            "SPOTIFY_HIST_API_URL": self.sandbox.url,
            "SPOTIFY_HIST_ACCOUNTS_URL": self.sandbox.url,
        }

    def run(self, *arguments: str) -> Said:
        """Run a command quietly, in this process: nothing goes wrong here."""
        err = io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment),
            redirect_stdout(io.StringIO()),
            redirect_stderr(err),
        ):
            code = run(["-q", *arguments])
        return Said(code, err.getvalue())

    def log_in(self) -> None:
        """Log the sandbox's listener in, without the command line."""
        settings = settings_module.load(environ=self.environment)
        vault = Vault(settings.vault, None)
        login = oauth.Login.start(
            self.sandbox.url, self.sandbox.client_id, "http://127.0.0.1:9/callback"
        )
        code = login.code_from(browser.agree(login.url))
        client.login(settings, vault, login, code, time.time)

    def is_logged_in(self) -> bool:
        """Whether a token is in the vault."""
        return bool(Vault(self.home / "vault", None).tokens())

    def state(self) -> State:
        """All that counts, read anew."""
        files = tuple(
            sorted(
                str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()
            )
        )
        with Database(self.home / "history.duckdb", 20).read() as connection:

            def rows(statement: str) -> Rows:
                return tuple(connection.execute(statement).fetchall())

            checkpoints = rows(
                "select name, job, newest_played_at::varchar, state"
                " from sync_checkpoints join users using (user_id) order by all"
            )
            return State(
                rows("select name, account_id from users order by all"),
                rows(
                    "select played_at::varchar, track_id, ms_played, kind, sources::varchar"
                    " from plays order by all"
                ),
                rows("select played_at::varchar, track_id, source from play_records order by all"),
                tuple((*row[:3], *_outcome(row[3])) for row in checkpoints),
                rows(
                    "select after_at::varchar, before_at::varchar, closed_at is null"
                    " from coverage_gaps order by all"
                ),
                files,
            )


def _outcome(state: object) -> tuple[object, object]:
    """Of a job's own memory, what does not hang on the hour it ran."""
    memory = json.loads(state) if isinstance(state, str) else {}
    return memory.get("finished"), memory.get("stopped_by")


@dataclass(frozen=True)
class Scenario:
    """A command, the state it starts from, and how a person answers it.

    `is_answered_once`: it asks Spotify for plays once, so that a page it has captured must be
    there afterwards even if Spotify has forgotten those plays. `rotates`: Spotify replaces the
    refresh token, so that a kill before the new one is written costs the login, and nothing else.
    `sample` is how many points of each fault the ordinary suite takes. `exit_codes`: those that a
    full disk may end in; a broken one may end in 3 as well.
    """

    name: str
    arguments: tuple[str, ...]
    prepare: Callable[[Stage], None]
    answer: Callable[[subprocess.Popen[str]], str | None] | None = None
    again: Callable[[Stage], Said] | None = None
    is_answered_once: bool = False
    rotates: bool = False
    sample: int = 3
    exit_codes: frozenset[int] = frozenset({0, 5})

    def repeat(self, stage: Stage) -> Said:
        """The quiet run after the faulted one."""
        return stage.run(*self.arguments) if self.again is None else self.again(stage)


class Stages:
    """Makes stages: each scenario's beginning is prepared once and copied for every point."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._life = live(11, start=START, end=START + timedelta(days=40))
        self._count = 0
        self._earlier = directory / "earlier.duckdb"
        with self._sandbox(EARLIER) as sandbox:
            stage = Stage(directory / "earlier", sandbox)
            stage.log_in()
            said = stage.run("poll")
            assert said.code == 0, said.err
            shutil.copy(stage.home / "history.duckdb", self._earlier)

    @contextmanager
    def set(self, scenario: Scenario) -> Iterator[Stage]:
        """A fresh stage on which `scenario` can begin; its home is removed afterwards."""
        self._count += 1
        home = self._directory / f"{scenario.name}-{self._count}"
        home.mkdir()
        with self._sandbox(NOW) as sandbox:
            stage = Stage(home, sandbox)
            if scenario.name != "login":
                shutil.copy(self._earlier, home / "history.duckdb")
                stage.log_in()
            scenario.prepare(stage)
            try:
                yield stage
            finally:
                shutil.rmtree(home)

    def _sandbox(self, now: datetime) -> Sandbox:
        return Sandbox(self._life, now=now, rotate_every=1)


def _nothing(stage: Stage) -> None:
    """Logged in, polled ten hours ago."""


def _expire(stage: Stage) -> None:
    """The same, and the access token is refused: the next call renews it."""
    stage.sandbox.expire_access_tokens()


def _leave_a_page(stage: Stage) -> None:
    """The same, and an earlier run had to leave its page in the spool."""
    with (
        Gate(stage.home / "history.duckdb").writing(0, "another command"),
        mock.patch.dict(_PATIENT, {"SPOTIFY_HIST_DATABASE_WAIT_S": "0"}),
    ):
        said = stage.run("poll")
    assert said.code == 5, said.err


def _agree(process: subprocess.Popen[str]) -> str | None:
    """Open the link of `auth login` as the person would; what they paste."""
    assert process.stdout is not None
    link = process.stdout.readline().strip()
    return browser.agree(link) + "\n" if link else None


def _log_in_again(stage: Stage) -> Said:
    """Log in where the token did not make it, then the first poll."""
    if not stage.is_logged_in():
        stage.log_in()
    return stage.run("poll")


SCENARIOS = (
    Scenario(
        "login",
        ("auth", "login", "--no-browser"),
        _nothing,
        answer=_agree,
        again=_log_in_again,
    ),
    Scenario("poll", ("poll",), _nothing, is_answered_once=True),
    Scenario("refresh", ("poll",), _expire, is_answered_once=True, rotates=True),
    Scenario("backfill", ("backfill",), _nothing, sample=2),
    Scenario("sync", ("sync",), _leave_a_page, sample=2, exit_codes=frozenset({0, 5, 6})),
)
