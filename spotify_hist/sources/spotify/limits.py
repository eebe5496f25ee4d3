"""Owns until when Spotify wants no calls, kept in files for the runs to come (FACTS 4.2).

Never waits and never calls Spotify.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Literal

from spotify_hist.errors import RateLimited, SpotifyHistError
from spotify_hist.sources.spotify.files import Folder

if TYPE_CHECKING:
    from pathlib import Path

# `plays` is the recently-played list (poll, backfill), `details` what enriches the history, `live`
# what assistants ask for in between.
Lane = Literal["plays", "details", "live"]
# The lanes whose waits each lane heeds.
_HEEDED: dict[Lane, tuple[Lane, ...]] = {
    "plays": ("plays",),
    "details": ("plays", "details"),
    "live": ("plays", "details", "live"),
}

LONGEST_S = 86_400.0  # the longest wait that Spotify has asked for (FACTS 4.1)
NONSENSE_S = 31 * LONGEST_S  # what asks for more does not mean it
_JITTER_S = 60.0  # what a clock may be put back in passing
_LOCK_WAIT_S = 5.0
# What content that is not ours raises when it is taken apart.
_NOT_OURS = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_BUSY = "Another spotify-hist process is noting down how long Spotify wants to be left alone."


class Limits:
    """The moments before which one app must not call, one a lane. Times are epoch seconds.

    A wait met while asking for details leaves the plays alone: they must not be missed, and what
    Spotify limits may be the searching only. A wait met while asking for plays is for all, and one
    that an assistant's question met (`live`) holds up no collecting. A file that cannot be read
    counts as none, and so does one that a clock wrote which was ahead: it names a moment more than
    a day from now, or was written later than now.
    """

    def __init__(self, directory: Path, client_id: str) -> None:
        self._folder = Folder(directory, "Spotify's limits")
        self._client_id = client_id

    def not_before(self, lane: Lane, now: float) -> float | None:
        """The moment before which `lane` must not call, or None where it may."""
        moments = [
            moment for each in _HEEDED[lane] if (moment := self._noted(each, now)) is not None
        ]
        return max(moments, default=None)

    def check(self, lane: Lane, now: float) -> None:
        """Raises RateLimited, with the moment, where `lane` must not call yet."""
        moment = self.not_before(lane, now)
        if moment is not None:
            raise asked_to_wait(moment, now)

    def remember(self, lane: Lane, error: RateLimited, now: float) -> None:
        """Note the moment that `error` names, if it names one; a later one noted before stays.

        Never raises: where it cannot be noted, the error's hint says so and the error counts.
        """
        moment = error.not_before_s
        if moment is None or not now < moment <= now + NONSENSE_S:
            return
        moment = min(moment, now + LONGEST_S)
        stem = self._stem(lane)
        try:
            with self._folder.lock(f"{stem}.lock", _LOCK_WAIT_S, _BUSY):
                if moment > (self._noted(lane, now) or 0.0):
                    noted = {"not_before": moment, "noted_at": now}
                    self._folder.replace(f"{stem}.json", json.dumps(noted).encode())
        except SpotifyHistError as problem:
            error.hint = f"{error.hint} The next run will ask all the same: {problem.message}"

    def _noted(self, lane: Lane, now: float) -> float | None:
        try:
            text = self._folder.read(f"{self._stem(lane)}.json")
            noted = json.loads(text or b"")
            moment, noted_at = float(noted["not_before"]), float(noted.get("noted_at", now))
        except (SpotifyHistError, *_NOT_OURS):
            return None
        is_ahead = moment > now + LONGEST_S or noted_at > now + _JITTER_S
        return moment if now < moment and not is_ahead else None

    def _stem(self, lane: Lane) -> str:
        text = f"{self._client_id}\0{lane}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def asked_to_wait(not_before_s: float, now: float) -> RateLimited:
    """The error that says for how long Spotify wants no calls. Times are epoch seconds."""
    return RateLimited(
        f"Spotify asks to wait: it may be called again in about {duration(not_before_s - now)}.",
        hint="Nothing is asked of Spotify until then; anything captured is safe in the spool.",
        not_before_s=not_before_s,
    )


def duration(seconds: float) -> str:
    """Seconds as a person would say them: `45 s`, `12 min`, `5 h 12 min`, `3 days 4 h`."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min"
    return f"{hours // 24} days {hours % 24} h"
