"""Each question of the catalogue on a small history: what is given, what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from known_history import ALPHA, BETA, BOB, CHAPTER, EPISODE, GAMMA, two_listeners
from plays import MemoryDatabase, account, add, add_gap, api, ask, cells, extended, rows

from spotify_hist.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def history() -> Iterator[MemoryDatabase]:
    """Two listeners; `me` has played everything of `MINE`."""
    database = two_listeners()
    yield database
    database.connection.close()


@pytest.fixture(scope="module")
def empty() -> Iterator[MemoryDatabase]:
    """A database that each test gives its own history."""
    database = MemoryDatabase()
    yield database
    database.connection.close()


def test_recent_gives_every_play_of_one_listener_newest_first(history: MemoryDatabase) -> None:
    """All kinds, counted or not; two sources of one play make one row (DESIGN 7)."""
    answer = ask(history, "recent", user="me")
    assert answer.rows == [
        ("2024-12-31T23:30:00.000Z", 50_000, "track", "Beta", "Ann", "One", BETA, ["extended"]),
        (
            "2024-04-05T09:00:00.700Z",
            200_000,
            "track",
            "Alpha",
            "Ann",
            "One",
            ALPHA,
            ["api", "extended"],
        ),
        ("2024-04-04T09:00:00.000Z", 45_000, "track", "Delta", "Cy", None, None, ["account"]),
        ("2024-04-04T08:00:00.000Z", 45_000, "track", "Delta", "Dee", None, None, ["account"]),
        ("2024-04-03T08:00:00.000Z", 45_000, "unknown", None, None, None, None, ["extended"]),
        (
            "2024-04-03T07:00:00.000Z",
            600_000,
            "audiobook_chapter",
            "Chapter 1",
            "Writer",
            "Book",
            CHAPTER,
            ["extended"],
        ),
        (
            "2024-04-03T06:00:00.000Z",
            1_800_000,
            "episode",
            "Ep 1",
            "Pod",
            "Pod",
            EPISODE,
            ["extended"],
        ),
        ("2024-04-02T12:00:00.000Z", 30_000, "track", "Gamma", "Bob", "Two", GAMMA, ["extended"]),
        ("2024-04-02T10:00:00.500Z", None, "track", "Gamma", "Bob", "Two", GAMMA, ["api"]),
        ("2024-04-01T10:00:00.000Z", 60_000, "track", "Alpha", "Ann", "One", ALPHA, ["account"]),
        ("2024-03-31T12:00:00.000Z", 29_999, "track", "Beta", "Ann", "One", BETA, ["extended"]),
        ("2024-03-31T01:01:00.000Z", 100_000, "track", "Alpha", "Ann", "One", ALPHA, ["extended"]),
        ("2024-03-31T00:59:00.000Z", 200_000, "track", "Alpha", "Ann", "One", ALPHA, ["extended"]),
    ]
    assert not answer.truncated


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"kind": "episode"}, ["Ep 1"]),
        ({"kind": "audiobook_chapter"}, ["Chapter 1"]),
        ({"kind": "unknown"}, [None]),
        ({"kind": "track", "min_ms": 150_000}, ["Alpha", "Gamma", "Alpha"]),
        ({"since": "2024-04-04", "until": "2024-04-05"}, ["Delta", "Delta"]),
        ({"year": 2024, "timezone": "Europe/Berlin", "limit": 1}, ["Alpha"]),
        ({"year": 2025, "timezone": "Europe/Berlin"}, ["Beta"]),
    ],
)
def test_recent_narrows_by_kind_length_and_period(
    arguments: dict[str, object], expected: list[str | None], history: MemoryDatabase
) -> None:
    """Plays of unknown length pass every least length; a period is one of local days."""
    answer = ask(history, "recent", user="me", **arguments)
    assert [track for (track,) in cells(answer, "track")] == expected


def test_recent_may_be_asked_for_a_million_plays(history: MemoryDatabase) -> None:
    """Others build on that limit (DESIGN 7); one more is refused."""
    assert len(rows(history, "recent", user="me", limit=1_000_000)) == 13
    with pytest.raises(UsageError, match="1000000"):
        ask(history, "recent", user="me", limit=1_000_001)


def test_top_artists_counts_tracks_of_at_least_half_a_minute_or_unknown_length(
    history: MemoryDatabase,
) -> None:
    """Equal counts go by listened time, then by name; local rows join the artist they are of."""
    assert rows(history, "top-artists", user="me") == [
        (1, "Ann", 5, 610_000, 2, "2024-12-31T23:30:00.000Z"),
        (2, "Bob", 2, 30_000, 1, "2024-04-02T12:00:00.000Z"),
        (3, "Cy", 1, 45_000, 1, "2024-04-04T09:00:00.000Z"),
        (4, "Dee", 1, 45_000, 1, "2024-04-04T08:00:00.000Z"),
    ]


def test_top_artists_of_all_kinds_names_shows_authors_and_the_unknown(
    history: MemoryDatabase,
) -> None:
    """What has no name is one row without a name, so that the sum stays right."""
    answer = ask(history, "top-artists", user="me", kind="all", min_ms=0)
    assert cells(answer, "rank", "artist", "plays") == [
        (1, "Ann", 6),
        (2, "Bob", 2),
        (3, "Pod", 1),
        (4, "Writer", 1),
        (5, "Cy", 1),
        (6, "Dee", 1),
        (7, None, 1),
    ]


def test_top_tracks_counts_a_local_row_with_the_spotify_track_it_is(
    history: MemoryDatabase,
) -> None:
    """The account row of Alpha has no URI; the other sources reveal it (DESIGN 1)."""
    assert rows(history, "top-tracks", user="me") == [
        (1, "Alpha", "Ann", "One", 4, 560_000, "2024-04-05T09:00:00.700Z", ALPHA),
        (2, "Gamma", "Bob", "Two", 2, 30_000, "2024-04-02T12:00:00.000Z", GAMMA),
        (3, "Beta", "Ann", "One", 1, 50_000, "2024-12-31T23:30:00.000Z", BETA),
        (4, "Delta", "Cy", None, 1, 45_000, "2024-04-04T09:00:00.000Z", None),
        (5, "Delta", "Dee", None, 1, 45_000, "2024-04-04T08:00:00.000Z", None),
    ]


def test_top_tracks_of_episodes_gives_their_show_and_uri(history: MemoryDatabase) -> None:
    """An episode's URI is one of an episode."""
    answer = ask(history, "top-tracks", user="me", kind="episode")
    assert cells(answer, "track", "artist", "uri") == [("Ep 1", "Pod", EPISODE)]


def test_an_old_account_row_of_an_episode_is_one_once_another_source_says_so(
    empty: MemoryDatabase,
) -> None:
    """Old account files call an episode a track; its URI must not become that of a track."""
    with empty.emptied_afterwards():
        add(
            empty,
            [
                account("2020-01-01T10:00", "Ep 1", "Pod", 60_000),
                extended("2020-02-01T10:00", "Ep 1", "Pod", uri=EPISODE, kind="episode"),
            ],
        )
        answer = ask(empty, "recent")
        assert cells(answer, "kind", "uri") == [("episode", EPISODE), ("episode", EPISODE)]
        assert rows(empty, "top-tracks") == []


def test_the_heatmap_has_all_168_hours_in_local_time(history: MemoryDatabase) -> None:
    """Around the change of clocks 1:59 is followed by 3:01; a year's last hour is the next's."""
    answer = rows(history, "heatmap", user="me", timezone="Europe/Berlin")
    assert [row[:2] for row in answer] == [
        (weekday, hour) for weekday in range(1, 8) for hour in range(24)
    ]
    assert [row for row in answer if row[2]] == [
        (1, 12, 1, 60_000),  # Monday 1 April, 10:00 UTC
        (2, 12, 1, 0),  # Tuesday 2 April, listened time unknown
        (2, 14, 1, 30_000),
        (3, 0, 1, 50_000),  # Wednesday 1 January 2025
        (4, 10, 1, 45_000),
        (4, 11, 1, 45_000),
        (5, 11, 1, 200_000),
        (7, 1, 1, 200_000),  # Sunday 31 March
        (7, 3, 1, 100_000),
    ]


def test_the_taste_summary_tells_totals_favourites_concentration_and_rhythm(
    history: MemoryDatabase,
) -> None:
    """Nine counted plays; the sections in their order, each ranked from 1."""
    assert rows(history, "taste-summary", user="me", timezone="Europe/Berlin") == [
        ("totals", 1, "plays", 9.0, "plays"),
        ("totals", 2, "listened time", 0.2, "hours"),
        ("totals", 3, "different tracks", 5.0, "tracks"),
        ("totals", 4, "different artists", 4.0, "artists"),
        ("totals", 5, "different albums", 2.0, "albums"),
        ("totals", 6, "days with music", 6.0, "days"),
        ("window", 1, "2024-03-31 to 2025-01-01", 277.0, "days"),
        ("top artists", 1, "Ann", 5.0, "plays"),
        ("top artists", 2, "Bob", 2.0, "plays"),
        ("top artists", 3, "Cy", 1.0, "plays"),
        ("top artists", 4, "Dee", 1.0, "plays"),
        ("top tracks", 1, "Alpha - Ann", 4.0, "plays"),
        ("top tracks", 2, "Gamma - Bob", 2.0, "plays"),
        ("top tracks", 3, "Beta - Ann", 1.0, "plays"),
        ("top tracks", 4, "Delta - Cy", 1.0, "plays"),
        ("top tracks", 5, "Delta - Dee", 1.0, "plays"),
        ("top albums", 1, "One - Ann", 5.0, "plays"),
        ("top albums", 2, "Two - Bob", 2.0, "plays"),
        ("concentration", 1, "the ten most played artists", 1.0, "share"),
        ("concentration", 2, "times each track came round", 1.8, "plays per track"),
        ("concentration", 3, "how unevenly artists share the plays", 0.3611, "Gini coefficient"),
        ("concentration", 4, "plays of a track already played", 0.4444, "share"),
        ("rhythm", 1, "busiest weekday: Tuesday", 2.0, "plays"),
        ("rhythm", 2, "busiest hour: 11:00", 2.0, "plays"),
        ("rhythm", 3, "busiest day: 2024-03-31", 2.0, "plays"),
        ("parts of the week", 1, "night, 0:00 to 6:00", 0.3333, "share"),
        ("parts of the week", 2, "morning, 6:00 to 12:00", 0.3333, "share"),
        ("parts of the week", 3, "afternoon, 12:00 to 18:00", 0.3333, "share"),
        ("parts of the week", 4, "evening, 18:00 to 24:00", 0.0, "share"),
        ("parts of the week", 5, "Saturday and Sunday", 0.2222, "share"),
        ("coverage", 1, "known gaps", 0.0, "gaps"),
    ]


def test_an_album_is_one_whether_a_source_knew_its_id_or_not(empty: MemoryDatabase) -> None:
    """The API names some tracks of an album with its id; the exports only ever name it."""
    told = api("2024-01-03T10:00", "Alpha", "Ann", uri=ALPHA, album="One", artist_uri=BOB)
    with empty.emptied_afterwards():
        add(
            empty,
            [
                extended("2024-01-01T10:00", "Alpha", "Ann", album="One", uri=ALPHA),
                extended("2024-01-02T10:00", "Beta", "Ann", album="ONE", uri=BETA),
                told._replace(album_uri="spotify:album:one"),
            ],
        )
        facts = {(row[0], row[2]): row[3] for row in rows(empty, "taste-summary")}
        assert facts["totals", "different albums"] == 1
        assert [name for section, name in facts if section == "top albums"] == ["One - Ann"]


def test_coverage_counts_the_plays_of_every_kind_by_month_and_source(
    history: MemoryDatabase,
) -> None:
    """A play that two sources tell of stands under both; months are local."""
    assert rows(history, "coverage", user="me", timezone="Europe/Berlin") == [
        ("2024-03", 3, 3, 0, 0, 0, 1, 0),
        ("2024-04", 9, 5, 3, 2, 0, 5, 0),
        ("2025-01", 1, 1, 0, 0, 0, 1, 0),
    ]


def test_coverage_shows_a_gap_in_the_month_it_begins_even_without_a_play(
    empty: MemoryDatabase,
) -> None:
    """Closed gaps are gone; one begun before the period is in the period's first month."""
    with empty.emptied_afterwards():
        add(empty, [extended("2024-02-10T10:00")])
        add_gap(empty, "2023-12-30T10:00", "2024-01-02T10:00")
        add_gap(empty, "2024-02-11T10:00", "2024-02-12T10:00")
        add_gap(empty, "2024-02-14T10:00", "2024-02-15T10:00", is_open=False)
        assert cells(ask(empty, "coverage"), "month", "plays", "gaps") == [
            ("2023-12", 0, 1),
            ("2024-02", 1, 1),
        ]
        assert cells(ask(empty, "coverage", year=2024), "month", "plays", "gaps") == [
            ("2024-01", 0, 1),
            ("2024-02", 1, 1),
        ]
