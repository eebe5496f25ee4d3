"""Owns reading what Spotify tells of one track, artist or album.

Never calls Spotify and never touches the database.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spotify_hist.normalise import api_track, as_object, clean_text, objects_in, widest_image
from spotify_hist.store.enrich import AlbumDetails, ArtistDetails, Features, Song

if TYPE_CHECKING:
    from collections.abc import Mapping


def song(raw: object, asked_id: str | None = None) -> Song | None:
    """The track of a track object, under the id it was asked for where it was; None for what is
    none.

    Spotify may answer with the same recording under another id, which is playable in the
    listener's country.
    """
    told = as_object(raw)
    track, title = api_track(told), clean_text(told.get("name"))
    if track is None or title is None:
        return None
    album = as_object(told.get("album"))
    album_artists = [clean_text(each.get("name")) for each in objects_in(album.get("artists"))]
    return Song(
        track if asked_id is None else track._replace(track_id=asked_id),
        title,
        clean_text(album.get("name")),
        album_artists[0] if album_artists else None,
    )


def artist(raw: object, asked_id: str) -> ArtistDetails | None:
    """What an artist object tells; None for what is none. Genres may be absent (FACTS 1.3)."""
    told = as_object(raw)
    if clean_text(told.get("id")) is None:
        return None
    genres = told.get("genres")
    return ArtistDetails(
        asked_id,
        widest_image(told.get("images")),
        tuple(filter(None, map(clean_text, genres))) if isinstance(genres, list) else None,
    )


def album(raw: object, asked_id: str) -> AlbumDetails | None:
    """What an album object tells; None for what is none."""
    told = as_object(raw)
    if clean_text(told.get("id")) is None:
        return None
    return AlbumDetails(
        asked_id, clean_text(told.get("release_date")), widest_image(told.get("images"))
    )


def features(raw: object, asked_id: str) -> Features | None:
    """The audio features of a track; None for what is none of them."""
    told = as_object(raw)
    found = Features(
        track_id=asked_id,
        danceability=_number(told, "danceability"),
        energy=_number(told, "energy"),
        key=_whole(told, "key"),
        loudness=_number(told, "loudness"),
        mode=_whole(told, "mode"),
        speechiness=_number(told, "speechiness"),
        acousticness=_number(told, "acousticness"),
        instrumentalness=_number(told, "instrumentalness"),
        liveness=_number(told, "liveness"),
        valence=_number(told, "valence"),
        tempo=_number(told, "tempo"),
        time_signature=_whole(told, "time_signature"),
    )
    return found if any(value is not None for value in found[1:]) else None


def _number(told: Mapping[str, object], name: str) -> float | None:
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _whole(told: Mapping[str, object], name: str) -> int | None:
    value = _number(told, name)
    return int(value) if value is not None and value.is_integer() and abs(value) < 100 else None
