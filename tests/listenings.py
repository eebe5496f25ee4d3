"""Listenings for properties: plays near odd instants of odd zones, as plain Python knows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from plays import account, api, extended, unnamed

if TYPE_CHECKING:
    from spotify_hist.model import Record

# Instants near which local days and hours are odd, UTC.
EDGES = {
    "Europe/Berlin": ("2024-03-31T01:00", "2024-10-27T01:00", "2024-12-31T23:00"),
    "Asia/Kolkata": ("2023-12-31T18:30", "2024-02-29T18:30"),
    "America/St_Johns": ("2006-04-02T03:31", "2010-11-07T02:31", "2025-01-01T03:30"),
    "Pacific/Apia": ("2011-12-30T10:00", "2012-04-01T14:00", "2011-12-31T10:00"),
    "Australia/Lord_Howe": ("2024-04-06T15:00", "2024-10-05T15:30", "2023-12-31T13:00"),
}
STEP = timedelta(minutes=13)
LENGTHS = (0, 1_000, 29_999, 30_000, 200_000, 7_200_000)


@dataclass(frozen=True)
class Song:
    """Something to play; two songs may have one name and two ids (FACTS 7.1)."""

    title: str
    artist: str
    album: str
    track_id: str

    @property
    def uri(self) -> str:
        return f"spotify:track:{self.track_id}"


SONGS = (
    Song("Alpha", "Ann", "One", "a1"),
    Song("Alpha", "Ann", "One (Deluxe)", "a2"),
    Song("Beta", "Ann", "One", "b1"),
    Song("Beta", "Émile", "Zwei", "b2"),
    Song("Ωmega", "東京", "三", "o1"),
    Song("Zeta", "Zoë", "Four", "z1"),
)


@dataclass(frozen=True)
class Played:
    """One play as the reference knows it; `song` is None for what is no track."""

    at: datetime
    source: str
    song: Song | None
    ms: int | None

    def record(self) -> Record:
        if self.song is None:
            return unnamed(self.at, self.ms or 0)
        title, artist = self.song.title, self.song.artist
        if self.source == "account":
            return account(self.at, title, artist, self.ms or 0)
        if self.source == "api":
            return api(self.at, title, artist, uri=self.song.uri, album=self.song.album)
        return extended(
            self.at, title, artist, self.ms or 0, album=self.song.album, uri=self.song.uri
        )


@dataclass(frozen=True)
class Listening:
    """Some plays, far enough apart that none is another, near an odd instant of a zone."""

    zone: str
    plays: tuple[Played, ...]

    def counted(self) -> list[Played]:
        """Tracks of at least half a minute, or of unknown length."""
        return [play for play in self.plays if play.song and (play.ms is None or play.ms >= 30_000)]

    def local(self, play: Played) -> datetime:
        return play.at.astimezone(ZoneInfo(self.zone))

    def track_id(self, play: Played) -> str | None:
        """The id a play counts under: a row without one takes the smallest of its names."""
        if play.song is None or play.source != "account":
            return play.song.track_id if play.song else None
        known = [
            each.song.track_id
            for each in self.plays
            if each.song and each.source != "account" and names(each.song) == names(play.song)
        ]
        return min(known, default=None)


def names(song: Song) -> tuple[str, str]:
    return song.title, song.artist


@st.composite
def listenings(draw: st.DrawFn) -> Listening:
    """Plays within three days of an edge."""
    zone = draw(st.sampled_from(sorted(EDGES)))
    edge = datetime.fromisoformat(draw(st.sampled_from(EDGES[zone]))).replace(tzinfo=UTC)
    steps = draw(st.lists(st.integers(-330, 330), unique=True, min_size=1, max_size=30))
    plays = []
    for step in steps:
        source = draw(st.sampled_from(["extended", "extended", "account", "api"]))
        song = draw(st.sampled_from(SONGS))
        is_track = source != "extended" or draw(st.integers(0, 5)) > 0
        ms = None if source == "api" else draw(st.sampled_from(LENGTHS))
        plays.append(Played(edge + step * STEP, source, song if is_track else None, ms))
    return Listening(zone, tuple(plays))


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


few = settings(
    # An example is a whole history and many questions.
    max_examples=settings().max_examples // 5,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
