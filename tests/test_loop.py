"""Work at an interval, for containers: durations, rhythm, and an end that is clean."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from household import Household, household

from spotify_hist.errors import Stopped
from spotify_hist.faces.cli.loop import Duration, Stop, repeat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Household]:
    """One listener, logged in, on a Spotify that fails at once where it fails."""
    with household(tmp_path / "home", "anna", http_retries=0) as home:
        yield home


def looping(home: Household) -> subprocess.Popen[str]:
    """`sync --every` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "spotify_hist", "sync", "--every", "1h"],
        env={**os.environ, **home.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("10m", 600), ("1h", 3600), ("2d", 172_800), ("15", 900), (" 5 M ", 300)],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    """A bare number is minutes."""
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5m", "1.5h", "5s", "0", "10 minutes"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """So is one that would do nothing but meet Spotify's limits."""
    with pytest.raises(click.BadParameter):
        Duration().convert(text, None, None)


class Clock:
    """A clock that moves when somebody waits or works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.began: list[float] = []

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


class Waiting(Stop):
    """A stop that is asked for after some waits, which take no time."""

    def __init__(self, clock: Clock, waits: int) -> None:
        super().__init__()
        self._clock, self._waits = clock, waits

    def wait(self, seconds: float) -> None:
        """Let the clock go on instead."""
        self._clock.now += seconds
        self._waits -= 1
        if self._waits == 0:
            self._event.set()


def test_work_begins_at_full_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes; runs that were missed are not made up for."""
    clock = Clock()
    monkeypatch.setattr("spotify_hist.faces.cli.loop.time.monotonic", clock.monotonic)
    durations = iter([10.0, 700.0, 1.0, 1800.0, 1.0])

    def work() -> None:
        clock.began.append(clock.now)
        clock.now += next(durations)

    repeat(work, 600.0, Waiting(clock, 5))
    assert clock.began == [0.0, 600.0, 1800.0, 2400.0, 4800.0]


def test_a_wait_inside_the_work_ends_when_the_end_is_asked_for() -> None:
    """A run that waits for Spotify does not keep a container from ending."""
    stop = Stop()
    stop.sleep(0.0)
    with stop.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            stop.sleep(3600.0)
    assert stop.is_asked


def test_the_old_answer_to_a_signal_comes_back() -> None:
    """What the process did before is what it does after."""
    before = signal.getsignal(signal.SIGTERM)
    with Stop().listening():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_loop_ends_cleanly_when_asked(anna: Household, number: signal.Signals) -> None:
    """Exit 0, the plays of its run in the history, the spool empty."""
    child = looping(anna)
    assert child.stdout is not None
    lines = iter(child.stdout.readline, "")
    assert any("new plays" in line and "Backfill" not in line for line in lines)
    child.send_signal(number)
    _, said = child.communicate(timeout=30)
    assert (child.returncode, "Stopped." in said) == (0, True)
    assert anna.rows("select count(*) from plays") == [(50,)]
    assert list(anna.settings.spool.glob("[!.]*.json")) == []


def test_a_loop_that_waits_for_spotify_ends_when_asked(anna: Household) -> None:
    """The wait Spotify asks for is cut short; nothing is lost by it."""
    anna.environment["SPOTIFY_HIST_HTTP_RETRIES"] = "3"
    anna.sandbox.fail("/v1/me/player", 429, times=99, headers={"Retry-After": "50"})
    child = looping(anna)
    assert child.stderr is not None
    assert "Syncing every" in child.stderr.readline()
    while not anna.calls():
        assert child.poll() is None
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=30)
    assert child.returncode == 0


def test_a_run_that_fails_does_not_end_the_loop(anna: Household) -> None:
    """Its error is told; the next run comes."""
    for path in anna.settings.vault.glob("*.token"):
        path.unlink()
    child = looping(anna)
    assert child.stderr is not None
    said = iter(child.stderr.readline, "")
    assert any("No listener is logged in" in line for line in said)
    assert child.poll() is None
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=30)
    assert child.returncode == 0
