"""Owns answers given a moment ago, for those who ask the same while the history has not changed.

Never outlives a change of the file, and never holds what is large.

A dashboard, or several assistants, ask the same questions over and over; all who ask at the same
time share one answer, so that the machine works it out once.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from spotify_hist.faces.server.tool import Told
    from spotify_hist.store.kept_open import Stamp

_MOST = 64
_MOST_ROWS = 1000
# Periods such as the last 90 days move with the clock: by no more than this.
_LASTS_S = 5.0

Key = str


def key(name: str, arguments: Mapping[str, object]) -> Key | None:
    """What makes two calls the same; None where the arguments cannot be told in JSON."""
    try:
        return json.dumps([name, arguments], sort_keys=True)
    except (TypeError, ValueError):
        return None


class Remembered:
    """Answers by key. `clock` gives monotonic seconds, `stamp` the state of the file now.

    Belongs to one event loop.
    """

    def __init__(self, clock: Callable[[], float], stamp: Callable[[], Stamp | None]) -> None:
        self._clock = clock
        self._stamp = stamp
        self._answers: OrderedDict[Key, tuple[Stamp, float, Told]] = OrderedDict()
        self._asked: dict[Key, anyio.Event] = {}

    async def answer(self, key: Key, ask: Callable[[], Awaitable[Told]]) -> Told:
        """The answer known, or what `ask` gives; who asks the same meanwhile waits for it."""
        while True:
            found = self._known(key)
            if found is not None:
                return found
            if key not in self._asked:
                break
            await self._asked[key].wait()
        done = self._asked[key] = anyio.Event()
        stamp, asked_at = self._stamp(), self._clock()
        try:
            told = await ask()
            if stamp is not None and _is_small(told):
                self._answers[key] = (stamp, asked_at, told)
                while len(self._answers) > _MOST:
                    self._answers.popitem(last=False)
            return told
        finally:
            del self._asked[key]
            done.set()

    def _known(self, key: Key) -> Told | None:
        found = self._answers.get(key)
        if found is None:
            return None
        stamp, asked_at, told = found
        if self._clock() - asked_at > _LASTS_S or stamp != self._stamp():
            del self._answers[key]
            return None
        return told


def _is_small(told: Told) -> bool:
    return len(getattr(told, "rows", ())) <= _MOST_ROWS
