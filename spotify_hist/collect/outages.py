"""Owns since when collecting fails for each listener, in small files for the runs to come.

Never needs the history: an outage counts too where that cannot be read or written.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from spotify_hist.errors import SpotifyHistError
from spotify_hist.sources.spotify.files import Folder
from spotify_hist.sources.spotify.vault import stem_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from spotify_hist.settings import Settings

_LOCK_WAIT_S = 5.0
_BUSY = "Another spotify-hist process is noting down what failed."
_LONGEST_TEXT = 1_000


@dataclass(frozen=True, slots=True)
class Outage:
    """Every run for a listener has failed since `since`; the last of them at `last`, for `reason`.

    `lasted_s` are the seconds of it that count (see `Outages`), `hint` is the next step.
    `is_lossy`: nothing can be fetched, so that plays are lost; else what is fetched is safe in the
    spool.
    """

    since: datetime
    last: datetime
    lasted_s: float
    reason: str
    hint: str
    is_lossy: bool = True

    def is_going_on(self, now: datetime, span: timedelta) -> bool:
        """Whether a run has failed within the last `span`; else none may run at all."""
        return now - self.last <= span


class Outages:
    """The outages of this home, each in a file of its own.

    They are counted from the first run that failed, never from the last success: a computer that
    was off has missed plays, but nothing is known to be wrong. The time between two failed runs
    counts for no more than `collect.alarm_after_h`, so that a clock that is put right makes no
    weeks of it.

    Reading and noting never raise. What cannot be noted (a full disk) is derived from what is
    known: the last success.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = Folder(settings.outages, "what is known of failed runs")
        self._alarm_s = settings.number("collect.alarm_after_h") * 3600

    def of(self, account_id: str, now: datetime) -> Outage | None:
        """The outage of an account, if there is one. One that begins after `now` began at `now`,
        as long ago as it has lasted: a clock was put right."""
        try:
            text = self._folder.read(_name(account_id))
            outage = None if text is None else _from_json(text)
        except (SpotifyHistError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        if outage is None:
            return None
        begun = now - timedelta(seconds=outage.lasted_s)
        return replace(
            outage,
            since=outage.since if outage.since <= now else begun,
            last=min(outage.last, now),
        )

    def is_alarming(self, outage: Outage) -> bool:
        """Whether it has lasted so long that a person should look."""
        return outage.lasted_s >= self._alarm_s

    def failed(
        self,
        account_id: str,
        error: SpotifyHistError,
        now: datetime,
        begun_at: datetime | None = None,
        last_success: Callable[[], datetime | None] = lambda: None,
    ) -> Outage:
        """Note that a run failed; the outage as it is now.

        `begun_at` is when the login began: older failures are not this login's. `last_success`
        is asked only where nothing can be noted.
        """
        try:
            with self._folder.lock("lock", _LOCK_WAIT_S, _BUSY):
                outage = self._gone_on(account_id, error, now, begun_at)
                self._folder.replace(_name(account_id), _to_json(outage))
        except SpotifyHistError:
            outage = self._gone_on(account_id, error, now, begun_at)
            since = last_success() or begun_at
            if since is not None and since < now:
                lasted_s = max(outage.lasted_s, (now - since).total_seconds())
                outage = replace(outage, since=min(outage.since, since), lasted_s=lasted_s)
        return outage

    def over(self, account_id: str, now: datetime) -> Outage | None:
        """Forget the outage of an account: it is collected for again, or is not to be.

        The outage that is over, where there was one.
        """
        outage = self.of(account_id, now)
        try:
            if self._folder.exists(_name(account_id)):
                self._folder.remove(_name(account_id))
        except SpotifyHistError:
            return None  # it would be told as over by every run from now on
        return outage

    def _gone_on(
        self, account_id: str, error: SpotifyHistError, now: datetime, begun_at: datetime | None
    ) -> Outage:
        """The outage of an account with one more failed run."""
        found = self.of(account_id, now)
        if found is not None and begun_at is not None and found.last <= begun_at <= now:
            found = None
        since, lasted_s = now, 0.0
        if found is not None:
            passed_s = min((now - found.last).total_seconds(), self._alarm_s)
            since, lasted_s = found.since, found.lasted_s + passed_s
        reason, hint = error.message[:_LONGEST_TEXT], error.hint[:_LONGEST_TEXT]
        is_lossy = error.code != "database_busy"
        return Outage(since, now, lasted_s, reason, hint, is_lossy)


def _name(account_id: str) -> str:
    return f"{stem_of(account_id)}.json"


def _to_json(outage: Outage) -> bytes:
    moments = {"since": outage.since.timestamp(), "last": outage.last.timestamp()}
    return json.dumps(asdict(outage) | moments).encode("utf-8", "surrogatepass")


def _from_json(text: bytes) -> Outage:
    """Raises ValueError and its like for what is no outage."""
    told = json.loads(text)
    lasted_s = float(told["lasted_s"])
    if not (math.isfinite(lasted_s) and lasted_s >= 0):
        raise ValueError("lasted_s")
    return Outage(
        since=datetime.fromtimestamp(float(told["since"]), UTC),
        last=datetime.fromtimestamp(float(told["last"]), UTC),
        lasted_s=lasted_s,
        reason=str(told["reason"]),
        hint=str(told["hint"]),
        is_lossy=bool(told["is_lossy"]),
    )
