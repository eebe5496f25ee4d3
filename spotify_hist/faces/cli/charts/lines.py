"""Owns the picture of a course of time: a line over an axis of dates.

Never asks a question.

Where steps of time have no row, the line is a dotted one: what happened there is not told. Rows
that are instants are dots alone: nothing leads from one to the next.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from spotify_hist.faces.cli.charts.plots import WIDTH, Plot, capped
from spotify_hist.faces.cli.charts.scale import dates_along, extent, round_values, said
from spotify_hist.faces.cli.charts.svg import cut, element, line, text, width_of
from spotify_hist.faces.cli.words import heading, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from xml.etree.ElementTree import Element

    from spotify_hist.faces.cli.charted import Point, Series

MOST = 10_000
_TOP, _HEIGHT, _LABELS = 26, 300, 24
_DATES = 85  # pixels for a date under the line
_DOTTED, _TOUCHED = 60, 500  # up to so many points each has a dot, or tells its value when touched


def lines(series: Series, label: str, unit: str, *, is_whole: bool) -> Plot:
    """A line from left to right; `label` and `unit` name its axes, `is_whole` counts of things."""
    told = [point for point in series.points if point.value is not None]
    drawn = told[-MOST:]
    numbers = [point.value or 0.0 for point in drawn]
    marks = round_values(*extent(numbers), unit, is_whole=is_whole)
    left = max(width_of(said(mark, unit), 12) for mark in marks) + 10
    first, last = drawn[0].at, drawn[-1].at
    room = WIDTH - left - 30

    def x(at: float) -> float:
        return left + (room / 2 if last == first else (at - first) / (last - first) * room)

    def y(value: float) -> float:
        return _TOP + (marks[-1] - value) / (marks[-1] - marks[0]) * _HEIGHT

    elements = [text(heading(unit), left, 12, "soft small")]
    for mark in marks:
        elements.append(line(left, y(mark), WIDTH, y(mark), "rule" if mark else "zero"))
        elements.append(text(said(mark, unit), left - 8, y(mark) + 4, "soft small num", "end"))
    shown = type(series)(tuple(drawn), series.step, series.offset)
    elements += _dates(shown, x)
    if series.step != "minute":
        for run in _runs(drawn):
            elements += _run([(x(point.at), y(point.value or 0.0)) for point in run], y(0.0))
        elements += _bridges(drawn, x, y)
    elements += _dots(drawn, unit, x, y)
    bottom = _TOP + _HEIGHT + _LABELS
    elements.append(text(heading(label), left + room / 2, bottom + 16, "soft small", "middle"))
    return Plot(tuple(elements), bottom + 20, capped(len(told), MOST, "newest"))


def _dates(series: Series, x: Callable[[float], float]) -> list[Element]:
    base = _TOP + _HEIGHT
    found = []
    for at, name in dates_along(series, int(WIDTH / _DATES)):
        found.append(line(x(at), base, x(at), base + 5, "zero"))
        found.append(text(cut(name, _DATES - 6, 12), x(at), base + 19, "soft small", "middle"))
    return found


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """The stretches of points that follow each other without a step left out."""
    runs: list[list[Point]] = []
    for point in points:
        if runs and point.at - runs[-1][-1].at <= 1:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _run(places: Sequence[tuple[float, float]], base: float) -> list[Element]:
    """The line of a stretch, and the area under it."""
    if len(places) == 1:
        return []
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    area = f"{path}L{places[-1][0]:.1f} {base:.1f}L{places[0][0]:.1f} {base:.1f}Z"
    return [element("path", d=area, class_="area"), element("path", d=path, class_="line")]


def _bridges(
    points: Sequence[Point], x: Callable[[float], float], y: Callable[[float], float]
) -> list[Element]:
    """What connects two stretches."""
    return [
        line(x(one.at), y(one.value or 0.0), x(other.at), y(other.value or 0.0), "bridge")
        for one, other in pairwise(points)
        if other.at - one.at > 1
    ]


def _dots(
    points: Sequence[Point], unit: str, x: Callable[[float], float], y: Callable[[float], float]
) -> list[Element]:
    """Points that are seen where they are few or alone, and that tell their value when touched."""
    alone = {run[0].at for run in _runs(points) if len(run) == 1}
    radius = 3.5 if len(points) <= _TOUCHED else 2.0
    found = []
    for point in points:
        is_seen = len(points) <= _DOTTED or point.at in alone
        if not is_seen and len(points) > _TOUCHED:
            continue
        value = point.value or 0.0
        tip = element("title", f"{point.label}: {number(value, unit)} {heading(unit)}")
        size, kind = (radius, "dot") if is_seen else (6.0, "touch")
        found.append(element("circle", tip, cx=x(point.at), cy=y(value), r=size, class_=kind))
    return found
