"""Owns how a day of listening is laid out: sessions, moods, devices, travel.

Never chooses tracks and never makes plays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date, tzinfo
    from random import Random

Mood = Literal["album", "favourites", "obsession", "playlist", "podcast", "audiobook", "video"]

WEEKDAY_PEAKS = ((7.6, 2.0), (12.6, 1.0), (17.8, 2.5), (21.3, 3.0))
WEEKEND_PEAKS = ((11.0, 2.0), (15.5, 2.0), (20.0, 2.0), (23.2, 2.5))
PLATFORMS = (
    "android",
    "Android OS 13 API 33 (samsung, SM-G998B)",
    "iOS 16.5 (iPhone13,2)",
    "ios",
    "Windows 10 (10.0.19045; x64; AppX)",
    "OS X 13.4.0 [arm 2]",
    "web_player linux undefined;chrome 118.0.0.0;desktop",
    "Partner google cast_tv;Chromecast;;tpapi",
)
_MUSIC_MOODS: tuple[Mood, ...] = ("album", "favourites", "favourites", "playlist")


@dataclass(frozen=True, slots=True)
class Session:
    """A stretch of listening with one device and one mood; `size` is its number of plays."""

    starts_at_ms: int
    mood: Mood
    size: int
    platform: str
    country: str
    shuffle: bool
    offline: bool = False
    incognito: bool = False


def plan_day(
    rng: Random, *, day: date, zone: tzinfo, rhythm: int, plays_per_day: float
) -> list[Session]:
    """The sessions of one local day, in order of their start.

    `rhythm` shifts the listener's recurring days: every ninth has an offline session, every
    eleventh is spent on one track, every fifth has a private session, and so on. Fixed cycles
    keep even a life of two weeks complete.
    """
    cycle = day.toordinal() + rhythm
    weekend = day.weekday() >= 5
    wanted = rng.gauss(plays_per_day * (1.15 if weekend else 0.95), plays_per_day * 0.25)
    count = max(0, round(wanted))
    sizes = _split(rng, count)
    if not sizes:
        return []
    peaks = WEEKEND_PEAKS if weekend else WEEKDAY_PEAKS
    weights = [weight for _, weight in peaks]
    country = "PT" if cycle // 30 % 9 == 4 and cycle % 30 < 8 else "DE"
    sessions = []
    for size in sizes:
        hour = rng.choices(peaks, weights)[0][0] + rng.gauss(0, 0.7)
        sessions.append(
            Session(
                starts_at_ms=_instant_ms(day, hour, zone),
                mood="obsession" if cycle % 11 == 5 else rng.choice(_MUSIC_MOODS),
                size=size,
                platform=rng.choice(PLATFORMS),
                country=country,
                shuffle=rng.random() < 0.55,
            )
        )
    sessions.sort(key=lambda session: session.starts_at_ms)
    return _with_special_sessions(rng, sessions, cycle)


def _split(rng: Random, count: int) -> list[int]:
    """`count` plays as sessions of very unequal sizes, none empty."""
    sizes = []
    while count > 0:
        size = min(count, max(1, int(rng.expovariate(1 / 11))))
        sizes.append(size)
        count -= size
    return sizes


def _instant_ms(day: date, hour: float, zone: tzinfo) -> int:
    minutes = timedelta(hours=min(max(hour, 0.05), 23.95))
    local = datetime.combine(day, time(), tzinfo=zone) + minutes
    return int(local.astimezone(UTC).timestamp() * 1000)


def _with_special_sessions(rng: Random, sessions: list[Session], cycle: int) -> list[Session]:
    """Turn one session into an offline or private one and add podcasts, books and videos."""
    last = len(sessions) - 1
    if cycle % 9 == 4:
        longest = max(range(len(sessions)), key=lambda n: sessions[n].size)
        sessions[longest] = replace(
            sessions[longest], offline=True, mood="playlist", platform=PLATFORMS[0]
        )
    if cycle % 5 == 2 and not sessions[last].offline:
        sessions[last] = replace(sessions[last], incognito=True)
    extras: list[tuple[Mood, int]] = []
    if cycle % 3 == 0:
        extras.append(("podcast", rng.randint(1, 2)))
    if cycle % 6 == 1:
        extras.append(("audiobook", rng.randint(1, 3)))
    if cycle % 4 == 3:
        extras.append(("video", rng.randint(2, 4)))
    for mood, size in extras:
        after = rng.choice(sessions)
        sessions.append(
            replace(
                after,
                starts_at_ms=after.starts_at_ms + rng.randint(600_000, 5_400_000),
                mood=mood,
                size=size,
                offline=False,
                incognito=False,
                shuffle=False,
            )
        )
    return sorted(sessions, key=lambda session: session.starts_at_ms)
