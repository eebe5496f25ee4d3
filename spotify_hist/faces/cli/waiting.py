"""Owns how a wait for the history is shown: who has it, and for how long it is waited for.

Never waits itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from spotify_hist.faces.cli.output import Output

_AGAIN_S = 10.0


class Waiting:
    """A countdown on a terminal; a line now and then in a log.

    `pause` and `go_on` are for a bar that has the terminal meanwhile.
    """

    def __init__(self, out: Output, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._next_s: float | None = None
        self._is_shown = False
        self.pause: Callable[[], None] = lambda: None
        self.go_on: Callable[[], None] = lambda: None

    def __call__(self, holder: str, left_s: float) -> None:
        """As `store.gate.OnWait`."""
        if holder:
            self._show("Waiting for ", f"{holder}, {left_s:.0f} s left")
        elif self._is_shown:
            self._is_shown, self._next_s = False, None
            self._out.passing("")
            self.go_on()

    def _show(self, beginning: str, end: str) -> None:
        if not self._is_shown:
            self._is_shown = True
            self.pause()
        if self._out.passing(beginning, end):
            return
        now = self._clock()
        if self._next_s is None or now >= self._next_s:
            self._next_s = now + _AGAIN_S
            self._out.note(f"{beginning}{end}.")
