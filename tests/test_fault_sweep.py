"""No fault of the disk, and no kill at any instant, loses a play, a login or a checkpoint.

Each command is run once undisturbed under strace, which tells all its system calls that write.
Then it is run again for one of them after the other, and there, in three sweeps, it is killed
(before the call is carried out), told that the disk is full, or told that the disk is broken; after
that the disk is fine. One quiet run later everything must be as if nothing had happened.

The ordinary suite takes some 50 points, spread over the commands. All of them, more than a
thousand:

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

import fault_imports
import fault_removal
import fault_stage
import pytest
import strace_kit
from fault_stage import RECENTLY_PLAYED, Said, Scenario, Stage, Stages
from strace_kit import FAULTS, Fault, Point, Run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from fault_state import State

# Read before the tests take the variables of the developer away.
_IS_FULL = os.environ.get("SPOTIFY_HIST_FULL_FAULTS") == "1"
_REPORT = os.environ.get("SPOTIFY_HIST_FAULT_REPORT")
# How many tests the points of one command and fault are shared out to, so that workers share them.
_SHARES = 8
_TRIES = 3
_SCENARIOS = (
    *fault_stage.SCENARIOS,
    *fault_imports.SCENARIOS,
    *fault_removal.SCENARIOS,
)
_NOTHING_HEARD: dict[str, object] = {"items": [], "next": None, "cursors": None, "limit": 50}

pytestmark = pytest.mark.skipif(
    strace_kit.obstacle() is not None, reason=str(strace_kit.obstacle())
)


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A scenario's run without fault, and what it leads to."""

    points: list[Point]
    before: State | None
    at_once: State
    after: State
    finally_: State


class Sweep:
    """Runs points and judges them. The undisturbed run of each scenario is made once."""

    def __init__(self, directory: Path) -> None:
        self._stages = Stages(directory, fault_imports.write)
        self._log = directory / "strace.log"
        self._undisturbed: dict[str, Undisturbed] = {}

    def undisturbed(self, scenario: Scenario) -> Undisturbed:
        """What the scenario is measured by."""
        known = self._undisturbed.get(scenario.name)
        if known is None:
            before = None
            if scenario.is_one_step:
                with self._stages.set(scenario) as stage:
                    before = stage.state()
            with self._stages.set(scenario) as stage:
                done = self._run(scenario, stage)
                assert done.code == scenario.exit_code, done.err
                at_once = stage.state()
                said = scenario.repeat(stage)
                assert said.code == scenario.exit_code, said.err
                after = stage.state()
                _renew(stage)
                known = Undisturbed(done.points, before, at_once, after, stage.state())
            self._undisturbed[scenario.name] = known
        return known

    def point(self, scenario: Scenario, fault: Fault, point: Point) -> list[str]:
        """What is wrong after a fault at a point; nothing, if all is well.

        Which thread makes a call is not the same in every run: one that does not come to its point
        is tried again.
        """
        for _ in range(_TRIES):
            done, wrong = self._try(scenario, fault, point)
            if done.refused or wrong:
                break
        place = f"{scenario.name}, {fault} at {point.name} {point.nth}"
        where = ", ".join(call.path for call in done.refused) or "never reached"
        return [f"{place} ({where}), exit {done.code}: {text}" for text in wrong]

    def _try(self, scenario: Scenario, fault: Fault, point: Point) -> tuple[Run, list[str]]:
        expected = self.undisturbed(scenario)
        with self._stages.set(scenario) as stage:
            done = self._run(scenario, stage, (point, fault))
            wrong = [*_misspoken(scenario, fault, done)]
            has_lost_login = False
            try:
                if _says_well(scenario, done):
                    wrong += _untrue(scenario, stage, done, expected)
                elif scenario.is_one_step and fault != "SIGKILL":
                    wrong += _half_done(stage, done, expected)
                said, has_lost_login = _quiet_run(scenario, fault, stage, done)
                wrong += _lost(scenario, stage, said, expected)
            except Exception as error:  # noqa: BLE001 - all points are to be told of
                wrong.append(f"{type(error).__name__}: {error}")
        _report(scenario, fault, point, done, wrong, has_lost_login=has_lost_login)
        return done, wrong

    def _run(
        self, scenario: Scenario, stage: Stage, fault: tuple[Point, Fault] | None = None
    ) -> Run:
        *words, given = stage.words(*scenario.arguments, scenario.given)
        return strace_kit.run(
            tuple(words), stage.environment, self._log, fault, scenario.answer, given
        )


def _errors(done: Run) -> list[str]:
    return [line for line in done.err.splitlines() if line.startswith("Error: ")]


def _says_well(scenario: Scenario, done: Run) -> bool:
    """Whether a run says that everything is done."""
    is_heard = not (done.was_silenced and scenario.exit_code)
    return done.code == scenario.exit_code and not _errors(done) and is_heard


def _misspoken(scenario: Scenario, fault: Fault, done: Run) -> Iterator[str]:
    """Whatever is wrong with how the faulted run ended and what it said."""
    if not done.refused:
        if done.code != scenario.exit_code:
            yield f"failed without a fault: {done.err}"
        return
    if fault == "SIGKILL":
        if done.code != -signal.SIGKILL:
            yield f"was not killed: {done.err}"
        return
    if "Traceback" in done.err:
        yield f"a traceback: {done.err}"
    if done.was_silenced:  # whom could it tell?
        return
    errors = _errors(done)
    codes = scenario.failures(fault) if errors else {scenario.exit_code}
    if done.code not in codes:
        yield f"the exit code should be one of {sorted(codes)}: {done.err}"
    if len(errors) > (len(done.refused) if done.code else 0):
        yield f"each thing that went wrong should be told in one line: {done.err!r}"
    if scenario.is_one_step and errors and len(done.err.splitlines()) > 1:
        yield f"only one line should be said: {done.err!r}"


def _untrue(scenario: Scenario, stage: Stage, done: Run, expected: Undisturbed) -> Iterator[str]:
    """Whatever is not there although the faulted run said that all was well."""
    if not stage.is_logged_in():
        yield "nobody is logged in"
    if scenario.name == "login":  # its listener may wait for the first poll
        return
    but = {"log", *_left(done)}
    if not scenario.is_one_step:
        but = set(expected.at_once.__slots__) - {"users", "plays"}
    yield from _differences(stage.state(), expected.at_once, but)


def _half_done(stage: Stage, done: Run, expected: Undisturbed) -> Iterator[str]:
    """Whatever has changed although the faulted run said that it failed."""
    if done.was_silenced or expected.before is None:
        return
    yield from _differences(stage.state(), expected.before, {"files", "log", *_left(done)})


def _left(done: Run) -> set[str]:
    """What may be left until the next import: a directory of which something was not removed."""
    is_left = any(call.point.name in {"unlink", "unlinkat", "rmdir"} for call in done.refused)
    return {"scratch"} if is_left else set()


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


def _lost(scenario: Scenario, stage: Stage, said: Said, expected: Undisturbed) -> Iterator[str]:
    """Whatever is not as it would be without the fault, one quiet run later."""
    if said.code != scenario.exit_code:
        yield f"the quiet run ended with {said.code}: {said.err}"
        return
    # Where all was done the same command had no need to write.
    yield from _differences(stage.state(), expected.after, {"log", *scenario.unsteady})
    stage.sandbox.faults.clear()
    _renew(stage)
    yield from _differences(stage.state(), expected.finally_, scenario.unsteady)


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


def _differences(
    found: State, expected: State, but: AbstractSet[str] = frozenset()
) -> Iterator[str]:
    for name in (name for name in expected.__slots__ if name not in but):
        ours, theirs = Counter(getattr(found, name)), Counter(getattr(expected, name))
        if name == "repeats":  # that many at the most
            theirs &= ours
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
        "said": _errors(done),
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
        for scenario in _SCENARIOS
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
