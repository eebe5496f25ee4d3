"""Owns turning a raw row or API item into a Record, or saying why it cannot be one.

Never does I/O, reads no clock and has no policy: every row that makes sense is kept, however short.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Final, cast

from spotify_hist.model import ApiTrack, Kind, Record, Rejected

_LONGEST_MS: Final = 7 * 86_400_000
_EPOCH: Final = datetime.fromisoformat("1970-01-01")
_EARLIEST_S: Final = (datetime.fromisoformat("2006-01-01") - _EPOCH).total_seconds()
_LATEST_S: Final = (datetime.fromisoformat("2100-01-01") - _EPOCH).total_seconds()
_LARGEST: Final = 2**63 - 1  # what a database's 64-bit column holds

_DATE: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_HOUR_MINUTE: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_INSTANT: Final = re.compile(
    rf"({_DATE}T{_HOUR_MINUTE}:[0-5][0-9])(?:\.([0-9]{{1,9}}))?(?:Z|\+00:00)"
)
_MINUTE: Final = re.compile(rf"({_DATE} {_HOUR_MINUTE})(?::[0-5][0-9])?")

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
_EXTENDED: Final = ("ts", "ms_played", "offline_timestamp", *_FLAGS, *_TEXTS)
_ACCOUNT_TEXTS: Final = (
    "trackName", "artistName", "episodeName", "podcastName",
    "chapterName", "audiobookName", "authorName",
)  # fmt: skip
_PRIVATE: Final = (
    "city", "ip_addr", "ip_addr_decrypted", "latitude", "longitude",
    "metro_code", "region", "user_agent_decrypted", "username",
)  # fmt: skip
# One C call for a row that has all keys, which is most of them: imports live by these.
_all_extended: Final = itemgetter(*_EXTENDED)

_Object = Mapping[str, object]


class _MisfitError(Exception):
    """The reason why a row is no record."""


def extended_row(raw: object, *, keep_private: bool = False) -> Record | Rejected:
    """The record of one extended-history row, of any of its key sets since 2020 (FACTS 5.3).

    An absent key means the same as null. `ts` is the END of the play (FACTS 5.4). Address, user
    agent, user name and place are dropped unless `keep_private` (FACTS 5.11).
    """
    if not isinstance(raw, dict):
        return Rejected("not an object")
    try:
        return _extended(raw, keep_private)
    except _MisfitError as misfit:
        return Rejected(str(misfit))


def account_row(raw: object) -> Record | Rejected:
    """The record of one account-data row: no ids, its end in UTC to the minute (FACTS 5.1)."""
    if not isinstance(raw, dict):
        return Rejected("not an object")
    try:
        return _account(raw)
    except _MisfitError as misfit:
        return Rejected(str(misfit))


def api_item(raw: object) -> Record | Rejected:
    """The record of one recently-played item; `played_at` is the END of the play (FACTS 3.3).

    `ms_played` is None: the API does not tell it. Everything but `played_at` and one of name and
    URI may be absent or of another type than today (FACTS 1.3) and then counts as not told.
    """
    if not isinstance(raw, dict):
        return Rejected("not an object")
    track = raw.get("track")
    if not isinstance(track, dict):
        return Rejected('no "track"')
    try:
        return _api(raw, track)
    except _MisfitError as misfit:
        return Rejected(str(misfit))


def api_track(raw_item: object) -> ApiTrack | None:
    """What a recently-played item, or a track object itself, tells of its track.

    None for local files, episodes and whatever has no track id.
    """
    item = as_object(raw_item)
    track = as_object(item["track"]) if "track" in item else item
    uri = _api_uri(track, "track")
    prefix, _, track_id = (uri or "").rpartition(":")
    if prefix != "spotify:track" or not track_id:
        return None
    album = as_object(track.get("album"))
    isrc = clean_text(as_object(track.get("external_ids")).get("isrc"))
    return ApiTrack(
        track_id=track_id,
        duration_ms=_duration(track.get("duration_ms")),
        isrc=isrc.upper() if isrc else None,
        album_id=clean_text(album.get("id")),
        release_date=clean_text(album.get("release_date")),
        image_url=widest_image(album.get("images")),
        artists=tuple(
            (clean_text(artist.get("id")), name)
            for artist in objects_in(track.get("artists"))
            if (name := clean_text(artist.get("name")))
        ),
    )


def _extended(raw: dict[str, object], keep_private: bool) -> Record:
    try:
        values = _all_extended(raw)
    except KeyError:
        values = tuple(map(raw.get, _EXTENDED))
    ts, ms_played, stamp, shuffle, skipped, offline, incognito = values[:7]
    for flag in (shuffle, skipped, offline, incognito):
        if flag is not None and flag is not True and flag is not False:
            raise _MisfitError(
                f'"{_FLAGS[_place(flag, values[3:7])]}" is neither true, false nor null'
            )
    (
        track, artist, album, track_uri,
        episode, show, episode_uri,
        chapter, book, chapter_uri, book_uri,
        platform, country, reason_start, reason_end,
    ) = _texts(values[7:], _TEXTS)  # fmt: skip
    if stamp is not None:
        stamp = _whole(stamp, "offline_timestamp") or None
    uris = (track_uri, episode_uri, chapter_uri, book_uri)
    for uri in uris:
        if uri and uri[:8] != "spotify:":
            raise _MisfitError(f'"{_URIS[_place(uri, uris)]}" is not a Spotify URI')
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
        "extended", _instant(ts, "ts"), kind, _listened(ms_played, "ms_played"),
        uri or None, title or None, artist or None, album or None, album_uri or None,
        None, None,
        platform or None, country or None, reason_start or None, reason_end or None,
        shuffle, skipped, offline, stamp, incognito,
        None, _private(raw) if keep_private else None,
    )  # fmt: skip


def _account(raw: dict[str, object]) -> Record:
    played_at_ms = _minute(raw.get("endTime"), "endTime")
    ms_played = _listened(raw.get("msPlayed"), "msPlayed")
    values = tuple(map(raw.get, _ACCOUNT_TEXTS))
    track, artist, episode, show, chapter, book, author = _texts(values, _ACCOUNT_TEXTS)
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


def _api(item: _Object, track: _Object) -> Record:
    played_at_ms = _instant(item.get("played_at"), "played_at")
    is_episode = track.get("type") == "episode"
    uri = _api_uri(track, "episode" if is_episode else "track")
    is_episode = is_episode or (uri or "").startswith("spotify:episode:")
    title = clean_text(track.get("name"))
    if uri is None and title is None:
        raise _MisfitError("neither a name nor a URI")
    context_uri = clean_text(as_object(item.get("context")).get("uri"))
    if is_episode:
        show = as_object(track.get("show"))
        name = clean_text(show.get("name"))
        return Record(
            "api",
            played_at_ms,
            "episode",
            uri=uri,
            title=title,
            artist=name,
            album=name,
            album_uri=_api_uri(show, "show"),
            context_uri=context_uri,
        )
    artist = next(iter(objects_in(track.get("artists"))), {})
    album = as_object(track.get("album"))
    album_artist = next(iter(objects_in(album.get("artists"))), {})
    return Record(
        "api",
        played_at_ms,
        "track",
        uri=uri,
        title=title,
        artist=clean_text(artist.get("name")),
        album=clean_text(album.get("name")),
        album_uri=_api_uri(album, "album"),
        artist_uri=_api_uri(artist, "artist"),
        album_artist=clean_text(album_artist.get("name")),
        context_uri=context_uri,
    )


def _instant(value: object, key: str) -> int:
    """Epoch milliseconds of an ISO 8601 instant in UTC; no other offset has ever been seen."""
    if not isinstance(value, str):
        raise _MisfitError(f'no "{key}"' if value is None else f'"{key}" is not a time')
    if len(value) == 20 and value[4::3] == "--T::Z":
        return _epoch_ms(value[:-1], key)
    match = _INSTANT.fullmatch(value)
    if match is None:
        raise _MisfitError(f'"{key}" is not a time in UTC: {_shown(value)}')
    whole, fraction = match.groups()
    return _epoch_ms(whole, key) + int((fraction or "0").ljust(3, "0")[:3])


def _minute(value: object, key: str) -> int:
    """Epoch milliseconds of the minute that "YYYY-MM-DD HH:MM" names in UTC (FACTS 5.1)."""
    if not isinstance(value, str):
        raise _MisfitError(f'no "{key}"' if value is None else f'"{key}" is not a time')
    match = _MINUTE.fullmatch(value)
    if match is None:
        raise _MisfitError(f'"{key}" is not a time: {_shown(value)}')
    return _epoch_ms(match[1], key)


def _epoch_ms(text: str, key: str) -> int:
    try:
        seconds = (datetime.fromisoformat(text) - _EPOCH).total_seconds()
    except ValueError:
        raise _MisfitError(f'"{key}" is not a time: {_shown(text)}') from None
    if _EARLIEST_S <= seconds < _LATEST_S:
        return int(seconds) * 1000
    raise _MisfitError(f"time out of range: {_shown(text)}")


def _listened(value: object, key: str) -> int:
    """Listened milliseconds, 0 to seven days."""
    if value is None:
        raise _MisfitError(f'no "{key}"')
    if type(value) is not int:
        value = _whole(value, key)
    if 0 <= value <= _LONGEST_MS:
        return value
    raise _MisfitError(f'"{key}" is ' + ("negative" if value < 0 else "longer than seven days"))


def _whole(value: object, key: str) -> int:
    """`value` as a whole number; true and false, text and fractions are none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise _MisfitError(f'"{key}" is not a whole number')
    if -_LARGEST <= value <= _LARGEST:
        return value
    raise _MisfitError(f'"{key}" is out of range')


def _texts(values: tuple[object, ...], keys: Sequence[str]) -> Sequence[str | None]:
    """The values of `keys`, each text or None; empty text is left for the caller to drop."""
    for value in values:
        if value is not None and value.__class__ is not str:
            raise _MisfitError(f'"{keys[_place(value, values)]}" is neither text nor null')
    texts = cast("tuple[str | None, ...]", values)
    # One look at all of them together: practically no row needs more.
    if _is_clean("".join(filter(None, texts))):
        return texts
    return [text and _cleaned(text) for text in texts]


def _place(value: object, values: Sequence[object]) -> int:
    """Where this very object stands; `index` would take 1 for True and 0 for False."""
    return next(place for place, other in enumerate(values) if other is value)


def _is_clean(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _cleaned(text: str) -> str:
    """`text` without NUL, and with U+FFFD for lone surrogates, which no UTF-8 can hold."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "")


def clean_text(value: object) -> str | None:
    """Clean non-empty text, or None for anything else."""
    if not isinstance(value, str):
        return None
    return (value if _is_clean(value) else _cleaned(value)) or None


def _private(raw: _Object) -> str | None:
    """Compact sorted JSON of the private fields that are there; None where there are none."""
    kept: dict[str, object] = {}
    for key in _PRIVATE:
        value = raw.get(key)
        if value is None:
            continue
        if isinstance(value, str):
            kept[key] = _cleaned(value)
        elif isinstance(value, (int, float)) and math.isfinite(value):
            kept[key] = value
        else:
            raise _MisfitError(f'"{key}" is neither text, a number nor null')
    if not kept:
        return None
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def as_object(value: object) -> _Object:
    return value if isinstance(value, dict) else {}


def objects_in(value: object) -> list[_Object]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _api_uri(thing: _Object, what: str) -> str | None:
    """The object's `uri`, else one made of its `id`; None where neither is of use."""
    uri = clean_text(thing.get("uri"))
    if uri is not None and uri.startswith("spotify:"):
        return uri
    spotify_id = clean_text(thing.get("id"))
    if spotify_id is not None and spotify_id.isascii() and spotify_id.isalnum():
        return f"spotify:{what}:{spotify_id}"
    return None


def _duration(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _LARGEST else None


def widest_image(value: object) -> str | None:
    """The address of the widest picture; the first one where widths are not told."""
    best, best_width = None, -1
    for image in objects_in(value):
        url = clean_text(image.get("url"))
        width = _duration(image.get("width")) or 0
        if url is not None and url.startswith(("https://", "http://")) and width > best_width:
            best, best_width = url, width
    return best


def _shown(text: str) -> str:
    """A short printable form of a value from a file, for a message."""
    return ascii(text[:40])[1:-1]
