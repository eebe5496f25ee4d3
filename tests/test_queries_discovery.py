"""What was found, lost and found again, how it sounds, and which artists belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plays import MemoryDatabase, add, ask, cells, extended, rows

from spotify_hist.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.model import Record


@pytest.fixture(scope="module")
def empty() -> Iterator[MemoryDatabase]:
    """A database that each test gives its own history."""
    database = MemoryDatabase()
    yield database
    database.connection.close()


def song(at: str, title: str, artist: str, album: str = "Album", ms: int = 200_000) -> Record:
    """A play of a track whose id is its name."""
    return extended(at, title, artist, ms, album=album, uri=f"spotify:track:{title.lower()}")


FOUND = [
    song("2023-12-31T23:30", "Alpha", "Ann"),  # before the year in UTC, in it in Berlin
    song("2024-01-05T10:00", "Beta", "Bob", ms=29_999),  # not counted: no first play
    song("2024-01-06T10:00", "Gamma", "Bob"),
    song("2024-01-07T10:00", "Beta", "Bob"),
    song("2024-12-31T22:00", "Gamma", "Bob"),
    song("2025-01-02T10:00", "Beta", "Bob"),
    song("2024-03-01T10:00", "Delta", "Cy"),
    song("2024-03-01T11:00", "Delta", "Cy"),
    song("2025-03-01T10:00", "Epsilon", "Dee"),
]


def test_discoveries_are_the_artists_whose_first_counted_play_lies_in_the_period(
    empty: MemoryDatabase,
) -> None:
    """Most played in the period first; whether they stuck goes by local days until now."""
    with empty.emptied_afterwards():
        add(empty, FOUND)
        bob = ("2024-01-06T10:00:00.000Z", "Bob", "Bob", "Gamma")
        cy = ("2024-03-01T10:00:00.000Z", "Cy", "Cy", "Delta")
        ann = ("2023-12-31T23:30:00.000Z", "Ann", "Ann", "Alpha")
        in_utc = [
            (*bob, 3, 4, 4, True, "2025-01-02T10:00:00.000Z"),
            (*cy, 2, 2, 1, False, "2024-03-01T11:00:00.000Z"),
        ]
        assert rows(empty, "discoveries", year=2024) == in_utc
        assert rows(empty, "discoveries", year=2024, timezone="Europe/Berlin") == [
            *in_utc,
            (*ann, 1, 1, 1, False, ann[0]),
        ]
        assert cells(ask(empty, "discoveries", year=2025), "name", "plays") == [("Dee", 1)]
        assert len(rows(empty, "discoveries")) == 4


def test_tracks_are_discovered_too(empty: MemoryDatabase) -> None:
    """A track began with itself; a new track of a known artist is one."""
    with empty.emptied_afterwards():
        add(empty, FOUND)
        answer = ask(empty, "discoveries", of="tracks", since="2024-01-07", until="2024-12")
        assert cells(answer, "name", "artist", "first_track", "plays", "plays_until_now") == [
            ("Delta", "Cy", "Delta", 2, 2),
            ("Beta", "Bob", "Beta", 1, 2),
        ]


def test_a_rediscovery_is_a_play_after_just_as_many_days_of_silence_as_asked_for(
    empty: MemoryDatabase,
) -> None:
    """Each return is one row, in the period in which it happened."""
    with empty.emptied_afterwards():
        add(
            empty,
            [
                song("2021-01-01T10:00", "Alpha", "Ann"),
                song("2021-01-02T10:00", "Alpha", "Ann"),
                song("2022-01-02T10:00", "Alpha", "Ann"),  # 365 days on
                song("2022-01-02T10:05", "Alpha", "Ann"),
                song("2024-06-01T10:00", "Alpha", "Ann"),
                song("2021-01-01T11:00", "Beta", "Ann"),
                song("2022-01-01T10:59", "Beta", "Ann"),  # a minute short
            ],
        )
        first = ("2021-01-02T10:00:00.000Z", "2022-01-02T10:00:00.000Z", 365, 2, 3)
        second = ("2022-01-02T10:05:00.000Z", "2024-06-01T10:00:00.000Z", 880, 4, 1)
        assert rows(empty, "rediscoveries") == [("Alpha", "Ann", *first), ("Alpha", "Ann", *second)]
        assert rows(empty, "rediscoveries", year=2022) == [("Alpha", "Ann", *first)]
        assert rows(empty, "rediscoveries", silence=366) == [("Alpha", "Ann", *second)]
        assert rows(empty, "rediscoveries", silence=36_500) == []
        artists = ask(empty, "rediscoveries", of="artists")
        assert cells(artists, "name", "silent_days", "plays_before", "plays_after") == [
            ("Ann", 880, 6, 1)
        ]


def test_what_is_forgotten_was_loved_and_has_been_silent_up_to_now(empty: MemoryDatabase) -> None:
    """The period is when it was loved; the silence is up to now, which is 1 June 2025, noon."""
    alpha = [song(f"2022-03-{day:02}T10:00", "Alpha", "Ann", "One") for day in range(1, 21)]
    beta = [song(f"2023-03-{day:02}T10:00", "Beta", "Ann", "Two") for day in range(1, 26)]
    played_again = song("2024-06-01T12:01", "Beta", "Ann", "Two")  # 365 days less a minute
    with empty.emptied_afterwards():
        add(empty, [*alpha, *beta, song("2021-05-01T10:00", "Alpha", "Ann", "One")])
        lost = ("2023-03-01T10:00:00.000Z", "2023-03-25T10:00:00.000Z", 799, 2023)
        older = ("2021-05-01T10:00:00.000Z", "2022-03-20T10:00:00.000Z", 1169, 2022)
        tracks = [("Beta", "Ann", 25, *lost), ("Alpha", "Ann", 21, *older)]
        assert rows(empty, "forgotten") == tracks
        assert rows(empty, "forgotten", silent=800) == tracks[1:]
        assert rows(empty, "forgotten", min_plays=22) == tracks[:1]
        assert rows(empty, "forgotten", year=2022) == [("Alpha", "Ann", 20, *older)]
        albums = ask(empty, "forgotten", of="albums")
        assert cells(albums, "name", "plays") == [("Two", 25), ("One", 21)]
        artists = ask(empty, "forgotten", of="artists")
        assert cells(artists, "name", "plays", "peak_year") == [("Ann", 46, 2023)]
        add(empty, [played_again])
        assert rows(empty, "forgotten") == tracks[1:]
        assert rows(empty, "forgotten", of="artists") == []


def test_clusters_put_together_who_is_heard_in_the_same_part_of_a_day(
    empty: MemoryDatabase,
) -> None:
    """Three pairs, each on days of its own; a group is named after its most played."""
    told = []
    for day in range(1, 13):
        pair = ("Ann", "Bob") if day % 3 == 0 else ("Cy", "Dee") if day % 3 == 1 else ("Eve", "Fay")
        told += [
            song(f"2024-01-{day:02}T0{hour}:00", f"{artist} {hour}", artist)
            for hour, artist in enumerate(pair, day % 3)
        ]
    told += [song(f"2024-01-03T0{minute}:30", "Ann 9", "Ann") for minute in (1, 2)]
    with empty.emptied_afterwards():
        add(empty, told)
        answer = ask(empty, "clusters", groups=3)
        assert answer.rows == [
            (1, "Ann, Bob", "Ann", 6, 0.2308, 0, None, None),
            (1, "Ann, Bob", "Bob", 4, 0.1538, 1, None, 2.1429),
            (2, "Cy, Dee", "Cy", 4, 0.1538, 1, None, None),
            (2, "Cy, Dee", "Dee", 4, 0.1538, 2, None, 2.1429),
            (3, "Eve, Fay", "Eve", 4, 0.1538, 2, None, None),
            (3, "Eve, Fay", "Fay", 4, 0.1538, 3, None, 2.1429),
        ]
        for groups in (2, 7):
            with pytest.raises(UsageError, match="from 3 to 6"):
                ask(empty, "clusters", groups=groups)


def test_a_common_genre_brings_artists_together(empty: MemoryDatabase) -> None:
    """Four artists that never meet: without genres the fourth goes where chance is least missed."""
    told = [
        song(f"2024-01-{day:02}T{hour:02}:00", artist, artist)
        for hour, (artist, days) in enumerate(
            {"Ann": 5, "Bob": 4, "Cy": 4, "Dee": 1}.items(), start=1
        )
        for day in range(hour * 6 + 1, hour * 6 + 1 + days)
    ]
    with empty.emptied_afterwards():
        add(empty, told)
        plain = ask(empty, "clusters", groups=3)
        assert cells(plain, "group_number", "artist", "genre") == [
            (1, "Ann", None),
            (2, "Bob", None),
            (2, "Dee", None),
            (3, "Cy", None),
        ]
        empty.connection.execute(
            "update artists set genres = case name "
            "when 'Ann' then ['folk'] when 'Dee' then ['ska', 'folk'] when 'Cy' then ['dub'] end"
        )
        grouped = ask(empty, "clusters", groups=3)
        assert cells(grouped, "group_number", "artist", "genre") == [
            (1, "Ann", "folk"),
            (1, "Dee", "folk"),
            (2, "Bob", None),
            (3, "Cy", "dub"),
        ]


def test_clusters_are_of_the_200_most_played_artists(empty: MemoryDatabase) -> None:
    """Each of them is in just one group."""
    told = [
        song(f"2024-{1 + number % 12:02}-{1 + day * 7:02}T{number % 24:02}:00", name, name)
        for number, name in enumerate(f"Artist {number:03}" for number in range(210))
        for day in range(1 if number < 10 else 2)
    ]
    with empty.emptied_afterwards():
        add(empty, told)
        for groups in (3, 4, 5, 6):
            answer = ask(empty, "clusters", groups=groups)
            names = [name for (name,) in cells(answer, "artist")]
            assert sorted(map(str, names)) == [f"Artist {number:03}" for number in range(10, 210)]
            numbers = {number for (number,) in cells(answer, "group_number")}
            assert numbers == set(range(1, groups + 1))
            assert not answer.truncated


def test_the_audio_profile_weighs_features_by_plays(empty: MemoryDatabase) -> None:
    """Three plays of one track, one of another, one of a third nothing is known of."""
    told = [song(f"2024-01-0{day}T10:00", "Alpha", "Ann") for day in (1, 2, 3)]
    told += [song("2024-02-01T10:00", "Beta", "Ann"), song("2024-02-02T10:00", "Gamma", "Ann")]
    with empty.emptied_afterwards():
        add(empty, told)
        assert rows(empty, "audio-profile") == []
        empty.connection.execute(
            "insert into audio_features (track_id, tempo, energy, loudness) "
            "values ('alpha', 100, 0.5, -8), ('beta', 120.5, 0.9, null), ('never', 1, 1, 1)"
        )
        assert rows(empty, "audio-profile") == [
            ("all", "tempo", 105.125, 100.0, 4, 0.8),
            ("all", "loudness", -8.0, -8.0, 3, 0.6),
            ("all", "energy", 0.6, 0.5, 4, 0.8),
        ]
        assert rows(empty, "audio-profile", step="month", year=2024) == [
            ("2024-01", "tempo", 100.0, 100.0, 3, 1.0),
            ("2024-01", "loudness", -8.0, -8.0, 3, 1.0),
            ("2024-01", "energy", 0.5, 0.5, 3, 1.0),
            ("2024-02", "tempo", 120.5, 120.5, 1, 0.5),
            ("2024-02", "energy", 0.9, 0.9, 1, 0.5),
        ]
        years = ask(empty, "audio-profile", step="year")
        assert {period for (period,) in cells(years, "period")} == {"2024"}


def test_features_told_of_another_version_of_a_song_are_the_song_s(empty: MemoryDatabase) -> None:
    """The song counts under one id, and Spotify told of the other."""
    told = [
        extended("2024-01-01T10:00", "Alpha", "Ann", album="One", uri="spotify:track:a1"),
        extended("2024-01-02T10:00", "Alpha", "Ann", album="Two", uri="spotify:track:a2"),
        extended("2024-01-03T10:00", "Alpha", "Ann", album="Two", uri="spotify:track:a2"),
    ]
    with empty.emptied_afterwards():
        add(empty, told)
        empty.connection.execute("insert into audio_features (track_id, tempo) values ('a1', 100)")
        assert rows(empty, "audio-profile") == [("all", "tempo", 100.0, 100.0, 3, 1.0)]
        assert rows(empty, "audio-profile", raw=True) == [("all", "tempo", 100.0, 100.0, 1, 0.3333)]
