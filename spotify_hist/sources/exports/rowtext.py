"""Owns what is made of one row's text: the JSON that export files hold, and a little more.

Never reads a file, and never decides where a row begins or ends.

A value that no play can have (NaN, a number of a thousand digits, a key told twice) does not spoil
a row here: it becomes something that is neither text nor a whole number, so that the row is refused
where the value matters and kept where nobody reads it. So does DuckDB, which reads the same files
(`store/sql/bulk.sql`): trailing commas and any spelling of NaN and infinity are no obstacle to it,
nor is any depth.
"""

from __future__ import annotations

import json
import re
from typing import Final

from spotify_hist.model import Rejected

NOT_JSON: Final = Rejected("not valid JSON")

# Python reads digits in a time that grows with the square of their number.
_MOST_DIGITS: Final = 400
# No file of any service nests a row deeper than a handful.
_DEEPEST: Final = 64
_STRING: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_LOOSE: Final = re.compile(
    rf"{_STRING}|(?P<comma>,)(?= *+[\]}}])|(?P<odd>(?<![\w.])-?(?:nan|inf(?:inity)?)(?![\w.]))",
    re.IGNORECASE | re.DOTALL,
)
_BRACKET: Final = re.compile(rf"{_STRING}|[\[{{]|[\]}}]", re.DOTALL)


class Ambiguous:
    """Stands for the value of a key that one object tells twice, and not alike."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    told: dict[str, object] = {}
    for key, value in pairs:
        if key in told and (type(told[key]) is not type(value) or told[key] != value):
            value = Ambiguous()  # noqa: PLW2901 - from here on it is what the key has
        told[key] = value
    return told


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


_plain: Final = json.JSONDecoder()
_careful: Final = json.JSONDecoder(object_pairs_hook=_object)
_loose: Final = json.JSONDecoder(object_pairs_hook=_object, parse_int=_number)


def scan(text: str, place: int) -> tuple[object, int]:
    """The value that begins at `place`, and where it ends.

    Raises ValueError or RecursionError where none does, or not all of it is there.
    """
    value: object
    value, end = _plain.raw_decode(text, place)
    # A flat object of n keys has n of these, unless a text holds some. Looking at the keys one by
    # one takes longer than all the rest, so that is done only in doubt.
    if isinstance(value, dict):
        colons = text.count('":', place, end)
        if colons != len(value) and colons + text.count('" :', place, end) != len(value):
            return _careful.raw_decode(text, place)
    return value, end


def parse(text: str) -> object:
    """The value that the whole of `text` is, or NOT_JSON. Blanks may surround it."""
    text = text.strip(" ")
    try:
        value, end = scan(text, 0)
    except json.JSONDecodeError:
        mended = _LOOSE.sub(_tightened, text)
        return NOT_JSON if mended == text else _mended(mended)
    except (ValueError, RecursionError):  # more digits, or brackets, than Python bears
        return _mended(_LOOSE.sub(_tightened, text))
    return value if end == len(text) else NOT_JSON


def _mended(text: str) -> object:
    try:
        try:
            value: object = _loose.decode(text)
        except RecursionError:
            value = _loose.decode(_shallow(text))
    except ValueError:
        return NOT_JSON
    return value


def _tightened(match: re.Match[str]) -> str:
    if match["comma"]:
        return ""
    return "NaN" if match["odd"] else match[0]


def _shallow(text: str) -> str:
    """`text` without what lies deeper than any row is: empty brackets stand in its place."""
    kept: list[str] = []
    depth = start = 0
    for match in _BRACKET.finditer(text):
        if match[0] in {"[", "{"}:
            depth += 1
            if depth == _DEEPEST:
                kept.append(text[start : match.end()])
        elif match[0] in {"]", "}"}:
            if depth == _DEEPEST:
                start = match.start()
            depth -= 1
    kept.append(text[start:])
    return "".join(kept)
