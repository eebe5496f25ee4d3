"""The command line when something is missing, held, broken or interrupted (DESIGN 7)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from cli_kit import Cli, Done, log_in, process
from plays import add, extended

from spotify_hist import __version__
from spotify_hist.faces.cli import main
from spotify_hist.sources.spotify.vault import Vault
from spotify_hist.store.database import Database

HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process, in `home`."""

    def run(*arguments: str) -> Done:
        code = main.run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of five plays, which tests only read."""
    home = tmp_path_factory.mktemp("shared")
    plays = [extended(f"2024-05-01T{hour:02}:00", "Alpha", "Ann") for hour in range(5)]
    add(Database(home / "history.duckdb"), plays)
    return home


def test_without_a_history_a_question_ends_with_3_and_the_way_to_begin(
    cli: Cli, home: Path
) -> None:
    """And asking creates nothing."""
    done = cli("query", "recent")
    assert done.code == 3
    assert "spotify-hist import" in done.err
    assert cli("query", "recent", "--format", "json").error()["code"] == "no_history"
    assert not home.exists()


def test_poll_and_sync_without_a_login_end_with_4(cli: Cli) -> None:
    """The hint names the command that helps."""
    for command in ("poll", "sync"):
        done = cli(command)
        assert (done.code, done.out) == (4, "")
        assert "auth login" in done.err
    assert cli("poll", "--format=json").error()["code"] == "login_needed"
    assert cli("auth", "status").code == 4


def test_login_without_an_app_names_the_variable_to_set(cli: Cli) -> None:
    """And where an app is made."""
    done = cli("auth", "login")
    assert done.code == 2
    assert "SPOTIFY_HIST_CLIENT_ID" in done.err
    assert "developer.spotify.com" in done.err


def test_auth_status_counts_the_days_and_shows_no_token(cli: Cli, home: Path) -> None:
    """A login that has ended is still listed; a display name cannot steer the terminal."""
    log_in(home)
    done = cli("auth", "status")
    assert done.code == 4
    assert done.out.split()[-4:] == ["ended", "0", "2024-05-14", "user-read-recently-played"]
    assert "\x1b" not in done.out
    as_json = cli("auth", "status", "--format", "json")
    assert as_json.json()["users"][0]["ends_on"] == "2024-05-14"
    assert "hush" not in done.out + done.err + as_json.out + as_json.err


def test_a_spotify_that_cannot_be_reached_is_temporary(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5; the token is kept and not shown."""
    log_in(home)
    monkeypatch.setenv("SPOTIFY_HIST_CLIENT_ID", "client")
    monkeypatch.setenv("SPOTIFY_HIST_ACCOUNTS_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SPOTIFY_HIST_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SPOTIFY_HIST_HTTP_RETRIES", "0")
    done = cli("poll")
    assert (done.code, done.out) == (5, "")
    assert done.err.startswith("Error: ")
    as_json = cli("poll", "--format", "json")
    assert as_json.code == 5
    (user,) = as_json.json()["users"]
    assert user["error"] == as_json.error()
    assert user["error"]["retryable"] is True
    assert set(user) >= {"user", "fetched", "new", "late", "gap", "error"}
    assert "hush" not in done.err + as_json.out + as_json.err
    assert Vault(home / "vault", None).load("acc-1") is not None


def test_a_history_that_another_program_holds_is_busy_and_the_holder_is_named(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DuckDB shell, for example; afterwards the same command works (FACTS 9.1)."""
    add(Database(home / "history.duckdb"), [extended("2024-05-01T10:00")])
    monkeypatch.setenv("SPOTIFY_HIST_DATABASE_WAIT_S", "0.1")
    holding = [sys.executable, "-c", HOLD, str(home / "history.duckdb")]
    with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        done = cli("query", "recent", "--format", "json")
        holder.communicate(b"\n")
    assert (done.code, done.out) == (5, "")
    error = done.error()
    assert (error["code"], error["retryable"]) == ("database_busy", True)
    assert str(holder.pid) in error["message"]
    assert str(home) in error["message"]
    assert cli("query", "recent").code == 0


def test_a_history_of_a_newer_program_is_left_alone(cli: Cli, home: Path) -> None:
    """Exit code 3 and the advice to upgrade."""
    path = home / "history.duckdb"
    add(Database(path), [])
    with duckdb.connect(str(path)) as connection:
        connection.execute("insert into schema_migrations values (9999, 'later', 'x', now())")
    done = cli("query", "recent", "--format", "json")
    assert done.code == 3
    assert done.error()["code"] == "newer_database"
    assert "Upgrade" in done.error()["hint"]


def test_a_file_that_is_no_history_is_said_to_be_damaged(cli: Cli, home: Path) -> None:
    """Not a bug of ours, and not overwritten."""
    home.mkdir()
    (home / "history.duckdb").write_bytes(b"no database at all " * 500)
    done = cli("query", "recent", "--format", "json")
    assert (done.code, done.error()["code"]) == (3, "damaged_database")
    assert (home / "history.duckdb").read_bytes().startswith(b"no database")


def test_an_unusable_setting_is_named(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the environment and from config.toml, in every command that reads settings."""
    monkeypatch.setenv("SPOTIFY_HIST_TIMEZONE", "Mars")
    done = cli("query", "recent")
    assert (done.code, "SPOTIFY_HIST_TIMEZONE" in done.err) == (2, True)
    monkeypatch.delenv("SPOTIFY_HIST_TIMEZONE")
    home.mkdir()
    (home / "config.toml").write_text("retries = 3\n", encoding="utf-8")
    done = cli("poll", "--format", "json")
    assert (done.code, done.error()["code"]) == (2, "settings")
    assert "retries" in done.error()["message"]


def test_a_mistake_of_ours_ends_with_1_and_asks_for_a_report(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the place where it happened; in JSON the object is still the last line."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the moon is full")

    monkeypatch.setattr("spotify_hist.analytics.run.answer", broken)
    done = cli("query", "recent")
    assert (done.code, done.out) == (1, "")
    assert "the moon is full" in done.err
    assert "bug in spotify-hist" in done.err
    as_json = cli("query", "recent", "--format", "json")
    assert (as_json.code, as_json.error()["code"]) == (1, "bug")
    logged = cli("--log-format", "json", "query", "recent")
    assert [set(json.loads(line)) for line in logged.err.splitlines()] == [
        {"level", "message"},
        {"error"},
    ]


@pytest.mark.parametrize(
    ("problem", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(32, "pipe"), 0)]
)
def test_an_interruption_is_no_bug(
    problem: BaseException, code: int, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, or a reader who has gone: no traceback."""

    def interrupted(*_: object, **__: object) -> None:
        raise problem

    monkeypatch.setattr("spotify_hist.analytics.run.answer", interrupted)
    done = cli("query", "recent")
    line = "Stopped. Nothing is half done. Run it again to go on.\n" if code else ""
    assert (done.code, done.out, done.err) == (code, "", line)


def test_it_runs_as_a_module_and_a_script_without_a_home_and_in_the_c_locale(
    tmp_path: Path, shared: Path
) -> None:
    """As a timer of a bare system runs it."""
    bare: dict[str, str | None] = {
        "HOME": None,
        "LANG": "C",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "TERM": None,
        "TZ": None,
    }
    done = process("--home", str(shared), "query", "top-artists", "--user", "me", **bare)
    assert done.code == 0
    assert done.out.isascii()
    assert done.out.splitlines()[1].split()[:3] == ["1", "Ann", "5"]
    assert process("--home", str(tmp_path), "query", "recent", **bare).code == 3
    script = [str(Path(sys.executable).with_name("spotify-hist")), "--version"]
    version = subprocess.run(script, capture_output=True, check=True, encoding="utf-8")
    assert version.stdout == f"spotify-hist, version {__version__}\n"


def test_ctrl_c_at_the_login_link_ends_with_130(home: Path) -> None:
    """The link stands on a line of its own; nothing but it was on stdout."""
    arguments = [sys.executable, "-m", "spotify_hist", "auth", "login", "--no-browser"]
    with subprocess.Popen(
        arguments,
        env={**os.environ, "SPOTIFY_HIST_CLIENT_ID": "client"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("https://accounts.spotify.com/authorize?")
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_another_reader_keeps_no_question_waiting(shared: Path) -> None:
    """A reader and a reader never keep each other out."""
    holding = HOLD.replace("sys.argv[1])", "sys.argv[1], read_only=True)")
    database = str(shared / "history.duckdb")
    with subprocess.Popen(
        [sys.executable, "-c", holding, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        done = process(
            "--home", str(shared), "--user", "me", "query", "recent", "--format", "ndjson",
            SPOTIFY_HIST_DATABASE_WAIT_S="0",
        )  # fmt: skip
        holder.communicate(b"\n")
    assert (done.code, len(done.out.splitlines())) == (0, 5)
