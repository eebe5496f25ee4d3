"""Lists of listeners, runs and messages as tables: every width, every kind of text."""

from __future__ import annotations

import pytest
from answers import STYLE
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from spotify_hist.analytics.run import Column
from spotify_hist.faces.cli.tables import draw_listing
from spotify_hist.faces.cli.text import printable

COLUMNS = (
    Column("when", "timestamp"),
    Column("job", "word"),
    Column("listener", "text"),
    Column("message", "text"),
)
MOMENT = "2026-11-01T12:00:00.000Z"
LONG = "Spotify cannot be reached: the name api.spotify.com is not known here."

names = st.text(st.sampled_from("abc de-東京é\N{FAMILY}\x1b[31m\n\t"), max_size=120)
texts = st.text(
    st.sampled_from("abc de-東京é\N{FAMILY}\N{ZERO WIDTH JOINER}\x1b[31m\n\t"), max_size=120
)


def drawn(*messages: str, width: int = 80, listener: str = "ada") -> list[str]:
    """The lines of a list on a terminal of that width, without styles."""
    rows = [(MOMENT, "poll", listener, message) for message in messages]
    text = draw_listing(
        COLUMNS, rows, "UTC", is_terminal=True, spare=("listener",), width=width, encoding="utf-8"
    ).text
    return STYLE.sub("", text).splitlines()


def test_a_long_text_is_wrapped_under_its_heading() -> None:
    """Nothing of it is cut, and the next row begins on a line of its own."""
    assert drawn(LONG, "short", width=70) == [
        "when              job   listener  message",
        "2026-11-01 12:00  poll  ada       Spotify cannot be reached: the name",
        "                                  api.spotify.com is not known here.",
        "2026-11-01 12:00  poll  ada       short",
    ]


def test_a_pipe_gets_one_line_a_row() -> None:
    """However long it is; no styles."""
    rows = [(MOMENT, "poll", None, LONG * 5), (None, "poll", "ada", "")]
    drawing = draw_listing(COLUMNS, rows, "Asia/Kolkata", is_terminal=False, encoding="utf-8")
    heading, first, second = drawing.text.splitlines()
    assert heading == "when              job   listener  message"
    assert first == f"2026-11-01 17:30  poll  -         {LONG * 5}"
    assert second == "-                 poll  ada"
    assert drawing.left_out == ()


def test_columns_that_can_be_missed_give_way_and_are_named() -> None:
    """A word or an instant is never cut."""
    rows = [(MOMENT, "poll", "a-listener-with-a-long-name", LONG)]
    drawing = draw_listing(
        COLUMNS, rows, "UTC", is_terminal=True, spare=("listener",), width=60, encoding="utf-8"
    )
    assert drawing.left_out == ("listener",)
    assert all("2026-11-01 12:00  poll" in line for line in drawing.text.splitlines()[1:2])


@given(messages=st.lists(texts, min_size=1, max_size=4), width=st.integers(58, 160), name=names)
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(
    messages: list[str], width: int, name: str
) -> None:
    """Whatever the text is; what steers a terminal is taken out."""
    heading, *lines = drawn(*messages, width=width, listener=name)
    assert max(map(cell_len, [heading, *lines])) <= width
    assert "\x1b" not in "".join(lines)
    begin = cell_len(heading[: heading.index("message")])
    told = "".join(_after(line, begin) for line in lines)
    assert _letters(told) == _letters("".join(map(printable, messages)))


def _after(line: str, cells: int) -> str:
    """What of a line stands after so many cells."""
    for place in range(len(line) + 1):
        if cell_len(line[:place]) >= cells:
            return line[place:]
    return ""


def _letters(text: str) -> str:
    """`text` without what takes no room."""
    return "".join(text.replace("\N{ZERO WIDTH JOINER}", "").split())


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_the_terminal_cannot_say_becomes_a_question_mark(encoding: str) -> None:
    """Rather than an error."""
    rows = [(MOMENT, "poll", "ada", "東京 is far")]
    text = draw_listing(COLUMNS, rows, "UTC", is_terminal=True, width=80, encoding=encoding).text
    assert "?? is far" in text
