"""Trouble that does not pass: counted through runs, clocks and full disks, and told with exit 7."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cli_kit import process
from household import Household, household
from hypothesis import given
from hypothesis import strategies as st

from spotify_hist import settings as settings_module
from spotify_hist.collect import checks, pauses
from spotify_hist.collect.advice import next_steps
from spotify_hist.collect.outages import Outages
from spotify_hist.collect.removal import remove_listener
from spotify_hist.collect.status import look
from spotify_hist.collect.sync import sync
from spotify_hist.collect.turns import turn
from spotify_hist.errors import (
    AlreadyRunning,
    DatabaseBusy,
    NeedsPerson,
    Offline,
    RateLimited,
    SpotifyHistError,
    Temporary,
)
from spotify_hist.faces.cli import main
from spotify_hist.sandbox.answers import account_id
from spotify_hist.sandbox.faults import QUOTA_EXCEEDED, Faults
from spotify_hist.store import journal, listeners
from spotify_hist.store.database import Database
from spotify_hist.store.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spotify_hist.settings import Settings

RECENT = "/v1/me/player/recently-played"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PORTAL = "<html><title>Welcome to Hotel Wi-Fi</title></html>"


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Household]:
    """One listener, logged in a month ago and collected for once."""
    with household(tmp_path / "home", "anna", http_retries=0) as home:
        home.log_in("anna", home.now() - timedelta(days=30))
        home.poll()
        yield home


@pytest.fixture
def outages(settings: Settings) -> Outages:
    """Those of an empty home, with an alarm after a day."""
    return Outages(settings)


def break_spotify(home: Household, status: int = 503, body: object = "") -> None:
    """Everything asked of it goes wrong from now on."""
    home.sandbox.fail(RECENT, status, times=10_000, body=body or None)  # type: ignore[arg-type]


def fail_for(home: Household, hours: int) -> list[SpotifyHistError | None]:
    """A poll each hour; the errors of anna, or of the whole run."""
    errors: list[SpotifyHistError | None] = []
    for _ in range(hours):
        home.pass_time(hours=1)
        try:
            errors.append(next(each.error for each in home.poll() if each.user.lower() == "anna"))
        except SpotifyHistError as error:
            errors.append(error)
    return errors


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, None),
        (200, PORTAL),
        (302, None),
        (503, None),
        (429, QUOTA_EXCEEDED),
        (0, None),
    ],
    ids=["404", "captive portal", "login page", "5xx", "quota", "no network"],
)
def test_what_has_failed_for_a_day_needs_a_person(
    status: int, body: str | dict[str, object] | None, anna: Household
) -> None:
    """Temporary for a day, whatever it is; then told, with since when, why and what to do."""
    anna.sandbox.fail(RECENT, status, times=10_000, body=body)
    errors = fail_for(anna, 26)
    codes = [0 if error is None else int(error.exit_code) for error in errors]
    assert codes == [5] * 24 + [7] * 2
    last, first = errors[-1], errors[0]
    assert isinstance(last, NeedsPerson)
    assert first is not None
    assert "'anna' has failed since 2026-05-10 21:00 UTC, for 25 h 0 min" in last.message
    assert last.message.endswith(first.message)
    assert first.hint == Temporary.hint or first.hint in last.hint
    assert "again later" not in last.hint
    assert "Plays are being lost" in last.hint


def test_a_wait_that_spotify_asks_for_is_no_excuse(anna: Household) -> None:
    """Fifty plays pass in a day, whoever asked for silence."""
    anna.sandbox.fail(RECENT, 429, headers={"Retry-After": "86000"})
    fail_for(anna, 1)
    anna.sandbox.fail(RECENT, 429, headers={"Retry-After": "86000"}, times=9)
    errors = fail_for(anna, 25)
    assert isinstance(errors[-1], NeedsPerson)
    assert isinstance(errors[-1].cause, RateLimited)


def test_a_history_in_use_for_a_day_needs_a_person_and_loses_nothing(anna: Household) -> None:
    """The pages wait in the spool, and nobody says that plays are lost."""
    really, anna.database = anna.database, Database(anna.settings.database, wait_s=0.0)
    with Gate(anna.settings.database).reading(0.0):
        errors = fail_for(anna, 25)
    assert isinstance(errors[-2], DatabaseBusy)
    assert isinstance(errors[-1], NeedsPerson)
    assert "Plays are being lost" not in errors[-1].hint
    assert len(list(anna.settings.spool.glob("[!.]*.json"))) == 25
    anna.database = really
    [well] = anna.poll()
    assert well.error is None
    assert well.recovered is not None


def test_a_run_that_hangs_for_a_day_is_told_by_those_that_find_it(anna: Household) -> None:
    """Each of them leaves quietly until then."""
    with turn(anna.settings, "poll"):
        errors = fail_for(anna, 25)
    assert isinstance(errors[-2], AlreadyRunning)
    assert isinstance(errors[-1], NeedsPerson)
    assert "hang" in errors[-1].hint


def test_a_success_ends_it_and_says_so_once(anna: Household) -> None:
    """In the answer and in the log; the next outage is counted anew."""
    break_spotify(anna)
    fail_for(anna, 26)
    anna.sandbox.faults = Faults()
    [well] = anna.poll()
    said = "Collecting for 'anna' works again; it had failed since 2026-05-10 21:00 UTC."
    assert (well.error, well.recovered) == (None, said)
    assert anna.poll()[0].recovered is None
    with anna.database.read() as connection:
        logged = journal.entries(connection, level="info", text="works again")
    assert [(each.user, each.message) for each in logged] == [("anna", said)]
    break_spotify(anna)
    assert isinstance(fail_for(anna, 1)[0], Offline)


def test_trouble_that_passed_in_time_is_not_talked_about(anna: Household) -> None:
    """Nobody had been told of it."""
    break_spotify(anna)
    fail_for(anna, 5)
    anna.sandbox.faults = Faults()
    assert anna.poll()[0].recovered is None
    with anna.database.read() as connection:
        assert journal.entries(connection, text="works again") == []


def test_a_computer_that_was_off_is_not_blamed_for_the_time_it_was(anna: Household) -> None:
    """The last success is two days ago, and one run has failed since."""
    break_spotify(anna)
    anna.pass_time(days=2)
    assert isinstance(fail_for(anna, 1)[0], Offline)


def test_a_single_failure_is_no_alarm_however_long_ago_the_last_success_is(
    anna: Household,
) -> None:
    """A computer that was off, and has no network yet when it wakes; failing on, it is told."""
    anna.pass_time(days=2)
    break_spotify(anna)
    errors = fail_for(anna, 26)
    assert [isinstance(each, NeedsPerson) for each in errors] == [False] * 24 + [True] * 2


def test_a_timer_that_runs_once_a_day_is_told_when_a_day_has_passed(anna: Household) -> None:
    """Slow timers are counted too: nothing has come in between two failures either."""
    break_spotify(anna)
    told = []
    for _ in range(3):
        anna.pass_time(hours=23)
        told += [isinstance(each, NeedsPerson) for each in fail_for(anna, 1)]
    assert told == [False, True, True]


def test_a_paused_listener_is_never_counted(tmp_path: Path) -> None:
    """Nor is what failed before the pause, once they are resumed."""
    with household(tmp_path / "home", "anna", "bob", http_retries=0) as home:
        for name in ("anna", "bob"):
            home.log_in(name, home.now() - timedelta(days=30))
        home.poll()
        break_spotify(home)
        fail_for(home, 23)
        with home.database.write("users") as connection:
            anna = listeners.find_listener(connection, "anna")
            assert anna is not None
            pauses.pause(home.settings, connection, anna, home.now())
        assert fail_for(home, 5) == [None] * 5
        with home.database.write("users") as connection:
            pauses.resume(connection, anna)
        assert isinstance(fail_for(home, 1)[0], Offline)


def test_a_new_login_begins_anew(anna: Household) -> None:
    """What failed before it was another login's trouble."""
    break_spotify(anna)
    fail_for(anna, 30)
    anna.log_in("anna")
    assert isinstance(fail_for(anna, 1)[0], Offline)


def test_a_login_that_ended_is_told_at_once_and_as_such(anna: Household) -> None:
    """Exit 4, before and after a day."""
    anna.sandbox.revoke("anna")
    codes = {0 if error is None else int(error.exit_code) for error in fail_for(anna, 27)}
    assert codes == {4}


def test_one_of_several_listeners_makes_it_partly_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 6, with the error that needs a person; 7 where it strikes all of them."""
    with household(tmp_path / "home", "anna", "bob", http_retries=0) as home:
        for name in ("anna", "bob"):
            home.log_in(name, home.now() - timedelta(days=30))
        home.poll()
        run_here(home, monkeypatch)
        settings = home.settings
        _fail_alone(settings, "anna", home.now())
        home.sandbox.fail(RECENT, 503)
        assert main.run(["poll", "--format", "json"]) == 6
        told = {
            each["user"]: each["error"] for each in json.loads(capsys.readouterr().out)["users"]
        }
        assert told["anna"]["code"] == "needs_person"
        assert told["bob"] is None
        break_spotify(home)
        _fail_alone(settings, "bob", home.now())
        for command in ("poll", "sync", "backfill"):
            assert main.run([command]) == 7, command


def run_here(home: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this process are run in that home, on its clock."""
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("spotify_hist.faces.cli.context.App.now", lambda _: home.now())


def _fail_alone(settings: Settings, name: str, until: datetime, hours: int = 25) -> None:
    """A listener's runs have failed each hour for so long, the last of them an hour ago."""
    outages = Outages(settings)
    for hour in range(hours, 0, -1):
        outages.failed(account_id(name), Offline("No network."), until - hour * HOUR)


def test_every_collecting_command_ends_with_seven_as_a_process(tmp_path: Path) -> None:
    """`poll`, `sync` and `backfill`; a success is told once, even with --quiet."""
    with household(tmp_path / "home", "anna", http_retries=0) as home:
        home.log_in("anna", datetime.now(UTC) - timedelta(days=3))
        _fail_alone(home.settings, "anna", datetime.now(UTC))
        break_spotify(home)
        for command in ("poll", "sync", "backfill"):
            done = process("-q", command, **home.environment)
            assert (done.code, done.out) == (7, ""), command
            assert done.err.count("Error:") == 1
            assert "has failed since" in done.err
        home.sandbox.faults = Faults()
        done = process("-q", "sync", **home.environment)
        assert done.code == 0
        assert "works again" in done.err
        assert process("-q", "sync", **home.environment).err == ""


def test_a_setting_says_after_how_long(tmp_path: Path) -> None:
    """Also at once."""
    with household(tmp_path / "home", "anna", http_retries=0, collect_alarm_after_h=0) as home:
        home.log_in("anna", home.now() - timedelta(days=3))
        break_spotify(home)
        assert isinstance(home.poll()[0].error, NeedsPerson)


def test_steps_that_meet_the_same_trouble_add_nothing(
    anna: Household, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A history in use keeps a sync from its imports, its backfill and its poll."""
    run_here(anna, monkeypatch)
    monkeypatch.setenv("SPOTIFY_HIST_DATABASE_WAIT_S", "0")
    _fail_alone(anna.settings, "anna", anna.now())
    with Gate(anna.settings.database).reading(0.0):
        code = main.run(["sync"])
    assert (code, capsys.readouterr().err.count("Error:")) == (7, 1)


# --- where nothing can be noted -------------------------------------------------------------------


def spoil_the_memory(home: Household) -> None:
    """Nothing can be noted from now on, as on a disk that is full."""
    folder = home.settings.outages
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("no folder")


def test_without_a_memory_the_last_poll_tells_how_long(anna: Household) -> None:
    """The checkpoint in the history."""
    spoil_the_memory(anna)
    break_spotify(anna)
    errors = fail_for(anna, 25)
    assert [isinstance(each, NeedsPerson) for each in errors] == [False] * 23 + [True] * 2
    assert errors[-1] is not None
    assert "Plays are being lost meanwhile" in errors[-1].hint
    assert "nothing was lost" not in errors[-1].hint


def test_without_memory_and_history_the_oldest_page_that_waits_tells(anna: Household) -> None:
    """Nothing has been stored since it came."""
    spoil_the_memory(anna)
    anna.database = Database(anna.settings.database, wait_s=0.0)
    with Gate(anna.settings.database).writing(0.0, "test"):
        told = [isinstance(each, NeedsPerson) for each in fail_for(anna, 26)]
    assert told == [False] * 24 + [True] * 2


def test_without_anything_the_login_tells(tmp_path: Path) -> None:
    """A login of two days that never brought anything."""
    with household(tmp_path / "home", "anna", http_retries=0) as home:
        spoil_the_memory(home)
        break_spotify(home)
        home.log_in("anna", home.now() - 22 * HOUR)
        assert [isinstance(each, NeedsPerson) for each in fail_for(home, 3)] == [
            False,
            True,
            True,
        ]


def test_a_success_without_a_memory_is_a_success(anna: Household) -> None:
    """Nothing is noted, nothing is said."""
    spoil_the_memory(anna)
    [well] = anna.poll()
    assert (well.error, well.recovered) == (None, None)


def test_a_full_disk_is_told_after_a_day(anna: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a page nor what failed can be written."""

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("spotify_hist.collect.spool.os.fsync", full)
    errors = fail_for(anna, 25)
    assert [isinstance(each, NeedsPerson) for each in errors] == [False] * 23 + [True] * 2
    assert errors[-1] is not None
    assert "Plays are being lost meanwhile" in errors[-1].hint
    assert "nothing was lost" not in errors[-1].hint


# --- the memory itself ----------------------------------------------------------------------------


def lasted(outages: Outages, *hours: float, account: str = "acc") -> float:
    """Hours that count of an outage with failures at these hours from `NOW`."""
    for hour in hours:
        outages.failed(account, Offline("No network."), NOW + hour * HOUR)
    found = outages.of(account, NOW + hours[-1] * HOUR)
    assert found is not None
    return found.lasted_s / 3600


def test_a_clock_that_jumps_ahead_makes_no_weeks_of_failures(outages: Outages) -> None:
    """A day at most, whatever it says."""
    assert lasted(outages, 0, 1, 20 * 24, 20 * 24 + 1) == 26


def test_a_clock_that_is_put_back_forgets_nothing(outages: Outages) -> None:
    """What it counted stays, and it began as long ago as it lasts."""
    assert lasted(outages, 0, 5, -500, -499) == 6
    found = outages.of("acc", NOW - 499 * HOUR)
    assert found is not None
    assert found.since == NOW - 505 * HOUR


def test_a_login_from_a_wrong_future_hides_no_outage(outages: Outages) -> None:
    """It is no reason to begin anew for as long as the clock was ahead."""
    for hour in range(26):
        at = NOW + hour * HOUR
        found = outages.failed("acc", Offline("No network."), at, begun_at=NOW + timedelta(days=20))
    assert outages.is_alarming(found)


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=8))
def test_one_failure_is_never_enough_and_time_never_runs_back(
    tmp_path_factory: pytest.TempPathFactory, hours: list[float]
) -> None:
    """Whatever the clock says at each."""
    home = tmp_path_factory.mktemp("home")
    outages = Outages(settings_module.load(home, {}))
    before = 0.0
    for number, hour in enumerate(hours):
        found = outages.failed("acc", Offline("No network."), NOW + hour * HOUR)
        assert found.lasted_s >= before
        assert number >= 1 or not outages.is_alarming(found)
        assert found.since <= found.last == NOW + hour * HOUR
        before = found.lasted_s


def test_the_memory_is_the_owners_alone_and_names_nobody(
    outages: Outages, settings: Settings
) -> None:
    """0600 in 0700, under any umask; no id shapes a path."""
    before = os.umask(0)
    try:
        lasted(outages, 0, account="../../etc/acc")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in settings.outages.iterdir()}
    assert (settings.outages.stat().st_mode & 0o777, modes) == (0o700, {0o600})
    assert not any("acc" in path.name for path in settings.outages.iterdir())
    assert [path.name for path in settings.data_dir.iterdir()] == ["outages"]


def test_a_listener_who_is_removed_leaves_none(anna: Household) -> None:
    """Nothing of theirs stays."""
    break_spotify(anna)
    fail_for(anna, 1)
    assert len(list(anna.settings.outages.glob("*.json"))) == 1
    remove_listener(anna.settings, anna.database, anna.vault, "anna", anna.now())
    assert list(anna.settings.outages.glob("*.json")) == []


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["since", "last", "lasted_s", "reason", "hint", "is_lossy"]), inner
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_a_spoiled_memory_is_none(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever is in the file: the next failure begins anew, or goes on from what can be read."""
    home = tmp_path_factory.mktemp("home")
    settings = settings_module.load(home, {})
    outages = Outages(settings)
    lasted(outages, 0)
    [path] = settings.outages.glob("*.json")
    path.write_bytes(content)
    outages.of("acc", NOW)
    assert outages.failed("acc", Offline("No network."), NOW).last == NOW
    assert outages.over("acc", NOW) is not None


def test_a_sync_tells_of_it_with_what_else_it_did(anna: Household) -> None:
    """The step's error is the listener's; nothing else is lost."""
    break_spotify(anna)
    fail_for(anna, 24)
    anna.pass_time(hours=1)
    done = sync(anna.settings, anna.database, anna.vault, anna.now, sleep=anna.sleep)
    assert isinstance(done.users[0].error, NeedsPerson)
    assert done.errors == ()


@pytest.mark.parametrize("status", [403, 400], ids=["not allowed", "unknown client"])
def test_what_does_not_pass_is_told_as_itself_and_status_does_not_blame_the_timer(
    status: int, anna: Household
) -> None:
    """Exit 4 or 2 from the first run on; after a day the check says since when and why."""
    if status == 403:
        message = "User not registered in the Developer Dashboard"
        body: dict[str, object] = {"error": {"status": 403, "message": message}}
        anna.sandbox.fail(RECENT, 403, times=10_000, body=body)
    else:
        anna.sandbox.expire_access_tokens()
        anna.sandbox.fail("/api/token", 400, times=10_000, body={"error": "invalid_client"})
    errors = fail_for(anna, 26)
    codes = {0 if error is None else int(error.exit_code) for error in errors}
    assert codes == {4 if status == 403 else 2}
    found = look(anna.settings, anna.database, lambda: anna.vault, anna.now())
    (late,) = checks.run(found, anna.settings, anna.now())
    assert errors[0] is not None
    assert late.code == "not_collected"
    assert late.message.endswith(errors[0].message)
    assert errors[0].hint in late.hint
    assert late.in_words() in next_steps(found, anna.settings, anna.now())
    assert "timer" not in late.hint


@pytest.mark.parametrize("form", ["table", "json"])
def test_an_error_of_one_of_several_listeners_says_whose_it_is(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The words for one person say nothing of whom; of several, one must know."""
    with household(tmp_path / "home", "anna", "bob", http_retries=0) as home:
        for name in ("anna", "bob"):
            home.log_in(name, home.now() - timedelta(days=30))
        home.poll()
        run_here(home, monkeypatch)
        for command in ("poll", "sync", "backfill"):
            home.sandbox.fail(RECENT, 404)
            assert main.run([command, "--format", form]) == 6
            said = capsys.readouterr().err
            # A backfill asks for both at once: whichever is first meets it.
            assert len(re.findall("(anna|bob): Spotify answered", said)) == 1, (command, said)
