"""Owns turning a recently-played item of the API into a Record, and into what it tells of a track.

Never calls the API, reads no clock and trusts no type: a field of another type counts as not told.
"""

from __future__ import annotations

from spotify_hist.model import ApiTrack, Record, Rejected
from spotify_hist.normalise.values import (
    MisfitError,
    Object,
    as_object,
    clean_text,
    duration,
    objects_in,
    offset_instant,
)


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
    except MisfitError as misfit:
        return Rejected(str(misfit))


def api_track(raw_item: object) -> ApiTrack | None:
    """What a recently-played item, or a track object itself, tells of its track.

    None for local files, episodes and whatever has no track id.
    """
    item = as_object(raw_item)
    track = as_object(item["track"]) if "track" in item else item
    uri = _uri(track, "track")
    prefix, _, track_id = (uri or "").rpartition(":")
    if prefix != "spotify:track" or not track_id:
        return None
    album = as_object(track.get("album"))
    isrc = clean_text(as_object(track.get("external_ids")).get("isrc"))
    return ApiTrack(
        track_id=track_id,
        duration_ms=duration(track.get("duration_ms")),
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


def _api(item: Object, track: Object) -> Record:
    played_at_ms = offset_instant(item.get("played_at"), "played_at")
    is_episode = track.get("type") == "episode"
    uri = _uri(track, "episode" if is_episode else "track")
    is_episode = is_episode or (uri or "").startswith("spotify:episode:")
    title = clean_text(track.get("name"))
    if uri is None and title is None:
        raise MisfitError("neither a name nor a URI")
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
            album_uri=_uri(show, "show"),
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
        album_uri=_uri(album, "album"),
        artist_uri=_uri(artist, "artist"),
        album_artist=clean_text(album_artist.get("name")),
        context_uri=context_uri,
    )


def _uri(thing: Object, what: str) -> str | None:
    """The object's `uri`, else one made of its `id`; None where neither is of use."""
    uri = clean_text(thing.get("uri"))
    # One that is spoiled would be a thing of its own beside the one it names.
    if uri is not None and uri.startswith("spotify:") and uri.isascii() and uri.isprintable():
        return uri
    spotify_id = clean_text(thing.get("id"))
    if spotify_id is not None and spotify_id.isascii() and spotify_id.isalnum():
        return f"spotify:{what}:{spotify_id}"
    return None


def widest_image(value: object) -> str | None:
    """The address of the widest picture; the first one where widths are not told."""
    best, best_width = None, -1
    for image in objects_in(value):
        url = clean_text(image.get("url"))
        width = duration(image.get("width")) or 0
        if url is not None and url.startswith(("https://", "http://")) and width > best_width:
            best, best_width = url, width
    return best
