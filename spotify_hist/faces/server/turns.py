"""Owns whose turn it is: so many questions at once, a short queue behind them, and no more.

Never knows what is asked, and never waits without an end.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import anyio.to_thread

from spotify_hist.errors import Temporary

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_QUEUED_FOR_EACH = 16


class Turns:
    """At most `at_once` pieces of work, each in a thread. What was given up by its caller keeps its
    turn until its thread ends: the machine is as busy with it as before.

    Belongs to one event loop.
    """

    def __init__(self, at_once: int, wait_s: float) -> None:
        self._free = at_once
        self._at_once = at_once
        self._wait_s = wait_s
        self._queue: deque[asyncio.Future[None]] = deque()
        self._threads = anyio.CapacityLimiter(at_once)

    @property
    def running(self) -> int:
        """How many threads are at work, given up ones included."""
        return self._at_once - self._free

    async def work(self, ask: Callable[[], T]) -> T:
        """What `ask` returns, called in a thread when its turn comes.

        Raises Temporary where too many wait already, or the turn does not come.
        """
        await self._wait()
        turn = _Turn(ask, self._give_back)
        try:
            return await anyio.to_thread.run_sync(
                turn.run, abandon_on_cancel=True, limiter=self._threads
            )
        finally:
            turn.drop()

    async def _wait(self) -> None:
        if self._free > 0:
            self._free -= 1
            return
        if len(self._queue) >= self._at_once * _QUEUED_FOR_EACH:
            raise _too_many("Too many questions wait already.")
        place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            async with asyncio.timeout(self._wait_s):
                await place
        except BaseException as error:
            if place in self._queue:
                self._queue.remove(place)
            elif place.done() and not place.cancelled():
                self._give_back()
            if isinstance(error, TimeoutError):
                raise _too_many("The question's turn did not come in time.") from None
            raise

    def _give_back(self) -> None:
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1


class _Turn(Generic[T]):
    """One piece of work: its turn is given back once, when its thread ends or where none begins."""

    def __init__(self, ask: Callable[[], T], give_back: Callable[[], None]) -> None:
        self._ask = ask
        self._give_back = give_back
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._is_taken = False

    def run(self) -> T:
        """In the thread."""
        if not self._take():
            raise RuntimeError("the turn was dropped before its thread began")
        try:
            return self._ask()
        finally:
            with suppress(RuntimeError):  # the loop has ended: nobody waits for a turn
                self._loop.call_soon_threadsafe(self._give_back)

    def drop(self) -> None:
        """On the event loop, when nobody waits for the work any more."""
        if self._take():
            self._give_back()

    def _take(self) -> bool:
        with self._lock:
            was_taken, self._is_taken = self._is_taken, True
        return not was_taken


def _too_many(message: str) -> Temporary:
    return Temporary(message, hint="Ask again in a few seconds.", code="too_many_questions")
