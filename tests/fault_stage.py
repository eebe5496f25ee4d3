"""The commands that are swept with faults: what each begins with, and what must be there after.

Never injects a fault; `strace_kit` does.
"""

from __future__ import annotations

import io
import os
import shutil
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

import fault_state

from spotify_hist import settings as settings_module
from spotify_hist.faces.cli.main import run
from spotify_hist.sandbox import browser
from spotify_hist.sandbox.life import live
from spotify_hist.sandbox.server import Sandbox
from spotify_hist.sources.spotify import client, oauth
from spotify_hist.sources.spotify.vault import Vault
from spotify_hist.store.gate import Gate

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from fault_state import State
    from strace_kit import Fault

    from spotify_hist.sandbox.life import Life

START = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = datetime(2026, 1, 16, tzinfo=UTC)
EARLIER = datetime(2026, 1, 20, 8, tzinfo=UTC)
NOW = datetime(2026, 1, 20, 18, tzinfo=UTC)
RECENTLY_PLAYED = "/v1/me/player/recently-played"
_PATIENT = {
    "SPOTIFY_HIST_HTTP_RETRIES": "0",
    "SPOTIFY_HIST_DATABASE_WAIT_S": "20",
    "SPOTIFY_HIST_ENRICH_SLICE": "1",
}


class Said(NamedTuple):
    """How a command that ran in this process ended, and its stderr."""

    code: int
    err: str


@dataclass(frozen=True)
class Stage:
    """A home and a Spotify of its own, and the exports that all stages share."""

    home: Path
    sandbox: Sandbox
    exports: Path

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

    def run(self, *arguments: str, given: str = "") -> Said:
        """Run a command quietly, in this process: nothing goes wrong here. `given` is the path of
        what its standard input is to be."""
        err = io.StringIO()
        with (
            Path(given or os.devnull).open(encoding="utf-8") as stdin,
            mock.patch("sys.stdin", stdin),
            mock.patch.dict(os.environ, self.environment),
            redirect_stdout(io.StringIO()),
            redirect_stderr(err),
        ):
            code = run(["-q", *arguments])
        return Said(code, err.getvalue())

    def succeed(self, *arguments: str, code: int = 0) -> None:
        """Run a command that must end so."""
        said = self.run(*arguments)
        assert said.code == code, said.err

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
        return fault_state.read(self.home)

    def words(self, *words: str) -> tuple[str, ...]:
        """The words of a command, with the places of the exports and the home for `{exports}` and
        `{home}`."""
        return tuple(
            word.replace("{exports}", str(self.exports)).replace("{home}", str(self.home))
            for word in words
        )


@dataclass(frozen=True)
class Scenario:
    """A command, the state it starts from, and how a person answers it.

    `is_answered_once`: it asks Spotify for plays once, so that a page it has captured must be
    there afterwards even if Spotify has forgotten those plays. `rotates`: Spotify replaces the
    refresh token, so that a kill before the new one is written costs the login, and nothing else.
    `sample` is how many points of each fault the ordinary suite takes. `exit_code` is what an
    undisturbed run ends in, `exit_codes` those that a full disk may end in. `is_one_step`: it does
    everything or, where it says that it failed, nothing. `unsteady`: what hangs on how often it
    ran, as the details do that every run asks a few more of.

    `given` is the path of the file that its standard input is. `begin` makes the history that
    `prepare` finds, from nothing and at the instant `FIRST`; without it that is one poll's.
    """

    name: str
    arguments: tuple[str, ...]
    prepare: Callable[[Stage], None]
    begin: Callable[[Stage], None] | None = None
    answer: Callable[[subprocess.Popen[str]], str | None] | None = None
    given: str = ""
    again: Callable[[Stage], Said] | None = None
    is_answered_once: bool = False
    rotates: bool = False
    sample: int = 3
    exit_code: int = 0
    exit_codes: frozenset[int] = frozenset({5})
    is_one_step: bool = False
    unsteady: frozenset[str] = frozenset()

    def failures(self, fault: Fault) -> frozenset[int]:
        """The exit codes of a run that says that it failed at this fault (DESIGN 7)."""
        if fault != "EIO":
            return self.exit_codes
        return frozenset({3}) if self.is_one_step else self.exit_codes | {3}

    def repeat(self, stage: Stage) -> Said:
        """The quiet run after the faulted one."""
        if self.again is not None:
            return self.again(stage)
        (given,) = stage.words(self.given)
        return stage.run(*stage.words(*self.arguments), given=given)


class Stages:
    """Makes stages: each scenario's beginning is prepared once and copied for every point."""

    def __init__(self, directory: Path, write_exports: Callable[[Life, Path], None]) -> None:
        self._directory = directory
        self._life = live(11, start=START, end=START + timedelta(days=40))
        self._count = 0
        self._histories: dict[Callable[[Stage], None], Path] = {}
        self._exports = directory / "exports"
        self._exports.mkdir()
        write_exports(self._life, self._exports)

    @contextmanager
    def set(self, scenario: Scenario) -> Iterator[Stage]:
        """A fresh stage on which `scenario` can begin; its home is removed afterwards."""
        history = self._history(scenario.begin or _poll_once)
        self._count += 1
        home = self._directory / f"{scenario.name}-{self._count}"
        home.mkdir()
        with self._sandbox(NOW) as sandbox:
            stage = Stage(home, sandbox, self._exports)
            if scenario.name != "login":
                shutil.copy(history, home / "history.duckdb")
                stage.log_in()
            scenario.prepare(stage)
            try:
                yield stage
            finally:
                shutil.rmtree(home)

    def _history(self, begin: Callable[[Stage], None]) -> Path:
        """The history that `begin` makes."""
        known = self._histories.get(begin)
        if known is not None:
            return known
        home = self._directory / f"begin-{len(self._histories)}"
        home.mkdir()
        with self._sandbox(FIRST) as sandbox:
            begin(Stage(home, sandbox, self._exports))
        assert not (home / "history.duckdb.wal").exists()
        self._histories[begin] = home / "history.duckdb"
        return self._histories[begin]

    def _sandbox(self, now: datetime) -> Sandbox:
        return Sandbox(self._life, now=now, rotate_every=1)


def _poll_once(stage: Stage) -> None:
    """One poll."""
    stage.sandbox.advance(EARLIER)
    stage.log_in()
    stage.succeed("poll")


def nothing(stage: Stage) -> None:
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
        nothing,
        answer=_agree,
        again=_log_in_again,
    ),
    Scenario("poll", ("poll",), nothing, is_answered_once=True),
    Scenario("refresh", ("poll",), _expire, is_answered_once=True, rotates=True),
    # That collecting works again is for a poll to say.
    Scenario("backfill", ("backfill",), nothing, sample=2, unsteady=frozenset({"outages"})),
    Scenario(
        "sync",
        ("sync",),
        _leave_a_page,
        sample=2,
        exit_codes=frozenset({5, 6}),
        unsteady=frozenset({"names"}),
    ),
)
