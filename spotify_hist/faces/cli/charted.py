"""Owns what of an answer its chart shows: points, the cells of a grid, the days of a calendar.

Never draws; the terminal and the pictures both do, from the same values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

from spotify_hist.analytics import catalogue
from spotify_hist.analytics.header import Chart
from spotify_hist.faces.cli import steps
from spotify_hist.faces.cli.words import cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from spotify_hist.analytics.answers import Answer

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_KEYS = {"weekday": range(1, 8), "month": range(1, 13), "hour": range(24)}


@dataclass(frozen=True, slots=True)
class Point:
    """A row of a bar or line chart; `at` counts the steps of the axis, `value` may not be known."""

    label: str
    at: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """The points of a line from left to right, how far apart two neighbours at least are, and the
    ordinal of the day at place 0 (see `steps`)."""

    points: tuple[Point, ...]
    step: steps.Step
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Grid:
    """Values by row and column, all of which have a name; what is not there is not known."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Mapping[tuple[int, int], float]  # by place of row and column


def chart_of(answer: Answer) -> Chart | None:
    """The chart of the question's header, None where it has none; a ranking by time shows time."""
    if answer.query not in catalogue.names():
        return None
    chart = catalogue.load(answer.query).chart
    names = {column.name for column in answer.columns}
    if chart is not None and answer.params.get("by") == "time" and "listened_ms" in names:
        *before, value = chart.columns
        return Chart(chart.form, (*before, "listened_ms" if value == "plays" else value))
    return chart


def labelled(answer: Answer, chart: Chart, zone: ZoneInfo) -> tuple[Point, ...]:
    """The rows of a bar chart, in the answer's order; a song is named with its artist."""
    column = next(each for each in answer.columns if each.name == chart.columns[0])
    has_artist = column.type == "text" and column.name != "artist"
    artists = _column(answer, "artist") if has_artist else []
    labels, values = _column(answer, chart.columns[0]), _column(answer, chart.columns[1])
    points = []
    for at, (label, value) in enumerate(zip(labels, values, strict=True)):
        name = _fixed(column.name, label) or cell(column, label, zone)
        if artists and artists[at] not in {None, label}:
            name = f"{name} \N{EN DASH} {artists[at]}"
        points.append(Point(name, at, known(value)))
    return tuple(points)


def series(answer: Answer, chart: Chart, zone: ZoneInfo) -> Series:
    """The rows of a line chart in the order of time, at even steps of it where all are dates."""
    found = labelled(answer, chart, zone)
    told = [str(each) for each in _column(answer, chart.columns[0])]
    step, places, offset = steps.steps_of(told, str(answer.params.get("step", "")))
    if step != "row":
        moved = (
            Point(each.label, places[raw], each.value)
            for each, raw in zip(found, told, strict=True)
        )
        return Series(tuple(sorted(moved, key=lambda point: point.at)), step, offset)
    if len(told) > 1 and all(one > other for one, other in pairwise(told)):
        found = tuple(Point(each.label, at, each.value) for at, each in enumerate(found[::-1]))
    return Series(found, step)


def grid(answer: Answer, chart: Chart) -> Grid:
    """The cells of a heatmap: weekdays, hours and months have their names, all else its own."""
    row_name, column_name, value_name = chart.columns
    rows, columns = _column(answer, row_name), _column(answer, column_name)
    row_places, row_labels = _axis(row_name, rows)
    column_places, column_labels = _axis(column_name, columns)
    values: dict[tuple[int, int], float] = {}
    for row, column, value in zip(rows, columns, _column(answer, value_name), strict=True):
        number = known(value)
        if row in row_places and column in column_places and number is not None:
            values[row_places[row], column_places[column]] = number
    return Grid(row_labels, column_labels, values)


def _axis(name: str, found: Sequence[object]) -> tuple[dict[object, int], tuple[str, ...]]:
    """The place of each value along an axis of a grid, and the names along it."""
    values = dict.fromkeys(value for value in found if value is not None)
    if name in _KEYS and set(values) <= set(_KEYS[name]):
        keys: Sequence[object] = _KEYS[name]
        return {key: at for at, key in enumerate(keys)}, tuple(_fixed(name, key) for key in keys)
    numbers = [value for value in values if isinstance(value, (int, float))]
    keys = sorted(numbers) if len(numbers) == len(values) else [*values]
    return {key: at for at, key in enumerate(keys)}, tuple(map(str, keys))


def _fixed(name: str, key: object) -> str:
    """How a weekday, a month or an hour is called; '' for all else."""
    if not isinstance(key, int) or name not in _KEYS or key not in _KEYS[name]:
        return ""
    if name == "hour":
        return f"{key:02}:00"
    return (WEEKDAYS if name == "weekday" else MONTHS)[key - 1]


def days(answer: Answer, chart: Chart) -> dict[date, float]:
    """The days of a calendar in order, each with its value where it is known."""
    found: dict[date, float] = {}
    dates, values = _column(answer, chart.columns[0]), _column(answer, chart.columns[1])
    for day, value in zip(dates, values, strict=True):
        number = known(value)
        if day is not None and number is not None:
            found[date.fromisoformat(str(day)[:10])] = number
    return dict(sorted(found.items()))


def known(value: object) -> float | None:
    """`value` as a number; None for what is none."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _column(answer: Answer, name: str) -> list[object]:
    """The values of a column, [] where there is none of this name."""
    names = [column.name for column in answer.columns]
    return [row[names.index(name)] for row in answer.rows] if name in names else []
