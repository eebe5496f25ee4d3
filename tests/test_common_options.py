"""--user, -v and -q after the command, and names that are misspelt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import pytest
from cli_kit import Cli, Done
from plays import add, extended

from spotify_hist.faces.cli import main
from spotify_hist.faces.cli.main import cli as program
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process, in a history of one listener."""
    add(
        Database(home / "history.duckdb"), [extended(f"2024-05-01T{hour:02}:00") for hour in (1, 2)]
    )

    def run(*arguments: str) -> Done:
        code = main.run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command, and those in it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        yield (*words, name)
        inner = group.get_command(context, name)
        if isinstance(inner, click.Group) and name != "query":
            yield from commands(inner, (*words, name))


@pytest.mark.parametrize(
    "words",
    [*commands(program), ("query", "recent"), ("query", "sql"), ("import", "list")],
    ids=" ".join,
)
def test_every_command_names_the_options_in_its_help(words: tuple[str, ...], cli: Cli) -> None:
    """Each once, also where it has one of that name itself."""
    done = cli(*words, "--help")
    assert done.code == 0
    listed = [line.split() for line in done.out.splitlines() if line.startswith("  -")]
    for name in ("--user", "--verbose", "--quiet"):
        assert sum(name in line for line in listed) == 1, name


def test_the_listener_named_after_the_command_is_meant(cli: Cli) -> None:
    """Of two names the later one."""
    for words in (["query", "recent"], ["query", "sql", "select 1"], ["import", "list"], ["logs"]):
        assert cli("--user", "nobody", *words, "--user", "me").code == 0, words
        assert "'nobody'" in cli("--user", "me", *words, "--user", "nobody").err, words


def test_quiet_after_the_command_is_quiet(cli: Cli) -> None:
    """And of quiet and talkative the later one."""
    question = ("query", "recent", "--limit", "1")
    assert "more rows" in cli(*question).err
    assert cli(*question, "-q").err == ""
    assert cli("-v", *question, "-q").err == ""
    assert "more rows" in cli("-q", *question, "-v").err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["qurey", "recent"], "query"),
        (["query", "recnt"], "recent"),
        (["auth", "stauts"], "status"),
        (["query", "recent", "--limt", "3"], "--limit"),
        (["top-artists"], "Did you mean query"),
        (["query", "recent", "--home", "x"], "in front of the command"),
    ],
)
def test_what_is_misspelt_is_told_with_what_was_meant(
    words: list[str], meant: str, cli: Cli
) -> None:
    """Exit code 2, one line."""
    done = cli(*words)
    assert done.code == 2
    assert meant in done.err.replace(" ".join(words), "")
    assert len(done.err.splitlines()) == 1


def test_the_words_of_import_may_stand_behind_the_options_of_every_command(cli: Cli) -> None:
    """And what is a value of such an option is no word."""
    assert cli("import", "-v", "--user", "me", "list") == cli("import", "list")
    assert cli("import", "-q", "--user=me", "list", "--format", "json").out.startswith('{"imports"')
    done = cli("import", "--user", "list")
    assert done.code == 2
    assert "PATHS" in done.err


@pytest.mark.parametrize("check", [[], ["--check"]])
def test_status_of_somebody_nobody_knows_is_not_well(check: list[str], cli: Cli) -> None:
    """A monitor with a misspelt name would be content for ever."""
    assert cli("status", *check, "--user", "me").code == 0
    done = cli("status", *check, "--user", "nobody")
    assert done.code == 2
    assert "Known listeners: me." in done.err


@pytest.mark.parametrize(
    ("completing", "words", "count"),
    [("bash_complete", None, None), ("bash_complete", "x y", "x"), ("nothing", "x", "1")],
)
def test_what_no_shell_asks_for_is_no_bug(
    completing: str,
    words: str | None,
    count: str | None,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The variables of completion, set by hand or left over."""
    for name, value in (
        ("_SPOTIFY_HIST_COMPLETE", completing),
        ("COMP_WORDS", words),
        ("COMP_CWORD", count),
    ):
        if value is not None:
            monkeypatch.setenv(name, value)
    done = cli("status")
    assert done.code == 2
    assert len(done.err.splitlines()) == 1


def test_an_error_in_json_has_no_half_characters(cli: Cli) -> None:
    """A name that is no UTF-8 comes as one, and strict readers refuse it."""
    done = cli("import", "--format", "json", "no\udce9.zip")
    assert json.loads(done.err)["error"]["message"] == "no\ufffd.zip does not exist."


def test_not_enough_memory_for_a_question_advises_to_ask_for_less(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting of imports would not help."""

    def hungry(database: Database, *_: object, **__: object) -> None:
        with database.read() as connection:
            connection.execute("set memory_limit = '1MB'")
            connection.execute("set temp_directory = ''")
            connection.execute("select list(range order by range desc) from range(10000000)")

    monkeypatch.setattr("spotify_hist.analytics.run.answer", hungry)
    done = cli("query", "recent")
    assert done.code == 3
    assert "not memory enough" in done.err
    assert "Ask for less" in done.err
    assert "import.memory_mb" not in done.err
