"""Owns the picture of a heatmap: rows down, columns across, shaded from nothing to the most.

Never asks a question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.faces.cli.charts.plots import WIDTH, Plot, capped, legend
from spotify_hist.faces.cli.charts.svg import cut, rect, text, width_of
from spotify_hist.faces.cli.shades import even_steps, shade
from spotify_hist.faces.cli.words import heading, measure, number

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from spotify_hist.faces.cli.charted import Grid

MOST = 100  # rows, and columns
_TOP, _GAP = 22, 2
_NAMES = 240
_CELL = 32.0


def cells(grid: Grid, unit: str, *, is_whole: bool) -> Plot:
    """The grid with its names, the sum of each row, and a legend; `unit` is what is counted."""
    names = [cut(name, _NAMES) for name in grid.rows[:MOST]]
    across = grid.columns[:MOST]
    totals = _totals(grid, unit, len(names))
    left = max(map(width_of, names)) + 10
    right = max(map(width_of, [*totals, heading(unit)])) + 10 if any(totals) else 0.0
    width = min(_CELL, (WIDTH - left - right) / len(across))
    height = max(14.0, min(width, 28.0))
    elements = _headings(across, left, width)
    if any(totals):
        elements.append(text(heading(unit), left + width * len(across) + 10, 12, "soft small"))
    steps = even_steps(grid.values.values(), is_whole=is_whole)
    for row, name in enumerate(names):
        y = _TOP + row * height
        base = y + height / 2 + 4
        elements.append(text(name, left - 10, base, "ink", "end"))
        for column, over in enumerate(across):
            value = grid.values.get((row, column), 0.0)
            tip = f"{grid.rows[row]}, {over}: {number(value, unit)} {heading(unit)}"
            size = (width - _GAP, height - _GAP)
            place = (left + column * width, y)
            elements.append(rect(*place, *size, f"s{shade(value, steps)}", tip))
        if totals[row]:
            elements.append(text(totals[row], left + width * len(across) + 10, base, "soft num"))
    bottom = _TOP + len(names) * height + 14
    elements += legend(steps, unit, left, bottom)
    said = capped(len(grid.rows), MOST, "first")
    return Plot(
        tuple(elements), bottom + 16, said + capped(len(grid.columns), MOST, "first", "columns")
    )


def _headings(across: tuple[str, ...], left: float, width: float) -> list[Element]:
    """The names of the columns, as many as there is room for, each over its column."""
    widest = max(width_of(name, 12) for name in across) + 6
    every = max(1, -int(-min(widest, 100) // width))
    return [
        text(cut(name, every * width - 4, 12), left + column * width + (width - _GAP) / 2, 12,
             "soft small", "middle")
        for column, name in enumerate(across)
        if column % every == 0
    ]  # fmt: skip


def _totals(grid: Grid, unit: str, rows: int) -> list[str]:
    if measure(unit) == "share":
        return [""] * rows
    sums = [0.0] * rows
    for (row, _), value in grid.values.items():
        if row < rows:
            sums[row] += value
    return [number(each, unit) for each in sums]
