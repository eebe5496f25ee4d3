"""Owns everything the Web API can tell of: the catalogues of all lives, and versions nobody plays.

Never knows who listens to what.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from spotify_hist.sandbox import names
from spotify_hist.sandbox.catalogue import Album, Artist, Track, base62

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spotify_hist.sandbox.catalogue import Catalogue

_MOST_VERSIONS = 4


class Shelves:
    """Artists, albums and tracks by id; `tracks_on` gives an album's tracks in order.

    Beside what is played stand live recordings by the same artist and covers by tribute bands
    named after them: what a search finds and a careful reader must not take for the original.
    """

    def __init__(self, catalogues: Iterable[Catalogue]) -> None:
        self.track_by_id: dict[str, Track] = {}
        self.artist_by_id: dict[str, Artist] = {}
        self.album_by_id: dict[str, Album] = {}
        self.tracks_on: dict[str, tuple[Track, ...]] = {}
        for catalogue in {id(each): each for each in catalogues}.values():
            self.artist_by_id |= catalogue.artist_by_id
            self.album_by_id |= catalogue.album_by_id
            self.tracks_on |= catalogue.tracks_on
            for artist in catalogue.artists:
                for tracks in _other_versions(artist, catalogue):
                    self._add(tracks)
        self.track_by_id |= {
            track.id: track for tracks in self.tracks_on.values() for track in tracks
        }

    def _add(self, tracks: tuple[Track, ...]) -> None:
        album = tracks[0].album
        self.artist_by_id[album.artist.id] = album.artist
        self.album_by_id[album.id] = album
        self.tracks_on[album.id] = tracks


def _other_versions(artist: Artist, catalogue: Catalogue) -> Iterator[tuple[Track, ...]]:
    """A live album of the artist and a tribute to them; not every artist has both."""
    rng = Random(f"versions:{artist.id}")
    songs = [
        track
        for album in catalogue.albums_of[artist.id]
        for track in catalogue.tracks_on[album.id]
        if "Live" not in track.name
    ]
    if rng.random() < 0.7:
        album = _album(rng, f"Live in {rng.choice(names.CITIES)}", artist)
        yield _versions(rng, album, songs, " - Live")
    if rng.random() < 0.5:
        band = Artist(base62(rng), f"{artist.name} Tribute Band")
        yield _versions(rng, _album(rng, f"The Songs of {artist.name}", band), songs, "")


def _album(rng: Random, name: str, artist: Artist) -> Album:
    released = f"{rng.randint(1990, 2023)}-{rng.randint(1, 12):02d}"
    return Album(base62(rng), name, artist, "album", released, "month", _MOST_VERSIONS)


def _versions(rng: Random, album: Album, songs: list[Track], mark: str) -> tuple[Track, ...]:
    chosen = rng.sample(songs, min(_MOST_VERSIONS, len(songs)))
    return tuple(
        Track(
            id=base62(rng),
            name=song.name + mark,
            artists=(album.artist,),
            album=album,
            duration_ms=song.duration_ms + rng.randint(-20_000, 60_000),
            isrc=f"QZX{rng.randint(10, 99)}{rng.randint(0, 99_999):07d}",
            number=number + 1,
        )
        for number, song in enumerate(chosen)
    )
