"""Owns the sandbox's music: artists, albums, tracks, shows and books with real-looking ids.

Never knows who listens to what; every listener of one catalogue shares the same tracks.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Literal

from spotify_hist.sandbox import names

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE62 = string.digits + string.ascii_lowercase + string.ascii_uppercase
ARTIST_COUNT = 84
COMPILATION_COUNT = 4
DEFAULT_CATALOGUE = 1


@dataclass(frozen=True, slots=True)
class Artist:
    """An artist; `id` is 22 base62 characters, as everywhere here."""

    id: str
    name: str

    @property
    def uri(self) -> str:
        return f"spotify:artist:{self.id}"


@dataclass(frozen=True, slots=True)
class Album:
    """An album, single or compilation; a compilation's artist is "Various Artists"."""

    id: str
    name: str
    artist: Artist
    kind: Literal["album", "single", "compilation"]
    release_date: str
    release_date_precision: Literal["day", "month", "year"]
    total_tracks: int

    @property
    def uri(self) -> str:
        return f"spotify:album:{self.id}"


@dataclass(frozen=True, slots=True)
class Track:
    """A track as Spotify's API tells it; exports name the album's artist instead (FACTS 5.3)."""

    id: str
    name: str
    artists: tuple[Artist, ...]
    album: Album
    duration_ms: int
    isrc: str | None  # sometimes in lower case, as Spotify has it (FACTS 7.1)
    number: int

    @property
    def uri(self) -> str:
        return f"spotify:track:{self.id}"


@dataclass(frozen=True, slots=True)
class Episode:
    """A podcast episode."""

    id: str
    name: str
    show: str
    publisher: str
    duration_ms: int

    @property
    def uri(self) -> str:
        return f"spotify:episode:{self.id}"


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter of an audiobook; its URI is an episode's, its book's a show's (FACTS 5.3)."""

    id: str
    name: str
    book: str
    book_id: str
    author: str
    duration_ms: int

    @property
    def uri(self) -> str:
        return f"spotify:episode:{self.id}"

    @property
    def book_uri(self) -> str:
        return f"spotify:show:{self.book_id}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that can be played. `twins` gives the single release of an album track, by id."""

    artists: tuple[Artist, ...]
    albums_of: Mapping[str, tuple[Album, ...]]
    tracks_on: Mapping[str, tuple[Track, ...]]
    twins: Mapping[str, Track]
    compilations: tuple[Album, ...]
    episodes: tuple[tuple[Episode, ...], ...]
    books: tuple[tuple[Chapter, ...], ...]
    artist_by_id: Mapping[str, Artist]
    album_by_id: Mapping[str, Album]
    track_by_id: Mapping[str, Track]


def base62(rng: Random) -> str:
    """A 22-character id."""
    return "".join(rng.choices(BASE62, k=22))


@lru_cache(maxsize=4)
def build_catalogue(seed: int = DEFAULT_CATALOGUE) -> Catalogue:
    """The same catalogue for the same seed, in every process."""
    return _Builder(seed).build()


class _Builder:
    def __init__(self, seed: int) -> None:
        self.rng = Random(f"catalogue:{seed}")
        self.artists: list[Artist] = []
        self.albums: dict[str, Album] = {}
        self.albums_of: dict[str, list[Album]] = {}
        self.tracks_on: dict[str, tuple[Track, ...]] = {}
        self.twins: dict[str, Track] = {}
        self.odd_titles = list(names.ODD_TITLES)

    def build(self) -> Catalogue:
        self._add_artists()
        for artist in self.artists:
            self._add_releases(artist)
        various = Artist(base62(self.rng), "Various Artists")
        compilations = tuple(
            self._add_compilation(various, n + 1) for n in range(COMPILATION_COUNT)
        )
        return Catalogue(
            artists=tuple(self.artists),
            albums_of={key: tuple(albums) for key, albums in self.albums_of.items()},
            tracks_on=self.tracks_on,
            twins=self.twins,
            compilations=compilations,
            episodes=tuple(self._show(*show) for show in names.SHOWS),
            books=tuple(self._book(*book) for book in names.BOOKS),
            artist_by_id={artist.id: artist for artist in (*self.artists, various)},
            album_by_id=self.albums,
            track_by_id={t.id: t for tracks in self.tracks_on.values() for t in tracks},
        )

    def _add_artists(self) -> None:
        rng = self.rng
        chosen = ["The Velvet Harbour", *names.ODD_ARTISTS]
        while len(chosen) < ARTIST_COUNT:
            if rng.random() < 0.4:
                name = f"{rng.choice(names.FIRST_NAMES)} {rng.choice(names.LAST_NAMES)}"
            else:
                the = "The " if rng.random() < 0.4 else ""
                name = f"{the}{rng.choice(names.ADJECTIVES)} {rng.choice(names.NOUNS)}"
            if name not in chosen:
                chosen.append(name)
        # Two different artists of one name exist on Spotify; only their ids tell them apart.
        chosen[-1] = chosen[-2]
        rng.shuffle(chosen)
        self.artists = [Artist(base62(rng), name) for name in chosen]

    def _add_releases(self, artist: Artist) -> None:
        rng = self.rng
        self.albums_of[artist.id] = []
        for _ in range(rng.randint(1, 3)):
            name = f"{rng.choice(names.ADJECTIVES)} {rng.choice(names.NOUNS)}"
            album = self._album(name, artist, "album", rng.randint(6, 11))
            self.tracks_on[album.id] = tuple(
                self._track(artist, album, number + 1) for number in range(album.total_tracks)
            )
            self.albums_of[artist.id].append(album)
            for track in rng.sample(self.tracks_on[album.id], rng.randint(0, 3)):
                self._add_single(track)

    def _album(
        self,
        name: str,
        artist: Artist,
        kind: Literal["album", "single", "compilation"],
        total: int,
    ) -> Album:
        rng = self.rng
        precision: Literal["day", "month", "year"] = "day" if rng.random() < 0.9 else "year"
        year = rng.randint(1968, 2023)
        day = f"{year}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        released = day if precision == "day" else str(year)
        album = Album(base62(rng), name, artist, kind, released, precision, total)
        self.albums[album.id] = album
        return album

    def _track(self, artist: Artist, album: Album, number: int) -> Track:
        rng = self.rng
        title = f"{rng.choice(names.TITLE_STARTS)} {rng.choice(names.TITLE_ENDS)}"
        if self.odd_titles and rng.random() < 0.03:
            title = self.odd_titles.pop()
        elif rng.random() < 0.08:
            title += rng.choice((" - Remastered 2011", " (Live)", " - Radio Edit", " (Demo)"))
        artists: tuple[Artist, ...] = (artist,)
        if rng.random() < 0.12:
            guest = rng.choice([other for other in self.artists if other is not artist])
            artists = (artist, guest)
            title += f" (feat. {guest.name})"
        return Track(
            id=base62(rng),
            name=title,
            artists=artists,
            album=album,
            duration_ms=int(min(max(rng.gauss(214_000, 55_000), 61_000), 780_000)),
            isrc=self._isrc(),
            number=number,
        )

    def _isrc(self) -> str | None:
        rng = self.rng
        roll = rng.random()
        code = f"{rng.choice(('QZ', 'DE', 'GB', 'US', 'SE'))}{rng.choice('ABCDEFXYZ')}"
        code += f"{rng.randint(10, 99)}{rng.randint(0, 9_999_999):07d}"
        if roll < 0.01:
            return None
        return code.lower() if roll < 0.05 else code

    def _add_single(self, track: Track) -> None:
        """The same song under a second id; usually the same ISRC, not always (FACTS 7.1)."""
        album = self._album(track.name, track.album.artist, "single", 1)
        single = Track(
            id=base62(self.rng),
            name=track.name,
            artists=track.artists,
            album=album,
            duration_ms=track.duration_ms,
            isrc=track.isrc if self.rng.random() < 0.8 else self._isrc(),
            number=1,
        )
        self.tracks_on[album.id] = (single,)
        self.twins[track.id] = single

    def _add_compilation(self, various: Artist, volume: int) -> Album:
        rng = self.rng
        pool = [tracks for tracks in self.tracks_on.values() if len(tracks) > 1]
        picked = [rng.choice(tracks) for tracks in rng.sample(pool, 12)]
        album = self._album(f"Late Trains, Vol. {volume}", various, "compilation", len(picked))
        self.tracks_on[album.id] = tuple(
            Track(base62(rng), t.name, t.artists, album, t.duration_ms, t.isrc, number + 1)
            for number, t in enumerate(picked)
        )
        return album

    def _show(self, show: str, publisher: str) -> tuple[Episode, ...]:
        rng = self.rng
        return tuple(
            Episode(base62(rng), title, show, publisher, rng.randint(900_000, 5_400_000))
            for title in rng.sample(names.EPISODES, 8)
        )

    def _book(self, book: str, author: str) -> tuple[Chapter, ...]:
        rng = self.rng
        book_id = base62(rng)
        return tuple(
            Chapter(
                base62(rng), f"Chapter {n + 1}", book, book_id, author,
                rng.randint(600_000, 2_400_000),
            )
            for n in range(14)
        )  # fmt: skip
