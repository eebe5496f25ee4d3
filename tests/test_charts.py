"""What `--chart` draws: every form, any name and any number of rows, and nothing but itself.

`UPDATE_GOLDEN=1 pytest tests/test_charts.py -n 0` writes the golden pictures anew.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from answers import CALENDAR, COMPARE, HEATMAP, TIMELINE, TOP, answer
from hypothesis import example, given
from hypothesis import strategies as st

from spotify_hist.analytics import catalogue
from spotify_hist.faces.cli import charted
from spotify_hist.faces.cli.charts import bars, grids, lines, page, picture, scale, svg, years

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from spotify_hist.analytics.answers import Answer

GOLDEN = Path(__file__).parent / "golden"
DRAWN = {"bar": TOP, "falls": COMPARE, "heatmap": HEATMAP, "line": TIMELINE, "calendar": CALENDAR}
SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {"svg", "title", "desc", "style", "g", "rect", "line", "circle", "path", "text"}
HOSTILE = "<script>alert('x')</script>]]>&amp;\"\x00\x1b[31m\ud800\ufffe\u202e\U0001f9d1\u200d"
TRACKS = {"rank": "integer", "track": "text", "artist": "text", "plays": "integer"}

any_text = st.text(st.characters(exclude_categories=()), max_size=60)


def drawn(given_answer: Answer) -> Element:
    """The picture, parsed as XML."""
    return ET.fromstring(picture.svg(given_answer, "Europe/Berlin"))


def texts(root: Element) -> list[str]:
    """What is written in a picture."""
    return ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]


def tips(root: Element) -> list[str]:
    """What is told where a pointer rests."""
    found = [each.find(f"{SVG}title") for each in root.iter() if each is not root]
    return [each.text or "" for each in found if each is not None]


def shapes(root: Element, tag: str, kind: str) -> list[Element]:
    """The elements of a tag and class."""
    return [each for each in root.iter(SVG + tag) if each.get("class", "").split()[:1] == [kind]]


def check_harmless(root: Element) -> None:
    """Only shapes and texts: nothing that runs, and nothing that is fetched."""
    for each in root.iter():
        assert each.tag.removeprefix(SVG) in SHAPES
        for name, value in each.attrib.items():
            assert not name.startswith("on")
            assert "href" not in name
            assert not re.search(r"url\(|javascript:", value)
        if each.tag == f"{SVG}style":
            assert not re.search(r"url\(|@import|http", each.text or "")


class Page(HTMLParser):
    """What a browser sees of a page: tags, attributes and texts."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(html.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("form", DRAWN)
def test_every_form_is_the_picture_that_it_was(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change shows in a golden file, which any browser opens; words of headers are no part."""
    question = replace(catalogue.load(DRAWN[form].query), summary="What it answers.")
    monkeypatch.setattr(picture, "catalogue", SimpleNamespace(load=lambda _: question))
    path = GOLDEN / f"{form}.svg"
    data = picture.svg(DRAWN[form], "Europe/Berlin")
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_bytes(data)
    assert data == path.read_bytes(), f"differs from tests/golden/{form}.svg"


@pytest.mark.parametrize("form", DRAWN)
def test_every_form_stands_for_itself_in_both_themes(form: str) -> None:
    """A name for screen readers, a size, colours for light and dark, and no way out."""
    root = drawn(DRAWN[form])
    check_harmless(root)
    ids = {each.get("id"): each.text for each in root if each.get("id")}
    assert root.get("role") == "img"
    assert all(ids[name] for name in str(root.get("aria-labelledby")).split())
    width, height = (float(root.get(name) or 0) for name in ("width", "height"))
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
    style = root.find(f"{SVG}style")
    assert style is not None
    assert "prefers-color-scheme:dark" in (style.text or "")
    for each in root.iter():
        x, y = (float(each.get(name) or 0) for name in ("x", "y"))
        assert 0 <= x <= width
        assert -1 <= y <= height


def test_every_chart_of_the_catalogue_is_of_a_form_that_is_drawn() -> None:
    """A new form needs a picture."""
    charts = [each.chart for each in catalogue.all_queries() if each.chart is not None]
    assert {chart.form for chart in charts} <= {"bar", "heatmap", "line", "calendar"}


def songs(*names: str | None) -> Answer:
    """A ranking of tracks with these names, artists and albums."""
    rows = [(at, name, name, 100 - at) for at, name in enumerate(names, 1)]
    return answer("top-tracks", TRACKS, [*rows])


@example(HOSTILE)
@given(any_text)
def test_any_name_is_text_in_every_form(name: str) -> None:
    """Of a bar, a point, a row of a grid, a listener or a note: escaped, and nothing more."""
    period = {"period": "text", "effective_artists": "number"}
    grid = {"weekday": "text", "hour": "text", "plays": "integer"}
    for given_answer in (
        songs(name, None, "x"),
        answer("diversity", period, [(name, 2.5), ("x", None), ("y", 1.0)]),
        answer("heatmap", grid, [(name, name, 3), ("x", "y", 1)]),
        replace(CALENDAR, notes=(name,), params={"user": name, "kind": name}),
    ):
        root = drawn(given_answer)
        check_harmless(root)
        seen = Page(page.html(given_answer, "UTC"))
        assert not {"script", "img", "link", "iframe"} & set(seen.tags)
        assert {"on", "hr", "sr"}.isdisjoint(attribute[:2] for attribute, _ in seen.attributes)
    told = svg.clean(name)
    assert f"{told}: 99 plays" in tips(drawn(songs(name, None)))


def test_a_script_in_a_name_is_shown_as_it_is_written() -> None:
    """In the picture and in the table of the page."""
    hostile = songs("<script>alert(1)</script>")
    assert "<script>alert(1)</script>" in texts(drawn(hostile))
    seen = Page(page.html(hostile, "UTC"))
    assert "<script>alert(1)</script>" in seen.texts
    assert "script" not in seen.tags


@pytest.mark.parametrize("form", DRAWN)
def test_a_page_needs_nothing_but_itself(form: str) -> None:
    """No request, no script; and a policy that allows none."""
    html = page.html(DRAWN[form], "Europe/Berlin")
    assert html.startswith(b"<!doctype html>\n<html")
    seen = Page(html)
    names = {name for name, _ in seen.attributes}
    assert names.isdisjoint({"src", "href", "srcset", "action", "onload", "style"})
    assert {"script", "link", "img", "iframe", "object", "embed", "base"}.isdisjoint(seen.tags)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in seen.attributes
    assert not re.search(rb"url\(|@import", html)
    assert b"https://" not in html
    assert seen.tags.count("h1") == seen.tags.count("svg") == seen.tags.count("table") == 1


def test_a_page_says_what_was_asked_and_lists_the_rows() -> None:
    """The period with its last day, whose and in which zone, the notes, numbers as in a table."""
    asked = replace(
        TOP,
        params={
            "since": "2023-12-31T23:00:00.000Z",
            "until": "2024-06-30T22:00:00.000Z",
            "timezone": "Europe/Berlin",
            "user": "ada",
            "kind": "all",
            "limit": 4,
        },
    )
    seen = Page(page.html(asked, "Europe/Berlin")).texts
    assert "Top artists" in seen
    assert "2024-01-01 to 2024-06-30 · ada · Europe/Berlin · kind all" in seen
    assert "At least: plays are missing." in seen
    assert "There are more rows than were asked for." in seen
    assert {"1,234", "25 h 14 min", "2024-07-02 01:30"} <= set(seen)


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        (None, None, "all time"),
        ("2024-01-01T00:00:00.000Z", None, "since 2024-01-01"),
        (None, "2024-01-01T00:00:00.000Z", "up to 2023-12-31"),
        ("2024-01-01T10:30:00.000Z", "2024-01-02T00:00:00.000Z", "2024-01-01 10:30 to 2024-01-01"),
        ("2024-01-01T00:00:00.000Z", "2024-01-02T08:05:00.000Z", "2024-01-01 to 2024-01-02 08:05"),
    ],
)
def test_a_period_is_said_with_its_last_day(
    since: str | None, until: str | None, said: str
) -> None:
    """Half-open inside, whole days for a person."""
    asked = replace(TOP, params={"since": since, "until": until})
    assert picture.picture_of(asked, "UTC").facts == said


@pytest.mark.parametrize("query", ["top-tracks", "heatmap", "timeline", "calendar"])
def test_an_answer_without_rows_is_a_small_picture_that_says_so(query: str) -> None:
    """No axis of nothing."""
    columns = dict.fromkeys(catalogue.load(query).columns, "text")
    empty = answer(query, columns, [])
    root = drawn(empty)
    assert "No rows." in texts(root)
    assert float(root.get("height") or 0) < 250
    assert "The numbers: 0 rows" in Page(page.html(empty, "UTC")).texts


def test_a_ranking_has_a_bar_a_name_and_a_value_for_each_row() -> None:
    """Bars are as long as the values, the first to the end of the room."""
    root = drawn(TOP)
    widths = [float(each.get("width") or 0) for each in shapes(root, "rect", "mark")]
    assert len(widths) == 4
    assert widths[0] / widths[1] == pytest.approx(1_234 / 617, rel=0.01)
    assert widths[3] == 1.0
    assert {"The Bitter Pilots", "東京事変", "1,234", "artist", "plays"} <= set(texts(root))
    assert "The Bitter Pilots: 1,234 plays" in tips(root)


@pytest.mark.parametrize(("count", "height"), [(1, 250), (20, 700), (1_000, 2_700)])
def test_a_picture_of_many_rows_ends_and_says_where(count: int, height: float) -> None:
    """A hundred bars; the page lists a thousand rows."""
    many = songs(*(f"Song {at}" for at in range(count)))
    root = drawn(many)
    assert len(shapes(root, "rect", "mark")) <= bars.MOST
    assert float(root.get("height") or 0) <= height
    said = "Drawn are the first 100 of 1,000 rows."
    assert (said in texts(root)) is (count > bars.MOST)
    longer = songs(*(f"Song {at}" for at in range(page.MOST_LISTED + 5)))
    listed = Page(page.html(longer, "UTC"))
    assert "The numbers: the first 1,000 of 1,005 rows" in listed.texts
    assert listed.tags.count("tr") == page.MOST_LISTED + 1


def test_a_fall_goes_to_the_other_side() -> None:
    """Of one line at 0."""
    root = drawn(COMPARE)
    rise, fall, *_ = shapes(root, "rect", "mark")
    zero = float(rise.get("x") or 0)
    assert float(fall.get("x") or 0) + float(fall.get("width") or 0) == pytest.approx(zero, abs=0.1)
    assert fall.get("class") == "mark minus"
    assert "-50" in texts(root)


def test_a_song_is_named_with_its_artist_and_an_hour_as_a_clock_does() -> None:
    """What a bar is of can be told."""
    rows: list[tuple[object, ...]] = [(1, "Hello", "Adele", 5), (2, "Hello", "Lionel Richie", 4)]
    assert "Hello \N{EN DASH} Lionel Richie" in texts(drawn(answer("top-tracks", TRACKS, rows)))
    clock = answer("clock", {"hour": "integer", "plays": "integer"}, [(7, 5)])
    assert "07:00" in texts(drawn(clock))


def test_a_line_breaks_where_steps_have_no_row() -> None:
    """What is between is dotted; points that are few can be touched."""
    root = drawn(TIMELINE)
    assert len(shapes(root, "path", "line")) == 2
    assert len(shapes(root, "line", "bridge")) == 1
    assert len(shapes(root, "circle", "dot")) == len(TIMELINE.rows)
    assert "2023-12-01: 1,005 plays" in tips(root)
    assert {"0", "200", "1,200", "2023-01", "2024-01"} <= set(texts(root))


def test_a_line_of_instants_is_dots_alone() -> None:
    """Nothing leads from one sitting to the next."""
    columns = {"started_at": "timestamp", "duration_ms": "integer"}
    rows: list[tuple[object, ...]] = [
        ("2024-07-03T22:30:00.000Z", 5_400_000),
        ("2024-07-01T10:00:00.000Z", 600_000),
    ]
    root = drawn(answer("sessions", columns, rows))
    assert shapes(root, "path", "line") == shapes(root, "line", "bridge") == []
    first, second = shapes(root, "circle", "dot")
    assert float(first.get("cx") or 0) < float(second.get("cx") or 0)
    assert tips(root) == [
        "2024-07-01 12:00: 10 min duration",
        "2024-07-04 00:30: 1 h 30 min duration",
    ]
    assert {"0 s", "1 h", "2024-07-02", "2024-07-03"} <= set(texts(root))


@pytest.mark.parametrize("count", [1, 2, 500, 501, 12_000])
def test_a_line_of_any_length_is_one_picture_of_the_same_size(count: int) -> None:
    """Beyond ten thousand points the newest are drawn."""
    days = [date(1990, 1, 1) + timedelta(days=at) for at in range(count)]
    columns = {"starts_on": "date", "plays": "integer"}
    rows: list[tuple[object, ...]] = [(day.isoformat(), day.day) for day in days]
    root = drawn(answer("timeline", columns, rows, params={"step": "day"}))
    assert float(root.get("height") or 0) < 600
    assert len(shapes(root, "line", "zero")) <= 14
    said = "Drawn are the newest 10,000 of 12,000 rows."
    assert (said in texts(root)) is (count > lines.MOST)


def test_a_heatmap_has_a_cell_for_each_hour_and_a_legend_that_tells_the_shades() -> None:
    """The totals stand behind the rows."""
    root = drawn(HEATMAP)
    cells = [each for level in range(6) for each in shapes(root, "rect", f"s{level}")]
    assert len([each for each in cells if each.find(f"{SVG}title") is not None]) == 168
    assert "Sun, 17:00: 63 plays" in tips(root)
    assert {"Mon", "Sun", "280", "1+", "51+"} <= set(texts(root))


def test_a_grid_of_too_many_rows_and_columns_ends_and_says_so() -> None:
    """The first hundred of each."""
    names = tuple(f"Name {at}" for at in range(150))
    grid = charted.Grid(names, names, {(0, 0): 1.0, (149, 149): 5.0})
    plot = grids.cells(grid, "plays", is_whole=True)
    assert plot.said == (
        "Drawn are the first 100 of 150 rows.",
        "Drawn are the first 100 of 150 columns.",
    )


def test_a_calendar_has_a_cell_for_each_day_from_the_first_to_the_last() -> None:
    """Those without a row too; each year is a block with its sum."""
    days = {date(2023, 12, 30): 5, date(2024, 3, 1): 2}
    plot = years.years(days, "plays", is_whole=True)
    cells = [each for each in plot.elements if each.tag == "rect" and len(each)]
    assert len(cells) == 63
    root = drawn(CALENDAR)
    assert "2024-01-30: 90 plays" in tips(root)
    assert {"2023", "2024", "1,647 plays", "Jan", "Dec", "Mon"} <= set(texts(root))


def test_a_calendar_of_too_many_years_has_the_newest() -> None:
    """Thirty blocks."""
    days = {date(year, 5, 1): 1 for year in range(1980, 2025)}
    assert years.years(days, "plays", is_whole=True).said == (
        "Drawn are the newest 30 of 45 years.",
    )


def test_a_name_that_is_too_long_is_cut_and_whole_where_a_pointer_rests() -> None:
    """Wide letters sooner; marks that pile up are few."""
    name = "An Endless Name " * 20
    root = drawn(songs(name))
    (shown,) = [each for each in texts(root) if each.startswith("An Endless")]
    assert shown.endswith("…")
    assert len(shown) < 60
    assert tips(root) == [f"{name}: 99 plays"]
    assert len(svg.cut("群" * 100, 300)) < len(svg.cut("x" * 100, 300))
    assert svg.cut("short", 300) == "short"
    assert len(svg.clean("a" + "\u0301" * 90)) < 10


@given(
    least=st.floats(-1e9, 1e9).map(lambda value: round(value, 4)),
    size=st.floats(1e-4, 1e9).map(lambda value: round(value, 4)),
    name=st.sampled_from(["plays", "listened_ms", "skip_share"]),
    is_whole=st.booleans(),
)
def test_the_values_of_an_axis_are_few_round_and_enclose_all(
    least: float, size: float, name: str, is_whole: bool
) -> None:
    """At most a dozen, evenly apart."""
    most = least + size
    marks = scale.round_values(least, most, name, is_whole=is_whole)
    assert marks[0] <= least + abs(least) * 1e-9
    assert marks[-1] >= most - abs(most) * 1e-9
    assert 2 <= len(marks) <= 13
    assert all(scale.said(mark, name) for mark in marks)


@given(
    step=st.sampled_from(["year", "quarter", "month", "week", "day", "minute", "row"]),
    first=st.integers(0, 500),
    length=st.integers(0, 5_000),
    room=st.integers(2, 12),
)
def test_the_dates_of_an_axis_lie_on_it_and_have_room(
    step: str, first: int, length: int, room: int
) -> None:
    """From minutes to centuries."""
    start = {"year": 1, "quarter": 8000, "month": 24_000, "week": 104_000, "day": 730_000,
             "minute": 1_050_000_000, "row": 0}[step] + first  # fmt: skip
    if step == "year":
        length = min(length, 900)
    ends = (charted.Point("a", start, 1.0), charted.Point("b", start + length, 1.0))
    series = charted.Series(ends, step, 1)  # type: ignore[arg-type]  # drawn from the literals
    found = scale.dates_along(series, room)
    assert len(found) <= room + 1
    places = [at for at, _ in found]
    assert places == sorted(places)
    assert all(start <= at <= start + length for at in places) or step == "row"
