"""Owns the elements that pictures are made of: escaped by construction, with texts that fit.

Never knows what a picture shows.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from spotify_hist.faces.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

SIZE = 13  # of the letters, in pixels
_NARROW = frozenset("iIjlftr.,:;'|!()[] -")
_WIDE = frozenset("mwMW@%&")
_MOST_MARKS = 4  # over one letter; no writing has more


def clean(text: str) -> str:
    """`text` on one line, with nothing that XML refuses or that turns its writing around.

    Of marks that pile up over one letter only the first few are kept.
    """
    text = printable(text)
    if text.isascii():
        return text
    kept, marks = [], 0
    for char in text.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd"):
        marks = marks + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        if marks <= _MOST_MARKS:
            kept.append(char)
    return "".join(kept)


def element(tag: str, *children: Element | str, **attributes: str | float | None) -> Element:
    """An element; `class_` is its class, `_` in a name a hyphen. None leaves an attribute out."""
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            said = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
            made.set(name.rstrip("_").replace("_", "-"), clean(str(said)))
    for child in children:
        if not isinstance(child, str):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + clean(child)
        else:
            made.text = (made.text or "") + clean(child)
    return made


def text(said: str, x: float, y: float, class_: str = "ink", anchor: str | None = None) -> Element:
    """A line of text whose base is at `y`; `anchor` is middle or end where `x` is not its start."""
    return element("text", said, x=x, y=y, class_=class_, text_anchor=anchor)


def rect(x: float, y: float, width: float, height: float, class_: str, tip: str = "") -> Element:
    """A rectangle, with what is told where a pointer rests on it."""
    tips = [element("title", tip)] if tip else []
    return element("rect", *tips, x=x, y=y, width=width, height=height, class_=class_, rx=1.5)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Element:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def width_of(said: str, size: float = SIZE) -> float:
    """About how many pixels a text takes in an ordinary sans-serif, rather too many than not."""
    return sum(map(_width, said)) * size


def _width(char: str) -> float:
    if char in _NARROW:
        return 0.36
    if char in _WIDE:
        return 0.95
    if char.isascii():
        return 0.7 if char.isupper() else 0.58
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0.0
    return 1.05 if unicodedata.east_asian_width(char) in {"W", "F"} else 0.7


def cut(said: str, room: float, size: float = SIZE) -> str:
    """`said`, cut with an ellipsis where it is wider than `room` pixels."""
    said = clean(said)
    if width_of(said, size) <= room:
        return said
    left = room - width_of("…", size)
    kept = 0
    for char in said:
        left -= _width(char) * size
        if left < 0:
            break
        kept += 1
    return said[:kept].rstrip(" \N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}") + "…"


def wrapped(said: str, room: float, size: float = SIZE) -> list[str]:
    """`said` in lines of at most `room` pixels; a word longer than that is cut."""
    lines: list[str] = []
    for word in clean(said).split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and width_of(joined, size) <= room:
            lines[-1] = joined
        else:
            lines.append(cut(word, room, size))
    return lines


def stacked(lines: Iterable[str], x: float, y: float, class_: str, height: float) -> list[Element]:
    """Lines of text below each other, the base of the first at `y`."""
    return [text(said, x, y + at * height, class_) for at, said in enumerate(lines)]
