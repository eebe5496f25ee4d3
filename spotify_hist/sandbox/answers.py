"""Owns the JSON shapes of Spotify's answers, in development mode and with full fields.

Never decides who may see them, and never reads a clock.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from spotify_hist.sandbox import names
from spotify_hist.sandbox.catalogue import BASE62

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spotify_hist.sandbox.catalogue import Album, Artist, Track
    from spotify_hist.sandbox.recent import Item
    from spotify_hist.sandbox.shelves import Shelves

Json = dict[str, object]
MARKETS = ["AT", "CH", "DE", "GB", "US"]


class Shapes:
    """Builds answers; `full` adds the fields an extended-quota app still gets (FACTS 1.3)."""

    def __init__(self, url: str, *, full: bool) -> None:
        self.url = url
        self.full = full

    def recently_played(self, items: Sequence[Item], query: Iterable[tuple[str, str]]) -> Json:
        """The body of recently-played; nothing left means null `next` and `cursors` (FACTS 3.2)."""
        asked = "&".join(f"{key}={value}" for key, value in query)
        here = f"{self.url}/v1/me/player/recently-played"
        body: Json = {
            "items": [
                {
                    "track": self.track(item.track),
                    "played_at": item.played_at,
                    "context": self.context(item.context_uri),
                }
                for item in items
            ],
            "next": None,
            "cursors": None,
            "limit": next((int(value) for key, value in query if key == "limit"), 20),
            "href": f"{here}?{asked}" if asked else here,
        }
        if items:
            oldest = str(items[-1].played_at_ms)
            body["cursors"] = {"after": str(items[0].played_at_ms), "before": oldest}
            body["next"] = f"{here}?before={oldest}&limit={body['limit']}"
        return body

    def track(self, track: Track) -> Json:
        """A track object with its album."""
        body = self._link("track", track.id, track.name) | {
            "album": self.album(track.album),
            "artists": [self._link("artist", a.id, a.name) for a in track.artists],
            "disc_number": 1,
            "duration_ms": track.duration_ms,
            "explicit": False,
            "external_ids": {"isrc": track.isrc} if track.isrc else {},
            "is_local": False,
            "preview_url": None,
            "track_number": track.number,
        }
        if self.full:
            body |= {"popularity": _popularity(track.id), "available_markets": MARKETS}
        return body

    def album(self, album: Album, tracks: Sequence[Track] | None = None) -> Json:
        """An album object; with `tracks` the whole one of /v1/albums/{id}."""
        body = self._link("album", album.id, album.name) | {
            "album_type": album.kind,
            "artists": [self._link("artist", album.artist.id, album.artist.name)],
            "images": _images(album.id),
            "release_date": album.release_date,
            "release_date_precision": album.release_date_precision,
            "total_tracks": album.total_tracks,
        }
        if self.full:
            body["available_markets"] = MARKETS
        if tracks is not None:
            body["external_ids"] = {"upc": f"{int(_digest(album.id)[:10], 16):013d}"}
            body["tracks"] = {
                "total": len(tracks),
                "limit": 50,
                "offset": 0,
                "next": None,
                "previous": None,
                "items": [
                    {key: value for key, value in self.track(track).items() if key != "album"}
                    for track in tracks
                ],
            }
            if self.full:
                body |= {"label": "Sandbox Records", "popularity": _popularity(album.id)}
        return body

    def artist(self, artist: Artist) -> Json:
        """An artist object; genres are on their way out, and some have none (FACTS 1.3)."""
        roll = int(_digest(artist.id)[:8], 16)
        images = [] if roll % 11 == 0 else _images(artist.id)
        body = self._link("artist", artist.id, artist.name) | {"images": images}
        if roll % 5:
            first, count = roll // 5 % len(names.GENRES), roll % 5 - 1
            body["genres"] = [*names.GENRES, *names.GENRES][first : first + count]
        if self.full:
            followers = {"href": None, "total": 1000 * _popularity(artist.id)}
            body |= {"followers": followers, "popularity": _popularity(artist.id)}
        return body

    def me(self, account: str) -> Json:
        """The account behind a token: immutable `account_id`, and `id` (FACTS 1.4)."""
        body: Json = {
            "account_id": account_id(account),
            "id": account,
            "display_name": account.replace("-", " ").title(),
            "external_urls": {"spotify": f"{self.url}/user/{account}"},
            "href": f"{self.url}/v1/users/{account}",
            "images": [],
            "type": "user",
            "uri": f"spotify:user:{account}",
        }
        if self.full:
            body |= {
                "country": "DE",
                "email": f"{account}@example.org",
                "product": "premium",
                "followers": {"href": None, "total": 3},
            }
        return body

    def context(self, uri: str | None) -> Json | None:
        """A context object, or None."""
        if uri is None:
            return None
        _, kind, ident = uri.split(":")
        return {
            "type": kind,
            "uri": uri,
            "href": f"{self.url}/v1/{kind}s/{ident}",
            "external_urls": {"spotify": f"{self.url}/{kind}/{ident}"},
        }

    def lookup(self, shelves: Shelves, kind: str, ident: str) -> Json | None:
        """The object `/v1/{kind}/{ident}` tells, None if unknown; kind: tracks, artists, albums."""
        if kind == "tracks" and ident in shelves.track_by_id:
            return self.track(shelves.track_by_id[ident])
        if kind == "artists" and ident in shelves.artist_by_id:
            return self.artist(shelves.artist_by_id[ident])
        if kind == "albums" and ident in shelves.album_by_id:
            return self.album(shelves.album_by_id[ident], shelves.tracks_on[ident])
        return None

    def _link(self, kind: str, ident: str, name: str) -> Json:
        return {
            "external_urls": {"spotify": f"{self.url}/{kind}/{ident}"},
            "href": f"{self.url}/v1/{kind}s/{ident}",
            "id": ident,
            "name": name,
            "type": kind,
            "uri": f"spotify:{kind}:{ident}",
        }


def account_id(account: str) -> str:
    """The immutable id of a sandbox account: 22 base62 characters."""
    digest = hashlib.sha256(f"account:{account}".encode()).digest()
    return "".join(BASE62[byte % 62] for byte in digest[:22])


def _popularity(ident: str) -> int:
    return sum(ident.encode()) % 100


def _digest(ident: str) -> str:
    return hashlib.sha1(ident.encode(), usedforsecurity=False).hexdigest()


def _images(ident: str) -> list[Json]:
    key = _digest(ident)
    return [
        {"url": f"https://images.example/{key}/{size}.jpg", "width": size, "height": size}
        for size in (640, 300, 64)
    ]
