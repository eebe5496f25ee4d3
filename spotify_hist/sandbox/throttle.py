"""Owns how many calls are too many: the rolling limit, the long one, and their 429 answers.

Never counts what the accounts service is asked; Spotify limits the Web API alone.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import cycle
from typing import TYPE_CHECKING

from spotify_hist.sandbox.faults import failing_answer

if TYPE_CHECKING:
    from spotify_hist.sandbox.terms import Terms
    from spotify_hist.sandbox.wire import Answer

WINDOW_S = 30.0  # FACTS 4.1
LONGEST_SHORT_WAIT_S = 4
LONG_WAITS_S = (19_056, 48_925, 79_892, 86_400)  # FACTS 4.1, in turn


class Throttle:
    """The calls of one app, whoever its listeners are: they share one quota (FACTS 1.5)."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._since_cut_off = 0
        self._cut_off_until = -math.inf
        self._long_waits = cycle(LONG_WAITS_S)

    def refusal(self, terms: Terms, now_s: float) -> Answer | None:
        """The 429 that a call at `now_s` (seconds of any one clock) meets, or None, counted.

        The short one is JSON and asks for 1 to 4 s, however full the window is: who waits no
        longer may be refused again. The long one is plain text and lasts.
        """
        if terms.long_limit is None:
            self._cut_off_until = -math.inf
        if now_s < self._cut_off_until:
            return _long(self._cut_off_until - now_s)
        if terms.long_limit is not None and self._since_cut_off >= terms.long_limit:
            self._since_cut_off = 0
            wait_s = next(self._long_waits)
            self._cut_off_until = now_s + wait_s
            return _long(wait_s)
        while self._recent and self._recent[0] <= now_s - WINDOW_S:
            self._recent.popleft()
        if terms.rate_limit is not None and len(self._recent) >= terms.rate_limit:
            wait_s = math.ceil(self._recent[0] + WINDOW_S - now_s)
            return _short(min(max(wait_s, 1), LONGEST_SHORT_WAIT_S))
        self._recent.append(now_s)
        self._since_cut_off += 1
        return None


def _short(wait_s: int) -> Answer:
    body = {"error": {"status": 429, "message": "API rate limit exceeded"}}
    return failing_answer(429, headers={"Retry-After": str(wait_s)}, body=body)


def _long(wait_s: float) -> Answer:
    return failing_answer(429, headers={"Retry-After": str(math.ceil(wait_s))})
