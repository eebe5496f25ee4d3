"""Owns doing a piece of work again and again, for containers, until the process is asked to end.

Never knows what the work is.
"""

from __future__ import annotations

import re
import signal
import time
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING

import click

from spotify_hist.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_DURATION = re.compile(r"(?P<number>\d{1,6})\s*(?P<unit>s|m|h|d)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, None: 60}
_LEAST_S = 10


class Duration(click.ParamType[float]):
    """`30s`, `10m`, `1h`, `2d`, or a bare number of minutes; seconds as a float."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The duration in seconds; refuses anything else, and less than ten seconds."""
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value).strip().lower())
        if match is None:
            self.fail(f"'{value}' is no duration; give one such as 10m or 1h.", param, ctx)
        seconds = int(match["number"]) * _SECONDS[match["unit"]]
        if seconds < _LEAST_S:
            self.fail("Less than 10 seconds would only meet Spotify's limits.", param, ctx)
        return float(seconds)


class Stop:
    """Whether the process was asked to end; waits that end when it is."""

    def __init__(self) -> None:
        self._event = Event()

    @property
    def is_asked(self) -> bool:
        """Whether SIGTERM or SIGINT came."""
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until the end is asked for."""
        self._event.wait(max(0.0, seconds))

    def sleep(self, seconds: float) -> None:
        """Wait inside a piece of work; raises Stopped when the end is asked for."""
        self.wait(seconds)
        if self.is_asked:
            raise Stopped("spotify-hist was asked to stop.", hint="The next run goes on.")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """SIGTERM and SIGINT ask for the end instead of killing; the old ways afterwards."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            self._event.set()

        before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def repeat(work: Callable[[], None], every_s: float, stop: Stop) -> None:
    """Do the work now and then every `every_s` seconds, counted from its beginnings.

    One that takes longer than that is followed by the next at the next full interval: runs that
    were missed are not made up for.
    """
    due = time.monotonic()
    while not stop.is_asked:
        work()
        behind = time.monotonic() - due
        due += every_s * (behind // every_s + 1)
        stop.wait(due - time.monotonic())
