"""Owns the shape of one true play: what was played, how, and how the API tells of it.

Never knows how an export or an answer of the API is written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from spotify_hist.sandbox.catalogue import Chapter, Episode, Track

if TYPE_CHECKING:
    from spotify_hist.model import Kind
    from spotify_hist.sandbox.delivery import Delivery

Item = Track | Episode | Chapter


@dataclass(frozen=True, slots=True)
class TruePlay:
    """One play as it happened. Times are epoch milliseconds UTC; `ended_at_ms` is the END.

    Listening times never overlap, except that the plays of an offline stretch all carry the
    instant the device came back (`offline` is true for them). `item` is None for rows without
    any metadata. `delivery` says how the API tells the play, None if it never does.
    `offline_timestamp` is in the unit of its time (FACTS 5.5). `skipped`: left before its end.
    """

    ended_at_ms: int
    ms_played: int
    kind: Kind
    item: Item | None
    reason_start: str
    reason_end: str
    shuffle: bool
    skipped: bool
    platform: str
    country: str
    offline: bool
    offline_timestamp: int | None
    incognito: bool
    video: bool
    context_uri: str | None
    delivery: Delivery | None

    @property
    def started_at_ms(self) -> int:
        return self.ended_at_ms - self.ms_played

    @property
    def ended_at(self) -> datetime:
        """The end in UTC, to the millisecond."""
        return datetime.fromtimestamp(self.ended_at_ms // 1000, UTC) + timedelta(
            milliseconds=self.ended_at_ms % 1000
        )

    @property
    def track(self) -> Track | None:
        return self.item if isinstance(self.item, Track) else None

    @property
    def episode(self) -> Episode | None:
        return self.item if isinstance(self.item, Episode) else None

    @property
    def chapter(self) -> Chapter | None:
        return self.item if isinstance(self.item, Chapter) else None

    @property
    def uri(self) -> str | None:
        return self.item.uri if self.item else None

    @property
    def title(self) -> str | None:
        return self.item.name if self.item else None

    @property
    def artist(self) -> str | None:
        """As exports name it: the album's artist, the show, or the book's author."""
        if self.track:
            return self.track.album.artist.name
        if self.episode:
            return self.episode.show
        return self.chapter.author if self.chapter else None

    @property
    def album(self) -> str | None:
        """The album, the show or the book."""
        if self.track:
            return self.track.album.name
        if self.episode:
            return self.episode.show
        return self.chapter.book if self.chapter else None

    @property
    def delivered_by_api(self) -> bool:
        return self.delivery is not None

    @property
    def late_by_s(self) -> int:
        """Seconds the API is late beyond its usual moment; 0 if prompt or never told."""
        return self.delivery.late_by_s if self.delivery else 0
