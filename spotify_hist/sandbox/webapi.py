"""Owns which answer each request to the Web API gets, once the caller's token is known.

Never judges tokens, counts calls, or fails on demand; `server` does before it asks here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from spotify_hist.sandbox import personal, search
from spotify_hist.sandbox.answers import Shapes
from spotify_hist.sandbox.faults import (
    INSUFFICIENT_SCOPE,
    NOT_REGISTERED_JSON,
    PREMIUM_REQUIRED,
    api_error,
    failing_answer,
)
from spotify_hist.sandbox.features import audio_features
from spotify_hist.sandbox.recent import WINDOW, RecentPlays
from spotify_hist.sandbox.shelves import Shelves
from spotify_hist.sandbox.wire import Answer, Request, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spotify_hist.sandbox.catalogue import Track
    from spotify_hist.sandbox.life import Life
    from spotify_hist.sandbox.recent import Quirks
    from spotify_hist.sandbox.terms import Terms

RECENT_SCOPE = "user-read-recently-played"
_SCOPES = {
    "me/player/recently-played": RECENT_SCOPE,
    "me/player/currently-playing": "user-read-currently-playing",
    "me/top/artists": "user-top-read",
    "me/top/tracks": "user-top-read",
}
_SORTS = ("track", "artist", "album")
_BATCHES = {"tracks": 50, "artists": 50, "albums": 20}
_CLOSED = {"audio-features", "audio-analysis", "recommendations"}
_MOST_FEATURES = 100
_SEARCH_DEPTH = 1_000


class WebApi:
    """The Web API over some lives. The caller holds the sandbox's lock around each call.

    `shown` tells which plays the answers of recently-played have held so far: for each account
    the play's index in its life, with every timestamp (epoch ms) it was told with.
    """

    def __init__(self, url: str, lives: Mapping[str, Life], quirks: Quirks) -> None:
        self.url = url
        self.shelves = Shelves(life.catalogue for life in lives.values())
        self.shown: dict[str, dict[int, set[int]]] = {name: {} for name in lives}
        self._lives = lives
        self._recent = {name: RecentPlays(life, quirks) for name, life in lives.items()}

    def answer(
        self, request: Request, account: str, scopes: frozenset[str], terms: Terms, now_ms: int
    ) -> Answer:
        """The answer to `account`, at the simulated present."""
        if not terms.owner_has_premium:
            return api_error(403, PREMIUM_REQUIRED)
        if account in terms.unregistered:
            return api_error(403, NOT_REGISTERED_JSON)
        if request.method != "GET":
            return api_error(404, "Service not found")
        path = request.path.removeprefix("/v1/")
        if path == "me":
            return json_answer(200, self._shapes(terms).me(account))
        if path in _SCOPES and _SCOPES[path] not in scopes:
            return api_error(403, INSUFFICIENT_SCOPE)
        if path == "me/player/recently-played":
            return self._recently_played(account, request.query, terms, now_ms)
        if path == "me/player/currently-playing":
            return self._currently_playing(account, terms, now_ms)
        if path in _SCOPES:
            return self._top(path.rpartition("/")[2], account, request.query, terms, now_ms)
        if path == "search":
            return self._search(request.query, terms)
        kind, _, ident = path.partition("/")
        if kind in _CLOSED:
            return self._closed(kind, ident, request.query, terms)
        if kind in _BATCHES and ident:
            shapes = self._shapes(terms)
            return _one(ident, lambda each: shapes.lookup(self.shelves, kind, each))
        if kind in _BATCHES:
            return self._batch(kind, request.query, terms)
        return api_error(404, "Service not found")

    def _shapes(self, terms: Terms) -> Shapes:
        return Shapes(self.url, full=not terms.development_mode)

    def _recently_played(
        self, account: str, query: Mapping[str, str], terms: Terms, now_ms: int
    ) -> Answer:
        if "before" in query and "after" in query:
            return api_error(400, "Only one of 'before' and 'after' may be given")
        limit = _whole(query.get("limit", "20"), 1, WINDOW)
        if limit is None:
            return api_error(400, "Invalid limit")
        cursors = [query[name] for name in ("before", "after") if name in query]
        if not all(cursor.isdecimal() for cursor in cursors):
            return api_error(400, "Invalid cursor")
        items = self._recent[account].items(
            now_ms,
            limit=limit,
            before=int(query["before"]) if "before" in query else None,
            after=int(query["after"]) if "after" in query else None,
        )
        shown = self.shown[account]
        for item in items:
            shown.setdefault(item.number, set()).add(item.played_at_ms)
        return json_answer(200, self._shapes(terms).recently_played(items, query.items()))

    def _currently_playing(self, account: str, terms: Terms, now_ms: int) -> Answer:
        """What plays; 204 and nothing where nothing does."""
        play = personal.playing(self._lives[account], now_ms)
        if play is None:
            return Answer(204)
        return json_answer(200, personal.currently_playing(play, self._shapes(terms), now_ms))

    def _top(
        self, kind: str, account: str, query: Mapping[str, str], terms: Terms, now_ms: int
    ) -> Answer:
        span = query.get("time_range", "medium_term")
        limit = _whole(query.get("limit", "20"), 1, 50)
        if limit is None or span not in personal.SPANS:
            return api_error(400, "Invalid limit" if limit is None else "Invalid time range")
        life, shapes = self._lives[account], self._shapes(terms)
        found: list[dict[str, object]]
        if kind == "tracks":
            found = [shapes.track(each) for each in personal.top_tracks(life, now_ms, span)]
        else:
            found = [shapes.artist(each) for each in personal.top_artists(life, now_ms, span)]
        page = {"items": found[:limit], "total": len(found), "limit": limit, "offset": 0}
        here = f"{self.url}/v1/me/top/{kind}?time_range={span}&limit={limit}"
        return json_answer(200, page | {"href": here, "next": None, "previous": None})

    def _search(self, query: Mapping[str, str], terms: Terms) -> Answer:
        """At most 10 at a time in development mode (FACTS 1.2)."""
        most = 10 if terms.development_mode else 50
        usual = "5" if terms.development_mode else "20"
        limit = _whole(query.get("limit", usual), 1, most)
        offset = _whole(query.get("offset", "0"), 0, _SEARCH_DEPTH)
        if not query.get("q", "").strip():
            return api_error(400, "No search query")
        sort = query.get("type", "")
        if sort not in _SORTS:
            return api_error(400, "Bad search type field")
        if limit is None:
            return api_error(400, "Invalid limit")
        if offset is None or offset + limit > _SEARCH_DEPTH:
            return api_error(400, "Invalid offset")
        tracks = search.find(self.shelves.track_by_id.values(), search.parse(query["q"]))
        found = self._told_by(sort, tracks, terms)[:_SEARCH_DEPTH]
        here = f"{self.url}/v1/search?{urlencode({'q': query['q'], 'type': sort})}"
        later = f"{here}&offset={offset + limit}&limit={limit}"
        earlier = f"{here}&offset={max(0, offset - limit)}&limit={limit}"
        page: dict[str, object] = {
            "href": f"{here}&offset={offset}&limit={limit}",
            "items": [told() for told in found[offset : offset + limit]],
            "limit": limit,
            "next": later if offset + limit < len(found) else None,
            "offset": offset,
            "previous": earlier if offset else None,
            "total": len(found),
        }
        return json_answer(200, {f"{sort}s": page})

    def _told_by(
        self, sort: str, tracks: list[Track], terms: Terms
    ) -> list[Callable[[], dict[str, object]]]:
        """The tracks, or their artists or albums, each once, to be shaped when shown."""
        shapes = self._shapes(terms)
        if sort == "track":
            return [partial(shapes.track, track) for track in tracks]
        if sort == "album":
            albums = {track.album.id: track.album for track in tracks}
            return [partial(shapes.album, album) for album in albums.values()]
        artists = {track.artists[0].id: track.artists[0] for track in tracks}
        return [partial(shapes.artist, artist) for artist in artists.values()]

    def _closed(self, kind: str, ident: str, query: Mapping[str, str], terms: Terms) -> Answer:
        """What new apps may not ask (FACTS 1.1); older ones still have the features (FACTS 1.6)."""
        if terms.development_mode or kind != "audio-features":
            return api_error(403, "Forbidden")

        def told(each: str) -> dict[str, object] | None:
            track = self.shelves.track_by_id.get(each)
            return audio_features(track, self.url) if track else None

        if ident:
            return _one(ident, told)
        ids = query.get("ids", "").split(",")
        if not 1 <= len(ids) <= _MOST_FEATURES or not ids[0]:
            return api_error(400, "Invalid ids")
        return json_answer(200, {"audio_features": [told(each) for each in ids]})

    def _batch(self, kind: str, query: Mapping[str, str], terms: Terms) -> Answer:
        if terms.development_mode:  # gone; what its place answers has varied (FACTS 1.2, 1.6)
            status = terms.batch_status
            return api_error(403, "Forbidden") if status == 403 else failing_answer(status)
        ids = query.get("ids", "").split(",")
        if not ids[0]:
            return api_error(400, "Invalid ids")
        if len(ids) > _BATCHES[kind]:
            return api_error(400, "Too many ids requested")
        shapes = self._shapes(terms)
        return json_answer(200, {kind: [shapes.lookup(self.shelves, kind, i) for i in ids]})


def _one(ident: str, told: Callable[[str], dict[str, object] | None]) -> Answer:
    """What is told of one id: 400 where it can be none, 404 where nobody knows it."""
    if len(ident) != 22 or not (ident.isalnum() and ident.isascii()):
        return api_error(400, "Invalid base62 id")
    found = told(ident)
    return json_answer(200, found) if found else api_error(404, "Resource not found")


def _whole(text: str, least: int, most: int) -> int | None:
    """The number in `text`, None where it is none from `least` to `most`."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        return None
    return int(text) if least <= int(text) <= most else None
