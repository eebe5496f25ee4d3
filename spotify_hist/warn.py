"""Owns warnings that arise deep inside and concern the person: each is said once in a process.

Never writes anywhere: whoever has the person's ear listens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_said: set[str] = set()
_listeners: list[Callable[[str], object]] = []


def listen(listener: Callable[[str], object]) -> None:
    """Hear every warning from now on, in place of whoever listened before."""
    _listeners[:] = [listener]


def forget() -> None:
    """Say everything again once: another run begins, in the same process."""
    _said.clear()


def once(text: str) -> None:
    """Warn, unless the same was said before. Nothing happens where nobody listens."""
    if text not in _said:
        _said.add(text)
        for listener in _listeners:
            listener(text)
