"""A wait for the history is told: who has it, and how long it is waited for."""

from __future__ import annotations

import io
import sys
import time
from typing import TYPE_CHECKING

import pytest

from spotify_hist.faces.cli import main
from spotify_hist.faces.cli.output import Output
from spotify_hist.faces.cli.waiting import Waiting
from spotify_hist.store.gate import Gate

if TYPE_CHECKING:
    from pathlib import Path

    Capture = pytest.CaptureFixture[str]


class Clock:
    """Seconds as the test says."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class Terminal(io.StringIO):
    """stderr on a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_a_log_gets_a_line_every_ten_seconds(capsys: Capture) -> None:
    """And nothing about the end of the wait: what was waited for follows."""
    clock = Clock()
    waiting = Waiting(Output(), clock)
    for second in range(1, 13):
        clock.now = float(second)
        waiting("spotify-hist import (pid 7)", 30.0 - second)
    waiting("", 0.0)
    assert capsys.readouterr().err.splitlines() == [
        "Waiting for spotify-hist import (pid 7), 29 s left.",
        "Waiting for spotify-hist import (pid 7), 19 s left.",
    ]


def test_a_terminal_counts_down_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken away in the end, and never wider than the terminal; a bar gives way to it."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    waiting = Waiting(Output())
    told: list[str] = []
    waiting.pause, waiting.go_on = lambda: told.append("pause"), lambda: told.append("go on")
    waiting("a program with a name that is longer than the line", 9.0)
    waiting("import", 8.0)
    waiting("", 0.0)
    parts = terminal.getvalue().split("\r\x1b[K")
    assert parts[1] == "Waiting for …er than the line, 9 s left"
    assert parts[2:] == ["Waiting for import, 8 s left", ""]
    assert "\n" not in terminal.getvalue()
    assert told == ["pause", "go on"]


def test_whoever_wants_quiet_waits_in_silence(capsys: Capture) -> None:
    """Nothing but data and errors."""
    Waiting(Output(quiet=True))("import", 9.0)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", [["query", "recent"], ["query", "sql", "select 1"]])
def test_every_question_tells_that_it_waits(
    command: list[str], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Also the one that another process asks."""
    monkeypatch.setenv("SPOTIFY_HIST_DATABASE_WAIT_S", "1.6")
    home.mkdir()
    (home / "history.duckdb").touch()
    with Gate(home / "history.duckdb").writing(time.monotonic(), "import"):
        assert main.run(command) == 5
    first, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith("Waiting for spotify-hist import (pid ")


def test_however_long_the_name_of_a_program_the_seconds_are_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without them it looks like a hang; of a path the end tells most."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("TERM", "xterm")
    Waiting(Output())("/home/somebody/with/a/long/path/bin/python3.11 (pid 7)", 29.0)
    line = terminal.getvalue().removeprefix("\r\x1b[K")
    assert len(line) == 49
    assert line.startswith("Waiting for …")
    assert line.endswith("bin/python3.11 (pid 7), 29 s left")
