"""Owns a calendar on a terminal: weeks across, weekdays down, a block for each year or part of one.

Never writes.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from spotify_hist.faces.cli.charted import MONTHS, WEEKDAYS
from spotify_hist.faces.cli.shades import day_steps, shade, told
from spotify_hist.faces.cli.words import heading, measure, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from spotify_hist.faces.cli.drawing.voice import Voice

_INDENT = 5
# Months a block, and the weeks that they can touch.
_BLOCKS = ((12, 54), (6, 28), (3, 15))


def calendar_lines(
    days: Mapping[date, float], unit: str, voice: Voice, room: int | None
) -> list[str] | None:
    """The days as lines of text: a year a block, half of one or a quarter where room is short.

    None where not even a quarter fits. `unit` is the name of what is counted.
    """
    fitting = [each for each in _BLOCKS if room is None or _INDENT + each[1] <= room]
    if not fitting or not days:
        return None
    months, weeks = fitting[0]
    across = 2 if room is not None and _INDENT + 2 * weeks <= room and months == 12 else 1
    steps = day_steps([*days.values()], is_whole=measure(unit) == "count")
    return [
        *_blocks(days, months, across, steps, unit, voice),
        *_legend(days, steps, unit, voice, room),
    ]


def _blocks(
    days: Mapping[date, float],
    months: int,
    across: int,
    steps: Sequence[float],
    unit: str,
    voice: Voice,
) -> Iterator[str]:
    for year in sorted({day.year for day in days}):
        for month in range(1, 13, months):
            begin = date(year, month, 1)
            end = date(year + (month + months > 12), (month + months - 1) % 12 + 1, 1)
            values = [value for day, value in days.items() if begin <= day < end]
            if not values:
                continue
            yield f"{year:04} {_month_names(begin, end, across)}"
            for weekday, cells in enumerate(_cells(days, begin, end, steps, voice)):
                wide = "".join(cell * across for cell in cells)
                yield f"{WEEKDAYS[weekday]}  {wide}"
            yield f"     {_told(values, unit)}"
            yield ""


def _week(day: date, begin: date) -> int:
    """How many weeks after that of `begin` the week of `day` is."""
    monday = begin - timedelta(days=begin.weekday())
    return (day - monday).days // 7


def _month_names(begin: date, end: date, across: int) -> str:
    line = ""
    month = begin
    while month < end:
        line = line.ljust(_week(month, begin) * across) + MONTHS[month.month - 1]
        month = (month + timedelta(days=31)).replace(day=1)
    return line


def _cells(
    days: Mapping[date, float], begin: date, end: date, steps: Sequence[float], voice: Voice
) -> list[list[str]]:
    """The characters of a block, by weekday and week."""
    weeks = _week(end - timedelta(days=1), begin) + 1
    cells = [[" "] * weeks for _ in WEEKDAYS]
    day = begin
    while day < end:
        cells[day.weekday()][_week(day, begin)] = voice.shades[shade(days.get(day, 0.0), steps)]
        day += timedelta(days=1)
    return cells


def _told(values: Sequence[float], unit: str) -> str:
    """What a block adds up to."""
    some = [value for value in values if value > 0]
    on_days = f"{len(some):,} day" + ("" if len(some) == 1 else "s")
    if measure(unit) == "share":
        return f"above 0 on {on_days}"
    return f"{number(sum(some), unit)} {heading(unit)} on {on_days}"


def _legend(
    days: Mapping[date, float],
    steps: Sequence[float],
    unit: str,
    voice: Voice,
    room: int | None,
) -> Iterator[str]:
    what = heading(unit)
    if not steps:
        yield f"No {what} in this period."
        return
    most = max(days, key=lambda day: (days[day], -day.toordinal()))
    yield f"Most: {WEEKDAYS[most.weekday()]} {most} with {number(days[most], unit)} {what}"
    line = ""
    for level, step in told(steps):
        entry = f"{voice.shades[level]} {number(step, unit)}+"
        if line and room is not None and len(line) + len(entry) + 2 > room:
            yield line
            line = ""
        line = f"{line}  {entry}".lstrip()
    yield line
