"""Owns what is still to be asked about tracks, artists and albums, and keeping what was told.

Never calls Spotify, and never touches records or plays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from spotify_hist.store import reconcile, records, sql
from spotify_hist.store.database import instant, integers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from spotify_hist.model import ApiTrack
    from spotify_hist.store.database import Connection

Entity = Literal["track", "link", "artist", "album", "features"]
State = Literal["waiting", "done", "not_found"]

# Spotify's catalogue changes: what it did not know may be there one day.
NOT_FOUND_AGAIN = timedelta(days=90)

# In the order in which they are asked at equal plays: what tells most comes first.
ENTITIES: tuple[Entity, ...] = ("track", "link", "artist", "album", "features")


@dataclass(frozen=True, slots=True)
class Want:
    """One thing to ask Spotify about; a `link` is a search by names for a local track id.

    `plays` are those of all listeners, `tries` the failed attempts so far. The names are told for
    tracks and links only.
    """

    entity: Entity
    id: str
    plays: int
    tries: int = 0
    title: str | None = None
    artist: str | None = None
    album: str | None = None


class Song(NamedTuple):
    """A track with its names. `track.track_id` is the id the details are kept under."""

    track: ApiTrack
    title: str
    album: str | None
    album_artist: str | None


class ArtistDetails(NamedTuple):
    """What Spotify tells of an artist; `genres` is None where it does not tell any more."""

    artist_id: str
    image_url: str | None
    genres: tuple[str, ...] | None


class AlbumDetails(NamedTuple):
    """What Spotify tells of an album; `release_date` is a day, a month or a year."""

    album_id: str
    release_date: str | None
    image_url: str | None


class Features(NamedTuple):
    """Spotify's audio features of one track."""

    track_id: str
    danceability: float | None
    energy: float | None
    key: int | None
    loudness: float | None
    mode: int | None
    speechiness: float | None
    acousticness: float | None
    instrumentalness: float | None
    liveness: float | None
    valence: float | None
    tempo: float | None
    time_signature: int | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of asking: the row of the queue."""

    entity: Entity
    id: str
    state: State
    tries: int = 0
    next_try_at: datetime | None = None


@dataclass(slots=True)
class Answers:
    """What a round of requests told and is not kept yet. `found` maps a local track id to all that
    the search for it told, best first; whether one of them is it is decided by the store."""

    songs: list[Song] = field(default_factory=list)
    found: dict[str, list[Song]] = field(default_factory=dict)
    artists: list[ArtistDetails] = field(default_factory=list)
    albums: list[AlbumDetails] = field(default_factory=list)
    features: list[Features] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.settled) + len(self.found)


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests in the 24 hours before now, and when the first of them no longer count."""

    requests: int
    frees_at: datetime | None


def wants(
    connection: Connection, now: datetime, askable: Sequence[Entity], most: int
) -> list[Want]:
    """What may be asked now, most played first; of each entity in `askable` no more than `most`.

    Leaves the temp table that `remaining` counts.
    """
    where = {"now": now, "askable": list(askable)}
    connection.execute(_step("find_wanted"), where)
    rows = connection.execute(_step("wants"), {"askable": list(askable), "most": most}).fetchall()
    return [Want(*row) for row in rows]


def remaining(connection: Connection) -> dict[Entity, int]:
    """How many things of each entity are still to be asked, now or later; after `wants`."""
    return dict(connection.execute(_step("remaining")).fetchall())


def abilities(connection: Connection, client_id: str) -> dict[str, tuple[bool, datetime]]:
    """What an app can or cannot do as far as its calls have shown, and since when it is known."""
    rows = connection.execute(_step("abilities"), {"client_id": client_id}).fetchall()
    return {ability: (is_available, instant(us)) for ability, is_available, us in rows}


def set_ability(
    connection: Connection, client_id: str, ability: str, now: datetime, *, is_available: bool
) -> None:
    """Remember whether an app has an ability."""
    connection.execute(
        _step("set_ability"),
        {"client_id": client_id, "ability": ability, "is_available": is_available, "now": now},
    )


def forget_lacking(connection: Connection, client_id: str) -> None:
    """Forget what an app was found not to offer, so that it is tried again."""
    connection.execute(_step("forget_lacking"), {"client_id": client_id})


def spent(connection: Connection, now: datetime) -> Spent:
    """The requests of the last 24 hours by the accounts of the runs."""
    requests, frees_us = integers(connection, _step("spent"), {"now": now})
    return Spent(requests, instant(frees_us) if frees_us else None)


def begin_run(connection: Connection, now: datetime, stats: Mapping[str, object]) -> int:
    """Open the account of a run with the requests it reserves; its id.

    A run that was killed keeps what it had reserved: nobody knows how much of it was used.
    """
    connection.execute(_step("close_cut_off"))
    where = {"now": now, "stats": json.dumps(stats)}
    (run_id,) = integers(connection, _step("begin_run"), where)
    return run_id


def tell_run(
    connection: Connection,
    run_id: int,
    now: datetime,
    stats: Mapping[str, object],
    status: Literal["running", "ok", "failed"],
    error: str | None = None,
) -> None:
    """Bring the account of a run up to date."""
    connection.execute(
        _step("tell_run"),
        {
            "run_id": run_id,
            "now": now,
            "stats": json.dumps(stats),
            "status": status,
            "error": error,
        },
    )


def keep(connection: Connection, answers: Answers, now: datetime) -> int:
    """Keep a round of answers in the caller's transaction; how many local tracks were linked.

    A link is a row that leads from a local id to the one Spotify told; nothing else is rewritten.
    """
    linked = _keep_songs(connection, answers)
    for artist in answers.artists:
        genres = None if artist.genres is None else list(artist.genres)
        connection.execute(_step("update_artist"), {**artist._asdict(), "genres": genres})
    for album in answers.albums:
        connection.execute(_step("update_album"), album._asdict())
    for features in answers.features:
        connection.execute(_step("put_features"), features._asdict())
    searched = [
        Settled("link", local_id, "done")
        if local_id in linked
        else Settled("link", local_id, "not_found", next_try_at=now + NOT_FOUND_AGAIN)
        for local_id in answers.found
    ]
    _settle(connection, [*answers.settled, *searched], now)
    return len(linked)


def _settle(connection: Connection, settled: Iterable[Settled], now: datetime) -> None:
    last = {(each.entity, each.id): each for each in settled}
    if not last:
        return
    connection.execute(
        _step("settle"),
        {
            "entities": [each.entity for each in last.values()],
            "ids": [each.id for each in last.values()],
            "states": [each.state for each in last.values()],
            "tries": [each.tries for each in last.values()],
            "next_tries": [each.next_try_at for each in last.values()],
            "now": now,
        },
    )


def _keep_songs(connection: Connection, answers: Answers) -> set[str]:
    """Keep names and details of tracks; the local ids whose search told which track they are."""
    told: list[tuple[str | None, Song]] = [(None, song) for song in answers.songs]
    told += [(local_id, song) for local_id, songs in answers.found.items() for song in songs]
    if not told:
        return set()
    reconcile.prepare(connection)
    connection.execute(_step("create_songs"))
    connection.executemany(
        "insert into songs values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_row(local_id, song) for local_id, song in told],
    )
    connection.execute(_step("choose_links"))
    linked: set[tuple[str, str]] = set(connection.execute(_step("chosen")).fetchall())
    for name in ("drop_unchosen", "insert_found", "upsert_albums"):
        connection.execute(_step(name))
    records.add_track_details(connection, list(_kept(told, linked)))
    named = sql.load("records")
    for statement in (_step("find_names"), named["insert_names"], named["link"]):
        connection.execute(statement)
    return {local_id for local_id, _ in linked}


def _kept(
    told: Iterable[tuple[str | None, Song]], linked: set[tuple[str, str]]
) -> Iterable[ApiTrack]:
    for local_id, song in told:
        if local_id is None or (local_id, song.track.track_id) in linked:
            yield song.track


def _row(local_id: str | None, song: Song) -> tuple[str | None, ...]:
    track = song.track
    artist_id, artist = track.artists[0] if track.artists else (None, None)
    return (
        local_id, track.track_id, song.title, artist_id, artist, track.album_id, song.album,
        song.album_artist, track.isrc, track.release_date, track.image_url,
    )  # fmt: skip


def _step(name: str) -> str:
    return sql.load("enrich")[name]
