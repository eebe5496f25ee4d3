"""Owns the shades of grids and calendars: from which value on each of them is meant.

Never draws.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHADES = 5


def even_steps(values: Iterable[float], *, is_whole: bool) -> tuple[float, ...]:
    """From which value on each shade of a grid begins, the faintest first: even parts of the most.

    () where nothing is more than 0.
    """
    some = [value for value in values if value > 0]
    if not some:
        return ()
    return min(some), *_parts(max(some), is_whole=is_whole)


def day_steps(values: Sequence[float], *, is_whole: bool) -> tuple[float, ...]:
    """From which value on each shade of a calendar begins, the faintest first.

    The darkest begins at four fifths of what one day in twenty reaches: a single day of a party
    does not make a year look empty.
    """
    some = sorted(value for value in values if value > 0)
    if not some:
        return ()
    top = some[int(len(some) * 0.95)]
    return some[0], *_parts(top, is_whole=is_whole)


def _parts(top: float, *, is_whole: bool) -> list[float]:
    parts = [top * part / SHADES for part in range(1, SHADES)]
    return [math.ceil(part) for part in parts] if is_whole else parts


def shade(value: float, steps: Sequence[float]) -> int:
    """Which shade of `steps` a value has: 0 for none, else 1 for the faintest and up."""
    return max((at for at, step in enumerate(steps, 1) if value >= step), default=0)


def told(steps: Sequence[float]) -> list[tuple[int, float]]:
    """The shades that a legend tells, each with where it begins: those that a value can have."""
    return [
        (level, step)
        for level, step in enumerate(steps, 1)
        if level == len(steps) or step < steps[level]
    ]
