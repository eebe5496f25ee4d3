"""Owns the recently-played window: which items exist at a moment, and how they are told.

Never speaks HTTP and never shapes a track.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from spotify_hist.sandbox.catalogue import Track
    from spotify_hist.sandbox.delivery import Delivery
    from spotify_hist.sandbox.life import Life, TruePlay

WINDOW = 50  # FACTS 3.2


@dataclass(frozen=True, slots=True)
class Quirks:
    """Which of the API's irregularities to show; all of them unless told otherwise.

    `late`: about 1 % of items turn up after newer ones (FACTS 3.4). `reissued`: timestamps shift
    by under 2 s in a later answer (FACTS 3.6). `repeated`: an item twice in one answer (FACTS
    3.6). `short`: now and then fewer than 50 for limit=50 (FACTS 3.7). `whole_seconds`: some
    timestamps without milliseconds (FACTS 3.7). `no_context`: a known context told as null.
    """

    late: bool = True
    reissued: bool = True
    repeated: bool = True
    short: bool = True
    whole_seconds: bool = True
    no_context: bool = True


CALM = Quirks(
    late=False, reissued=False, repeated=False, short=False, whole_seconds=False, no_context=False
)


class Item(NamedTuple):
    """One item of an answer; `played_at` is the text, `played_at_ms` what cursors count in.

    `number` is the index of the play it tells in its life.
    """

    played_at_ms: int
    played_at: str
    track: Track
    context_uri: str | None
    number: int


class RecentPlays:
    """One listener's recently-played endpoint over time."""

    def __init__(self, life: Life, quirks: Quirks) -> None:
        self.quirks = quirks
        self.seed = life.seed
        arrivals = sorted(
            (self._appears_at_ms(play, delivery), number)
            for number, play in enumerate(life.plays)
            if (delivery := play.delivery) is not None
        )
        self.appear_at_ms = [at for at, _ in arrivals]
        self.numbers = [number for _, number in arrivals]
        self.plays = [life.plays[number] for number in self.numbers]

    def items(
        self, now_ms: int, *, limit: int, before: int | None = None, after: int | None = None
    ) -> list[Item]:
        """At most `limit` items, newest first, of the last 50 plays that have appeared.

        `before` and `after` are epoch milliseconds and exclusive.
        """
        known = bisect_right(self.appear_at_ms, now_ms)
        told: list[Item] = []
        # A repeated item takes the place of the earliest arrival, not of the oldest play:
        # otherwise a late item, oldest of all, might never be seen.
        for arrival in range(known - 1, max(0, known - WINDOW) - 1, -1):
            age_ms = now_ms - self.appear_at_ms[arrival]
            told.extend(self._tellings(arrival, age_ms))
        del told[WINDOW:]
        told.sort(key=lambda item: item.played_at_ms, reverse=True)
        if before is not None:
            told = [item for item in told if item.played_at_ms < before]
        if after is not None:
            told = [item for item in told if item.played_at_ms > after]
        return told[: self._page_size(now_ms, limit)]

    def _appears_at_ms(self, play: TruePlay, delivery: Delivery) -> int:
        late = delivery.late_by_s if self.quirks.late else 0
        prompt = max(play.ended_at_ms, delivery.played_at_ms)
        return prompt + (delivery.delay_s + late) * 1000

    def _tellings(self, arrival: int, age_ms: int) -> list[Item]:
        """The item or items that tell a play `age_ms` after it first appeared."""
        play, number = self.plays[arrival], self.numbers[arrival]
        delivery, track = play.delivery, play.track
        assert delivery is not None  # noqa: S101 - only delivered tracks are kept by __init__
        assert track is not None  # noqa: S101
        context = play.context_uri
        if self.quirks.no_context and delivery.played_at_ms % 5 == 0:
            context = None
        whole = delivery.whole_second and self.quirks.whole_seconds
        at_ms = delivery.played_at_ms
        first = Item(at_ms, stamp(at_ms, whole=whole), track, context, number)
        shift = delivery.reissue_shift_ms if self.quirks.reissued else 0
        twice = delivery.listed_twice and self.quirks.repeated
        if shift and age_ms >= delivery.reissue_after_s * 1000:
            moved = at_ms + shift
            again = Item(moved, stamp(moved), track, context, number)
            return [first, again] if twice else [again]
        return [first, first] if twice else [first]

    def _page_size(self, now_ms: int, limit: int) -> int:
        """`limit`, or some less than 50 in about 1 of 27 answers to limit=50 (FACTS 3.7)."""
        if limit < WINDOW or not self.quirks.short:
            return limit
        roll = zlib.crc32(f"{self.seed}:{now_ms}".encode())
        return limit - 1 - roll // 27 % 6 if roll % 27 == 0 else limit


def stamp(at_ms: int, *, whole: bool = False) -> str:
    """ISO 8601 UTC as the API writes it, without milliseconds if `whole`."""
    text = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}Z" if whole else f"{text}.{at_ms % 1000:03d}Z"
