"""The command line: every failure has its exit code, its words and its next step (DESIGN 7)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import duckdb
import pytest
from plays import account, add, add_gap, api, extended

from spotify_hist import __version__
from spotify_hist.analytics import catalogue
from spotify_hist.faces.cli import main
from spotify_hist.faces.cli.output import FORMATS
from spotify_hist.model import Account
from spotify_hist.sources.spotify.vault import Token, Vault
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS = sorted(main._COMMANDS)
REFRESH_TOKEN = "refresh-hush"
HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"


class Done(NamedTuple):
    """How a run ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """stdout as JSON, which is of any shape."""
        return json.loads(self.out)

    def error(self) -> dict[str, Any]:
        """The error object, which is the last line of stderr."""
        error: dict[str, Any] = json.loads(self.err.splitlines()[-1])["error"]
        assert set(error) == {"code", "message", "hint", "retryable"}
        return error


Cli: TypeAlias = "Callable[..., Done]"


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process, in `home`."""

    def run(*arguments: str) -> Done:
        code = main.run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of two listeners, which tests only read."""
    home = tmp_path_factory.mktemp("shared")
    database = Database(home / "history.duckdb")
    day = "2024-05-01T{:02}:00"
    add(database, [extended(day.format(hour), "Alpha", "Ann") for hour in range(5)])
    add(database, [api("2024-05-02T10:00", "Gamma", "Bob", uri="spotify:track:g")])
    add_gap(database, "2024-05-01T12:00", "2024-05-02T08:00")
    add(database, [account("2024-05-03T10:00", "Delta", "Dee")], "other")
    return home


def process(*arguments: str, **variables: str | None) -> Done:
    """Run a command as a process; a variable of None is taken away."""
    environment = {**os.environ, **{k: v for k, v in variables.items() if v is not None}}
    for name, value in variables.items():
        if value is None:
            environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "spotify_hist", *arguments],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def log_in(home: Path) -> None:
    """A token in the vault, long expired, for an account that never polled."""
    token = Token(
        account=Account("acc-1", "ada", "Ada\x1b[31m"),
        client_id="client",
        refresh_token=REFRESH_TOKEN,
        access_token="access-hush",
        expires_at=0.0,
        authorized_at=1_700_000_000.0,
        scopes=("user-read-recently-played",),
    )
    Vault(home / "vault", None).save(token)


def test_the_version_is_told(cli: Cli) -> None:
    """On stdout, with the program's name."""
    assert cli("--version") == Done(0, f"spotify-hist, version {__version__}\n", "")


def test_help_lists_every_command_in_order_with_what_it_does(cli: Cli) -> None:
    """With `--help` and `-h` alike; without a command too, but then as a usage error."""
    done = cli("--help")
    places = [done.out.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)
    assert (done.code, done.err) == (0, "")
    assert cli("-h") == done
    without = cli()
    assert (without.code, without.out.strip()) == (2, done.out.strip())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_agrees_with_the_list(name: str, cli: Cli) -> None:
    """Each can be loaded and names itself; a global option after it is no secret failure."""
    done = cli(name, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: spotify-hist {name} ")


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        (("pol",), "'pol'", "spotify-hist --help"),
        (("",), "''", "spotify-hist --help"),
        (("--colour",), "--colour", "spotify-hist --help"),
        (("poll", "--fast"), "--fast", "spotify-hist poll --help"),
        (("poll", "--format", "xml"), "xml", "spotify-hist poll --help"),
        (("import",), "PATHS", "spotify-hist import --help"),
        (("auth", "logon"), "logon", "spotify-hist auth --help"),
        (("query", "top-artists", "--dayz", "3"), "--dayz", "query top-artists --help"),
        (("query", "top-artists", "--days", "x"), "'x'", "query top-artists --help"),
        (("query", "top-artists", "--kind", "song"), "song", "query top-artists --help"),
        (("query", "top-artists", "more"), "more", "query top-artists --help"),
        (("query", "top-artist"), "top-artist", "top-artists"),
        (("query", "zzz"), "zzz", "query --list"),
        (("query",), "Which question?", "query --list"),
        (("--home",), "--home", "--help"),
        (("--log-format", "xml", "poll"), "xml", "--help"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_with_a_next_step(
    arguments: tuple[str, ...], says: str, hint: str, cli: Cli
) -> None:
    """Exit code 2, one line on stderr, nothing on stdout, no traceback."""
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1
    message, _, next_step = done.err.partition(says)
    assert message
    assert hint in next_step or hint in done.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("pol", "--format", "json"), "usage"),
        (("poll", "--fast", "--format=json"), "usage"),
        (("query", "--format", "json", "zzz"), "unknown_query"),
        (("--log-format", "json", "pol"), "usage"),
        (("--log-format=json", "query", "recent", "--limit", "x"), "usage"),
    ],
)
def test_a_usage_error_is_an_object_where_json_is_asked_for(
    arguments: tuple[str, ...], code: str, cli: Cli
) -> None:
    """Even where the rest of the command cannot be understood."""
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert (done.error()["code"], done.error()["retryable"]) == (code, False)
    assert done.error()["hint"]


def test_an_unusable_value_is_refused_before_the_history_is_asked(
    cli: Cli,
) -> None:
    """Bounds, periods and zones are checked where there is no history at all."""
    for arguments, says in (
        (("--limit", "0"), "limit must be"),
        (("--timezone", "Mars"), "no time zone called 'Mars'"),
        (("--since", ""), "since must be"),
    ):
        done = cli("query", "top-artists", *arguments)
        assert done.code == 2
        assert says in done.err


def test_a_period_that_contradicts_itself_is_a_usage_error(shared: Path, cli: Cli) -> None:
    """The message names what contradicts what."""
    ask = ("--home", str(shared), "query", "heatmap", "--user", "me")
    done = cli(*ask, "--days", "3", "--year", "2024")
    assert (done.code, "days and year contradict" in done.err) == (2, True)
    done = cli(*ask, "--since", "2024-06-01", "--until", "2024-06-01")
    assert (done.code, "is not before" in done.err) == (2, True)


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
    assert done.code == 0
    assert "ended, 0 days left (until 2024-05-14)" in done.out
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


def test_the_list_of_questions_comes_in_every_format(cli: Cli) -> None:
    """It needs no history."""
    table = cli("query", "--list")
    assert [line.split()[0] for line in table.out.splitlines()] == list(catalogue.names())
    as_json = cli("query", "--list", "--format", "json").json()
    assert [each["name"] for each in as_json] == list(catalogue.names())
    assert set(as_json[0]) == {"name", "summary", "grain"}
    for form in FORMATS:
        done = cli("query", "--list", "--format", form)
        assert (done.code, done.err) == (0, "")
        assert "top-artists" in done.out


@pytest.mark.parametrize("name", catalogue.names())
def test_a_question_s_help_explains_options_columns_and_gives_an_example(
    name: str, cli: Cli
) -> None:
    """All of it from the header of its file."""
    query = catalogue.load(name)
    done = cli("query", name, "--help")
    assert done.code == 0
    words = " ".join(done.out.split())
    assert query.summary in words
    assert f"spotify-hist query {name} {query.example}".strip() in words
    for column in query.columns:
        assert f"  {column}: " in done.out
    for param in query.params:
        assert f"--{param.option} " in done.out


@pytest.mark.parametrize("name", catalogue.names())
def test_the_example_of_a_question_can_be_run(name: str, shared: Path, cli: Cli) -> None:
    """Just as its help gives it."""
    example = catalogue.load(name).example.split()
    done = cli("--home", str(shared), "--user", "me", "query", name, *example)
    assert done.code == 0
    assert done.out


def test_several_listeners_must_be_told_apart(shared: Path, cli: Cli) -> None:
    """The error names them; before or after the command, --user chooses, the nearer one first."""
    home = ("--home", str(shared))
    done = cli(*home, "query", "top-artists")
    assert done.code == 2
    assert "me, other" in done.err
    assert "--user" in done.err

    def artists(*arguments: str) -> list[str]:
        found = cli(*home, *arguments, "--format", "json").json()
        return [row["artist"] for row in found["rows"]]

    assert artists("--user", "me", "query", "top-artists") == ["Ann", "Bob"]
    assert artists("query", "top-artists", "--user", "other") == ["Dee"]
    assert artists("--user", "me", "query", "top-artists", "--user", "other") == ["Dee"]
    unknown = cli(*home, "--user", "nobody", "query", "top-artists")
    assert (unknown.code, "me, other" in unknown.err) == (2, True)


def test_an_answer_in_json_has_the_shape_others_build_on(shared: Path, cli: Cli) -> None:
    """DESIGN 7, with the warning of a gap among its notes and nothing on stderr."""
    ask = ("--home", str(shared), "--user", "me", "query")
    done = cli(*ask, "recent", "--limit", "2", "--timezone", "UTC", "--format", "json")
    found = done.json()
    assert (done.code, done.err) == (0, "")
    assert list(found) == ["query", "params", "columns", "rows", "truncated", "notes"]
    assert found["truncated"] is True
    assert found["notes"][0].startswith("At least: plays are missing")
    assert found["rows"][0] == {
        "played_at": "2024-05-02T10:00:00.000Z",
        "ms_played": None,
        "kind": "track",
        "track": "Gamma",
        "artist": "Bob",
        "album": "Album",
        "uri": "spotify:track:g",
        "sources": ["api"],
    }
    before = cli(*ask, "--format", "json", "recent", "--limit", "2", "--timezone", "UTC")
    assert before == done
    after_wins = cli(*ask, "--format", "json", "recent", "--limit", "2", "--format", "csv")
    assert after_wins.out.startswith("played_at,ms_played,")


def test_quiet_keeps_notes_back_and_json_logs_make_them_objects(shared: Path, cli: Cli) -> None:
    """Data is the same on stdout either way."""
    ask = ("--home", str(shared), "--user", "me", "query", "heatmap")
    loud, quiet, logged = cli(*ask), cli("-q", *ask), cli("--log-format", "json", *ask)
    assert loud.err.startswith("Note: At least")
    assert quiet == Done(0, loud.out, "")
    assert logged.out == loud.out
    assert all(json.loads(line)["level"] == "info" for line in logged.err.splitlines())
    failed = cli("--log-format", "json", "query", "zzz")
    assert failed.error()["code"] == "unknown_query"


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
    monkeypatch.setattr("spotify_hist.faces.cli.main.silence_broken_pipe", lambda: None)
    done = cli("query", "recent")
    assert (done.code, done.out, done.err.strip()) == (code, "", "")


# From here on as real processes.


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


def test_a_process_that_finds_the_history_held_waits_no_longer_than_told(shared: Path) -> None:
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
    assert (done.code, len(done.out.splitlines())) == (0, 6)
