"""Owns the ground truth: everything a seeded listener played, in order.

Never knows how an export or an answer of the API is written down.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from spotify_hist.sandbox.catalogue import DEFAULT_CATALOGUE, build_catalogue
from spotify_hist.sandbox.listening import Listener
from spotify_hist.sandbox.truth import TruePlay

if TYPE_CHECKING:
    from spotify_hist.sandbox.catalogue import Catalogue

__all__ = ["Life", "TruePlay", "live", "to_ms"]


@dataclass(frozen=True, slots=True)
class Life:
    """A listener's plays in [start, end), in order of their end."""

    seed: int
    start: datetime
    end: datetime
    timezone: str
    catalogue: Catalogue
    plays: tuple[TruePlay, ...]

    def until(self, moment: datetime) -> tuple[TruePlay, ...]:
        """The plays that ended before `moment` (aware)."""
        return self.plays[: bisect_left(self.plays, to_ms(moment), key=_end)]

    def since(self, moment: datetime) -> tuple[TruePlay, ...]:
        """The plays that ended at or after `moment` (aware)."""
        return self.plays[bisect_left(self.plays, to_ms(moment), key=_end) :]


def live(
    seed: int,
    *,
    start: datetime,
    end: datetime,
    plays_per_day: float = 40,
    timezone: str = "Europe/Berlin",
    catalogue_seed: int = DEFAULT_CATALOGUE,
) -> Life:
    """The life of listener `seed` in [start, end); `timezone` shapes the daily rhythm.

    Deterministic in every process, and a later `end` only adds plays. Raises ValueError for
    naive or reversed instants.
    """
    if start.tzinfo is None or end.tzinfo is None or end < start:
        raise ValueError("a life needs aware instants, and its start before its end")
    zone = ZoneInfo(timezone)
    listener = Listener(seed, build_catalogue(catalogue_seed), zone)
    start_ms, end_ms = to_ms(start), to_ms(end)
    plays: list[TruePlay] = []
    cursor = start_ms
    day = start.astimezone(zone).date()
    while day <= end.astimezone(zone).date():
        for play in listener.day(day, cursor, plays_per_day):
            plays.append(play)
            cursor = max(cursor, play.ended_at_ms)
        day += timedelta(days=1)
    kept = tuple(play for play in plays if play.ended_at_ms < end_ms)
    return Life(seed, start, end, timezone, listener.catalogue, kept)


def to_ms(moment: datetime) -> int:
    """Epoch milliseconds of an aware instant."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _end(play: TruePlay) -> int:
    return play.ended_at_ms
