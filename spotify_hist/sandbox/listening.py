"""Owns how a seeded listener lives through a day: taste, choices, skips, offline stretches.

Never keeps what was played; `life` collects it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from spotify_hist.sandbox.catalogue import Episode, Track, base62
from spotify_hist.sandbox.delivery import decide
from spotify_hist.sandbox.habits import Session, plan_day
from spotify_hist.sandbox.truth import Item, TruePlay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, tzinfo

    from spotify_hist.model import Kind
    from spotify_hist.sandbox.catalogue import Catalogue

_OFFLINE_TS_SINCE_MS = int(datetime(2017, 1, 1, tzinfo=UTC).timestamp()) * 1000  # FACTS 5.5
_OFFLINE_TS_IN_SECONDS_MS = int(datetime(2022, 10, 1, tzinfo=UTC).timestamp()) * 1000


class _Programme(NamedTuple):
    """What a session plays, in order, and the context URI it is played from."""

    items: Sequence[Item | None]
    context: str | None


class Listener:
    """One person's taste, and the act of playing a day's sessions."""

    def __init__(self, seed: int, catalogue: Catalogue, zone: tzinfo) -> None:
        self.seed = seed
        self.catalogue = catalogue
        self.zone = zone
        taste = Random(f"taste:{seed}")
        self.rhythm = taste.randrange(10_000)
        self.artists = list(catalogue.artists)
        taste.shuffle(self.artists)
        # Zipf-like: a handful of artists make half of the plays.
        self.weights = list(accumulate(1 / (rank + 2) ** 1.1 for rank in range(len(self.artists))))
        self.albums = [
            [album.id for album in catalogue.albums_of[artist.id] if album.kind == "album"]
            for artist in self.artists
        ]
        self.playlists = [f"spotify:playlist:{base62(taste)}" for _ in range(6)]

    def day(self, day: date, cursor: int, plays_per_day: float) -> Iterator[TruePlay]:
        """The plays of one local day, none of them starting before `cursor` (epoch ms)."""
        # A generator of its own for each day keeps earlier days the same when a life is extended.
        rng = Random(f"day:{self.seed}:{day.isoformat()}")
        sessions = plan_day(
            rng, day=day, zone=self.zone, rhythm=self.rhythm, plays_per_day=plays_per_day
        )
        crush = self._song(rng)
        previous: TruePlay | None = None
        for session in sessions:
            if session.starts_at_ms < cursor - 10 * 3_600_000:
                continue  # the day is over: nobody listens around the clock
            begin = max(session.starts_at_ms, cursor + rng.randint(20_000, 400_000))
            programme = self._programme(rng, session, crush, day)
            for play in _play(rng, session, programme, begin, previous):
                yield play
                previous = play
                cursor = max(cursor, play.ended_at_ms)

    def _programme(self, rng: Random, session: Session, crush: Track, day: date) -> _Programme:
        """What a session plays."""
        catalogue, size = self.catalogue, session.size
        if session.mood == "podcast":
            show = rng.choice(catalogue.episodes)
            return _Programme([rng.choice(show) for _ in range(size)], None)
        if session.mood == "audiobook":
            book = catalogue.books[day.toordinal() // 90 % len(catalogue.books)]
            first = day.toordinal() // 6 % len(book)
            return _Programme(
                [book[(first + n) % len(book)] for n in range(size)], book[0].book_uri
            )
        if session.mood == "video":
            return _Programme([self._video(rng) for _ in range(size)], None)
        if session.mood == "album":
            album = self._album(rng)
            tracks = catalogue.tracks_on[album]
            return _Programme(
                [tracks[n % len(tracks)] for n in range(size)], f"spotify:album:{album}"
            )
        songs: list[Item | None] = [self._song(rng) for _ in range(size)]
        if session.mood == "obsession":
            songs = [crush if rng.random() < 0.7 else song for song in songs]
            return _Programme(songs, crush.album.uri)
        if session.mood == "playlist":
            return _Programme(songs, rng.choice(self.playlists))
        return _Programme(songs, None)

    def _album(self, rng: Random) -> str:
        if rng.random() < 0.06:
            return rng.choice(self.catalogue.compilations).id
        return rng.choice(rng.choices(self.albums, cum_weights=self.weights)[0])

    def _song(self, rng: Random) -> Track:
        tracks = self.catalogue.tracks_on[self._album(rng)]
        track = tracks[int(len(tracks) * rng.random() ** 2)]
        twin = self.catalogue.twins.get(track.id)
        return twin if twin and rng.random() < 0.35 else track

    def _video(self, rng: Random) -> Item | None:
        roll = rng.random()
        if roll < 0.6:
            return self._song(rng)
        return rng.choice(rng.choice(self.catalogue.episodes)) if roll < 0.8 else None


def _play(
    rng: Random, session: Session, programme: _Programme, begin: int, previous: TruePlay | None
) -> Iterator[TruePlay]:
    """Play a session's items one after the other; an offline one ends all at its return."""
    if session.offline:
        yield from _play_offline(rng, session, programme, begin)
        return
    start = begin
    reason_start = rng.choice(("clickrow", "clickrow", "playbtn", "appload", "remote"))
    for number, chosen in enumerate(programme.items):
        # Some rows have no metadata at all (FACTS 5.6).
        item = None if rng.random() < 0.005 else chosen
        again = previous is not None and previous.item is item
        ms_played, reason_end = _listen(rng, item, session.mood == "video", again)
        start += rng.randint(0, 900) + (1_500 if again else 0)
        last = number == len(programme.items) - 1
        if last and reason_end == "trackdone":
            reason_end = rng.choice(("endplay", "trackdone", "logout", "unexpected-exit"))
        play = _make(
            rng, session, item, programme.context,
            start=start, ended_at_ms=start + ms_played, ms_played=ms_played,
            reasons=(reason_start, reason_end), again=again,
        )  # fmt: skip
        yield play
        previous, start = play, play.ended_at_ms
        reason_start = reason_end if reason_end in ("fwdbtn", "backbtn") else "trackdone"


def _play_offline(
    rng: Random, session: Session, programme: _Programme, begin: int
) -> Iterator[TruePlay]:
    """Different tracks that all share the end of the stretch (FACTS 5.4)."""
    distinct = {item.id: item for item in programme.items if item is not None}
    listened = []
    start = begin
    for item in distinct.values():
        ms_played, reason_end = _listen(rng, item, video=False, again=False)
        listened.append((item, start, ms_played, reason_end))
        start += ms_played + rng.randint(0, 900)
    back_online = start + rng.randint(20_000, 900_000)
    for item, started, ms_played, reason_end in listened:
        yield _make(
            rng, session, item, programme.context,
            start=started, ended_at_ms=back_online, ms_played=ms_played,
            reasons=("trackdone", reason_end), again=False,
        )  # fmt: skip


def _listen(rng: Random, item: Item | None, video: bool, again: bool) -> tuple[int, str]:
    """Milliseconds listened and the reason of the end (FACTS 5.6 has the shares)."""
    if video and rng.random() < 0.5:
        return rng.randint(0, 999), "endplay"
    duration = item.duration_ms if item else rng.randint(5_000, 240_000)
    roll = rng.random()
    if not isinstance(item, Track):
        return int(duration * rng.uniform(0.05, 1.0)), rng.choice(("endplay", "trackdone"))
    if roll < 0.035 and not again:
        return 0, rng.choice(("fwdbtn", "trackerror", "clickrow"))
    if roll < 0.17:
        return min(int(rng.expovariate(1 / 8_000)) + 1, 29_900), rng.choice(
            ("fwdbtn", "fwdbtn", "fwdbtn", "backbtn", "endplay")
        )
    if roll < 0.25:
        return rng.randint(30_000, duration - 1), rng.choice(("fwdbtn", "endplay", "clickrow"))
    return duration, "trackdone"


def _make(
    rng: Random,
    session: Session,
    item: Item | None,
    context: str | None,
    *,
    start: int,
    ended_at_ms: int,
    ms_played: int,
    reasons: tuple[str, str],
    again: bool,
) -> TruePlay:
    kind: Kind = "unknown"
    if isinstance(item, Track):
        kind = "track"
    elif item is not None:
        kind = "episode" if isinstance(item, Episode) else "audiobook_chapter"
    delivery = decide(
        rng,
        ended_at_ms=ended_at_ms,
        ms_played=ms_played,
        kind=kind,
        incognito=session.incognito,
        repeats_previous=again,
    )
    return TruePlay(
        ended_at_ms=ended_at_ms,
        ms_played=ms_played,
        kind=kind,
        item=item,
        reason_start=reasons[0],
        reason_end=reasons[1],
        shuffle=session.shuffle,
        skipped=reasons[1] in ("fwdbtn", "backbtn", "clickrow"),
        platform=session.platform,
        country=session.country,
        offline=session.offline,
        offline_timestamp=_offline_timestamp(rng, start),
        incognito=session.incognito,
        video=session.mood == "video",
        context_uri=context,
        delivery=delivery,
    )


def _offline_timestamp(rng: Random, start_ms: int) -> int | None:
    """When the play began, in the unit Spotify used at the time; sometimes 8 odd digits."""
    if start_ms < _OFFLINE_TS_SINCE_MS:
        return rng.choice((0, None))
    if rng.random() < 0.002:
        return rng.randint(10_000_000, 99_999_999)
    return start_ms // 1000 if start_ms >= _OFFLINE_TS_IN_SECONDS_MS else start_ms
