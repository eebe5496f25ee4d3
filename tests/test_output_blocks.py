"""What a terminal draws in blocks: trends, calendars and grids; and how values of tables read."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from answers import CALENDAR, COMPARE, HEATMAP, STYLE, TIMELINE, answer
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from spotify_hist.faces.cli import charted, shades, words
from spotify_hist.faces.cli.drawing.grid import grid_lines
from spotify_hist.faces.cli.drawing.trend import trend_lines
from spotify_hist.faces.cli.drawing.voice import Voice
from spotify_hist.faces.cli.drawing.years import calendar_lines
from spotify_hist.faces.cli.steps import steps_of
from spotify_hist.faces.cli.tables import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotify_hist.analytics.answers import Answer

UTF8, ASCII = Voice("utf-8"), Voice("ascii")


def lines_of(drawn: Answer, width: int, encoding: str = "utf-8") -> list[str]:
    """The lines on a terminal of this width, without styles."""
    drawing = draw(drawn, "UTC", is_terminal=True, width=width, encoding=encoding)
    return STYLE.sub("", drawing.text).splitlines()


@given(width=st.integers(24, 200), encoding=st.sampled_from(["utf-8", "ascii", "cp437"]))
def test_no_drawing_is_wider_than_the_terminal(width: int, encoding: str) -> None:
    """Whatever its form: blocks give way to a table, and long lines are wrapped."""
    for drawn in (TIMELINE, CALENDAR, COMPARE, HEATMAP):
        lines = lines_of(drawn, width, encoding)
        assert max(map(cell_len, lines)) <= width
        if encoding == "ascii":
            assert all(line.isascii() for line in lines)


def test_a_calendar_breaks_into_parts_and_at_last_into_a_table() -> None:
    """A year of 54 weeks in 80 columns, half of one in 44, a quarter in 20, rows in 19."""
    years = [line[:8] for line in lines_of(CALENDAR, 80) if line[:4].isdigit()]
    assert years == ["2023 Jan", "2024 Jan"]
    halves = [line[:8] for line in lines_of(CALENDAR, 44) if line[:4].isdigit()]
    assert halves == ["2023 Jul", "2024 Jan"]
    quarters = [line[:8] for line in lines_of(CALENDAR, 20) if line[:4].isdigit()]
    assert quarters == ["2023 Oct", "2024 Jan"]
    assert lines_of(CALENDAR, 19)[1].startswith("2023-11-20")


@given(
    begin=st.dates(date(2000, 1, 1), date(2040, 12, 31)),
    values=st.lists(st.integers(0, 500), min_size=1, max_size=420),
    room=st.sampled_from([20, 44, 80, 140, None]),
)
def test_each_day_of_a_calendar_is_one_block_in_the_line_of_its_weekday(
    begin: date, values: list[int], room: int | None
) -> None:
    """Across leap years and weeks that two years share."""
    days = {begin + timedelta(days=at): value for at, value in enumerate(values)}
    lines = calendar_lines(days, "plays", ASCII, room)
    assert lines is not None
    across = 2 if room == 140 else 1
    for weekday, name in enumerate(charted.WEEKDAYS):
        drawn = "".join(line[5:] for line in lines if line.startswith(f"{name}  "))
        expected = sum(1 for day, value in days.items() if value and day.weekday() == weekday)
        assert len(drawn.replace(" ", "")) == expected * across
    if any(values):
        most = max(values)
        assert any(line.startswith("Most: ") and f"with {most} plays" in line for line in lines)


def test_a_calendar_names_its_months_over_the_week_that_they_begin_in() -> None:
    """2024 begins on a Monday, and the first of September is a Sunday."""
    days = {date(2024, 1, 1): 1, date(2024, 9, 1): 1, date(2024, 12, 31): 1}
    lines = calendar_lines(days, "plays", ASCII, 80)
    assert lines is not None
    assert lines[0].index("Sep") == lines[7].index("#")
    assert lines[0].index("Jan") == lines[1].index("#") == 5


def test_a_calendar_of_zeros_says_so() -> None:
    """No shade means anything then."""
    lines = calendar_lines({date(2024, 1, 1): 0}, "plays", UTF8, 80)
    assert lines is not None
    assert lines[-1] == "No plays in this period."


def points(values: Sequence[float | None], step: str = "month") -> charted.Series:
    """A series at even steps from 0."""
    found = tuple(charted.Point(f"p{at}", at, value) for at, value in enumerate(values))
    return charted.Series(found, "month" if step == "month" else "row")


def test_a_trend_tells_its_ends_its_least_and_its_most() -> None:
    """The first of several that are equal."""
    lines = list(trend_lines(points([5, 1, 9, None, 9]), "plays", UTF8, 80))
    assert lines == [
        "",
        "plays",
        "  ▅▅▅▂▂▂███   ███",
        "  p0           p4",
        "  least 1 (p1), most 9 (p2)",
    ]


def test_a_trend_that_has_less_room_than_steps_is_made_of_means() -> None:
    """And says of how many steps."""
    lines = list(trend_lines(points([*[0.0] * 50, *[8.0] * 50]), "plays", ASCII, 22))
    assert lines[2] == "  " + "_" * 10 + "#" * 10
    assert lines[-1] == "  least 0 (p0), most 8 (p50); a block is the mean of 5 months"


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [None, None, None, 1.0]])
def test_a_trend_of_a_point_or_two_is_none(values: list[float | None]) -> None:
    """The table says it all."""
    assert list(trend_lines(points(values), "plays", UTF8, 80)) == []


def test_a_trend_below_zero_stands_on_its_least() -> None:
    """Deltas have no floor of 0."""
    lines = list(trend_lines(points([-4, 0, 4]), "plays_delta", ASCII, 80))
    assert lines[2] == "  ___===###"


def test_a_fall_is_a_fainter_bar_than_a_rise() -> None:
    """As long as its size, beside the number that has the sign."""
    rises = lines_of(COMPARE, 200)
    assert "100  ████████████████████" in rises[1]
    assert "-50  ░░░░░░░░░░  " in rises[2]
    assert "-50  ----------  " in lines_of(COMPARE, 200, "ascii")[2]


def test_a_column_may_have_any_name() -> None:
    """Those of free SQL are the person's own."""
    drawn = answer("sql", {"bar": "integer", "uri": "text", "größe": "number"}, [(1, "x", 2.0)])
    assert [line.split() for line in lines_of(drawn, 20)] == [
        ["bar", "uri", "größe"],
        ["1", "x", "2"],
    ]


def test_headings_stand_on_several_lines_before_a_column_is_left_out() -> None:
    """Narrow numbers under long names cost the room that names need."""
    lines = lines_of(COMPARE, 80)
    assert [line.split() for line in lines[:2]] == [
        ["rank", "rank", "rank", "plays", "plays", "plays", "listened", "listened"],
        ["now", "before", "change", "name", "now", "before", "delta", "now", "before"],
    ]


def test_the_first_column_and_those_of_the_chart_stay_longest() -> None:
    """What a row is about is not what gives way."""
    assert lines_of(TIMELINE, 24)[0].split() == ["starts", "on", "plays"]


def test_a_ranking_by_time_has_bars_of_time() -> None:
    """Its plays are in no order."""
    columns = {"artist": "text", "plays": "integer", "listened_ms": "integer"}
    rows: list[tuple[object, ...]] = [("A", 1, 7_200_000), ("B", 9, 3_600_000)]
    by_plays = answer("top-artists", columns, rows)
    by_time = answer("top-artists", columns, rows, params={"by": "time"})
    assert lines_of(by_plays, 80)[2].endswith("████████████████████  1 h 00 min")
    assert lines_of(by_time, 80)[1].endswith("2 h 00 min  ████████████████████")


def test_a_grid_of_any_names_is_drawn_or_left_to_a_table() -> None:
    """Names are cut, headings are as many as there is room for."""
    grid = charted.Grid(
        ("a long name of a row", "b"), ("2023", "2024", "2025"), {(0, 0): 1.0, (1, 2): 4.0}
    )
    assert grid_lines(grid, "plays", ASCII, 80) == [
        " " * 22 + "2023  ",
        "a long name of a row  ::            1",
        "b                         ##        4",
        "Busiest: b 2025 with 4 plays",
    ]
    assert grid_lines(grid, "plays", ASCII, 30) is None


@given(st.lists(st.integers(0, 10_000), min_size=1), st.booleans())
def test_shades_rise_from_the_least_to_the_most(values: list[int], is_whole: bool) -> None:
    """Nothing has none, all else has one, and the most the darkest."""
    for steps in (
        shades.even_steps(values, is_whole=is_whole),
        shades.day_steps(values, is_whole=is_whole),
    ):
        found = [shades.shade(value, steps) for value in sorted(values)]
        assert found == sorted(found)
        assert [bool(shade) for shade in found] == [value > 0 for value in sorted(values)]
        assert not steps or found[-1] == len(steps)
        begins = [step for _, step in shades.told(steps)]
        assert begins == sorted(set(begins))


@pytest.mark.parametrize(
    ("labels", "asked", "step", "places"),
    [
        (["2023", "2025"], "", "year", [2023, 2025]),
        (["2024-Q4", "2025-Q1"], "", "quarter", [8099, 8100]),
        (["2024-12", "2025-01"], "", "month", [24299, 24300]),
        (["2024-12-01", "2025-01-01"], "", "month", [24299, 24300]),
        (["2024-10-01", "2025-01-01"], "quarter", "quarter", [8099, 8100]),
        (["2024-01-01", "2025-01-01"], "", "year", [2024, 2025]),
        (["2024-01-01"], "month", "month", [24288]),
        (["2024-01-01"], "", "day", [738886]),
        (["2024-01-01", "2024-02-01"], "day", "day", [738886, 738917]),
        (["2024-01-01", "2024-01-15"], "", "week", [105555, 105557]),
        (["2024-W52", "2025-W01"], "", "week", [105606, 105607]),
        (["2024-01-01", "2024-01-03"], "", "day", [738886, 738888]),
        (["0001-01-01T00:05:59Z", "0001-01-01T01:00:00Z"], "", "minute", [5, 60]),
        (["2024-02-30", "2024-03-01"], "", "row", []),
        (["rock", "jazz"], "", "row", []),
        ([], "", "row", []),
    ],
)
def test_labels_that_are_dates_have_places_in_even_steps(
    labels: list[str], asked: str, step: str, places: list[int]
) -> None:
    """Whatever a question calls its months and weeks; what it was asked with decides doubts."""
    found = steps_of(labels, asked)
    assert found.step == step
    assert list(found.places.values()) == places


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("share", 0.5353, "53.5%"),
        ("skip_share", 0.0, "0.0%"),
        ("skip_share", 0.0002, "<0.1%"),
        ("top_artist_share", 1.0, "100.0%"),
        ("duration_ms", 7_620_000, "2 h 07 min"),
        ("listened_now_ms", 65_000, "1:05"),
        ("ms_played", 65_000, "1:05"),
        ("silent_days", 1_234, "1,234"),
        ("year", 2_024, "2024"),
        ("peak_year", 2_024, "2024"),
        ("import_id", 1_234, "1234"),
        ("mean", -0.00001, "0"),
    ],
)
def test_numbers_read_as_what_their_columns_hold(name: str, value: float, said: str) -> None:
    """Shares in percent, durations in hours and minutes, years without a separator."""
    table = lines_of(answer("recent", {"text": "text", name: "number"}, [("x", value)]), 80)
    assert table[1].removeprefix("x").strip() == said


def test_what_no_column_calls_a_time_says_its_unit() -> None:
    """In sentences and pictures."""
    spans = [words.span(ms) for ms in (0, 59_400, 60_000, 3_600_000, 7_620_000, -120_000)]
    assert spans == ["0 s", "59 s", "1 min", "1 h", "2 h 07 min", "-2 min"]
