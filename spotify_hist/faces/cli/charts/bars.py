"""Owns the picture of a ranking: a bar for each row, its name before and its value behind it.

Never asks a question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.faces.cli.charts.plots import WIDTH, Plot, capped
from spotify_hist.faces.cli.charts.scale import extent
from spotify_hist.faces.cli.charts.svg import cut, line, rect, text, width_of
from spotify_hist.faces.cli.words import heading, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotify_hist.faces.cli.charted import Point

MOST = 100
_ROW, _BAR, _TOP = 24, 16, 22
_NAMES = 300
_GAP = 10


def bars(points: Sequence[Point], label: str, unit: str) -> Plot:
    """Bars from the first row down; `label` and `unit` name what stands before and behind them."""
    drawn = points[:MOST]
    names = [cut(point.label, _NAMES) for point in drawn]
    values = ["-" if each.value is None else number(each.value, unit) for each in drawn]
    left = max(map(width_of, [*names, heading(label)])) + _GAP
    room = WIDTH - left - max(map(width_of, [*values, heading(unit)])) - _GAP
    least, most = extent([point.value for point in drawn if point.value is not None])
    scale = room / ((most - least) or 1)
    zero = left - least * scale
    elements = [
        text(heading(label), left - _GAP, 12, "soft small", "end"),
        text(heading(unit), left, 12, "soft small"),
    ]
    bottom = _TOP + _ROW * len(drawn)
    for row, (point, name, value) in enumerate(zip(drawn, names, values, strict=True)):
        y = _TOP + row * _ROW
        length = (point.value or 0.0) * scale
        tip = f"{point.label}: {value} {heading(unit)}"
        elements.append(text(name, left - _GAP, y + _BAR - 3, "ink", "end"))
        if length:
            start, kind = zero + min(length, 0.0), "mark" if length > 0 else "mark minus"
            elements.append(rect(start, y, max(abs(length), 1.0), _BAR, kind, tip))
        elements.append(text(value, zero + max(length, 0.0) + 6, y + _BAR - 3, "ink num"))
    elements.append(line(zero, _TOP - 4, zero, bottom, "rule"))
    return Plot(tuple(elements), bottom, capped(len(points), MOST, "first"))
