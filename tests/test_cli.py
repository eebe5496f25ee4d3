"""The command line: help, questions, and arguments that make no sense (DESIGN 7)."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import pytest
from cli_kit import Cli, Done
from plays import account, add, add_gap, api, extended

from spotify_hist import __version__
from spotify_hist.analytics import catalogue
from spotify_hist.faces.cli import main
from spotify_hist.faces.cli.output import FORMATS
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = sorted(main._COMMANDS)
# What the history of these tests holds, where an example names something of a real one.
HELD = {"artist": "Ann", "track": "Alpha", "album": "Album"}


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
        assert re.search(rf"^  {column}( |$)", done.out, re.MULTILINE)
    for param in query.params:
        assert f"--{param.option} " in done.out


@pytest.mark.parametrize("name", catalogue.names())
def test_the_example_of_a_question_can_be_run(name: str, shared: Path, cli: Cli) -> None:
    """Just as its help gives it, but for what this history does not hold."""
    query = catalogue.load(name)
    example = shlex.split(query.example)
    for param in query.params:
        if param.type in HELD and f"--{param.option}" in example:
            example[example.index(f"--{param.option}") + 1] = HELD[param.type]
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
