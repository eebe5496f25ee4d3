"""Owns a heatmap on a terminal: rows down, columns across, shaded from nothing to the most.

Never writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.faces.cli.drawing.voice import width_of
from spotify_hist.faces.cli.shades import even_steps, shade
from spotify_hist.faces.cli.words import heading, measure, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.faces.cli.charted import Grid
    from spotify_hist.faces.cli.drawing.voice import Voice

_GAP = "  "
_NAME_WIDTH = 20
_TOTAL_WIDTH = 7


def grid_lines(grid: Grid, unit: str, voice: Voice, room: int | None) -> list[str] | None:
    """The grid as lines of text, two characters a column where there is room; None where one a
    column is too wide. `unit` is the name of what is counted."""
    names = [voice.say(name) for name in grid.rows]
    indent = min(max(map(width_of, names), default=0), _NAME_WIDTH)
    is_summed = measure(unit) != "share"
    totals = [_total(grid, row, unit) if is_summed else "" for row in range(len(names))]
    total_width = max(_TOTAL_WIDTH, *map(len, totals), 0) if is_summed else 0
    beside = indent + len(_GAP) + (len(_GAP) + total_width if is_summed else 0)
    across = 2
    if room is not None and beside + 2 * len(grid.columns) > room:
        across = 1
    if room is not None and beside + len(grid.columns) > room:
        return None
    return list(_lines(grid, unit, voice, names, totals, indent, total_width, across))


def _lines(
    grid: Grid,
    unit: str,
    voice: Voice,
    names: list[str],
    totals: list[str],
    indent: int,
    total_width: int,
    across: int,
) -> Iterator[str]:
    steps = even_steps(grid.values.values(), is_whole=False)
    yield " " * indent + _GAP + _headings(grid, voice, across)
    for row, name in enumerate(names):
        values = (grid.values.get((row, column), 0.0) for column in range(len(grid.columns)))
        cells = "".join(voice.shades[shade(value, steps)] * across for value in values)
        end = f"{_GAP}{totals[row]:>{total_width}}" if total_width else ""
        yield voice.fit(name, indent) + _GAP + cells + end
    what = heading(unit)
    if not steps:
        yield f"No {what} in this period."
        return
    row, column = max(grid.values, key=lambda key: (grid.values[key], -key[0], -key[1]))
    where = f"{names[row]} {voice.say(grid.columns[column])}"
    yield f"Busiest: {where} with {number(grid.values[row, column], unit)} {what}"


def _headings(grid: Grid, voice: Voice, across: int) -> str:
    """The names of the columns, each over its first character, as many as there is room for."""
    if grid.columns and all(name.endswith(":00") for name in grid.columns):
        names, every = [str(int(name[:2])) for name in grid.columns], 3
    else:
        names = [voice.say(name) for name in grid.columns]
        every = (max(map(width_of, names), default=0) + across) // across
    return "".join(voice.fit(name, every * across) for name in names[::every])


def _total(grid: Grid, row: int, unit: str) -> str:
    values = [value for (at, _), value in grid.values.items() if at == row]
    return number(sum(values), unit)
