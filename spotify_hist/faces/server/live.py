"""Owns the tools that ask Spotify at this moment: what plays now, its top lists, its search.

Never holds up collecting: few calls a minute, no waiting, no second tries, and a limit that is met
here counts for these tools only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from spotify_hist.analytics.answers import Answer, Column
from spotify_hist.analytics.params import SHARED, Param
from spotify_hist.collect.people import people
from spotify_hist.errors import Forbidden, UsageError
from spotify_hist.faces.server.tool import JSON_TYPES, checked, table_schema
from spotify_hist.sources.spotify.client import Spotify
from spotify_hist.sources.spotify.http import Http
from spotify_hist.sources.spotify.vault import how_to_log_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from spotify_hist.analytics.params import Value
    from spotify_hist.collect.logins import LoginState
    from spotify_hist.faces.server.tool import Desk
    from spotify_hist.sources.spotify.client import Sort, Span

_PATIENCE_S = 8.0
_SPANS: Mapping[str, Span] = {
    "month": "short_term",
    "half-year": "medium_term",
    "year": "long_term",
}
Row = tuple[object, ...]
Thing = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    type: str
    meaning: str


class _Live(ABC):
    """What these tools share. A subclass names itself, its fields, and how it asks."""

    name: ClassVar[str]
    grain: ClassVar[str]
    params: ClassVar[tuple[Param, ...]]
    title: ClassVar[str]
    summary: ClassVar[str]
    is_live: ClassVar[bool] = True
    is_core: ClassVar[bool] = True
    scope: ClassVar[str | None] = None
    fields: ClassVar[Sequence[_Field]]

    def columns(self) -> list[dict[str, object]]:
        return [
            {"name": each.name, "type": each.type, "meaning": each.meaning} for each in self.fields
        ]

    def output_schema(self) -> dict[str, object]:
        cells = {
            each.name: JSON_TYPES[each.type] | {"description": each.meaning} for each in self.fields
        }
        return table_schema(cells, query=self._query, row=self.grain)

    def ask(self, desk: Desk, arguments: Mapping[str, object]) -> Answer:
        values = checked(self, desk, arguments)
        with self._spotify(desk, values["user"]) as spotify:
            rows, notes = self._rows(spotify, values)
        shown = {name: value for name, value in values.items() if value is not None}
        columns = tuple(Column(each.name, each.type) for each in self.fields)
        return Answer(self._query, shown, columns, rows, truncated=False, notes=notes)

    @property
    def _query(self) -> str:
        return self.name.replace("_", "-")

    @abstractmethod
    def _rows(
        self, spotify: Spotify, values: Mapping[str, Value]
    ) -> tuple[list[Row], tuple[str, ...]]:
        """The rows Spotify's answer gives, and what must be said beside them."""

    def _spotify(self, desk: Desk, user: Value) -> _Session:
        """Raises LoginNeeded where nobody suitable is logged in, Forbidden for a missing right."""
        name = desk.settings.text("default_user") if user is None else str(user)
        found = people(
            desk.settings, desk.database, desk.vault(), desk.now, name, with_backfill=False
        )
        if len(found) > 1:
            names = ", ".join(each.login.user for each in found)
            raise UsageError("Several listeners are logged in.", hint=f"Say whose: user = {names}.")
        login = found[0].login
        if login.error is not None:
            raise login.error
        assert login.account is not None  # noqa: S101 - only a login with an error has none
        if self.scope is not None and self.scope not in login.scopes:
            raise _missing(login, self.scope)
        desk.courtesy.take()
        http = Http(_PATIENCE_S, retries=0, max_wait_s=0.0, clock=desk.now.timestamp)
        return _Session(desk, login.account.account_id, http)


class _Session:
    """A client with the patience of somebody who is waiting in a chat."""

    def __init__(self, desk: Desk, account_id: str, http: Http) -> None:
        self._http = http
        self._spotify = Spotify(
            desk.settings,
            desk.vault(),
            account_id,
            desk.now.timestamp,
            http,
            lane="live",
        )

    def __enter__(self) -> Spotify:
        return self._spotify

    def __exit__(self, *_: object) -> None:
        self._http.close()


class NowPlaying(_Live):
    """What the listener plays at this moment."""

    name: ClassVar[str] = "now_playing"
    title: ClassVar[str] = "Now playing"
    summary: ClassVar[str] = "What plays on Spotify at this moment, asked of Spotify."
    grain: ClassVar[str] = "one row where something plays or is paused, none else"
    params: ClassVar[tuple[Param, ...]] = (SHARED["user"],)
    scope: ClassVar[str | None] = "user-read-currently-playing"
    fields: ClassVar[Sequence[_Field]] = (
        _Field("is_playing", "boolean", "False where it is paused."),
        _Field("kind", "text", "track or episode."),
        _Field("track", "text", "The track or episode."),
        _Field("artist", "text", "Its artists; for an episode the show."),
        _Field("album", "text", "The album; for an episode the show."),
        _Field("progress_ms", "integer", "How far it has got, in milliseconds."),
        _Field("duration_ms", "integer", "Its length, in milliseconds."),
        _Field("uri", "text", "Its Spotify URI."),
    )

    def _rows(
        self, spotify: Spotify, values: Mapping[str, Value]
    ) -> tuple[list[Row], tuple[str, ...]]:
        del values
        playing = spotify.currently_playing() or {}
        item = playing.get("item")
        if not isinstance(item, dict):
            return [], ("Nothing is playing, or only something Spotify does not tell of.",)
        show = _text(item.get("show"), "name")
        row = (
            playing.get("is_playing") is True,
            "episode" if item.get("type") == "episode" else "track",
            _text(item, "name"),
            _artists(item) or show,
            _text(item.get("album"), "name") or show,
            _whole(playing.get("progress_ms")),
            _whole(item.get("duration_ms")),
            _text(item, "uri"),
        )
        return [row], ()


class SpotifyTop(_Live):
    """Spotify's own ranking, which counts by rules nobody knows."""

    name: ClassVar[str] = "spotify_top"
    title: ClassVar[str] = "Spotify's own top list"
    summary: ClassVar[str] = (
        "Spotify's own top artists or tracks, asked of Spotify. It does not tell how it counts: "
        "for counts of plays ask top_artists or top_tracks."
    )
    grain: ClassVar[str] = "one row per artist or track"
    params: ClassVar[tuple[Param, ...]] = (
        Param("type", "text", "What is ranked.", default="artists", choices=("artists", "tracks")),
        Param(
            "span",
            "text",
            "About the last four weeks, six months or year.",
            default="month",
            choices=tuple(_SPANS),
        ),
        Param("limit", "integer", "Most rows to return.", default=20, minimum=1, maximum=50),
        SHARED["user"],
    )
    scope: ClassVar[str | None] = "user-top-read"
    fields: ClassVar[Sequence[_Field]] = (
        _Field("rank", "integer", "Place in the ranking, 1 first."),
        _Field("name", "text", "The artist or track."),
        _Field("artist", "text", "The artists of a track; empty for an artist."),
        _Field("album", "text", "The album of a track; empty for an artist."),
        _Field("uri", "text", "Its Spotify URI."),
    )

    def _rows(
        self, spotify: Spotify, values: Mapping[str, Value]
    ) -> tuple[list[Row], tuple[str, ...]]:
        kind = cast("Literal['artists', 'tracks']", values["type"])
        found = spotify.top(kind, _SPANS[str(values["span"])], int(values["limit"] or 0))
        return [(rank, *_named(thing)) for rank, thing in enumerate(found, 1)], ()


class SpotifySearch(_Live):
    """Spotify's catalogue, also what was never played."""

    name: ClassVar[str] = "spotify_search"
    title: ClassVar[str] = "Search Spotify"
    summary: ClassVar[str] = (
        "Finds tracks, artists or albums in Spotify's whole catalogue, asked of Spotify. For what "
        "was played ask search."
    )
    grain: ClassVar[str] = "one row per thing found, best first"
    params: ClassVar[tuple[Param, ...]] = (
        Param("text", "text", "What to look for.", is_required=True),
        Param(
            "type",
            "text",
            "What to find.",
            default="track",
            choices=("track", "artist", "album"),
        ),
        Param("limit", "integer", "Most rows to return.", default=10, minimum=1, maximum=10),
        SHARED["user"],
    )
    fields: ClassVar[Sequence[_Field]] = (
        _Field("name", "text", "The track, artist or album."),
        _Field("artist", "text", "Its artists; empty for an artist."),
        _Field("album", "text", "The album of a track; empty else."),
        _Field("uri", "text", "Its Spotify URI."),
    )

    def _rows(
        self, spotify: Spotify, values: Mapping[str, Value]
    ) -> tuple[list[Row], tuple[str, ...]]:
        sort = cast("Sort", values["type"])
        text = str(values["text"]).strip()[:_LONGEST_SEARCH]
        found = spotify.search(text, sort, int(values["limit"] or 0)) if text else []
        return [tuple(_named(thing)) for thing in found], ()


_LONGEST_SEARCH = 200
TOOLS = (NowPlaying(), SpotifySearch(), SpotifyTop())


def _missing(login: LoginState, scope: str) -> Forbidden:
    step = how_to_log_in(login.account).replace("auth login'", "auth login --live'")
    return Forbidden(
        f"The Spotify login of '{login.user}' does not include the right {scope}.", hint=step
    )


def _named(thing: Thing) -> Iterator[str | None]:
    """Name, artists, album and URI of a track, artist or album."""
    yield _text(thing, "name")
    yield _artists(thing)
    yield _text(thing.get("album"), "name")
    yield _text(thing, "uri")


def _artists(thing: Thing) -> str | None:
    artists = thing.get("artists")
    names = [_text(each, "name") for each in artists] if isinstance(artists, list) else []
    return ", ".join(name for name in names if name) or None


def _text(thing: object, key: str) -> str | None:
    value = thing.get(key) if isinstance(thing, dict) else None
    return value if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
