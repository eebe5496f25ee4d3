"""`query sql` as a person types it, in every format, with its exit codes."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from known_history import MINE
from plays import add

from spotify_hist.faces.cli.main import run
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

ROWS = (
    "select * from (values ('a', 1, ['p', 'q'], {'x': null}), (null, -2, [null], null)) "
    "as told (t, n, l, o)"
)
FORMATS = {
    "ndjson": [
        '{"t": "a", "n": 1, "l": ["p", "q"], "o": {"x": null}}',
        '{"t": null, "n": -2, "l": [null], "o": null}',
    ],
    "csv": ["t,n,l,o", 'a,1,p;q,"{""x"": null}"', ",-2,[null],"],
    "markdown": [
        "| t | n | l | o |",
        "| --- | --- | --- | --- |",
        '| a | 1 | p;q | {"x": null} |',
        "|  | -2 | \\[null] |  |",
    ],
    "table": ["t   n  l       o", 'a   1  p, q    {"x": null}', "-  -2  [null]  -"],
}


@pytest.fixture
def history(home: Path) -> Path:
    """The home, with a history."""
    add(Database(home / "history.duckdb"), MINE)
    return home


@pytest.mark.parametrize("form", FORMATS)
def test_rows_are_written_in_every_format(
    history: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """What has an inside is JSON where the format has no form for it."""
    assert run(["query", "sql", ROWS, "--format", form]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == FORMATS[form]
    assert told.err == ""


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_a_heading_steers_no_terminal_and_breaks_no_line(
    history: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """SQL may name a column anything."""
    text = 'select 1 as "Note: \x1b[31m\u202e a | b\nNote: c", 2 as "d\r\te"'
    assert run(["query", "sql", text, "--format", form]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.isprintable()
    assert len(lines) == {"table": 1, "markdown": 2}[form]
    if form == "markdown":
        assert heading == "| Note: \N{REPLACEMENT CHARACTER}\\[31m a \\| b Note: c | d  e |"


def test_json_has_the_shape_of_every_answer(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """DESIGN 7."""
    assert run(["query", "--format", "json", "sql", "select 1 as one", "--limit", "5"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["query", "params", "columns", "rows", "truncated", "notes"]
    assert (told["query"], told["rows"]) == ("sql", [{"one": 1}])
    assert told["params"]["limit"] == 5


def test_the_statement_can_come_from_stdin(
    history: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long statement lies in a file."""
    stdin = io.TextIOWrapper(io.BytesIO(b"select count(*)\nfrom v_plays -- all\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run(["query", "sql", "-", "--format", "csv"]) == 0
    assert capsys.readouterr().out == "count_star()\n13\n"


def test_bytes_that_are_no_text_are_refused(
    history: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in another encoding."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"select '\xff'")))
    assert run(["query", "sql", "-"]) == 2
    assert "not valid UTF-8" in capsys.readouterr().err


def test_more_rows_than_shown_are_announced(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the option that shows them."""
    assert run(["query", "sql", "from range(3) as t (i)", "--limit", "2"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == ["i", "0", "1"]
    assert "--limit" in told.err


def test_no_rows_are_said_to_be_none(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table of nothing would look like a fault."""
    assert run(["query", "sql", "select 1 where false"]) == 0
    assert capsys.readouterr().out == "No rows.\n"


def test_instants_are_local_in_a_table(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As in every table; JSON has UTC."""
    with Database(history / "history.duckdb").write("test") as connection:
        connection.execute("update users set timezone = 'Asia/Kolkata'")
    statement = "select timestamptz '2024-01-01 00:00:00+00' as at"
    assert run(["query", "sql", statement]) == 0
    assert capsys.readouterr().out.splitlines() == ["at", "2024-01-01 05:30"]


@pytest.mark.parametrize(
    ("statement", "code", "exit_code"),
    [
        ("selec 1", "sql", 2),
        ("drop table plays", "not_one_select", 2),
        ("select sleep_ms(60000)", "timeout", 5),
        ("select unnest(range(1000000000))", "out_of_memory", 3),
    ],
)
def test_each_failure_has_its_exit_code(
    history: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    code: str,
    exit_code: int,
) -> None:
    """And its JSON, as everywhere."""
    monkeypatch.setenv("SPOTIFY_HIST_QUERY_SQL_TIMEOUT_S", "0.5")
    assert run(["query", "sql", statement, "--format", "json"]) == exit_code
    told = capsys.readouterr()
    assert told.out == ""
    assert json.loads(told.err)["error"]["code"] == code


def test_the_help_names_every_promised_view(capsys: pytest.CaptureFixture[str]) -> None:
    """They are found without the documents."""
    from spotify_hist.analytics.sql import promised

    assert run(["query", "sql", "--help"]) == 0
    told = capsys.readouterr().out
    assert [name for name in promised.NAMES if name not in told] == []
