"""Owns the trend under a table of points in time: one line of blocks, as wide as there is room for.

Never writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.faces.cli.words import heading, number, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spotify_hist.faces.cli.charted import Point, Series
    from spotify_hist.faces.cli.drawing.voice import Voice

_INDENT = "  "
_FEWEST = 3
_WIDEST_STEP = 3


def trend_lines(series: Series, unit: str, voice: Voice, room: int) -> Iterator[str]:
    """The trend, where it begins and ends, and its least and most; nothing for a point or two.

    Where there are more steps than room, a block is the mean of several. `unit` is the name of what
    is shown.
    """
    told = [point for point in series.points if point.value is not None]
    if len(told) < _FEWEST:
        return
    room = max(room - len(_INDENT), 1)
    first, last = told[0].at, told[-1].at
    steps = last - first + 1
    each = -(-steps // room)
    across = max(1, min(_WIDEST_STEP, room // steps))
    blocks = _means(told, first, -(-steps // each), each)
    values = [point.value or 0.0 for point in told]
    base, most = min(0.0, *values), max(0.0, *values)
    yield ""
    yield heading(unit)
    yield _INDENT + "".join(
        (" " if mean is None else voice.height((mean - base) / ((most - base) or 1))) * across
        for mean in blocks
    )
    ends = (voice.say(told[0].label), voice.say(told[-1].label))
    between = len(blocks) * across - sum(map(len, ends))
    yield _INDENT + (ends[0] + " " * between + ends[1] if between > 0 else " to ".join(ends))
    yield _INDENT + f"{_extremes(told, unit, voice)}{_scale(each, series.step)}"


def _means(points: Sequence[Point], first: int, count: int, each: int) -> list[float | None]:
    """The mean of what is known in each of `count` stretches of `each` steps."""
    found: list[list[float]] = [[] for _ in range(count)]
    for point in points:
        if point.value is not None:
            found[(point.at - first) // each].append(point.value)
    return [sum(values) / len(values) if values else None for values in found]


def _extremes(points: Sequence[Point], unit: str, voice: Voice) -> str:
    def value(point: Point) -> float:
        return point.value or 0.0

    least, most = min(points, key=value), max(points, key=value)
    said = (
        f"{word} {number(value(point), unit)} ({voice.say(point.label)})"
        for word, point in (("least", least), ("most", most))
    )
    return ", ".join(said)


def _scale(each: int, step: str) -> str:
    if each == 1:
        return ""
    if step == "minute":
        return f"; a block is the mean of what is within {span(each * 60_000)}"
    return f"; a block is the mean of {each} {step}s"
