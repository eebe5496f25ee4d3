"""Rankings, the search and the page of an artist against plain Python, songs merged."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listenings import SONGS, Listening, Played, few, iso, listenings, names
from plays import MemoryDatabase, add, ask, cells, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ALBUMS = {song.track_id: song.album for song in SONGS}
TEXTS = (
    "alpha", "ALPHA", "al", "a", "e", "one", "one (d", "emile", "Émile", "zoe", "zoe zeta",
    "beta ann", "ann beta", "ann", "東", "Ωm", "  ", "nothing of the kind",
)  # fmt: skip


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryDatabase]:
    """One connection for all examples."""
    database = MemoryDatabase()
    yield database
    database.connection.close()


def told(plays: Sequence[Played]) -> tuple[int, int]:
    """How many plays, and how long they were listened to."""
    return len(plays), sum(play.ms or 0 for play in plays)


def order(plays: Sequence[Played], by: str) -> tuple[int, int]:
    """What a ranking goes by, the greater the earlier."""
    count, listened = told(plays)
    return (-listened, -count) if by == "time" else (-count, -listened)


def album(listening: Listening, play: Played) -> str | None:
    return ALBUMS.get(listening.track_id(play) or "")


def most_played_album(listening: Listening, plays: Sequence[Played]) -> str | None:
    counts = Counter(name for play in plays if (name := album(listening, play)) is not None)
    return min(counts, key=lambda name: (-counts[name], name), default=None)


def uri(listening: Listening, name: tuple[str, str]) -> str | None:
    """Of the least id that any play tells, counted or not."""
    ids = {
        play.song.track_id
        for play in listening.plays
        if play.song and names(play.song) == name and play.source != "account"
    }
    return f"spotify:track:{min(ids)}" if ids else None


def by_song(plays: Sequence[Played]) -> dict[tuple[str, str], list[Played]]:
    """Two ids of one song are one (FACTS 7.2)."""
    songs: defaultdict[tuple[str, str], list[Played]] = defaultdict(list)
    for play in plays:
        if play.song:
            songs[names(play.song)].append(play)
    return songs


def by_artist(plays: Sequence[Played]) -> dict[str, list[Played]]:
    artists: defaultdict[str, list[Played]] = defaultdict(list)
    for (_, artist), each in by_song(plays).items():
        artists[artist] += each
    return artists


def by_album(listening: Listening, plays: Sequence[Played]) -> dict[tuple[str, str], list[Played]]:
    albums: defaultdict[tuple[str, str], list[Played]] = defaultdict(list)
    for play in plays:
        name = album(listening, play)
        if play.song and name is not None:
            albums[name, play.song.artist].append(play)
    return albums


def first(plays: Sequence[Played]) -> str:
    return iso(min(play.at for play in plays))


def last(plays: Sequence[Played]) -> str:
    return iso(max(play.at for play in plays))


@few
@given(listening=listenings(), by=st.sampled_from(["plays", "time"]))
def test_merged_rankings_by_plays_and_by_time_are_what_python_gives(
    listening: Listening, by: str, memory: MemoryDatabase
) -> None:
    """Artists, tracks and albums: counts, order, ties, and the album a song was played from."""
    counted = listening.counted()
    artists = by_artist(counted)
    tracks = by_song(counted)
    albums = by_album(listening, counted)
    with memory.emptied_afterwards():
        add(memory, [play.record() for play in listening.plays])
        assert rows(memory, "top-artists", by=by) == [
            (rank, name, *told(artists[name]), len(by_song(artists[name])), last(artists[name]))
            for rank, name in enumerate(
                sorted(artists, key=lambda name: (*order(artists[name], by), name)), 1
            )
        ]
        assert rows(memory, "top-tracks", by=by) == [
            (
                rank,
                *name,
                most_played_album(listening, tracks[name]),
                *told(tracks[name]),
                last(tracks[name]),
                uri(listening, name),
            )
            for rank, name in enumerate(
                sorted(tracks, key=lambda name: (*order(tracks[name], by), *name)), 1
            )
        ]
        assert rows(memory, "top-albums", by=by) == [
            (rank, *name, *told(albums[name]), len(by_song(albums[name])), last(albums[name]), None)
            for rank, name in enumerate(
                sorted(albums, key=lambda name: (*order(albums[name], by), *name)), 1
            )
        ]


def key(text: str | None) -> str:
    """Lower case, without accents."""
    letters = unicodedata.normalize("NFD", (text or "").lower().strip())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def level(name: str, artist: str | None, text: str) -> int | None:
    """How well a name fits what is looked for: 1 is best."""
    named, by_whom, wanted = key(name), key(artist), key(text)
    if not wanted:
        return None
    if named == wanted:
        return 1
    if named.startswith(wanted):
        return 2
    if wanted in named:
        return 3
    if wanted in by_whom or artist is None:
        return None
    return 4 if wanted in f"{by_whom} {named}" or wanted in f"{named} {by_whom}" else None


@few
@given(listening=listenings(), text=st.sampled_from(TEXTS))
def test_the_search_ranks_as_python_does(
    listening: Listening, text: str, memory: MemoryDatabase
) -> None:
    """Exact names first, then beginnings, then parts, then artist and name; then plays."""
    plays = [play for play in listening.plays if play.song]
    things: list[tuple[str, str, str | None, list[Played], str | None]] = [
        *(("track", *name, each, uri(listening, name)) for name, each in by_song(plays).items()),
        *(("artist", name, None, each, None) for name, each in by_artist(plays).items()),
        *(("album", *name, each, None) for name, each in by_album(listening, plays).items()),
    ]
    found = [
        (fit, -len(each), entity, name, artist or "", (entity, name, artist, each, at))
        for entity, name, artist, each, at in things
        if (fit := level(name, artist, text)) is not None
    ]
    found.sort(key=lambda row: row[:5])
    with memory.emptied_afterwards():
        add(memory, [play.record() for play in listening.plays])
        assert rows(memory, "search", text=text, limit=1000) == [
            (entity, name, artist, len(each), first(each), last(each), at)
            for *_, (entity, name, artist, each, at) in found
        ]


def near(plays: Sequence[Played], others: Sequence[Played]) -> int:
    """How many of `others` ended within half an hour of one of `plays`."""
    return sum(
        any(abs(other.at - play.at) <= timedelta(minutes=30) for play in plays) for other in others
    )


@few
@given(listening=listenings())
def test_the_page_of_an_artist_is_what_python_gives(
    listening: Listening, memory: MemoryDatabase
) -> None:
    """Totals, rank, months, and who was played within half an hour of them."""
    counted = listening.counted()
    artists = by_artist(counted)
    ranking = sorted(artists, key=lambda name: (*order(artists[name], "plays"), name))
    with memory.emptied_afterwards():
        add(memory, [play.record() for play in listening.plays])
        for rank, name in enumerate(ranking, 1):
            plays = artists[name]
            answer = ask(memory, "artist", artist=name, timezone=listening.zone)
            facts = cells(answer, "section", "name", "value")
            found = {(section, fact): value for section, fact, value in facts}
            albums = {album(listening, play) for play in plays} - {None}
            assert found["totals", "plays"] == len(plays)
            assert found["totals", "listened time"] == pytest.approx(
                told(plays)[1] / 3_600_000, abs=0.01
            )
            assert found["totals", "different tracks"] == len(by_song(plays))
            assert found["totals", "different albums"] == len(albums)
            assert found["totals", "days with a play"] == len(
                {listening.local(play).date() for play in plays}
            )
            assert found["totals", "share of all plays"] == pytest.approx(
                len(plays) / len(counted), abs=1e-4
            )
            assert found["totals", "rank among artists"] == rank
            months = Counter(f"{listening.local(play):%Y-%m}" for play in plays)
            assert [row[1:] for row in facts if row[0] == "by month"] == sorted(months.items())
            neighbours = {
                other: count
                for other in ranking
                if other != name and (count := near(plays, artists[other]))
            }
            assert [row[1:] for row in facts if row[0] == "neighbours"] == sorted(
                neighbours.items(), key=lambda pair: (-pair[1], pair[0])
            )


@few
@given(listening=listenings())
def test_two_ids_of_one_song_are_one_unless_the_unmerged_truth_is_asked_for(
    listening: Listening, memory: MemoryDatabase
) -> None:
    """FACTS 7.2: the plays of all its ids, and each id for itself with raw."""
    counted = listening.counted()
    ids = {(listening.track_id(play), *names(play.song)) for play in counted if play.song}
    with memory.emptied_afterwards():
        add(memory, [play.record() for play in listening.plays])
        merged, apart = (rows(memory, "top-tracks", raw=raw) for raw in (False, True))
        assert len(merged) == len(by_song(counted))
        assert len(apart) == len(ids)
        for table in (merged, apart):
            assert sum(chain(int(str(row[4])) for row in table)) == len(counted)
