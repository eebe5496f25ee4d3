"""Owns the search for tracks: what a query means, what it finds, in which order.

Never shapes an answer.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spotify_hist.sandbox.catalogue import Track

_FILTER = re.compile(r'\b(track|artist|album|isrc|year):(?:"([^"]*)"|(\S+))', re.IGNORECASE)


class Query(NamedTuple):
    """What is asked for: (field, text) pairs that all must hold, and words found anywhere."""

    filters: tuple[tuple[str, str], ...]
    words: tuple[str, ...]


def parse(text: str) -> Query:
    """`track:"…" artist:"…" other words` as a query; a quotation mark left open is only a mark."""
    filters = tuple((name.lower(), quoted or bare) for name, quoted, bare in _FILTER.findall(text))
    return Query(filters, tuple(folded(_FILTER.sub(" ", text)).split()))


def find(tracks: Iterable[Track], query: Query) -> list[Track]:
    """The tracks a query finds, most popular first: the closest match is often not the first.

    A filter holds where its text is part of the title or of an artist's name, whatever the case,
    accents and punctuation.
    """
    if not query.filters and not query.words:
        return []
    found = [track for track in tracks if _matches(track, query)]
    return sorted(found, key=lambda track: (-zlib.crc32(track.id.encode()), track.id))


@lru_cache(maxsize=20_000)
def folded(text: str) -> str:
    """Text as it is compared: without case, accents and, unless nothing is left, punctuation."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = "".join(letter if letter.isalnum() else " " for letter in letters).split()
    return " ".join(words) or text.strip().casefold()


def _matches(track: Track, query: Query) -> bool:
    for name, text in query.filters:
        wanted = folded(text)
        if not wanted or not any(wanted in folded(value) for value in _told(track, name)):
            return False
    if not query.words:
        return True
    everything = " ".join(
        folded(value) for name in ("track", "artist", "album") for value in _told(track, name)
    )
    return all(word in everything for word in query.words)


def _told(track: Track, name: str) -> list[str]:
    """What a track has under the name of a filter."""
    match name:
        case "track":
            return [track.name]
        case "artist":
            return [artist.name for artist in track.artists]
        case "album":
            return [track.album.name]
        case "isrc":
            return [track.isrc or ""]
    return [track.album.release_date[:4]]
