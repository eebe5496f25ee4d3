"""Owns what one app can do, as its calls have shown, and when to try again what it could not.

Never calls Spotify and never touches the database.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spotify_hist.store.enrich import Entity

Ability = Literal["several", "audio_features", "search"]

# What asking about these depends on; the others may be asked about by any app.
ABILITY_FOR: Mapping[Entity, Ability] = {"features": "audio_features", "link": "search"}

_FAILING, _DOUBTED = ":failing", ":doubted"
# What Spotify refuses, and what only seems closed: removed endpoints have been seen answering 403
# and 404, but 429 and 503 too (FACTS 1.6). None: never (FACTS 1.1).
_RECHECK: Mapping[str, timedelta | None] = {
    "several": timedelta(days=30),
    "audio_features": None,
    "search": timedelta(days=30),
}
_RECHECK_FAILING = timedelta(days=7)


class Abilities:
    """The abilities of one app: `known` says since when each is known to be there or not."""

    def __init__(self, known: Mapping[str, tuple[bool, datetime]], now: datetime) -> None:
        self._known = dict(known)
        self._now = now
        self.learnt: dict[str, bool] = {}

    def may(self, ability: Ability) -> bool:
        """Whether it is worth a call: it works, was never tried, or it is time to try again."""
        return self._is_open(ability, _RECHECK[ability]) and self._is_open(
            ability + _FAILING, _RECHECK_FAILING
        )

    def is_proven(self, ability: Ability) -> bool:
        """Whether it has worked at the last word."""
        return self._known.get(ability, (False, self._now))[0]

    def works(self, ability: Ability) -> None:
        """It answered."""
        for name in (ability, ability + _FAILING, ability + _DOUBTED):
            if name == ability or name in self._known:
                self._learn(name, is_available=True)

    def is_refused(self, ability: Ability) -> None:
        """Spotify says that the app may not."""
        self._learn(ability, is_available=False)

    def seems_closed(self, ability: Ability) -> None:
        """It fails where other calls work."""
        self._learn(ability + _FAILING, is_available=False)

    def is_doubted(self, ability: Ability) -> None:
        """It failed and no other call could tell why; the second time it seems closed."""
        if self._known.get(ability + _DOUBTED, (True, self._now))[0]:
            self._learn(ability + _DOUBTED, is_available=False)
        else:
            self.seems_closed(ability)

    def _learn(self, name: str, *, is_available: bool) -> None:
        # What still is not there counts from now on again; what is there need not be said twice.
        if not (is_available and self._known.get(name, (False, self._now))[0]):
            self.learnt[name] = is_available
            self._known[name] = (is_available, self._now)

    def _is_open(self, name: str, recheck: timedelta | None) -> bool:
        is_available, since = self._known.get(name, (True, self._now))
        if is_available or recheck is None:
            return is_available
        # What is known since a moment that lies ahead was noted by a clock that was wrong.
        return not since <= self._now < since + recheck
