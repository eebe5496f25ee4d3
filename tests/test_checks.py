"""`status --check`: what is wrong, a line each, and an exit code for monitors."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cli_kit import Cli, Done, process
from plays import add, extended

from spotify_hist.collect import disk_space
from spotify_hist.collect.disk_space import DiskSpace
from spotify_hist.collect.outages import Outages
from spotify_hist.collect.spool import Spool
from spotify_hist.errors import Offline
from spotify_hist.faces.cli import main
from spotify_hist.model import Account
from spotify_hist.settings import load
from spotify_hist.sources.spotify.vault import Token, Vault
from spotify_hist.store import checkpoints, rewriting
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ADA, BOB = Account("acc-ada", "ada", "Ada L."), Account("acc-bob", "bob", "Bob")
MB = 1_000_000


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process, in `home`, at `NOW`, on a disk with room."""
    monkeypatch.setattr("spotify_hist.faces.cli.context.App.now", lambda _: NOW)
    monkeypatch.setenv("SPOTIFY_HIST_CLIENT_ID", "client")
    room(monkeypatch, 5_000)

    def run(*arguments: str) -> Done:
        code = main.run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def well(home: Path) -> Database:
    """`ada`, logged in ten days ago and polled five minutes ago; `imp` with an import only."""
    database = Database.from_settings(load())
    add(database, [extended("2026-10-31T20:00")], "ada")
    add(database, [extended("2019-10-31T20:00")], "imp")
    with database.write("test") as connection:
        connection.execute("update users set account_id = 'acc-ada' where name = 'ada'")
    log_in(ADA, NOW - timedelta(days=10))
    polled(database, NOW - timedelta(minutes=5))
    return database


def log_in(account: Account, begun: datetime) -> None:
    """A login since then."""
    token = Token(account, "client", "refresh-hush", "access-hush", 0.0, begun.timestamp(), ())
    Vault(load().vault, None).save(token)


def polled(database: Database, at: datetime) -> None:
    """The last poll of `ada` that did well."""
    with database.write("test") as connection:
        checkpoints.set_checkpoint(connection, 1, "poll", at)


def room(monkeypatch: pytest.MonkeyPatch, free_mb: float, free_files: int | None = None) -> None:
    """So much room is left on the disk of the home, with a history of no size."""
    disk = DiskSpace(load().data_dir, round(free_mb * MB), 100 * MB, free_files)
    monkeypatch.setattr("spotify_hist.collect.disk_space.disks", lambda *_: (disk,))


def fail(hours: int, account: Account = ADA, until: int = 1) -> None:
    """Each hour a run has failed, the last of them an hour ago, or so many."""
    for hour in range(hours, until - 1, -1):
        at = NOW - hour * HOUR
        Outages(load()).failed(account.account_id, Offline("No network."), at)


def checked(cli: Cli) -> tuple[int, list[str]]:
    """(exit code, codes of the problems); both forms agree, and each problem has its line."""
    as_json, as_text = cli("status", "--check", "--format", "json"), cli("status", "--check")
    problems: list[dict[str, Any]] = as_json.json()["problems"]
    assert as_json.code == as_text.code
    assert as_json.err == as_text.err == ""
    lines = [f"{each['message']} {each['hint']}".rstrip() for each in problems]
    told = as_text.out.splitlines()
    assert told == lines if lines else told[0] in {"All is well.", "Nothing needs a person yet."}
    assert cli("status").code == cli("status", "--format", "json").code == 0
    return as_text.code, [each["code"] for each in problems]


def test_where_all_is_well_it_is_zero(well: Database, cli: Cli) -> None:
    """A listener with imports only is never late, and nobody need listen to anything."""
    assert checked(cli) == (0, [])
    assert cli("status", "--check").out == "All is well.\n"


def test_an_empty_home_is_well(cli: Cli, home: Path) -> None:
    """Nothing is there, and nothing is missed; nothing is made by looking."""
    assert checked(cli) == (0, [])
    assert not home.exists()


@pytest.mark.parametrize(("hours", "code"), [(24, 0), (25, 7)])
def test_nothing_collected_for_a_day_needs_a_person(
    hours: int, code: int, well: Database, cli: Cli
) -> None:
    """Whether any run failed or the timer does not run at all."""
    polled(well, NOW - hours * HOUR)
    assert checked(cli) == (code, ["not_collected"] if code else [])
    assert ("Nothing has been collected for 'ada' for 25 h" in cli("status", "--check").out) == (
        code == 7
    )


def test_the_setting_says_what_a_day_is(
    well: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For whoever knows that their timer runs each hour."""
    polled(well, NOW - 3 * HOUR)
    monkeypatch.setenv("SPOTIFY_HIST_COLLECT_ALARM_AFTER_H", "2")
    assert checked(cli) == (7, ["not_collected"])


def test_runs_that_fail_are_told_with_since_when_and_why(well: Database, cli: Cli) -> None:
    """In `status` from the first, and as a problem after a day."""
    polled(well, NOW - 3 * HOUR)
    fail(2)
    assert checked(cli) == (0, [])
    young = cli("status", "--check").out
    assert young.startswith("Nothing needs a person yet.\nCollecting for 'ada' has failed since")
    said = " ".join(cli("status").out.split())
    assert "failing ada since 2026-11-01 06:30: No network." in said
    assert "1. Collecting for 'ada' has failed since 2026-11-01 10:00 UTC, for 2 h 0 min" in said
    assert cli("status", "--format", "json").json()["listeners"][0]["failing"] == {
        "since": "2026-11-01T10:00:00.000Z",
        "last": "2026-11-01T11:00:00.000Z",
        "reason": "No network.",
        "hint": "Try again later; anything captured is safe in the spool.",
    }
    polled(well, NOW - 26 * HOUR)
    fail(26)
    assert checked(cli) == (7, ["not_collected"])
    assert "No network." in cli("status", "--check").out


def test_a_timer_that_stopped_after_failures_is_what_to_look_at(well: Database, cli: Cli) -> None:
    """Failures of the day before yesterday say little of today."""
    polled(well, NOW - 61 * HOUR)
    fail(60, until=30)
    assert checked(cli) == (7, ["not_collected"])
    for arguments in (["status", "--check"], ["status"]):
        said = " ".join(cli(*arguments).out.split())
        assert "heck the timer that runs 'spotify-hist sync'" in said


def test_what_strikes_several_listeners_is_said_once(well: Database, cli: Cli) -> None:
    """A network that is down is everybody's."""
    log_in(BOB, NOW - 23 * HOUR)
    polled(well, NOW - 3 * HOUR)
    fail(2)
    fail(1, BOB)
    said = " ".join(cli("status").out.split())
    assert "failing ada since 2026-11-01 06:30, Bob since 2026-11-01 07:30: No network." in said


def test_a_poll_that_did_well_since_ends_it(well: Database, cli: Cli) -> None:
    """Even where the memory of the failures could not be removed."""
    fail(26)
    assert checked(cli) == (0, [])
    assert "failing" not in cli("status").out


def test_a_new_login_is_given_a_day(well: Database, cli: Cli) -> None:
    """Of a listener who was never polled, or not for long."""
    log_in(BOB, NOW - 23 * HOUR)
    polled(well, NOW - timedelta(days=100))
    log_in(ADA, NOW - 2 * HOUR)
    assert checked(cli) == (0, [])
    log_in(BOB, NOW - 25 * HOUR)
    assert checked(cli) == (7, ["not_collected"])
    assert "collected for 'Bob' yet" in cli("status", "--check").out


def test_a_paused_listener_is_never_late(well: Database, cli: Cli) -> None:
    """Nor is anything wrong with their login."""
    polled(well, NOW - timedelta(days=100))
    assert cli("users", "pause", "ada").code == 0
    assert checked(cli) == (0, [])
    vault = Vault(load().vault, None)
    (token,) = vault.tokens()
    vault.end(token, NOW.timestamp(), "The login has ended.")
    assert checked(cli) == (0, [])


def test_a_clock_that_was_ahead_hides_nobody(well: Database, cli: Cli) -> None:
    """A poll of next week says nothing of today."""
    polled(well, NOW + timedelta(days=7))
    assert checked(cli) == (7, ["not_collected"])
    assert "which lies ahead. See that the clock" in cli("status", "--check").out


def test_a_clock_that_is_put_right_by_little_calls_nobody(well: Database, cli: Cli) -> None:
    """A poll that ended some seconds from now is a poll of now."""
    polled(well, NOW + timedelta(seconds=3))
    assert checked(cli) == (0, [])


def test_a_login_that_ended_is_four(well: Database, cli: Cli) -> None:
    """It goes before whatever else needs a person."""
    vault = Vault(load().vault, None)
    (token,) = vault.tokens()
    vault.end(token, NOW.timestamp(), "The login of 'ada' has ended.")
    polled(well, NOW - timedelta(days=3))
    Spool(load().spool).set_aside(Spool(load().spool).add(ADA, b"{}", NOW).path)
    assert checked(cli) == (4, ["login_needed", "failed_pages"])


def test_a_login_that_cannot_be_read_is_four(well: Database, cli: Cli) -> None:
    """Its key is to be brought back, or the listener to log in again."""
    (load().vault / "key").write_bytes(b"junk")
    assert checked(cli)[0] == 4


def test_a_damaged_history_is_three_and_all_else_is_told(well: Database, cli: Cli) -> None:
    """It goes before a login."""
    (token,) = load().vault.glob("*.token")
    token.write_bytes(b"junk")
    well.path.write_bytes(b"no database" * 1000)
    code, codes = checked(cli)
    assert (code, codes) == (3, ["damaged_database", "vault"])


def test_a_history_of_a_newer_program_is_three(well: Database, cli: Cli) -> None:
    """Upgrade."""
    with well.write("test") as connection:
        connection.execute("insert into schema_migrations values (9999, 'x', 'y', ?)", [NOW])
    assert checked(cli) == (3, ["newer_database"])


def test_a_history_that_was_there_and_is_gone_is_three(well: Database, cli: Cli) -> None:
    """Somebody moved it, or its disk is not mounted; the next poll would begin anew."""
    well.path.unlink()
    assert checked(cli)[0] == 3
    assert "history_missing" in checked(cli)[1]
    assert "where there should be one" in " ".join(cli("status").out.split())
    for path in well.path.parent.glob("history.duckdb.*"):
        path.unlink()
    assert "history_missing" in checked(cli)[1]  # a login of ten days should have brought one
    log_in(ADA, NOW - HOUR)
    assert checked(cli) == (0, [])


def test_a_history_in_use_is_told_as_such(
    well: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5: not everything could be looked at, and nothing is known to be wrong."""
    monkeypatch.setenv("SPOTIFY_HIST_DATABASE_WAIT_S", "0")
    with Database(well.path, 0.0).write("import"):
        assert checked(cli) == (5, ["database_busy"])
        fail(26)
        assert checked(cli) == (7, ["not_collected", "database_busy"])


def test_pages_and_archives_that_lie_aside_are_seven(well: Database, cli: Cli) -> None:
    """Until a person has looked."""
    settings = load()
    spool = Spool(settings.spool)
    spool.set_aside(spool.add(ADA, b"{}", NOW).path)
    assert checked(cli) == (7, ["failed_pages"])
    (settings.watched / "failed").mkdir(parents=True)
    (settings.watched / "failed" / "a.zip").write_bytes(b"")
    assert checked(cli) == (7, ["failed_pages", "failed_archives"])


@pytest.mark.parametrize(
    ("free_mb", "files", "is_wrong"),
    [(100, None, False), (99, None, True), (5_000, 999, True), (5_000, 1_000, False)],
)
def test_a_disk_that_is_nearly_full_is_told_before_it_is(
    free_mb: float,
    files: int | None,
    is_wrong: bool,
    well: Database,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bytes or files, in `status` at once and as a problem."""
    room(monkeypatch, free_mb, files)
    assert checked(cli) == ((7, ["disk_nearly_full"]) if is_wrong else (0, []))
    said = " ".join(cli("status").out.split())
    assert ("nearly full" in said) == is_wrong
    assert ("Free some space" in said) == is_wrong


def test_a_disk_needs_room_for_the_history_twice(home: Path) -> None:
    """A new version or a removal writes it once again, and its log besides."""
    (disk,) = disk_space.disks(load(), 10)
    assert (disk.folder, disk.needed_bytes) == (home, 100 * MB)
    (disk,) = disk_space.disks(load(), 700 * MB)
    assert disk.needed_bytes == 1_400 * MB
    assert 0 < disk.free_bytes <= shutil.disk_usage(home.parent).free


def test_the_disk_of_the_watched_folder_is_one_more_where_it_is_another(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Archives that cannot be laid there are never imported."""
    shm = next((path for path in ("/dev/shm", "/run") if os.path.isdir(path)), None)  # noqa: PTH112
    if shm is None or os.stat(shm).st_dev == os.stat(home.parent).st_dev:  # noqa: PTH116
        pytest.skip("there is no second file system here")
    monkeypatch.setenv("SPOTIFY_HIST_SYNC_WATCH_DIR", f"{shm}/none/yet")
    _, other = disk_space.disks(load(), 700 * MB)
    assert (str(other.folder), other.needed_bytes) == (f"{shm}/none/yet", 100 * MB)


def test_a_rewrite_that_was_cut_short_is_seven(well: Database, cli: Cli) -> None:
    """What it left, and that it is still owed."""
    left = well.path.with_name("history.duckdb.new")
    left.write_bytes(b"half")
    assert checked(cli) == (7, ["leftover_files"])
    assert cli("status", "--format", "json").json()["database"]["leftovers"] == [left.name]
    assert "history.duckdb.new" in cli("status").out
    left.unlink()
    with well.write("test") as connection:
        rewriting.owe(connection, "bob", NOW)
    assert checked(cli) == (7, ["rewrite_owed"])
    assert "removed listener" in " ".join(cli("status").out.split())


def test_looking_is_no_reason_to_be_made_and_nothing_is_changed(
    well: Database, cli: Cli, home: Path
) -> None:
    """A check each minute leaves no trace."""
    fail(3)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    checked(cli)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_a_check_as_a_process(home: Path) -> None:
    """What a monitor or a container's health check runs."""
    assert process("status", "--check") == (0, "All is well.\n", "")
    database = Database.from_settings(load())
    add(database, [extended("2026-10-31T20:00")], "ada")
    database.path.write_bytes(b"no database" * 1000)
    done = process("-q", "status", "--check")
    assert (done.code, done.err, len(done.out.splitlines())) == (3, "", 1)
