"""The questions against plain Python, around changes of clocks, year ends and a day left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listenings import SONGS, Listening, Played, few, iso, listenings, names
from plays import MemoryDatabase, account, add, ask, cells, example_arguments, extended, rows

from spotify_hist.analytics import catalogue
from spotify_hist.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spotify_hist.analytics.header import Query


def as_number(value: object) -> int:
    assert isinstance(value, int)
    return value


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryDatabase]:
    """One connection for all examples."""
    database = MemoryDatabase()
    yield database
    database.connection.close()


def total(memory: MemoryDatabase, question: str, zone: str, **arguments: object) -> int:
    answer = ask(memory, question, timezone=zone, **arguments)
    return sum(as_number(plays) for (plays,) in cells(answer, "plays"))


@few
@given(listening=listenings())
def test_sum_by_artist_by_track_and_by_hour_is_the_number_of_counted_plays(
    listening: Listening, memory: MemoryDatabase
) -> None:
    """Invariant 4, over all time and over each local year: nothing is lost at an edge."""
    zone = listening.zone
    years = sorted({listening.local(play).year for play in listening.plays})
    with memory.emptied_afterwards():
        add(memory, [play.record() for play in listening.plays])
        by_year: list[int] = []
        for period in ({}, *({"year": year} for year in years)):
            recent = ask(memory, "recent", timezone=zone, kind="track", limit=1_000, **period)
            counted = sum(
                1 for (ms,) in cells(recent, "ms_played") if ms is None or as_number(ms) >= 30_000
            )
            for question in ("top-artists", "top-tracks", "heatmap"):
                assert total(memory, question, zone, **period) == counted
            by_year.append(counted)
        assert by_year[0] == sum(by_year[1:]) == len(listening.counted())
        assert total(memory, "coverage", zone) == len(listening.plays)


@few
@given(listening=listenings())
def test_the_week_is_what_the_zone_s_clocks_showed(
    listening: Listening, memory: MemoryDatabase
) -> None:
    """Weekday and hour as zoneinfo has them, on days of 23, 24, 25 and of no hours."""
    plays: Counter[tuple[int, int]] = Counter()
    listened: Counter[tuple[int, int]] = Counter()
    for play in listening.counted():
        local = listening.local(play)
        plays[local.isoweekday(), local.hour] += 1
        listened[local.isoweekday(), local.hour] += play.ms or 0
    with memory.emptied_afterwards():
        add(memory, [play.record() for play in listening.plays])
        assert rows(memory, "heatmap", timezone=listening.zone) == [
            (weekday, hour, plays[weekday, hour], listened[weekday, hour])
            for weekday in range(1, 8)
            for hour in range(24)
        ]


@few
@given(listening=listenings())
def test_rankings_are_what_counting_in_python_gives(
    listening: Listening, memory: MemoryDatabase
) -> None:
    """Counts, listened time, order and ties of artists and of tracks."""
    artists: defaultdict[str, list[Played]] = defaultdict(list)
    tracks: defaultdict[tuple[str | None, str, str], list[Played]] = defaultdict(list)
    for play in listening.counted():
        assert play.song is not None
        artists[play.song.artist].append(play)
        tracks[listening.track_id(play), *names(play.song)].append(play)
    albums = {song.track_id: song.album for song in SONGS}

    def told(plays: Sequence[Played]) -> tuple[int, int]:
        return len(plays), sum(play.ms or 0 for play in plays)

    def last(plays: Sequence[Played]) -> str:
        return iso(max(play.at for play in plays))

    by_artist = sorted(
        (-told(plays)[0], -told(plays)[1], artist, plays) for artist, plays in artists.items()
    )
    by_track = sorted(
        (-told(plays)[0], -told(plays)[1], title, artist, track_id or "", plays)
        for (track_id, title, artist), plays in tracks.items()
    )
    with memory.emptied_afterwards():
        add(memory, [play.record() for play in listening.plays])
        assert rows(memory, "top-artists", timezone=listening.zone, raw=True) == [
            (
                rank,
                artist,
                *told(plays),
                len({(listening.track_id(play), play.song and names(play.song)) for play in plays}),
                last(plays),
            )
            for rank, (_, _, artist, plays) in enumerate(by_artist, 1)
        ]
        assert rows(memory, "top-tracks", timezone=listening.zone, raw=True) == [
            (
                rank,
                title,
                artist,
                albums.get(track_id),
                *told(plays),
                last(plays),
                f"spotify:track:{track_id}" if track_id else None,
            )
            for rank, (_, _, title, artist, track_id, plays) in enumerate(by_track, 1)
        ]


@few
@given(listening=listenings())
def test_recent_and_coverage_are_what_listing_in_python_gives(
    listening: Listening, memory: MemoryDatabase
) -> None:
    """Every play once, newest first; each in the local month it ended in."""
    months: defaultdict[str, list[Played]] = defaultdict(list)
    for play in listening.plays:
        months[f"{listening.local(play):%Y-%m}"].append(play)
    newest_first = sorted(listening.plays, key=lambda play: play.at, reverse=True)
    with memory.emptied_afterwards():
        add(memory, [play.record() for play in listening.plays])
        recent = ask(memory, "recent", limit=1_000)
        assert cells(recent, "played_at", "ms_played", "track", "sources") == [
            (iso(play.at), play.ms, play.song and play.song.title, [play.source])
            for play in newest_first
        ]
        assert rows(memory, "coverage", timezone=listening.zone) == [
            (
                month,
                len(plays),
                *(sum(play.source == each for play in plays) for each in SOURCES),
                0,
                len({listening.local(play).date() for play in plays}),
                0,
            )
            for month, plays in sorted(months.items())
        ]


SOURCES = ("extended", "account", "api")


@settings(few, max_examples=few.max_examples // 2)
@given(listening=listenings(), data=st.data())
def test_answers_do_not_depend_on_the_order_in_which_records_came(
    listening: Listening, data: st.DataObject, memory: MemoryDatabase
) -> None:
    """Every question's rows are identical, ties included, however the records were brought in."""
    records = [play.record() for play in listening.plays]
    # The same plays as another source saw them, and two at one instant: ties everywhere.
    records += [
        account(play.at, play.song.title, play.song.artist, play.ms or 0)
        for play in listening.plays
        if play.song and play.source == "extended"
    ]
    records += [
        extended(play.at, song.title, song.artist, 30_000, album=song.album, uri=song.uri)
        for play, song in zip(listening.plays, SONGS, strict=False)
    ]
    shuffled = data.draw(st.permutations(records))
    cut = data.draw(st.integers(0, len(records)))
    answers = []
    for batches in ([records], [shuffled[:cut], shuffled[cut:], shuffled[: cut // 2]]):
        with memory.emptied_afterwards():
            for batch in batches:
                add(memory, batch)
            answers.append({query.name: told(memory, query) for query in catalogue.all_queries()})
    assert answers[0] == answers[1]


def told(memory: MemoryDatabase, query: Query) -> object:
    """The rows, or what is said where what is asked about was never played."""
    try:
        return rows(memory, query.name, **example_arguments(query))
    except UsageError as error:
        return error.message, error.hint
