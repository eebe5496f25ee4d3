"""Owns what every form of picture shares: its width, what a plot is, and the legend of shades.

Never knows a form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.faces.cli.charts.svg import rect, text, width_of
from spotify_hist.faces.cli.shades import told
from spotify_hist.faces.cli.words import heading, number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

WIDTH = 850.0  # of a plot, in pixels, without the margins of its picture


@dataclass(frozen=True, slots=True)
class Plot:
    """The elements of a plot, `height` pixels of them, and what has to be said about it."""

    elements: tuple[Element, ...]
    height: float
    said: tuple[str, ...] = ()


def capped(count: int, most: int, which: str, rows: str = "rows") -> tuple[str, ...]:
    """What is said where only the `most` first or newest of `count` are drawn."""
    return () if count <= most else (f"Drawn are the {which} {most:,} of {count:,} {rows}.",)


def legend(steps: Sequence[float], unit: str, x: float, y: float) -> list[Element]:
    """From which value on each shade is meant; `unit` is the name of what is counted."""
    found = [text(heading(unit), x, y + 10, "soft small")]
    x += width_of(heading(unit), 12) + 12
    for level, step in told(steps):
        label = f"{number(step, unit)}+"
        found += [rect(x, y, 12, 12, f"s{level}"), text(label, x + 17, y + 10, "soft small num")]
        x += 17 + width_of(label, 12) + 14
    return found
