"""Ctrl-C and SIGTERM: one line, exit code 130 or 143, nothing half done, wherever they strike."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cli_kit import log_in
from plays import NOW, add, extended
from processes import Child, wait_until

from spotify_hist import interrupts, settings
from spotify_hist.faces.cli import main
from spotify_hist.faces.server import stdio
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

LINE = "Stopped. Nothing is half done. Run it again to go on.\n"
BOTH = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])

# `query recent` with this statement in the place of the question.
ASKING = """
import sys
from spotify_hist import __main__
from spotify_hist.analytics import run
statement, sys.argv = sys.argv[1], ["spotify-hist", "query", "recent"]
def ask(database, *_, **__):
    with database.read() as connection:
        print("asking", flush=True)
        connection.execute(statement)
run.answer = ask
__main__.main()
"""
ENDLESS = (
    "select count(*) from range(1000000000) a, range(1000000000) b where a.range * b.range < 0"
)
HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""
# A module that takes its time to be imported.
SLOW = """
import sys
print("importing", flush=True)
sys.stdin.readline()
print("imported", flush=True)
"""
IMPORTING = """
import sys
from spotify_hist import interrupts
interrupts.install()
interrupts.begin("farewell")
sys.path.insert(0, sys.argv[1])
try:
    import slow
    while True: sys.stdin.readline()
except KeyboardInterrupt:
    print("raised", "slow" in sys.modules, flush=True)
"""
HOLDING = """
import sys
from spotify_hist import interrupts
interrupts.install()
interrupts.begin("farewell")
try:
    with interrupts.held():
        print("held", flush=True)
        sys.stdin.readline()
        print("whole", flush=True)
    while True: sys.stdin.readline()
except KeyboardInterrupt:
    print("raised", flush=True)
"""
TIDYING = """
import sys
from spotify_hist import interrupts
interrupts._IMPATIENT_S = float(sys.argv[1])
interrupts.install()
interrupts.begin("farewell")
try:
    print("working", flush=True)
    sys.stdin.readline()
except KeyboardInterrupt:
    print("tidying", flush=True)
    sys.stdin.readline()
    print("tidy", flush=True)
    interrupts.leave(interrupts.exit_code())
"""
DONE_BEFORE = """
import atexit, os, signal
from spotify_hist import interrupts
interrupts.install()
interrupts.begin("farewell")
class Broken:
    def __del__(self): raise ValueError
with interrupts.held():
    os.kill(os.getpid(), signal.SIGINT)
    Broken()
    atexit.register(signal.pause)  # an end that takes until the signal comes again
    interrupts.finish(0)
"""
IN_A_FINALISER = """
import os, signal, sys
from spotify_hist import interrupts
interrupts.install()
interrupts.begin("farewell")
class Thing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10_000): pass
try:
    thing = Thing()
    del thing
    while True: sys.stdin.readline()
except KeyboardInterrupt:
    print("raised", flush=True)
"""


@BOTH
def test_at_the_very_start_there_is_nothing_but_the_line(number: signal.Signals, code: int) -> None:
    """Before any command is known the process ends at once."""
    script = f"from spotify_hist import __main__; import os; os.kill(os.getpid(), {number:d})"
    with Child(script) as child:
        assert child.finish() == (code, "", "Stopped.\n")


@BOTH
@pytest.mark.parametrize("statement", ["endless", "copy"])
def test_a_question_is_stopped_in_the_middle(
    statement: str, number: signal.Signals, code: int, home: Path, tmp_path: Path
) -> None:
    """Also where DuckDB itself does not look for signals: while it writes a file."""
    add(Database(home / "history.duckdb"), [extended("2024-05-01T10:00")])
    copy = f"copy (select * from range(100000000000)) to '{tmp_path / 'rows.csv'}'"
    with Child(ASKING, ENDLESS if statement == "endless" else copy) as child:
        assert child.line() == "asking"
        child.process.send_signal(number)
        assert child.finish() == (code, "", LINE)


def test_an_import_is_stopped_without_a_trace(home: Path) -> None:
    """No history, no directory of its own; the line is JSON where that is asked for."""
    command = [sys.executable, "-m", "spotify_hist", "import", "-", "--format", "json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as running:
        wait_until(lambda: any(home.glob("uploads/import-*")))
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, b"")
    (line,) = err.splitlines()
    assert json.loads(line)["error"]["code"] == "interrupted"
    assert list(home.glob("uploads/*")) == []
    assert not (home / "history.duckdb").exists()


def test_whoever_waits_for_the_history_can_be_stopped(home: Path) -> None:
    """A command that another program keeps waiting."""
    path = home / "history.duckdb"
    add(Database(path), [])
    command = [sys.executable, "-m", "spotify_hist", "query", "recent"]
    with Child(HOLD, path) as holder:
        assert holder.line() == "held"
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
            assert running.stderr is not None
            assert "Waiting for" in running.stderr.readline()
            running.send_signal(signal.SIGINT)
            assert running.stderr.read() == LINE
            assert running.wait(60) == 130


@pytest.mark.parametrize("command", ["poll", "backfill"])
def test_nobody_waits_for_a_spotify_that_does_not_answer(
    command: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even for the page of another thread."""
    log_in(home)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("SPOTIFY_HIST_CLIENT_ID", "client")
        monkeypatch.setenv("SPOTIFY_HIST_ACCOUNTS_URL", address)
        monkeypatch.setenv("SPOTIFY_HIST_API_URL", address)
        monkeypatch.setenv("SPOTIFY_HIST_HTTP_TIMEOUT_S", "3600")
        arguments = [sys.executable, "-m", "spotify_hist", command]
        with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as running:
            connection, _ = silent.accept()
            running.send_signal(signal.SIGINT)
            assert running.communicate(timeout=60)[1] == LINE
            connection.close()
        assert running.returncode == 130


def test_a_module_is_imported_to_its_end_first(tmp_path: Path) -> None:
    """C extensions abort the process where an interruption strikes while they begin."""
    (tmp_path / "slow.py").write_text(SLOW)
    with Child(IMPORTING, tmp_path) as child:
        assert child.line() == "importing"
        child.process.send_signal(signal.SIGINT)
        child.go_on()
        assert child.line() == "imported"
        assert child.line() == "raised True"


def test_what_must_not_be_cut_in_two_is_not() -> None:
    """The interruption comes right after it."""
    with Child(HOLDING) as child:
        assert child.line() == "held"
        child.process.send_signal(signal.SIGINT)
        child.go_on()
        assert child.line() == "whole"
        assert child.line() == "raised"


def test_a_second_ctrl_c_at_once_does_not_disturb_the_tidying() -> None:
    """Whoever presses twice gets the same end."""
    with Child(TIDYING, "60") as child:
        assert child.line() == "working"
        child.process.send_signal(signal.SIGINT)
        assert child.line() == "tidying"
        child.process.send_signal(signal.SIGINT)
        child.go_on()
        assert child.finish() == (130, "tidy\n", "")


def test_a_second_ctrl_c_after_a_while_ends_it_at_once() -> None:
    """As a kill would, and with the line."""
    with Child(TIDYING, "0") as child:
        assert child.line() == "working"
        child.process.send_signal(signal.SIGINT)
        assert child.line() == "tidying"
        child.process.send_signal(signal.SIGINT)
        assert child.finish() == (130, "", "farewell\n")


def test_an_interruption_in_a_finaliser_is_not_lost() -> None:
    """Python would print it and go on."""
    with Child(IN_A_FINALISER) as child:
        assert child.line() == "raised"
        child.process.communicate(timeout=60)


def test_work_that_is_done_before_it_may_be_stopped_ends_as_done() -> None:
    """Nothing is left behind that would end the process in another way, and nothing is said."""
    with Child(DONE_BEFORE) as child:
        assert child.finish() == (0, "", "")


def test_a_job_in_the_background_goes_on() -> None:
    """A shell that ignores Ctrl-C for a job means it."""
    script = "import signal; from spotify_hist import __main__; print(signal.getsignal(2).name)"
    done = subprocess.run(
        ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", script],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "SIG_IGN\n"


def test_an_interruption_among_tasks_side_by_side_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They raise it in a group, which is no KeyboardInterrupt."""

    def work(_arguments: list[str]) -> None:
        raise BaseExceptionGroup("tasks", [KeyboardInterrupt()])

    monkeypatch.setattr(main, "invoke", work)
    assert main.run(["serve-tools"]) == 130
    assert capsys.readouterr().err == LINE


def test_a_server_of_stdio_that_was_stopped_while_it_was_imported_does_not_begin(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its handlers come too late for that signal, and its tasks would be cut in pieces by it."""
    monkeypatch.setattr(interrupts, "asked", lambda: signal.SIGINT)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        stdio.serve(settings.load(home), user=None, now=lambda: NOW)
