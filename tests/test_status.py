"""`status`: how everything stands, whatever is missing, broken or in use, and what to do next."""

from __future__ import annotations

import re
import shlex
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from answers import Terminal
from cli_kit import Cli, Done
from every_table import everything
from plays import add, extended
from rich.cells import cell_len

from spotify_hist.collect import advice
from spotify_hist.collect.disk_space import DiskSpace
from spotify_hist.collect.spool import Spool
from spotify_hist.collect.status import Status, look
from spotify_hist.errors import RateLimited
from spotify_hist.faces.cli import main
from spotify_hist.model import Account
from spotify_hist.settings import Settings, load
from spotify_hist.sources.spotify.limits import Limits
from spotify_hist.sources.spotify.vault import Token, Vault
from spotify_hist.store import checkpoints, journal
from spotify_hist.store.database import Database

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DISK = DiskSpace(Path("/home/ada"), 12_345_678_901, 100_000_000, 5_000_000)
ADA, BOB = Account("acc-ada", "ada", "Ada L."), Account("acc-bob", "bob", "Bob")
RUNS = re.compile(r"'spotify-hist ([^']+)'")


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process, in `home`, at `NOW`, on a disk with room."""
    monkeypatch.setattr("spotify_hist.faces.cli.context.App.now", lambda _: NOW)
    monkeypatch.setattr("spotify_hist.collect.disk_space.disks", lambda *_: (DISK,))

    def run(*arguments: str) -> Done:
        code = main.run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app is configured."""
    monkeypatch.setenv("SPOTIFY_HIST_CLIENT_ID", "client")


@pytest.fixture
def well(home: Path, app: None) -> Database:
    """`ada`, logged in and polled five minutes ago; nothing waits and nothing failed."""
    settings = load()
    database = Database.from_settings(settings)
    add(database, [extended("2026-10-31T20:00"), extended("2026-10-31T21:00")], "ada")
    attach(database, 1, ADA)
    log_in(settings, ADA, 10)
    with database.write("test") as connection:
        checkpoints.set_checkpoint(connection, 1, "poll", NOW - 5 * MINUTE)
        checkpoints.set_checkpoint(connection, 1, "backfill", NOW, {"finished": True})
    return database


def attach(database: Database, user_id: int, account: Account) -> None:
    """Give a listener a Spotify account."""
    with database.write("test") as connection:
        connection.execute(
            "update users set account_id = $id where user_id = $user_id",
            {"id": account.account_id, "user_id": user_id},
        )


def log_in(settings: Settings, account: Account, days_ago: int) -> None:
    """A login that began so many days before `NOW`."""
    begun = (NOW - timedelta(days=days_ago)).timestamp()
    token = Token(account, "client", "refresh-hush", "access-hush", 0.0, begun, ("scope",))
    Vault(settings.vault, None).save(token)


def as_json(cli: Cli) -> Any:
    """The status for programs, which is of any shape."""
    done = cli("status", "--format", "json")
    assert (done.code, done.err) == (0, "")
    return done.json()


def step(cli: Cli) -> str:
    """The one next step there is."""
    (only,) = as_json(cli)["next_steps"]
    return str(only)


def test_an_empty_home_gets_a_page_on_how_to_begin(home: Path, cli: Cli) -> None:
    """The demo, an import, and collecting, each with its command; nothing is made by looking."""
    done = cli("status")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Nothing is here yet.")
    for command in ("demo", "import my_spotify_data.zip", "auth login"):
        assert f"'spotify-hist {command}'" in done.out
    assert str(home / "config.toml") in done.out
    assert "http://127.0.0.1/callback" in done.out
    assert not home.exists()


def test_with_an_app_the_first_step_of_collecting_is_the_login(app: None, cli: Cli) -> None:
    """Nobody is told to make a second app."""
    done = cli("status")
    assert "dashboard" not in done.out
    assert "'spotify-hist auth login'" in done.out


def test_where_all_is_well_nothing_is_to_be_done(well: Database, cli: Cli) -> None:
    """The screen says it in words."""
    assert as_json(cli)["next_steps"] == []
    lines = cli("status").out.splitlines()
    assert [" ".join(line.split()) for line in lines[:2]] == [
        "listener plays newest play last poll login",
        "ada 2 2026-10-31 18:30 5 min ago 172 days left",
    ]
    assert "disk     12 GB free" in lines
    assert "gaps     none known" in lines
    assert "waiting  nothing" in lines
    assert lines[-1] == "All is well; there is nothing to do."


def test_a_status_for_a_program_says_everything(well: Database, cli: Cli) -> None:
    """Instants in UTC, sizes in bytes, null where there is nothing."""
    status = as_json(cli)
    assert status["listeners"] == [
        {
            "name": "ada",
            "account_id": "acc-ada",
            "plays": 2,
            "last_played_at": "2026-10-31T21:00:00.000Z",
            "last_poll_at": "2026-11-01T11:55:00.000Z",
            "paused_at": None,
            "backfill": "finished",
            "login": "ok",
            "days_left": 172,
            "login_ends_at": "2027-04-22T12:00:00.000Z",
            "login_refused_at": None,
            "failing": None,
        }
    ]
    assert status["database"].pop("bytes") == well.path.stat().st_size
    rest = {name: value for name, value in status.items() if name != "listeners"}
    assert rest == {
        "gaps": {"open": 0, "latest": None},
        "last_failure": None,
        "not_before": {"plays": None, "details": None},
        "database": {
            "path": str(well.path),
            "wal_bytes": 0,
            "rewrite_owed": False,
            "leftovers": [],
        },
        "disks": [
            {
                "folder": "/home/ada",
                "free_bytes": 12_345_678_901,
                "needed_bytes": 100_000_000,
                "free_files": 5_000_000,
                "nearly_full": False,
            }
        ],
        "spool": {"waiting": 0, "failed": 0},
        "unreadable": {"pages": 0, "items": 0, "reasons": {}},
        "archives": {"folder": str(load().watched), "waiting": 0, "failed": 0},
        "problems": [],
        "warnings": [],
        "next_steps": [],
    }


def test_looking_changes_nothing(well: Database, home: Path, cli: Cli) -> None:
    """Neither a row nor a file; no token is shown."""
    Spool(load().spool).add(ADA, b"{}", NOW)
    with well.read() as connection:
        before = everything(connection)
    files = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    for form in ("table", "json"):
        assert "hush" not in cli("status", "--format", form).out
    with well.read() as connection:
        assert everything(connection) == before
    after = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    assert {path.name for path in set(after) ^ set(files)} <= {"key.lock"}
    assert {path for path in files if after[path] != files[path]} <= {
        path for path in files if path.suffix in {".gate", ".turn", ".lock"}
    }


def test_an_import_alone_is_fine_and_collecting_is_offered(database: Database, cli: Cli) -> None:
    """A local listener was never polled and never will be."""
    add(database, [extended("2024-01-01")])
    assert step(cli).startswith("To collect new plays too: create an app")
    line = cli("status").out.splitlines()[1]
    assert line.split()[-2:] == ["-", "-"]


@pytest.mark.parametrize(
    ("days_ago", "login", "command"),
    [
        (160, "ends soon", "auth login"),
        (178, "ends soon", "auth login"),
        (200, "ended", "auth login"),
    ],
)
def test_a_login_that_ends_is_the_next_step(
    days_ago: int, login: str, command: str, well: Database, cli: Cli
) -> None:
    """In its last 30 and 7 days, and when it is over, with the command to run."""
    log_in(load(), ADA, days_ago)
    status = as_json(cli)
    assert status["listeners"][0]["login"] == login
    assert status["warnings"] == status["next_steps"]
    (said,) = status["next_steps"]
    assert "'ada'" in said
    assert f"spotify-hist {command}" in said


def test_a_listener_who_is_logged_out_may_be_logged_in(well: Database, cli: Cli) -> None:
    """The history is there, and nobody's login."""
    Vault(load().vault, None).forget("acc-ada")
    assert step(cli) == "To collect new plays too: 'spotify-hist auth login'."
    assert cli("status").out.splitlines()[1].endswith("logged out")


def test_a_login_without_an_app_cannot_be_renewed(
    well: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client id went from the settings."""
    monkeypatch.delenv("SPOTIFY_HIST_CLIENT_ID")
    assert "client_id" in step(cli)


@pytest.mark.parametrize(("minutes", "is_late"), [(119, False), (120, False), (121, True)])
def test_a_poll_that_is_late_points_to_the_timer(
    minutes: int, is_late: bool, well: Database, cli: Cli
) -> None:
    """After more than two hours: fifty songs can pass in less than three."""
    with well.write("test") as connection:
        checkpoints.set_checkpoint(connection, 1, "poll", NOW - minutes * MINUTE)
    if is_late:
        assert "'ada' was last polled 2 h ago" in step(cli)
        assert "contrib/README.md" in step(cli)
    else:
        assert as_json(cli)["next_steps"] == []


def test_no_poll_is_missed_of_who_is_paused_or_while_spotify_wants_none(
    well: Database, cli: Cli
) -> None:
    """Both are as they should be."""
    with well.write("test") as connection:
        checkpoints.set_checkpoint(connection, 1, "poll", NOW - timedelta(days=3))
    assert "3 days ago" in step(cli)
    limits = Limits(load().limits, "client")
    until = NOW + timedelta(hours=1)
    limits.remember("plays", RateLimited("", not_before_s=until.timestamp()), NOW.timestamp())
    status = as_json(cli)
    assert status["next_steps"] == []
    assert status["not_before"]["plays"] == "2026-11-01T13:00:00.000Z"
    assert "nothing may be asked until 2026-11-01 09:30" in cli("status").out
    for path in load().limits.iterdir():
        path.unlink()
    assert cli("users", "pause", "ada").code == 0
    assert as_json(cli)["next_steps"] == []
    assert cli("status").out.splitlines()[1].endswith("paused, 172 days left")


def test_a_limit_on_details_is_told_and_stops_no_poll(well: Database, cli: Cli) -> None:
    """The plays may be asked for all the same."""
    limits = Limits(load().limits, "client")
    until = NOW + timedelta(hours=1)
    limits.remember("details", RateLimited("", not_before_s=until.timestamp()), NOW.timestamp())
    assert as_json(cli)["not_before"] == {"plays": None, "details": "2026-11-01T13:00:00.000Z"}
    assert "no details may be asked until 2026-11-01 09:30" in cli("status").out


def test_who_was_never_polled_is_told_how_to_begin(well: Database, cli: Cli) -> None:
    """After the login comes the first sync, then the timer."""
    with well.write("test") as connection:
        connection.execute("delete from sync_checkpoints")
    assert "'spotify-hist sync'" in step(cli)
    assert "'ada'" in step(cli)


def test_a_login_that_the_history_does_not_know_yet_is_shown(well: Database, cli: Cli) -> None:
    """Under the name Spotify gives."""
    log_in(load(), BOB, 1)
    status = as_json(cli)
    assert [each["name"] for each in status["listeners"]] == ["ada", "Bob"]
    assert status["listeners"][1]["plays"] is None
    assert "first plays of 'Bob'" in status["next_steps"][0]


def test_gaps_are_counted_and_the_latest_is_told(well: Database, cli: Cli) -> None:
    """Of all listeners; closed ones are no gaps any more."""
    add(well, [], "bob")
    with well.write("test") as connection:
        connection.execute(
            "insert into coverage_gaps values "
            "(1, '2026-10-01T10:00Z', '2026-10-01T14:00Z', $now, null), "
            "(2, '2026-10-05T10:00Z', '2026-10-05T14:00Z', $now, null), "
            "(1, '2026-10-09T10:00Z', '2026-10-09T14:00Z', $now, $now)",
            {"now": NOW},
        )
    assert as_json(cli)["gaps"] == {
        "open": 2,
        "latest": {
            "user": "bob",
            "after": "2026-10-05T10:00:00.000Z",
            "before": "2026-10-05T14:00:00.000Z",
        },
    }
    assert "between 2026-10-05 10:00 and 2026-10-05 14:00 UTC, and in 1 older gap" in step(cli)
    assert "extended streaming history" in step(cli)
    assert "2 open; the latest: bob, 2026-10-05 07:30 to 2026-10-05 11:30" in cli("status").out


def test_the_last_failure_is_told_and_whether_it_is_over(well: Database, cli: Cli) -> None:
    """A later run of the same job for the same listener that did well ends it."""

    def ran(status: str, minutes: int, user_id: int | None = 1) -> None:
        at = NOW - minutes * MINUTE
        with well.write("test") as connection:
            journal.add_run(connection, "poll", user_id, at, at, status, {}, "No network.")

    ran("failed", 60)
    ran("ok", 50, None)
    assert as_json(cli)["last_failure"] == {
        "job": "poll",
        "user": "ada",
        "finished_at": "2026-11-01T11:00:00.000Z",
        "error": "No network.",
        "is_over": False,
    }
    assert "poll for ada, 2026-11-01 07:30: No network.\n" in cli("status").out
    ran("ok", 40)
    assert as_json(cli)["last_failure"]["is_over"] is True
    assert "No network. (it has worked since)\n" in cli("status").out


def test_what_waits_and_what_failed_is_counted_with_its_place(well: Database, cli: Cli) -> None:
    """Pages and archives, also those in a listener's folder."""
    settings = load()
    spool = Spool(settings.spool)
    spool.add(ADA, b"{}", NOW)
    spool.set_aside(spool.add(ADA, b"{}", NOW).path)
    for name in (
        "a.zip",
        "ada/b.ZIP",
        "notes.txt",
        "done/c.zip",
        "failed/d.zip",
        "ada/failed/e.zip",
    ):
        path = settings.watched / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    status = as_json(cli)
    assert status["spool"] == {"waiting": 1, "failed": 1}
    assert (status["archives"]["waiting"], status["archives"]["failed"]) == (2, 2)
    steps = status["next_steps"]
    assert [str(path) in told for path, told in zip(
        ("spotify-hist sync", settings.spool / "failed", settings.watched,
         settings.watched / "failed"), steps, strict=True)] == [True] * 4  # fmt: skip
    assert "waiting  1 page, 2 archives; failed: 1 page, 2 archives\n" in cli("status").out


def test_a_backfill_that_has_not_ended_is_told(well: Database, cli: Cli) -> None:
    """It goes on by itself."""
    with well.write("test") as connection:
        checkpoints.set_checkpoint(connection, 1, "backfill", NOW, {"finished": False})
    assert as_json(cli)["listeners"][0]["backfill"] == "unfinished"
    assert "not finished for ada" in cli("status").out


def test_a_database_in_use_hides_nothing_else(
    well: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logins, the spool and the size are told; of gaps and polls nothing is claimed."""
    monkeypatch.setenv("SPOTIFY_HIST_DATABASE_WAIT_S", "0")
    Spool(load().spool).add(ADA, b"{}", NOW)
    with Database(well.path, 0.0).write("import"):
        status = as_json(cli)
        done = cli("status")
    (problem,) = status["problems"]
    assert problem["code"] == "database_busy"
    assert status["gaps"] == {"open": None, "latest": None}
    assert [(each["name"], each["plays"]) for each in status["listeners"]] == [("Ada L.", None)]
    assert problem["message"] in status["next_steps"][0]
    assert len(status["next_steps"]) == 2  # the other is the spool's: no poll is called late
    assert done.code == 0
    assert "cannot be told now" in done.out


def test_a_status_does_not_wait_as_long_as_a_poll_would(
    well: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks wants to see something soon."""
    waits: list[float] = []

    def made(path: Path, wait_s: float) -> Database:
        waits.append(wait_s)
        return well

    monkeypatch.setattr("spotify_hist.store.database.Database", made)
    for wait_s in ("600", "0.5"):
        monkeypatch.setenv("SPOTIFY_HIST_DATABASE_WAIT_S", wait_s)
        as_json(cli)
    assert waits == [3.0, 0.5]


def test_a_damaged_database_hides_nothing_else(well: Database, cli: Cli) -> None:
    """Neither does one of a newer program."""
    well.path.write_bytes(b"no database" * 1000)
    (problem,) = as_json(cli)["problems"]
    assert problem["code"] == "damaged_database"
    well.path.unlink()
    with well.write("test") as connection:
        connection.execute("insert into schema_migrations values (9999, 'x', 'y', ?)", [NOW])
    (problem,) = as_json(cli)["problems"]
    assert problem["code"] == "newer_database"
    assert cli("status").code == 0


def test_a_damaged_login_is_told_with_its_remedy(well: Database, cli: Cli) -> None:
    """The listener is still known by the name of the file."""
    (token,) = load().vault.glob("*.token")
    token.write_bytes(b"junk")
    assert as_json(cli)["listeners"][0]["login"] == "unreadable"
    assert "auth login" in step(cli)


def test_a_vault_without_its_key_is_said_once(well: Database, cli: Cli) -> None:
    """However many logins it spoils."""
    attach(well, 1, ADA)
    log_in(load(), BOB, 10)
    (load().vault / "key").write_bytes(b"junk")
    status = as_json(cli)
    assert {each["login"] for each in status["listeners"]} == {"unreadable"}
    assert len(status["next_steps"]) == 1


def test_a_key_that_is_none_is_a_problem_among_others(
    well: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history is told all the same."""
    monkeypatch.setenv("SPOTIFY_HIST_TOKEN_KEY", "no key")
    status = as_json(cli)
    assert [each["code"] for each in status["problems"]] == ["settings"]
    assert [each["plays"] for each in status["listeners"]] == [2]


def test_settings_that_cannot_be_read_leave_nothing_to_say(home: Path, cli: Cli) -> None:
    """Then it is an error like everywhere."""
    home.mkdir()
    (home / "config.toml").write_text("client_id = ", "utf-8")
    done = cli("status")
    assert (done.code, done.out) == (2, "")


def test_every_command_that_is_advised_exists(well: Database, cli: Cli, home: Path) -> None:
    """All that `advice` can say, at once."""
    settings = load("/nowhere", {})
    worst = look(settings, Database(home / "none"), lambda: Vault(home / "none", None), NOW)
    texts = advice.next_steps(worst, settings, NOW)
    with well.write("test") as connection:
        connection.execute("delete from sync_checkpoints")
    log_in(load(), BOB, 178)
    Spool(load().spool).add(ADA, b"{}", NOW)
    texts += as_json(cli)["next_steps"]
    with well.write("test") as connection:
        checkpoints.set_checkpoint(connection, 1, "poll", NOW - timedelta(days=1))
    texts += as_json(cli)["next_steps"]
    commands = {found[1] for text in texts for found in RUNS.finditer(text)}
    assert {"demo", "sync", "jobs --failed"} <= commands
    assert any(command.startswith("auth login") for command in commands)
    for command in commands:
        assert cli(*shlex.split(command), "--help").code == 0, command


@pytest.mark.parametrize("width", [60, 80, 140])
def test_no_line_is_wider_than_the_terminal(
    width: int, well: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a page of trouble is still about one screen."""
    add(well, [], "a-listener-with-quite-a-long-name-東京事変")
    log_in(load(), ADA, 178)
    with well.write("test") as connection:
        journal.add_run(connection, "poll", 1, NOW, NOW, "failed", {}, "No network " * 8)
    Spool(load().spool).add(ADA, b"{}", NOW)
    monkeypatch.setattr("spotify_hist.faces.cli.context.App.now", lambda _: NOW)
    monkeypatch.setenv("COLUMNS", str(width))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main.run(["status"]) == 0
    lines = re.sub("\x1b\\[[0-9;]*m", "", terminal.getvalue()).splitlines()
    longest_word = max(len(word) for line in lines for word in line.split())
    assert max(map(cell_len, lines)) <= max(width, longest_word + 20)
    assert len(lines) <= 24


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=119), "119 s"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(minutes=119, seconds=59), "119 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=1_234), "1,234 days"),
    ],
)
def test_an_age_is_said_in_one_unit(span: timedelta, said: str) -> None:
    """A clock that was set back makes no age negative."""
    assert advice.age(span) == said


def test_the_status_of_nothing_is_whole(home: Path) -> None:
    """Every field has its value where there is nothing at all."""
    settings = load()
    found = look(settings, Database(settings.database), lambda: Vault(settings.vault, None), NOW)
    assert found == Status(
        is_read=True,
        listeners=(),
        gaps=(),
        failure=None,
        not_before={},
        database_bytes=None,
        wal_bytes=0,
        pages_waiting=0,
        pages_failed=0,
        archives_waiting=0,
        archives_failed=0,
        problems=(),
        disks=found.disks,
    )
