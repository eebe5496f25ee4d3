"""Owns turning a row of Spotify's own exports into a Record, or saying why it cannot be one.

Never does I/O, reads no clock and has no policy: every row that makes sense is kept, however short.
"""

from __future__ import annotations

import json
import math
from operator import itemgetter
from typing import Final

from spotify_hist.model import Kind, Record, Rejected, Source, well_formed
from spotify_hist.normalise.values import (
    MisfitError,
    Object,
    instant,
    listened,
    minute,
    place,
    texts,
    whole,
)

_TEXTS: Final = (
    "master_metadata_track_name", "master_metadata_album_artist_name",
    "master_metadata_album_album_name", "spotify_track_uri",
    "episode_name", "episode_show_name", "spotify_episode_uri",
    "audiobook_chapter_title", "audiobook_title", "audiobook_chapter_uri", "audiobook_uri",
    "platform", "conn_country", "reason_start", "reason_end",
)  # fmt: skip
_URIS: Final = (
    "spotify_track_uri", "spotify_episode_uri", "audiobook_chapter_uri", "audiobook_uri",
)  # fmt: skip
_FLAGS: Final = ("shuffle", "skipped", "offline", "incognito_mode")
EXTENDED_KEYS: Final = ("ts", "ms_played", "offline_timestamp", *_FLAGS, *_TEXTS)
_ACCOUNT_TEXTS: Final = (
    "trackName", "artistName", "episodeName", "podcastName",
    "chapterName", "audiobookName", "authorName",
)  # fmt: skip
_PRIVATE: Final = (
    "city", "ip_addr", "ip_addr_decrypted", "latitude", "longitude",
    "metro_code", "region", "user_agent_decrypted", "username",
)  # fmt: skip
# Every key that rows of Spotify's exports have had since 2020 (FACTS 5.1, 5.3).
KNOWN_KEYS: Final[dict[Source, frozenset[str]]] = {
    "extended": frozenset((*EXTENDED_KEYS, *_PRIVATE)),
    "account": frozenset(("endTime", "msPlayed", *_ACCOUNT_TEXTS)),
}
# One C call for a row that has all keys, which is most of them: imports live by these.
_all_extended: Final = itemgetter(*EXTENDED_KEYS)


def extended_row(raw: object, *, keep_private: bool = False) -> Record | Rejected:
    """The record of one extended-history row, of any of its key sets since 2020 (FACTS 5.3).

    An absent key means the same as null. `ts` is the END of the play (FACTS 5.4). Address, user
    agent, user name and place are dropped unless `keep_private` (FACTS 5.11).
    """
    if not isinstance(raw, dict):
        return Rejected("not an object")
    try:
        return _extended(raw, keep_private)
    except MisfitError as misfit:
        return Rejected(str(misfit))


def account_row(raw: object) -> Record | Rejected:
    """The record of one account-data row: no ids, its end in UTC to the minute (FACTS 5.1)."""
    if not isinstance(raw, dict):
        return Rejected("not an object")
    try:
        return _account(raw)
    except MisfitError as misfit:
        return Rejected(str(misfit))


def _extended(raw: dict[str, object], keep_private: bool) -> Record:
    try:
        values = _all_extended(raw)
    except KeyError:
        values = tuple(map(raw.get, EXTENDED_KEYS))
    ts, ms_played, stamp, shuffle, skipped, offline, incognito = values[:7]
    for flag in (shuffle, skipped, offline, incognito):
        if flag is not None and flag is not True and flag is not False:
            raise MisfitError(
                f'"{_FLAGS[place(flag, values[3:7])]}" is neither true, false nor null'
            )
    (
        track, artist, album, track_uri,
        episode, show, episode_uri,
        chapter, book, chapter_uri, book_uri,
        platform, country, reason_start, reason_end,
    ) = texts(values[7:], _TEXTS)  # fmt: skip
    if stamp is not None:
        stamp = whole(stamp, "offline_timestamp") or None
    uris = (track_uri, episode_uri, chapter_uri, book_uri)
    for uri in uris:
        if uri and uri[:8] != "spotify:":
            raise MisfitError(f'"{_URIS[place(uri, uris)]}" is not a Spotify URI')
    kind: Kind
    album_uri = None
    if track_uri or track:
        kind, uri, title = "track", track_uri, track
    elif episode_uri or episode:
        kind, uri, title, artist, album = "episode", episode_uri, episode, show, show
    elif chapter_uri or chapter:
        kind, uri, title, artist, album = "audiobook_chapter", chapter_uri, chapter, None, book
        album_uri = book_uri
    else:
        kind, uri, title, artist, album = "unknown", None, None, artist or show, album or show
    return Record(
        "extended", instant(ts, "ts"), kind, listened(ms_played, "ms_played"),
        uri or None, title or None, artist or None, album or None, album_uri or None,
        None, None,
        platform or None, country or None, reason_start or None, reason_end or None,
        shuffle, skipped, offline, stamp, incognito,
        None, _private(raw) if keep_private else None,
    )  # fmt: skip


def _account(raw: dict[str, object]) -> Record:
    played_at_ms = minute(raw.get("endTime"), "endTime")
    ms_played = listened(raw.get("msPlayed"), "msPlayed")
    values = tuple(map(raw.get, _ACCOUNT_TEXTS))
    track, artist, episode, show, chapter, book, author = texts(values, _ACCOUNT_TEXTS)
    # Spotify writes these words where it has no name (FACTS 5.9).
    if track and track.lower() == "unknown track":
        track = None
    if artist and artist.lower() == "unknown artist":
        artist = None
    kind: Kind = "unknown"
    title = album = None
    if track or artist:
        kind, title = "track", track
    elif episode or show:
        kind, title, artist, album = "episode", episode, show, show
    elif chapter or book or author:
        kind, title, artist, album = "audiobook_chapter", chapter, author, book
    return Record(
        "account",
        played_at_ms,
        kind,
        ms_played,
        title=title or None,
        artist=artist or None,
        album=album or None,
    )


def _private(raw: Object) -> str | None:
    """Compact sorted JSON of the private fields that are there; None where there are none."""
    kept: dict[str, object] = {}
    for key in _PRIVATE:
        value = raw.get(key)
        if value is None:
            continue
        if isinstance(value, str):
            kept[key] = well_formed(value)
        elif isinstance(value, (int, float)) and math.isfinite(value):
            kept[key] = value
        else:
            raise MisfitError(f'"{key}" is neither text, a number nor null')
    if not kept:
        return None
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
