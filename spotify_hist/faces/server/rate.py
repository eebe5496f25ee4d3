"""Owns the counting of requests per caller.

Never knows what a request is, and never reads a clock of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_BUCKETS = 4096


class Buckets:
    """A token bucket for each caller: `per_minute` requests at once, refilled over a minute."""

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        self._capacity = max(1.0, per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, caller: str) -> float:
        """0.0 where `caller` may go on, else the seconds until it may."""
        now = self._clock()
        level, seen = self._levels.pop(caller, (self._capacity, now))
        level = min(self._capacity, level + (now - seen) * self._per_second)
        allowed = level >= 1
        self._levels[caller] = (level - 1 if allowed else level, now)
        while len(self._levels) > _MOST_BUCKETS:
            del self._levels[next(iter(self._levels))]
        return 0.0 if allowed else (1 - level) / self._per_second
