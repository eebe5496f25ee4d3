"""Owns how often assistants may make this program ask Spotify.

Never asks anything itself.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from spotify_hist.errors import RateLimited
from spotify_hist.faces.server.rate import Buckets

if TYPE_CHECKING:
    from collections.abc import Callable

PER_MINUTE = 10


class Courtesy:
    """At most `PER_MINUTE` live calls a minute, whoever asks: the quota is for collecting plays.

    Used by several threads. `clock` gives monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._buckets = Buckets(PER_MINUTE, clock)
        self._lock = threading.Lock()

    def take(self) -> None:
        """Raises RateLimited where Spotify was asked too often of late."""
        with self._lock:
            wait_s = self._buckets.take("spotify")
        if wait_s > 0:
            raise RateLimited(
                f"Spotify was asked {PER_MINUTE} times within a minute for assistants.",
                hint=f"Wait {math.ceil(wait_s)} s; the tools about the history need no Spotify.",
            )
