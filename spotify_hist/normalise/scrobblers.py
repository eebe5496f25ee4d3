"""Owns turning a row that another program noted into a Record, or saying why it cannot be one.

Never takes a track's length for listened time, and never does I/O or reads a clock.

The instant is the end of the play where it can be known: what the service noted, plus the listened
time where it tells one. Else it is what the service noted, as it stands, and `ms_played` is None.
All instants are UTC. Read in the source of these projects:

your_spotify (Yooooomi/your_spotify). It has no export of its own (its issues 331 and 536); what
    people have is a copy of its collection `infos`, made with mongoexport, or the answers of its
    `GET /spotify/gethistory`. In apps/server/src: database/schemas/info.ts: `id` is the Spotify
    track, `durationMs` the track's LENGTH. spotify/looper.ts: `played_at` is the API's, so the END
    (FACTS 3.3); tools/importers/full_privacy.ts and privacy.ts: an export's `ts` and `endTime` +
    "Z", ends as well. Names are there in `gethistory` only, in `track` (database/queries/user.ts,
    `getSongs`). `blacklistedBy` hides an artist from its statistics; it was listened to, and is
    kept. Dates are as MongoDB's Extended JSON (v1 and v2) writes them.
maloja (krateng/maloja). maloja/database/sqldb.py, "single canonical source of truth": `time`,
    `duration`, `track.artists`, `track.title`, `track.length`, `track.album.albumtitle`.
    maloja/apis/native_v1.py: `duration` is the "actual listened duration of the scrobble in
    seconds", `length` the track's, `time` the "UNIX timestamp of the scrobble", which the protocols
    it takes scrobbles by define as the START. Only its import of Spotify exports
    (proccontrol/tasks/import_scrobbles.py, origin `import:spotify`) notes the END, so nothing is
    added to that. It does not keep the order of a track's artists (`list(set(artist_ids))`); the
    main one is the album's artist where he is among them, else the first.
koito (gabehf/Koito). internal/export/export.go: `listened_at` RFC 3339 in UTC, which
    engine/handlers/lbz_submit_listen.go takes from clients of ListenBrainz: the START.
    `track.duration` is the LENGTH in seconds; no listened time. Names are `aliases`, one of them
    with `is_primary` (test_assets/koito_export_test.json).
listenbrainz (metabrainz/listenbrainz-server). docs/users/json.rst: `listened_at` is the "playback
    start time", `duration` and `duration_ms` are the track's LENGTH, `spotify_id` and `origin_url`
    may be the track's address at Spotify. listenbrainz/background/export.py gives `listened_at` as
    a decimal number; the exports before it (webserver/views/profile.py) as an integer. Two fields
    tell listened time: `duration_played`, in seconds, of FoxxMD/multi-scrobbler (src/backend/
    common/vendor/listenbrainz/lzUtils.ts), counted from the start; and `ms_played` of ListenBrainz'
    own import of Spotify exports (background/listens_importer/spotify.py), where `listened_at` is
    `ts`, the END. Its own polling of Spotify (spotify_updater/spotify_read_listens.py) notes
    `played_at`, an END without listened time. "Playing now" is a listen without `listened_at` and
    no play. An address of an episode makes the row an episode.
lastfm: see `lastfm.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from spotify_hist.model import Kind, Record, Rejected
from spotify_hist.normalise import lastfm
from spotify_hist.normalise.values import (
    LONGEST_MS,
    MisfitError,
    Object,
    as_object,
    clean_text,
    instant,
    objects_in,
    stamp_ms,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from spotify_hist.model import Source

_ID: Final = re.compile("[0-9A-Za-z]{22}")
_ADDRESS: Final = re.compile(
    r"(?:https?://open\.spotify\.com/(?:intl-[a-z]+/)?(?:embed/)?|spotify:)"
    r"(track|episode)[/:]([0-9A-Za-z]{22})(?:[?#].*)?",
    re.DOTALL,
)


def row(source: Source, raw: object) -> Record | Rejected:
    """The record of one row of a file of another service.

    Raises KeyError for a source that is none of them.
    """
    make = _MAKERS[source]
    if not isinstance(raw, dict):
        return Rejected("not an object")
    try:
        return make(raw)
    except MisfitError as misfit:
        return Rejected(str(misfit))


def _your_spotify(raw: Object) -> Record:
    noted_ms = _mongo_instant(raw.get("played_at"))
    track = as_object(raw.get("track"))
    track_id = raw.get("id")
    if not isinstance(track_id, str) or not _ID.fullmatch(track_id):
        raise MisfitError('no "id"' if track_id is None else '"id" is not a Spotify id')
    artist = next(iter(objects_in(track.get("full_artists"))), None)
    if artist is None:
        artist = next(iter(objects_in(track.get("artists"))), {})
    albums = track.get("full_album") or track.get("album")
    album = next(iter(objects_in(albums)), as_object(albums))
    return Record(
        "your_spotify",
        noted_ms,
        "track",
        uri=f"spotify:track:{track_id}",
        title=clean_text(track.get("name")),
        artist=clean_text(artist.get("name")),
        album=clean_text(album.get("name")),
    )


def _mongo_instant(value: object) -> int:
    """Epoch milliseconds of a date as JSON, or as Extended JSON in any of its spellings."""
    date = value.get("$date") if isinstance(value, dict) else value
    if isinstance(date, dict):
        date = date.get("$numberLong")
    if isinstance(date, str) and not date.isdecimal():
        return instant(date, "played_at")
    return stamp_ms(date, "played_at", per_second=1000)


def _maloja(raw: Object) -> Record:
    noted_ms = stamp_ms(raw.get("time"), "time")
    track = as_object(raw.get("track"))
    album = as_object(track.get("album"))
    artists = _texts_in(track.get("artists"))
    billed = [name for name in _texts_in(album.get("artists")) if name in artists]
    listened_ms = _told_ms(raw.get("duration"), 1000)
    is_end = str(raw.get("origin")).startswith("import:spotify")
    return _named(
        "maloja",
        noted_ms + (0 if is_end else listened_ms or 0),
        title=track.get("title"),
        artist=next(iter([*billed, *artists]), None),
        # Older exports call it `name` (proccontrol/tasks/import_scrobbles.py, `parse_maloja`).
        album=album.get("albumtitle") or album.get("name"),
        ms_played=listened_ms,
    )


def _koito(raw: Object) -> Record:
    noted_ms = instant(raw.get("listened_at"), "listened_at")
    artists = objects_in(raw.get("artists"))
    main = next((artist for artist in artists if artist.get("is_primary") is True), None)
    return _named(
        "koito",
        noted_ms,
        title=_alias(raw.get("track")),
        artist=_alias(main or next(iter(artists), None)),
        album=_alias(raw.get("album")),
    )


def _alias(thing: object) -> object:
    """The name of a track, album or artist: its primary alias, else the first."""
    aliases = objects_in(as_object(thing).get("aliases"))
    primary = next((alias for alias in aliases if alias.get("is_primary") is True), None)
    return (primary or next(iter(aliases), {})).get("alias")


def _listenbrainz(raw: Object) -> Record:
    if raw.get("listened_at") is None:
        raise MisfitError('no "listened_at": what was playing at that moment, not a play')
    noted_ms = stamp_ms(raw.get("listened_at"), "listened_at")
    track = as_object(raw.get("track_metadata"))
    more = as_object(track.get("additional_info"))
    listened_ms = _told_ms(more.get("ms_played"), 1)
    ended_ms = noted_ms
    if listened_ms is None:
        listened_ms = _told_ms(more.get("duration_played"), 1000)
        ended_ms += listened_ms or 0
    kind, uri = _address(more.get("spotify_id"), more.get("origin_url"))
    artist = next(iter(_texts_in(more.get("artist_names"))), None) or track.get("artist_name")
    return _named(
        "listenbrainz",
        ended_ms,
        title=track.get("track_name"),
        artist=artist,
        album=track.get("release_name") or (artist if kind == "episode" else None),
        kind=kind,
        uri=uri,
        ms_played=listened_ms,
    )


def _address(*addresses: object) -> tuple[Kind, str | None]:
    """The kind and Spotify URI that the first address at Spotify tells; else a track without."""
    for address in addresses:
        if isinstance(address, str) and (match := _ADDRESS.fullmatch(address)):
            kind: Kind = "episode" if match[1] == "episode" else "track"
            return kind, f"spotify:{match[1]}:{match[2]}"
    return "track", None


def _named(
    source: Source,
    played_at_ms: int,
    *,
    title: object,
    artist: object,
    album: object,
    kind: Kind = "track",
    uri: str | None = None,
    ms_played: int | None = None,
) -> Record:
    """A record of what has names; MisfitError where title or artist is missing."""
    named, by = clean_text(title), clean_text(artist)
    if named is None or by is None:
        raise MisfitError("no title" if named is None else "no artist")
    return Record(source, played_at_ms, kind, ms_played, uri, named, by, clean_text(album))


def _texts_in(value: object) -> list[str]:
    """The texts in a list; none for anything else."""
    return [text for each in value if (text := clean_text(each))] if isinstance(value, list) else []


def _told_ms(value: object, per_unit: int) -> int | None:
    """Listened milliseconds where they are told and make sense; these fields are nobody's duty."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return round(value * per_unit) or None if 0 < value <= LONGEST_MS // per_unit else None


_MAKERS: Final[dict[Source, Callable[[Object], Record]]] = {
    "your_spotify": _your_spotify,
    "maloja": _maloja,
    "koito": _koito,
    "listenbrainz": _listenbrainz,
    "lastfm": lastfm.record,
}
