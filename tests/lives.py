"""Lives of a listener for questions about behaviour and discovery: few songs, full of ties.

Plays come in the order of time, and titles are shared by artists, so that silences, repeats and
equal counts are common; the reference in plain Python stands on them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from plays import extended

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from spotify_hist.model import Record

Key = TypeVar("Key", bound="Hashable")

# (title, artist, album): titles are shared by artists, never by two albums of one.
SONGS = (
    ("Alpha", "Ann", "One"),
    ("Beta", "Ann", "One"),
    ("Beta", "Émile", "Zwei"),
    ("Gamma", "Émile", "Zwei"),
    ("Ωmega", "東京", "三"),
)
ZONES = ("UTC", "Asia/Kolkata", "America/St_Johns", "Australia/Lord_Howe", "Europe/Berlin")
FIRST = datetime(2021, 12, 30, 12, tzinfo=UTC)
DAYS = (0, 1, 2, 3, 30, 31, 364, 365, 366, 367, 800, 1200)
YEARS = (None, None, 2021, 2022, 2023, 2025)
STARTS = {
    "clickrow": "chosen by hand",
    "playbtn": "chosen by hand",
    "trackdone": "went on by itself",
    "fwdbtn": "after a skip",
    "backbtn": "went back",
    "appload": "app start",
    "remote": "remote control",
    "trackerror": "after an error",
    "reverse-thrust": "other",
    None: "unknown",
}
ENDS = ("fwdbtn", "fwdbtn", "trackdone", "backbtn", "endplay", None)


@dataclass(frozen=True)
class Play:
    """One play of a song, local time included."""

    at: datetime
    local: datetime
    song: int
    ms: int
    start: str | None
    end: str | None
    shuffle: bool | None

    @property
    def title(self) -> str:
        return SONGS[self.song][0]

    @property
    def artist(self) -> str:
        return SONGS[self.song][1]

    @property
    def album(self) -> str:
        return SONGS[self.song][2]

    def id_of(self, of: str) -> str | int:
        """What tells apart what a question is `of`."""
        return {"artists": self.artist, "albums": self.album}.get(of, self.song)

    def record(self) -> Record:
        uri = f"spotify:track:t{self.song}"
        told = extended(self.at, self.title, self.artist, self.ms, album=self.album, uri=uri)
        return told._replace(reason_start=self.start, reason_end=self.end, shuffle=self.shuffle)


@dataclass(frozen=True)
class Life:
    """Plays in the order of time, the zone of their listener and the year that is asked about."""

    zone: str
    year: int | None
    plays: tuple[Play, ...]

    @property
    def period(self) -> dict[str, object]:
        return {"timezone": self.zone, "year": self.year}

    @property
    def asked(self) -> dict[str, object]:
        return self.period | {"limit": 1000}

    def kept(self) -> list[Play]:
        return [play for play in self.plays if play.ms >= 30_000]

    def counted(self) -> list[Play]:
        return [play for play in self.kept() if self.has(play)]

    def has(self, play: Play) -> bool:
        return self.year is None or play.local.year == self.year


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Few songs on few days, years apart, so that silences, ties and repeats are common."""
    zone = draw(st.sampled_from(ZONES))
    minutes = st.tuples(st.sampled_from(DAYS), st.integers(0, 90)).map(
        lambda drawn: drawn[0] * 1440 + drawn[1] * 16
    )
    plays = []
    least = draw(st.sampled_from((0, 15, 15)))
    for minute in sorted(draw(st.lists(minutes, unique=True, min_size=least, max_size=30))):
        at = FIRST + timedelta(minutes=minute)
        plays.append(
            Play(
                at,
                at.astimezone(ZoneInfo(zone)),
                draw(st.integers(0, len(SONGS) - 1)),
                draw(st.sampled_from((0, 29_999, 30_000, 200_000, 200_000))),
                draw(st.sampled_from(list(STARTS))),
                draw(st.sampled_from(ENDS)),
                draw(st.sampled_from((True, False, None))),
            )
        )
    return Life(zone, draw(st.sampled_from(YEARS)), tuple(plays))


def grouped(plays: Iterable[Play], key: Callable[[Play], Key]) -> dict[Key, list[Play]]:
    """The plays by key, in the order of time."""
    found: defaultdict[Key, list[Play]] = defaultdict(list)
    for play in plays:
        found[key(play)].append(play)
    return dict(found)


def share(part: float, whole: float) -> float:
    """A share to four digits, rounded as SQL rounds."""
    return math.floor(part / whole * 10_000 + 0.5) / 10_000


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def period(moment: datetime, step: str) -> str:
    quarter = (moment.month + 2) // 3
    return {"year": f"{moment:%Y}", "quarter": f"{moment:%Y}-Q{quarter}"}.get(
        step, f"{moment:%Y-%m}"
    )
