"""Owns turning a row of an export of this program into the Record it was, or saying why it cannot.

Never loses a field that makes records equal or different. In CSV every value is text, and no value
is an empty one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast, get_args

from spotify_hist.model import KINDS, Kind, Record, Rejected, Source
from spotify_hist.normalise.values import MisfitError, Object, instant, listened, texts, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXTS: Final = (
    "uri", "title", "artist", "album", "album_uri", "artist_uri", "album_artist", "platform",
    "country", "reason_start", "reason_end", "context_uri", "private",
)  # fmt: skip
_SAID: Final = {"true": True, "false": False}
_SOURCES: Final = frozenset(get_args(Source))


def own_row(raw: object, *, keep_private: bool = False) -> Record | Rejected:
    """The record of one row of `export --format ndjson` or `csv`."""
    if not isinstance(raw, dict):
        return Rejected("not an object")
    try:
        return _record(raw, keep_private=keep_private)
    except MisfitError as misfit:
        return Rejected(str(misfit))


def _record(raw: Object, *, keep_private: bool) -> Record:
    told = [text or None for text in texts(tuple(map(raw.get, _TEXTS)), _TEXTS)]
    text = dict(zip(_TEXTS, told, strict=True))
    ms_played = _number(raw, "ms_played")
    return Record(
        source=cast("Source", _one_of(raw, "source", _SOURCES)),
        played_at_ms=instant(raw.get("played_at"), "played_at"),
        kind=cast("Kind", _one_of(raw, "kind", KINDS)),
        ms_played=None if ms_played is None else listened(ms_played, "ms_played"),
        uri=text["uri"],
        title=text["title"],
        artist=text["artist"],
        album=text["album"],
        album_uri=text["album_uri"],
        artist_uri=text["artist_uri"],
        album_artist=text["album_artist"],
        platform=text["platform"],
        country=text["country"],
        reason_start=text["reason_start"],
        reason_end=text["reason_end"],
        shuffle=_flag(raw, "shuffle"),
        skipped=_flag(raw, "skipped"),
        offline=_flag(raw, "offline"),
        offline_timestamp=_number(raw, "offline_timestamp"),
        incognito=_flag(raw, "incognito"),
        context_uri=text["context_uri"],
        private=text["private"] if keep_private else None,
    )


def _one_of(raw: Object, key: str, known: frozenset[str] | Sequence[str]) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or value not in known:
        raise MisfitError(f'no "{key}"' if value is None else f'"{key}" is none that is known')
    return value


def _number(raw: Object, key: str) -> int | None:
    value = raw.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdecimal():
        value = int(value) if len(value) < 20 else value
    return whole(value, key)


def _flag(raw: Object, key: str) -> bool | None:
    value = raw.get(key)
    if value is None or value == "" or isinstance(value, bool):
        return value if isinstance(value, bool) else None
    if isinstance(value, str) and value in _SAID:
        return _SAID[value]
    raise MisfitError(f'"{key}" is neither true, false nor null')
