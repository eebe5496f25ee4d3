"""How answers look: golden files for each format, widths of any size, names of any kind.

`UPDATE_GOLDEN=1 pytest tests/test_output.py -n 0` writes the golden files anew.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
import unicodedata
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from answers import (
    ANSWERS,
    COLOUR,
    RECENT,
    RECENT_COLUMNS,
    STYLE,
    TASTE,
    TOP,
    Terminal,
    answer,
    recent,
    written,
)
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from spotify_hist.errors import UsageError
from spotify_hist.faces.cli.output import FORMATS, Format, Output
from spotify_hist.faces.cli.tables import draw
from spotify_hist.faces.cli.text import printable
from spotify_hist.faces.cli.words import duration

if TYPE_CHECKING:
    from spotify_hist.analytics.answers import Answer

GOLDEN = Path(__file__).parent / "golden"


def check_golden(name: str, text: str) -> None:
    """Compare with the golden file, or write it."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_bytes(text.encode())
    assert text == path.read_bytes().decode(), f"differs from tests/golden/{name}"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("heatmap", "table"),
        ("calendar", "table"),
        *product(sorted(set(ANSWERS) - {"heatmap", "calendar"}), FORMATS),
    ],
)
def test_every_format_is_what_it_was_in_a_pipe(name: str, form: Format) -> None:
    """Formats are interfaces: a change shows in a golden file."""
    check_golden(f"{name}.{form}", written(ANSWERS[name], form))


@pytest.mark.parametrize("name", sorted(ANSWERS))
@pytest.mark.parametrize("width", [44, 80, 140])
def test_a_table_on_a_terminal_is_what_it_was(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Narrow, usual and wide, with the styles written as names."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    drawing = draw(ANSWERS[name], "Europe/Berlin", is_terminal=True, width=width, encoding="utf-8")
    named = {"\x1b[1m": "<bold>", "\x1b[36m": "<cyan>", "\x1b[0m": "</>"}
    text = STYLE.sub(lambda found: named[found[0]], drawing.text)
    left_out = ", ".join(drawing.left_out) or "nothing"
    check_golden(f"{name}.{width}", f"{text}left out: {left_out}\n")


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_a_terminal_without_unicode_gets_ascii_bars_and_question_marks(name: str) -> None:
    """Columns stay aligned: a character that cannot be said is one question mark."""
    drawing = draw(ANSWERS[name], "UTC", is_terminal=True, width=80, encoding="ascii")
    assert drawing.text.isascii()
    check_golden(f"{name}.ascii", STYLE.sub("", drawing.text))


@pytest.mark.parametrize("form", FORMATS)
def test_an_answer_without_rows_is_said_to_be_one(form: Format) -> None:
    """And what a program reads still has its columns."""
    text = written(recent(), form)
    heading = ",".join(RECENT_COLUMNS)
    expected = {"table": "No rows.\n", "ndjson": "", "csv": heading + "\n"}
    if form == "json":
        assert json.loads(text)["rows"] == []
        assert [column["name"] for column in json.loads(text)["columns"]] == [*RECENT_COLUMNS]
    elif form == "markdown":
        assert text.splitlines()[0] == "| " + heading.replace(",", " | ") + " |"
        assert len(text.splitlines()) == 2
    else:
        assert text == expected[form]


def test_the_json_is_that_of_the_answer() -> None:
    """Written row by row, it is the same document as `as_dict`, one row a line."""
    for given_answer in ANSWERS.values():
        text = written(given_answer, "json")
        assert json.loads(text) == given_answer.as_dict()
        assert text.count("\n") == len(given_answer.rows) + 1


def test_notes_and_truncation_go_to_stderr_but_for_json_which_holds_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Data on stdout alone; -q keeps notes back."""
    Output().answer(TOP, "csv", "UTC")
    told = capsys.readouterr()
    assert "At least" not in told.out
    assert told.err.splitlines() == [
        "Note: At least: plays are missing.",
        "Note: there are more rows; ask for them with --limit or --offset.",
    ]
    Output().answer(TOP, "json", "UTC")
    told = capsys.readouterr()
    assert told.err == ""
    assert json.loads(told.out)["notes"] == ["At least: plays are missing."]
    assert json.loads(told.out)["truncated"] is True
    Output(quiet=True).answer(TOP, "csv", "UTC")
    assert capsys.readouterr().err == ""


def test_what_did_not_fit_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns never vanish in silence."""
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((70, 20)))
    monkeypatch.setattr(sys, "stdout", Terminal())
    Output().answer(recent(("Track", "Artist", "Album")), "table", "UTC")
    assert capsys.readouterr().err == "Note: too narrow for uri; other formats show every column.\n"


def lines_of(drawn: Answer, width: int, encoding: str = "utf-8") -> list[str]:
    """The lines of a table on a terminal, without styles."""
    drawing = draw(drawn, "UTC", is_terminal=True, width=width, encoding=encoding)
    return STYLE.sub("", drawing.text).splitlines()


@given(width=st.integers(24, 200), encoding=st.sampled_from(["utf-8", "ascii", "latin-1"]))
def test_no_line_is_longer_than_the_terminal_and_no_number_is_cut(
    width: int, encoding: str
) -> None:
    """Names are cut and columns left out; what is shown of a number or an instant is whole."""
    for given_answer in (RECENT, TOP, TASTE):
        lines = lines_of(given_answer, width, encoding)
        assert max(map(cell_len, lines)) <= width
        assert len(lines) == len(given_answer.rows) + 1
    heading, *body = lines_of(TOP, width, encoding)
    for row, line in zip(TOP.rows, body, strict=True):
        words = line.split()
        assert words[0] == str(row[0])
        assert f"{row[2]:,}" in words
        assert "last played" not in heading or str(row[5])[:10] in words
    assert "listened" in heading or width < 70


def test_very_wide_terminals_change_nothing() -> None:
    """A table is as wide as it needs to be."""
    assert lines_of(RECENT, 500) == lines_of(RECENT, 1_000)
    assert lines_of(RECENT, 500)[0].split()[-1] == "sources"


@pytest.mark.parametrize(
    "name", ["東京事変", "👩🏽‍🎤👨‍👩‍👧", "e\u0301e\u0301", "🇯🇵🇩🇪", "☕️", "x" * 300, "Ω"]
)
@pytest.mark.parametrize("width", [60, 140])
def test_columns_stay_aligned_beside_wide_and_composed_characters(name: str, width: int) -> None:
    """CJK, emoji and accents take the cells a terminal gives them, cut or whole."""
    table = recent((name, "plain", "album"), ("track", "plain", "album"))
    heading, *body = lines_of(table, width)
    at = cell_len(heading[: heading.index("artist")])
    for line in body:
        assert cell_len(line[: line.index("plain")]) == at


@given(name=st.text(min_size=1, max_size=60))
def test_columns_stay_aligned_beside_any_name(name: str) -> None:
    """Whatever the characters, the next column starts where its heading does."""
    drawn = lines_of(recent((name, "[[plain]]", None)), 120)
    assert len(drawn) == 2
    at = cell_len(drawn[0][: drawn[0].index("artist")])
    assert abs(cell_len(drawn[1][: drawn[1].rindex("[[plain]]")]) - at) == 0


HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\x00\x7f\x08\r\n\u202eevil\u2066\u200b\ufeff"


@example(name=HOSTILE)
@given(name=st.text(max_size=60))
def test_no_name_steers_a_terminal_in_any_format(name: str) -> None:
    """Nothing but plain characters and this program's own styles reaches it (data of strangers)."""
    for form in FORMATS:
        text = written(recent((name, name, name)), form, Terminal())
        for char in STYLE.sub("", text) if form == "table" else text:
            assert char == "\n" or unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}
            assert char not in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\ufeff"
    assert "\x1b" not in printable(name)


@example(name=HOSTILE)
@given(name=st.text(max_size=60))
def test_json_and_csv_keep_every_character_of_a_name(name: str) -> None:
    """Escaped where they must be, but never lost; a row is a line of ndjson."""
    given_answer = recent((name, name, None))
    assert json.loads(written(given_answer, "json"))["rows"][0]["track"] == name
    (line,) = written(given_answer, "ndjson").removesuffix("\n").split("\n")
    assert json.loads(line)["artist"] == name
    row = next(csv.DictReader(io.StringIO(written(given_answer, "csv"), newline="")))
    assert row["track"] == name
    assert (row["album"], row["sources"]) == ("", "api;extended")


@given(name=st.text(max_size=60))
def test_a_row_of_markdown_has_the_columns_of_its_heading(name: str) -> None:
    """Neither a bar nor a backslash in a name makes another cell."""
    heading, _, *body = written(recent((name, "b", "c")), "markdown").splitlines()
    assert len(body) == 1
    unescaped = re.sub(r"\\.", "", body[0])
    assert unescaped.count("|") == heading.count("|")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc\r\u2028d", "a b c  d"),
        ("a\u00a0b\u3000c", "a b c"),
        ("\x1b[31mred", "\N{REPLACEMENT CHARACTER}[31mred"),
        ("\u202eevil\u2069", "evil"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("\u0646\u06cc\u200c\u0645", "\u0646\u06cc\u200c\u0645"),  # Persian is written with it
        ("\x9b31m", "\N{REPLACEMENT CHARACTER}31m"),
        ("\U0001fae9", "\U0001fae9"),
        ("", ""),
    ],
)
def test_printable_keeps_what_is_writing_and_drops_what_is_steering(text: str, shown: str) -> None:
    """Spaces stay spaces, and joined emoji stay joined."""
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "0 s"), (59_999, "59 s"), (60_000, "1:00"), (3_599_000, "59:59"),
     (3_600_000, "1 h 00 min"), (7_620_000, "2 h 07 min"), (4_000_000_000, "1,111 h 06 min"),
     (-65_000, "-1:05")],
)  # fmt: skip
def test_a_listened_time_is_said_as_people_say_it(ms: int, words: str) -> None:
    """Seconds, minutes, hours."""
    assert duration(ms) == words


def test_no_color_leaves_no_colour_and_a_dumb_terminal_no_style(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """no-color.org; and a pipe never gets either."""

    def drawn(*, is_terminal: bool = True) -> str:
        return draw(TOP, "UTC", is_terminal=is_terminal, width=100, encoding="utf-8").text

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert COLOUR.search(drawn())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOUR.search(drawn())
    assert STYLE.search(drawn())
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in drawn()
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b" not in drawn()
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b" not in drawn(is_terminal=False)


def test_messages_are_wrapped_on_a_terminal_and_stay_one_line_in_a_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word is broken, and a long one stays whole."""
    error = UsageError("word " * 30 + "x" * 90 + "\x1b[2J", hint="Do this.")
    Output().error(error)
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((40, 20)))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    Output().error(error)
    lines = terminal.getvalue().splitlines()
    assert len(lines) > 4
    assert all(len(line) <= 40 or len(line.split()) == 1 for line in lines)
    assert "\x1b" not in terminal.getvalue()


def test_log_format_json_makes_every_line_of_stderr_an_object(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Notes, details, errors and where a bug was."""
    out = Output(verbose=1, log_json=True)
    out.note("one\ntwo")
    out.detail("three")
    out.trace("Traceback:\n  here\n")
    out.error(UsageError("no", hint="yes"))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[:3] == [
        {"level": "info", "message": "one\ntwo"},
        {"level": "debug", "message": "three"},
        {"level": "error", "message": "Traceback:\n  here\n"},
    ]
    assert lines[3]["error"] == {
        "code": "usage",
        "message": "no",
        "hint": "yes",
        "retryable": False,
    }


def test_values_of_any_type_are_said_in_every_format() -> None:
    """Flags, numbers and nothing, as each format says them."""
    columns = {"flag": "boolean", "value": "number", "text": "text", "day": "date"}
    rows: list[tuple[object, ...]] = [(True, 0.5, None, "2024-01-01"), (False, 3.0, "x", None)]
    mixed = answer("recent", columns, rows)
    assert written(mixed, "csv") == "flag,value,text,day\ntrue,0.5,,2024-01-01\nfalse,3.0,x,\n"
    assert written(mixed, "markdown").splitlines()[2] == "| true | 0.5 |  | 2024-01-01 |"
    table = written(mixed, "table").splitlines()
    assert [line.split() for line in table[1:]] == [
        ["true", "0.5", "-", "2024-01-01"],
        ["false", "3", "x", "-"],
    ]
    loaded: Any = json.loads(written(mixed, "json"))
    assert loaded["rows"][0] == {"flag": True, "value": 0.5, "text": None, "day": "2024-01-01"}


def test_lists_and_objects_are_said_in_every_format() -> None:
    """With nothing, flags and names of any letters in them, they keep what they hold."""
    columns = {"tags": "list", "mixed": "list", "thing": "object", "at": "local_timestamp"}
    row = (["a", "b"], ["Zoë", None, True, 2.5], {"n": None, "é": [1]}, "2024-01-01T12:00:00")
    nested = answer("recent", columns, [row, ([], None, None, None)])
    assert json.loads(written(nested, "json"))["rows"][0] == dict(zip(columns, row, strict=True))
    assert json.loads(written(nested, "ndjson").splitlines()[0])["mixed"] == row[1]
    (first, empty) = csv.DictReader(io.StringIO(written(nested, "csv"), newline=""))
    assert (first["tags"], first["mixed"]) == ("a;b", "Zoë;;true;2.5")
    assert json.loads(first["thing"]) == row[2]
    assert set(empty.values()) == {""}
    heading, _, line, _ = written(nested, "markdown").splitlines()
    assert re.sub(r"\\.", "", line).count("|") == heading.count("|")
    _, line, nothing = written(nested, "table").splitlines()
    assert "a, b" in line
    assert '["Zoë", null, true, 2.5]' in line
    assert line.endswith("2024-01-01 12:00:00")
    assert nothing.split() == ["-", "-", "-"]
