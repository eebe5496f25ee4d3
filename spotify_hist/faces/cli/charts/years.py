"""Owns the picture of a calendar: weeks across, weekdays down, a block for each year.

Never asks a question.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from spotify_hist.faces.cli.charted import MONTHS, WEEKDAYS
from spotify_hist.faces.cli.charts.plots import Plot, capped, legend
from spotify_hist.faces.cli.charts.svg import rect, text
from spotify_hist.faces.cli.shades import day_steps, shade
from spotify_hist.faces.cli.words import heading, measure, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from xml.etree.ElementTree import Element

MOST = 30  # years
_LEFT, _PITCH, _CELL = 38.0, 15.0, 12.5
_TOP = 40.0
_BLOCK = _TOP + 7 * _PITCH + 16


def years(days: Mapping[date, float], unit: str, *, is_whole: bool) -> Plot:
    """The days, each shaded by its value; `unit` is the name of what is counted."""
    steps = day_steps([*days.values()], is_whole=is_whole)
    found = sorted({day.year for day in days})
    drawn = found[-MOST:]
    elements: list[Element] = []
    for block, year in enumerate(drawn):
        elements += _year(days, year, block * _BLOCK, steps, unit)
    bottom = len(drawn) * _BLOCK
    elements += legend(steps, unit, _LEFT, bottom)
    return Plot(tuple(elements), bottom + 16, capped(len(found), MOST, "newest", "years"))


def _year(
    days: Mapping[date, float], year: int, top: float, steps: Sequence[float], unit: str
) -> list[Element]:
    begin = date(year, 1, 1)
    monday = begin - timedelta(days=begin.weekday())
    told = [value for day, value in days.items() if day.year == year]
    elements = [text(str(year), _LEFT, top + 14, "ink")]
    if measure(unit) != "share":
        total = f"{number(sum(told), unit)} {heading(unit)}"
        elements.append(text(total, _LEFT + 40, top + 14, "soft num"))
    for weekday in (0, 2, 4, 6):
        y = top + _TOP + weekday * _PITCH + 11
        elements.append(text(WEEKDAYS[weekday], _LEFT - 8, y, "soft small", "end"))
    first, last = min(days), max(days)
    for at in range(begin.toordinal(), date(year, 12, 31).toordinal() + 1):
        day = date.fromordinal(at)
        week, weekday = divmod((day - monday).days, 7)
        x, y = _LEFT + week * _PITCH, top + _TOP + weekday * _PITCH
        if day.day == 1:
            elements.append(text(MONTHS[day.month - 1], x, top + _TOP - 6, "soft small"))
        if first <= day <= last:
            value = days.get(day)
            known = "-" if value is None else f"{number(value, unit)} {heading(unit)}"
            kind = f"s{shade(value or 0.0, steps)}"
            elements.append(rect(x, y, _CELL, _CELL, kind, f"{day}: {known}"))
    return elements
