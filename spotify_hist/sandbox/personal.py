"""Owns what Spotify tells of one listener beside their plays: what plays now, and top lists.

Never checks a scope and never speaks HTTP.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from typing import TYPE_CHECKING

from spotify_hist.sandbox.catalogue import Episode, Track

if TYPE_CHECKING:
    from spotify_hist.sandbox.answers import Json, Shapes
    from spotify_hist.sandbox.catalogue import Artist
    from spotify_hist.sandbox.life import Life
    from spotify_hist.sandbox.truth import TruePlay

_DAY_MS = 86_400_000
SPANS = {"short_term": 28, "medium_term": 182, "long_term": 365}  # days, about


def playing(life: Life, now_ms: int) -> TruePlay | None:
    """The play that is under way, neither offline nor in a private session."""
    for play in life.plays[bisect_right(life.plays, now_ms, key=_end) :][:50]:
        is_shown = not play.offline and not play.incognito
        if is_shown and play.started_at_ms <= now_ms and isinstance(play.item, Track | Episode):
            return play
    return None


def currently_playing(play: TruePlay, shapes: Shapes, now_ms: int) -> Json:
    """The body that tells of a play under way."""
    item = shapes.track(play.track) if play.track else _episode(play.episode, shapes.url)
    return {
        "timestamp": now_ms,
        "context": shapes.context(play.context_uri),
        "progress_ms": now_ms - play.started_at_ms,
        "item": item,
        "currently_playing_type": "track" if play.track else "episode",
        "actions": {"disallows": {"resuming": True}},
        "is_playing": True,
    }


def top_tracks(life: Life, now_ms: int, span: str) -> list[Track]:
    """The tracks played most in a span, most first."""
    counts = Counter(play.track for play in _of_span(life, now_ms, span) if play.track)
    return sorted(counts, key=lambda track: (-counts[track], track.id))


def top_artists(life: Life, now_ms: int, span: str) -> list[Artist]:
    """The artists played most in a span, most first."""
    counts = Counter(play.track.artists[0] for play in _of_span(life, now_ms, span) if play.track)
    return sorted(counts, key=lambda artist: (-counts[artist], artist.id))


def _of_span(life: Life, now_ms: int, span: str) -> tuple[TruePlay, ...]:
    since = bisect_left(life.plays, now_ms - SPANS[span] * _DAY_MS, key=_end)
    return life.plays[since : bisect_right(life.plays, now_ms, key=_end)]


def _end(play: TruePlay) -> int:
    return play.ended_at_ms


def _episode(episode: Episode | None, url: str) -> Json | None:
    if episode is None:
        return None
    return {
        "id": episode.id,
        "name": episode.name,
        "type": "episode",
        "uri": episode.uri,
        "href": f"{url}/v1/episodes/{episode.id}",
        "duration_ms": episode.duration_ms,
        "show": {"name": episode.show, "publisher": episode.publisher, "type": "show"},
    }
