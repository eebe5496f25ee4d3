"""No fault of the disk, and no kill at any instant, loses a play, a login or a checkpoint.

Each command is run once undisturbed under strace, which tells all its system calls that write.
Then it is run again for one of them after the other, and there, in three sweeps, it is killed
(before the call is carried out), told that the disk is full, or told that the disk is broken; after
that the disk is fine. One quiet run later everything must be as if nothing had happened.

The ordinary suite takes some 40 points, spread over the commands. All of them, several hundred:

    SPOTIFY_HIST_FULL_FAULTS=1 python -m pytest tests/test_fault_sweep.py

With SPOTIFY_HIST_FAULT_REPORT=FILE each point adds a line of JSON to that file.

strace counts calls for each thread and name on its own, so a point is (name, n-th). Where several
threads make an n-th call of a name, a kill comes at the first of them and an error at each. A run
that could not write to its own stdout or stderr is judged only by what is on the disk.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import strace_kit
from fault_stage import RECENTLY_PLAYED, SCENARIOS, Said, Scenario, Stage, Stages, State
from strace_kit import FAULTS, Fault, Point, Run

if TYPE_CHECKING:
    from collections.abc import Iterator

# Read before the tests take the variables of the developer away.
_IS_FULL = os.environ.get("SPOTIFY_HIST_FULL_FAULTS") == "1"
_REPORT = os.environ.get("SPOTIFY_HIST_FAULT_REPORT")
# How many tests the points of one command and fault are shared out to, so that workers share them.
_SHARES = 8
_NOTHING_HEARD: dict[str, object] = {"items": [], "next": None, "cursors": None, "limit": 50}

pytestmark = pytest.mark.skipif(
    strace_kit.obstacle() is not None, reason=str(strace_kit.obstacle())
)


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A scenario's run without fault, and what it leads to."""

    points: list[Point]
    at_once: State
    after: State
    finally_: State


class Sweep:
    """Runs points and judges them. The undisturbed run of each scenario is made once."""

    def __init__(self, directory: Path) -> None:
        self._stages = Stages(directory)
        self._log = directory / "strace.log"
        self._undisturbed: dict[str, Undisturbed] = {}

    def undisturbed(self, scenario: Scenario) -> Undisturbed:
        """What the scenario is measured by."""
        known = self._undisturbed.get(scenario.name)
        if known is None:
            with self._stages.set(scenario) as stage:
                done = strace_kit.run(
                    scenario.arguments, stage.environment, self._log, answer=scenario.answer
                )
                assert done.code == 0, done.err
                at_once = stage.state()
                said = scenario.repeat(stage)
                assert said.code == 0, said.err
                after = stage.state()
                _renew(stage)
                known = Undisturbed(done.points, at_once, after, stage.state())
            self._undisturbed[scenario.name] = known
        return known

    def point(self, scenario: Scenario, fault: Fault, point: Point) -> list[str]:
        """What is wrong after a fault at a point; nothing, if all is well."""
        expected = self.undisturbed(scenario)
        with self._stages.set(scenario) as stage:
            done = strace_kit.run(
                scenario.arguments, stage.environment, self._log, (point, fault), scenario.answer
            )
            wrong = [*_misspoken(scenario, fault, done)]
            has_lost_login = False
            try:
                if done.code == 0:
                    wrong += _untrue(scenario, stage, expected)
                said, has_lost_login = _quiet_run(scenario, fault, stage, done)
                wrong += _lost(stage, said, expected)
            except Exception as error:  # noqa: BLE001 - all points are to be told of
                wrong.append(f"{type(error).__name__}: {error}")
        _report(scenario, fault, point, done, wrong, has_lost_login=has_lost_login)
        place = f"{scenario.name}, {fault} at {point.name} {point.nth}"
        where = ", ".join(call.path for call in done.refused) or "never reached"
        return [f"{place} ({where}), exit {done.code}: {text}" for text in wrong]


def _misspoken(scenario: Scenario, fault: Fault, done: Run) -> Iterator[str]:
    """Whatever is wrong with how the faulted run ended and what it said."""
    if not done.refused:
        if done.code:
            yield f"failed without a fault: {done.err}"
        return
    if fault == "SIGKILL":
        if done.code != -signal.SIGKILL:
            yield f"was not killed: {done.err}"
        return
    if done.was_silenced:  # whom could it tell?
        return
    codes = scenario.exit_codes | ({3} if fault == "EIO" else set())
    if done.code not in codes:
        yield f"the exit code should be one of {sorted(codes)}: {done.err}"
    if "Traceback" in done.err:
        yield f"a traceback: {done.err}"
    errors = [line for line in done.err.splitlines() if line.startswith("Error: ")]
    if not bool(done.code) <= len(errors) <= (len(done.refused) if done.code else 0):
        yield f"each thing that went wrong should be told in one line: {done.err!r}"


def _untrue(scenario: Scenario, stage: Stage, expected: Undisturbed) -> Iterator[str]:
    """Whatever is not there although the faulted run said that all was well."""
    if not stage.is_logged_in():
        yield "nobody is logged in"
    if scenario.name != "login":  # its listener may wait for the first poll
        yield from _differences(stage.state(), expected.at_once, "users", "plays")


def _quiet_run(scenario: Scenario, fault: Fault, stage: Stage, done: Run) -> tuple[Said, bool]:
    """The same command once more, and whether it took another login."""
    if scenario.is_answered_once and _has_captured(done):
        # What is on disk must be enough: Spotify tells of these plays no more.
        stage.sandbox.fail(RECENTLY_PLAYED, 200, body=_NOTHING_HEARD)
    said = scenario.repeat(stage)
    if not (said.code == 4 and fault == "SIGKILL" and _held_a_new_token(scenario, stage, done)):
        return said, False
    stage.log_in()
    return scenario.repeat(stage), True


def _lost(stage: Stage, said: Said, expected: Undisturbed) -> Iterator[str]:
    """Whatever is not as it would be without the fault, one quiet run later."""
    if said.code:
        yield f"the quiet run ended with {said.code}: {said.err}"
        return
    yield from _differences(stage.state(), expected.after)
    stage.sandbox.faults.clear()
    _renew(stage)
    yield from _differences(stage.state(), expected.finally_)


def _has_captured(done: Run) -> bool:
    """Whether the page stood in the spool under its own name."""
    return any(
        call.point.name.startswith("rename") and call.path.endswith(".partial") and call.succeeded
        for call in done.calls
    )


def _held_a_new_token(scenario: Scenario, stage: Stage, done: Run) -> bool:
    """Whether it died with Spotify's new refresh token in its hands, the old one being dead.

    No program can help that: the login is gone, and the person is told so. Nothing else is lost.
    """
    is_at_vault = any("/vault" in call.path for call in done.refused)
    return scenario.rotates and stage.sandbox.accounts.refreshes > 0 and is_at_vault


def _renew(stage: Stage) -> None:
    """One poll that has to renew the login first."""
    stage.sandbox.expire_access_tokens()
    said = stage.run("poll")
    assert said.code == 0, said.err


def _differences(found: State, expected: State, *names: str) -> Iterator[str]:
    for name in names or State.__slots__:
        ours, theirs = Counter(getattr(found, name)), Counter(getattr(expected, name))
        if ours != theirs:
            more, less = list((ours - theirs).elements()), list((theirs - ours).elements())
            yield f"{name}: {len(more)} too many {more[:3]}, {len(less)} missing {less[:3]}"


def _report(
    scenario: Scenario,
    fault: Fault,
    point: Point,
    done: Run,
    wrong: list[str],
    *,
    has_lost_login: bool,
) -> None:
    if _REPORT is None:
        return
    line = {
        "command": scenario.name,
        "fault": fault,
        "call": point.name,
        "nth": point.nth,
        "path": ", ".join(call.path for call in done.refused),
        "exit": done.code,
        "said": [each for each in done.err.splitlines() if each.startswith("Error: ")],
        "lost_login": has_lost_login,
        "wrong": wrong,
    }
    with Path(_REPORT).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


@pytest.fixture(scope="session")
def sweep(nobody: None, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """What the points of this process share."""
    return Sweep(tmp_path_factory.mktemp("faults"))


def _slots(scenario: Scenario) -> int:
    return _SHARES if _IS_FULL else scenario.sample


@pytest.mark.parametrize(
    ("scenario", "fault", "slot"),
    [
        pytest.param(scenario, fault, slot, id=f"{scenario.name}-{fault}-{slot}")
        for scenario in SCENARIOS
        for fault in FAULTS
        for slot in range(_slots(scenario))
    ],
)
def test_a_fault_costs_nothing_but_another_run(
    sweep: Sweep, scenario: Scenario, fault: Fault, slot: int
) -> None:
    """Killed, out of space or out of luck: plays, logins and checkpoints are as undisturbed."""
    points = sweep.undisturbed(scenario).points
    slots = _slots(scenario)
    # The sample of all faults together is spread evenly over the whole run.
    place = (2 * (slot * len(FAULTS) + FAULTS.index(fault)) + 1) / (2 * slots * len(FAULTS))
    chosen = points[slot::slots] if _IS_FULL else [points[int(place * len(points))]]

    wrong = [text for point in chosen for text in sweep.point(scenario, fault, point)]

    assert wrong == []
