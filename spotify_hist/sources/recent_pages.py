"""Owns reading the body of a recently-played answer as far as it can be read, damaged or not.

Never judges an item: what is a play and what is not, `normalise` says.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_NUMBER = 24
_ITEMS = re.compile(r'"items"\s*:\s*\[')
# What Spotify's items begin with: where one of them is damaged, the next one begins there.
_ITEM = re.compile(r'\{\s*"(?:track|played_at|context)"\s*:')
_SEPARATORS = re.compile(r"[\s,]*")
_NEXT = re.compile(r'"next"\s*:\s*"')
_BEFORE = re.compile(r'"before"\s*:\s*"([0-9]{1,15})"')


@dataclass(frozen=True, slots=True)
class Page:
    """What a body holds.

    `items` are as Spotify sent them; `torn` are the pieces of a damaged body that no item can be
    read from. `has_next` says whether it points to an older page, `before_ms` where that begins,
    as Spotify's cursor tells; None where there is none. `is_cut_off`: the end is missing.
    """

    items: list[object]
    torn: list[str]
    has_next: bool
    before_ms: int | None
    is_cut_off: bool = False


def _number(text: str) -> int | str:
    # Python refuses to read a number of thousands of digits, and the whole page with it.
    return int(text) if len(text) <= _LONGEST_NUMBER else text


_DECODER = json.JSONDecoder(parse_int=_number, strict=False)


def read_page(body: bytes) -> Page | None:
    """The page in a body, in whatever Unicode it is written; None where it is no page of plays.

    Of a damaged one whatever is whole is read: a bad byte costs at most the item it stands in, a
    missing end what it held. Bytes that are no UTF-8 become lone surrogates, so that none is lost.
    """
    for text in _texts(body):
        page = _whole(text) or _salvaged(text)
        if page is not None:
            return page
    return None


def _texts(body: bytes) -> Iterator[str]:
    """The body as text: by its mark or its first bytes, then as UTF-8, for these may be spoiled."""
    encoding = json.detect_encoding(body)
    if encoding.startswith("utf-8"):
        yield body.decode(encoding, "surrogateescape")
    else:
        yield body.decode(encoding, "replace")
        yield body.decode("utf-8", "surrogateescape")


def _whole(text: str) -> Page | None:
    """The page in undamaged JSON."""
    try:
        page = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    items = page.get("items") if isinstance(page, dict) else None
    if not isinstance(items, list):
        return None
    cursors = page.get("cursors")
    before = cursors.get("before") if isinstance(cursors, dict) else None
    if not (isinstance(before, str) and before.isdecimal() and len(before) <= 15):
        return Page(items, [], bool(page.get("next")), None)
    return Page(items, [], bool(page.get("next")), int(before))


def _salvaged(text: str) -> Page | None:
    """What can be read of damaged JSON; None where that is not one whole item."""
    start = _ITEMS.search(text)
    first = start or _ITEM.search(text)
    if first is None:
        return None
    items: list[object] = []
    torn: list[str] = []
    at = end = start.end() if start else first.start()
    while (at := _after(_SEPARATORS, text, at)) < len(text) and text[at] != "]":
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            following = _ITEM.search(text, at + 1)
            piece = text[at : following.start() if following else len(text)]
            at += len(piece)
            # Without a quote it is no more than what stood between two items.
            torn += [piece] if '"' in piece else []
        else:
            items.append(value)
            end = at
    if not items:
        return None
    rest = text[: first.start()] + text[end:]
    before = _BEFORE.search(rest)
    return Page(
        items,
        torn,
        _NEXT.search(rest) is not None,
        int(before[1]) if before else None,
        is_cut_off=at >= len(text) and "]" not in text[end:],
    )


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
