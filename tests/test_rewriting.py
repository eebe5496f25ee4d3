"""A history that is written anew keeps what a person has added to it, or stays as it is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
import pytest
from small_disk import Said, command, small_disk

from spotify_hist.errors import DatabaseBusy, ExitCode
from spotify_hist.store import rewriting
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
# What DuckDB does not take into a copy of a database.
_TRIGGER = (
    "create table mine(a integer); create trigger counted after insert on plays"
    " for each statement insert into mine select 1"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose history holds one listener."""
    export = tmp_path / "lines.csv"
    export.write_text("uts,artist,album,track\n1700000000,Anax,Imperator,Zyxomma\n")
    said = command(tmp_path / "home", 0, "--user", "bob", "import", str(export))
    assert said.code == 0, said.err
    return tmp_path / "home"


def _add(home: Path, statements: str) -> None:
    """What a person does in a DuckDB shell."""
    with duckdb.connect(str(home / "history.duckdb")) as connection:
        connection.execute(statements)


def _ask(home: Path, question: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home / "history.duckdb"), read_only=True) as connection:
        return connection.execute(question).fetchall()


def _remove(home: Path) -> Said:
    return command(home, 0, "users", "remove", "bob", "--yes")


@pytest.mark.parametrize(
    ("statements", "question"),
    [
        pytest.param(
            'create table "my ""list"""(x integer); insert into "my ""list""" values (5)',
            'from "my ""list"""',
            id="a quoted name",
        ),
        pytest.param(
            "create schema mine; create table mine.plays(x integer);"
            " insert into mine.plays values (5)",
            "from mine.plays",
            id="a schema with a table called like ours",
        ),
        pytest.param("create view mine as select 5 as x", "from mine", id="a view"),
        pytest.param("create macro mine(a) as a + 1", "select mine(4)", id="a macro"),
        pytest.param(
            "create type mood as enum ('low'); create table mine(m mood);"
            " insert into mine values ('low')",
            "from mine",
            id="a type",
        ),
        pytest.param(
            "create table mine(row_of integer, d double);"
            " insert into mine values (1, '-0.0'), (2, 'nan'), (null, null)",
            "from mine",
            id="a column called like what is summed, and odd numbers",
        ),
        pytest.param(
            "comment on table plays is 'mine'",
            "select comment from duckdb_tables() where table_name = 'plays'",
            id="a comment",
        ),
    ],
)
def test_what_a_person_added_to_the_history_is_there_after_a_removal(
    home: Path, statements: str, question: str
) -> None:
    _add(home, statements)
    before = str(_ask(home, question))

    said = _remove(home)

    assert said.code == 0, said.err
    assert str(_ask(home, question)) == before
    assert b"Zyxomma" not in (home / "history.duckdb").read_bytes()


@pytest.mark.parametrize(
    ("statements", "named", "drop"),
    [
        pytest.param(_TRIGGER, "its trigger 'counted'", "drop trigger counted on plays", id="lost"),
        pytest.param(
            "create macro five() as 5; create table mine(a integer default five())",
            "Scalar Function with name five",
            "drop table mine",
            id="cannot be made",
        ),
    ],
)
def test_a_removal_that_would_lose_what_a_person_added_is_refused_before_it_begins(
    home: Path, statements: str, named: str, drop: str
) -> None:
    """The advice works: once it is dropped, the same command does it all."""
    _add(home, statements)

    said = _remove(home)

    assert said.code == ExitCode.BAD_INPUT
    assert named in said.err
    assert "Traceback" not in said.err
    assert _ask(home, "select count(*) from plays") == [(1,)]
    _add(home, drop)
    assert _remove(home).code == 0
    assert b"Zyxomma" not in (home / "history.duckdb").read_bytes()


def test_rows_of_a_person_that_cannot_be_copied_are_told_of_after_the_removal(home: Path) -> None:
    """Only the copy shows it; then the same command finishes the work."""
    _add(
        home,
        "create table mine(id integer primary key, above integer references mine(id));"
        "insert into mine values (1, null); insert into mine values (2, 1)",
    )

    said = _remove(home)

    assert said.code == ExitCode.BAD_INPUT
    assert "'bob' is deleted, but" in said.err
    assert "drop it in a DuckDB shell" in said.err
    assert "Traceback" not in said.err
    assert _ask(home, "select count(*) from mine") == [(2,)]
    _add(home, "drop table mine")
    assert _remove(home).code == 0
    assert b"Zyxomma" not in (home / "history.duckdb").read_bytes()


def test_a_rewrite_that_cannot_be_done_hinders_no_other_command(home: Path) -> None:
    with Database(home / "history.duckdb", 20).write("test") as connection:
        rewriting.owe(connection, "eve", _NOW)
    _add(home, _TRIGGER)

    said = command(home, 0, "users", "rename", "bob", "ada")

    assert (said.code, said.out) == (0, ""), said.err
    assert _ask(home, "select trigger_name from duckdb_triggers()") == [("counted",)]
    told = command(home, 0, "status", "--check")
    assert told.code == ExitCode.NEEDS_PERSON
    assert "written anew" in told.out


@pytest.mark.parametrize(
    "lost",
    [
        "drop macro mine",
        "drop type mood",
        "drop schema other",
        "comment on column plain.a is null",
        "update plain set row_of = 7",
        "update plain set a = 7",
        "drop sequence number",
    ],
)
def test_whatever_is_missing_from_a_copy_is_noticed(tmp_path: Path, lost: str) -> None:
    old, new = tmp_path / "old.duckdb", tmp_path / "new.duckdb"
    with duckdb.connect(str(old)) as connection:
        connection.execute(
            "create macro mine(a) as a + 1; create type mood as enum ('low'); create schema other;"
            "create table plain(a integer, row_of integer); insert into plain values (1, 2);"
            "comment on column plain.a is 'of mine'; create sequence number"
        )
    rewriting.copy(old, new)
    whole = _contents(new)

    with duckdb.connect(str(new)) as connection:
        connection.execute(lost)

    assert _contents(new) != whole


def _contents(path: Path) -> rewriting.Contents:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as made (read_only)")
        return rewriting.contents(connection, "made")


_SHELL = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
if sys.argv[2] == "write":
    connection.execute("create table mine as select 5 as x")
    connection.close()
print("there", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("how", "told"), [("open", "was opened by another"), ("write", "was changed by another")]
)
def test_a_shell_that_comes_in_between_loses_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, how: str, told: str
) -> None:
    """What it writes to a file that was replaced would be gone."""
    path = home / "history.duckdb"
    check = rewriting.check

    def come_in_between(made: Path, expected: rewriting.Contents | None = None) -> None:
        check(made, expected)
        shell = [sys.executable, "-c", _SHELL, str(path), how]
        stack.enter_context(process := subprocess.Popen(shell, stdin=-1, stdout=-1))
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"

    with ExitStack() as stack:
        monkeypatch.setattr(rewriting, "check", come_in_between)
        with pytest.raises(DatabaseBusy, match=told):
            Database(path, 20).rewrite("test")
    assert rewriting.leftovers(path) == []
    assert _ask(home, "select count(*) from plays") == [(1,)]
    if how == "write":
        assert _ask(home, "from mine") == [(5,)]


def test_whoever_comes_by_a_link_waits_at_the_same_gate(home: Path, tmp_path: Path) -> None:
    """The link of another home leads to the same file."""
    link = tmp_path / "other.duckdb"
    link.symlink_to(home / "history.duckdb")

    with (
        Database(home / "history.duckdb").write("test"),
        pytest.raises(DatabaseBusy, match="in use by spotify-hist test"),
    ):
        Database(link, 0.0).rewrite("other")

    assert not list(tmp_path.glob("other.duckdb.*"))


def test_the_disk_that_a_link_leads_to_is_looked_at(home: Path, tmp_path: Path) -> None:
    """It is there that the history grows and is written anew."""
    with small_disk(tmp_path / "disk", 40_000):
        shutil.move(home / "history.duckdb", tmp_path / "disk" / "history.duckdb")
        (home / "history.duckdb").symlink_to(tmp_path / "disk" / "history.duckdb")

        said = command(home, 0, "status", "--check")

    assert said.code == ExitCode.NEEDS_PERSON
    assert f"The disk of {tmp_path / 'disk'} is nearly full" in said.out


def test_a_log_that_was_half_put_together_hinders_nothing_and_goes(home: Path) -> None:
    """DuckDB makes it of the logs it found after a crash, and never reads one that it left."""
    left = home / "history.duckdb.wal.recovery"
    left.write_bytes(b"half of a log with Zyxomma in it")

    said = _remove(home)

    assert said.code == 0, said.err
    assert not left.exists()


def test_what_is_in_the_way_of_a_rewrite_is_named(home: Path) -> None:
    (home / "history.duckdb.new").mkdir()

    said = command(home, 0, "users", "remove", "bob", "--yes")

    assert said.code == ExitCode.BAD_INPUT
    assert "history.duckdb.new cannot be made: Is a directory" in said.err


@pytest.mark.parametrize("words", [("users", "remove", "bob", "--yes"), ("sync",)])
def test_what_a_killed_import_had_unpacked_is_cleared_away(
    home: Path, words: tuple[str, ...]
) -> None:
    """It holds a listener's whole export, and nobody may import again for long."""
    left = home / "uploads" / "import-left" / "1.json"
    left.parent.mkdir(parents=True)
    left.write_text('[{"track": "Zyxomma"}]')

    command(home, 0, *words)

    assert not left.parent.exists()


def test_a_removal_that_was_stopped_clears_it_away_when_it_is_finished(home: Path) -> None:
    with Database(home / "history.duckdb", 20).write("test") as connection:
        rewriting.owe(connection, "eve", _NOW)
    left = home / "uploads" / "import-left"
    left.mkdir(parents=True)

    assert command(home, 0, "users", "remove", "eve", "--yes").code == 0

    assert not left.exists()
