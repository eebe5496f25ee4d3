"""Owns axes: round values along one, how they are said, and dates along the other.

Never draws.
"""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING

from spotify_hist.faces.cli.words import measure, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spotify_hist.faces.cli.charted import Series

_S, _MIN, _H = 1_000, 60_000, 3_600_000
_TIMES = (
    *(_S * each for each in (1, 2, 5, 10, 15, 30)),
    *(_MIN * each for each in (1, 2, 5, 10, 15, 30)),
    *(_H * each for each in (1, 2, 5)),
)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 6000, 12_000)
_DAYS = (1, 2, 7, 14)


def round_values(
    least: float, most: float, name: str, *, is_whole: bool, count: int = 5
) -> list[float]:
    """About `count` round values that enclose `least` to `most`, of the column `name`."""
    if most <= least:
        most = least + 1
    step = _round_step((most - least) / count, name)
    if is_whole:
        step = max(step, 1.0)
    first, last = math.floor(least / step), math.ceil(most / step)
    return [at * step for at in range(first, last + 1)]


def _round_step(rough: float, name: str) -> float:
    is_duration = measure(name) == "duration"
    if is_duration and rough <= _TIMES[-1]:
        return next(each for each in _TIMES if each >= rough)
    unit = _H if is_duration else 1
    power = 10.0 ** math.floor(math.log10(rough / unit))
    return next(
        each * power * unit for each in (1, 2, 5, 10) if each * power * unit >= rough * 0.99
    )


def said(value: float, name: str) -> str:
    """A value of an axis: shares without needless decimals."""
    if measure(name) == "share":
        return f"{round(value * 100, 6):g}%"
    return number(value, name)


def dates_along(series: Series, room: int) -> list[tuple[float, str]]:
    """At most about `room` places along a line, in its steps, and what is there."""
    first, last = series.points[0].at, series.points[-1].at
    if series.step == "year":
        found = _every_months(first * 12, last * 12, room)
        return [(month / 12, name) for month, name in found if month % 12 == 0]
    if series.step == "quarter":
        found = _every_months(first * 3, last * 3, room)
        return [(month / 3, name) for month, name in found if month % 3 == 0]
    if series.step == "month":
        return list(_every_months(first, last, room))
    if series.step != "row":
        return list(_along_days(series, room))
    every = -(-len(series.points) // room)
    return [(point.at, point.label) for point in series.points[::every]]


def _every_months(first: int, last: int, room: int) -> list[tuple[float, str]]:
    """Months counted from year 0, as many as there is room for, January among them."""
    every = next((each for each in _MONTHS if (last - first) / each < room), _MONTHS[-1])
    months = [month for month in range(first, last + 1) if month % every == 0]
    if every % 12 == 0:
        return [(month, f"{month // 12:04}") for month in months]
    return [(month, f"{month // 12:04}-{month % 12 + 1:02}") for month in months]


def _along_days(series: Series, room: int) -> Iterator[tuple[float, str]]:
    """Minutes, days or weeks, with dates along them; months where those are too many."""
    days = {"minute": 1 / 1440, "week": 7.0}.get(series.step, 1.0)
    first, last = (series.points[end].at * days + series.offset for end in (0, -1))
    every = next((each for each in _DAYS if each >= days and (last - first) / each < room), None)
    if every is None:
        for month, name in _every_months(_month(first), _month(last), room):
            begin = date(int(month) // 12, int(month) % 12 + 1, 1).toordinal()
            if begin >= first:
                yield (begin - series.offset) / days, name
        return
    for day in range(math.ceil(first), int(last) + 1, every):
        yield (day - series.offset) / days, date.fromordinal(day).isoformat()


def _month(ordinal: float) -> int:
    day = date.fromordinal(int(ordinal))
    return day.year * 12 + day.month - 1


def extent(values: Sequence[float]) -> tuple[float, float]:
    """The least and the most, 0 between them."""
    return min(0.0, *values) if values else 0.0, max(0.0, *values) if values else 0.0
