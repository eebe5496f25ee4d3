"""Owns what a page from Spotify says: its records, what cannot be read and why, what comes next.

Never does I/O and reads no clock.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from spotify_hist import normalise
from spotify_hist.model import ApiTrack, Record
from spotify_hist.sources.recent_pages import read_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Raise it whenever `sources.recent_pages` or `normalise.api` read more than before: whatever an
# older reader could not read is then tried once more.
READER = 2
PAGE_LIMIT = 50  # all that Spotify keeps (FACTS 3.2)
NO_PAGE = "it is no page of plays"
_NEARLY_FULL = 40
_TORN = "not whole"
_MOST_REASONS = 3


class Unreadable(NamedTuple):
    """An item of a page that is no play as far as is known today: why, and its JSON."""

    reason: str
    text: str

    @property
    def key(self) -> str:
        """The same for the same item, however often Spotify tells of it."""
        try:
            item = json.loads(self.text)
        except (ValueError, RecursionError):
            item = None
        if not isinstance(item, dict):
            return _hash(self.text)
        track = item.get("track")
        names = [track.get(key) for key in ("uri", "id", "name")] if isinstance(track, dict) else []
        what = next((name for name in names if name is not None), track)
        when = item.get("played_at")
        if what is None and when is None:
            return _hash(self.text)
        return _hash(json.dumps([when, what], sort_keys=True))


@dataclass(frozen=True, slots=True)
class Body:
    """What a page says, whether Spotify may have had more, and where that begins.

    `next_before_ms` is the cursor of the next older page, epoch milliseconds; None where there is
    none, since the page is empty.
    """

    records: list[Record]
    tracks: list[ApiTrack]
    unreadable: list[Unreadable]
    is_full: bool
    next_before_ms: int | None

    @property
    def fetched(self) -> int:
        """How many items there are."""
        return len(self.records) + len(self.unreadable)

    @property
    def is_mostly_unreadable(self) -> bool:
        """Whether something is wrong with the page as such, and not with an item of it."""
        return 2 * len(self.unreadable) > self.fetched


def read_body(body: bytes) -> Body | None:
    """What a page says, or None where it is no page at all.

    A few of the 50 are missing from some full pages (FACTS 3.7): such a page still points to an
    older one. One whose end is missing may have been full.
    """
    page = read_page(body)
    if page is None:
        return None
    records, tracks = [], []
    unreadable = [Unreadable(_TORN, piece) for piece in page.torn]
    for item in page.items:
        record = normalise.api_item(item)
        if isinstance(record, Record):
            records.append(record)
            track = normalise.api_track(item)
            tracks += [] if track is None else [track]
        else:
            unreadable.append(Unreadable(record.reason, json.dumps(item)))
    count = len(records) + len(unreadable)
    is_nearly_full = count >= _NEARLY_FULL and page.has_next
    next_before_ms = page.before_ms
    if next_before_ms is None:
        next_before_ms = min((record.played_at_ms for record in records), default=None)
    return Body(
        records,
        tracks,
        unreadable,
        count >= PAGE_LIMIT or is_nearly_full or page.is_cut_off,
        next_before_ms if count else None,
    )


def reasons(items: Iterable[Unreadable]) -> dict[str, int]:
    """How many items cannot be read for which reason, the most frequent first; without values."""
    counts: dict[str, int] = {}
    for item in items:
        kind = item.reason.partition(": ")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def in_words(counts: Mapping[str, int]) -> str:
    """The first few reasons, on one line."""
    told = [f"{reason} ({count})" for reason, count in counts.items()]
    more = len(told) - _MOST_REASONS
    return "; ".join(told[:_MOST_REASONS]) + (f"; {more} other reasons" if more > 0 else "")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
