"""Owns what of a text may reach a terminal: names come from files and must not steer it.

Never writes.
"""

from __future__ import annotations

import unicodedata

_JOINERS = {"\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}"}


def printable(text: str) -> str:
    """`text` on one line, with nothing that steers a terminal or turns its writing around.

    Every kind of space becomes a plain one, a control character the replacement character, and
    invisible format characters go, but for the joiners that words and emoji are made with.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _tamed(char) for char in text)


def _tamed(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Zs" or char in "\t\n\r\u2028\u2029":
        return " "
    if category == "Cf":
        return char if char in _JOINERS else ""
    # Characters newer than this Python are unassigned to it, and harmless.
    return char if category in {"Cn", "Co"} else "\N{REPLACEMENT CHARACTER}"
