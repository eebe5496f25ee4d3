"""Questions about time and sittings on small histories: what is given, what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from known_history import ALPHA, BETA, two_listeners
from plays import MemoryDatabase, add, api, ask, cells, extended, rows

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
    add(database, [])
    yield database
    database.connection.close()


def test_the_timeline_shows_every_month_between_with_and_without_plays(
    history: MemoryDatabase,
) -> None:
    """From the first play to the last, in Berlin; Ann is new in March, the others in April."""
    found = rows(history, "timeline", user="me", timezone="Europe/Berlin")
    assert found[:3] == [
        ("2024-03-01", 2, 300_000, 1, 1, 1),
        ("2024-04-01", 6, 380_000, 4, 4, 3),
        ("2024-05-01", 0, 0, 0, 0, 0),
    ]
    assert [row[0] for row in found[2:]] == [
        *(f"2024-{month:02}-01" for month in range(5, 13)),
        "2025-01-01",
    ]
    assert found[-1] == ("2025-01-01", 1, 50_000, 1, 1, 0)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("day", [("2024-03-31", 2), ("2024-04-01", 1), ("2024-04-02", 2), ("2024-04-03", 0)]),
        ("week", [("2024-03-25", 2), ("2024-04-01", 6), ("2024-04-08", 0), ("2024-04-15", 0)]),
        ("quarter", [("2024-01-01", 2), ("2024-04-01", 6), ("2024-07-01", 0), ("2024-10-01", 0)]),
        ("year", [("2024-01-01", 8), ("2025-01-01", 1)]),
    ],
)
def test_the_timeline_goes_by_whatever_step_is_asked_for(
    step: str, expected: list[tuple[str, int]], history: MemoryDatabase
) -> None:
    """Each step is named by its first day; weeks begin on Monday."""
    answer = ask(history, "timeline", user="me", timezone="Europe/Berlin", step=step)
    assert cells(answer, "starts_on", "plays")[:4] == expected


def test_an_artist_heard_before_the_period_is_not_new_in_it(history: MemoryDatabase) -> None:
    """Ann was heard in March already, though the timeline begins in April."""
    answer = ask(history, "timeline", user="me", since="2024-04", until="2024-05")
    assert cells(answer, "starts_on", "artists", "new_artists") == [("2024-04-01", 4, 3)]


def test_the_clock_has_24_hours_and_shares_that_make_one(history: MemoryDatabase) -> None:
    """Nine counted plays by the clock of Berlin."""
    answer = rows(history, "clock", user="me", timezone="Europe/Berlin")
    assert [row[0] for row in answer] == list(range(24))
    assert [row for row in answer if row[1]] == [
        (0, 1, 50_000, 0.1111),
        (1, 1, 200_000, 0.1111),
        (3, 1, 100_000, 0.1111),
        (10, 1, 45_000, 0.1111),
        (11, 2, 245_000, 0.2222),
        (12, 2, 60_000, 0.2222),
        (14, 1, 30_000, 0.1111),
    ]


def test_the_calendar_is_of_the_last_365_days_where_nothing_is_asked(
    history: MemoryDatabase,
) -> None:
    """Up to the day it is (1 June 2025), and the answer says from when on."""
    answer = ask(history, "calendar", user="me")
    assert (answer.params["days"], answer.params["since"]) == (365, "2024-06-01T12:00:00.000Z")
    assert len(answer.rows) == 366
    assert answer.rows[0] == ("2024-06-01", 6, 0, 0)
    assert answer.rows[-1] == ("2025-06-01", 7, 0, 0)
    assert [row for row in answer.rows if row[2]] == [("2024-12-31", 2, 1, 50_000)]


def test_the_calendar_of_a_year_has_all_its_days_but_those_to_come(
    history: MemoryDatabase,
) -> None:
    """366 days of 2024; this year up to today; a year to come has none yet."""
    assert len(rows(history, "calendar", user="me", year=2024)) == 366
    assert rows(history, "calendar", user="me", year=2025)[-1][0] == "2025-06-01"
    assert rows(history, "calendar", user="me", year=2026) == []
    first = rows(history, "calendar", user="me", since="1999", until="2024")[0]
    assert first == ("2006-01-01", 7, 0, 0)


def test_sittings_are_told_newest_first_with_what_was_played_in_them(
    empty: MemoryDatabase,
) -> None:
    """Half an hour of silence ends one; a play of unknown length begins when it ends."""
    with empty.emptied_afterwards():
        add(
            empty,
            [
                extended("2024-01-01T10:00", "Alpha", "Ann", 600_000, uri=ALPHA),
                extended("2024-01-01T10:40", "Beta", "Ann", 600_000, uri=BETA),  # silent till 10:30
                extended("2024-01-01T10:45", "Skipped", "Bob", 5_000),
                extended("2024-01-01T11:15", "Gamma", "Bob", 290_000),  # 30:10 after Beta
                api("2024-01-01T11:45", "Alpha", "Ann", uri=ALPHA),
            ],
        )
        assert rows(empty, "sessions") == [
            (
                "2024-01-01T11:10:10.000Z", "2024-01-01T11:45:00.000Z", 2_090_000, 2, 290_000, 2, 2,
                "Gamma", "Alpha", "Bob",
            ),
            (
                "2024-01-01T09:50:00.000Z", "2024-01-01T10:40:00.000Z", 3_000_000, 2, 1_200_000, 2,
                1, "Alpha", "Beta", "Ann",
            ),
        ]  # fmt: skip
        longest = ask(empty, "sessions", order="longest", limit=1)
        assert cells(longest, "duration_ms", "plays") == [(3_000_000, 2)]
        assert longest.truncated
        assert cells(ask(empty, "sessions", gap=31), "plays") == [(4,)]
        assert len(rows(empty, "sessions", gap=29)) == 4
        skipped = ask(empty, "sessions", min_ms=0)
        assert cells(skipped, "plays", "last_track") == [(5, "Alpha")]


def test_plays_that_ended_at_one_instant_are_in_one_sitting_in_whatever_order(
    empty: MemoryDatabase,
) -> None:
    """The longest comes first: it reaches back to what was before (FACTS 5.4)."""
    with empty.emptied_afterwards():
        add(
            empty,
            [
                extended("2024-01-01T10:00", "Alpha", "Ann"),
                extended("2024-01-01T11:00", "Beta", "Ann", 30_000),
                extended("2024-01-01T11:00", "Gamma", "Ann", 3_000_000),
            ],
        )
        answer = ask(empty, "sessions")
        assert cells(answer, "plays", "last_track") == [(3, "Beta")]


def test_sittings_in_numbers(empty: MemoryDatabase) -> None:
    """Three sittings, two of them on one Monday; weekdays without any are there as zeros."""
    with empty.emptied_afterwards():
        add(
            empty,
            [
                extended("2024-01-01T10:10", "Alpha", "Ann", 600_000),
                extended("2024-01-01T10:20", "Alpha", "Ann", 600_000),
                extended("2024-01-01T20:10", "Beta", "Ann", 600_000),
                extended("2024-01-03T10:05", "Beta", "Ann", 300_000),
            ],
        )
        found = rows(empty, "session-stats")
        assert found[:12] == [
            ("sittings", 1, "sittings", 3.0, "sittings"),
            ("sittings", 2, "days on which one began", 2.0, "days"),
            ("sittings", 3, "on each of these days", 1.5, "sittings per day"),
            ("length", 1, "mean", 11.67, "minutes"),
            ("length", 2, "median", 10.0, "minutes"),
            ("length", 3, "longest", 20.0, "minutes"),
            ("plays", 1, "mean", 1.33, "plays"),
            ("plays", 2, "median", 1.0, "plays"),
            ("plays", 3, "most", 2.0, "plays"),
            ("start", 1, "10:00", 2.0, "sittings"),
            ("start", 2, "20:00", 1.0, "sittings"),
            ("sittings by weekday", 1, "Monday", 2.0, "sittings"),
        ]
        assert [row[3] for row in found if row[0] == "sittings by weekday"] == [2, 0, 1, 0, 0, 0, 0]
        assert found[-2:] == [
            ("length by weekday", 1, "Monday", 15.0, "minutes"),
            ("length by weekday", 3, "Wednesday", 5.0, "minutes"),
        ]


def test_a_history_without_plays_has_no_sittings_and_no_lengths(empty: MemoryDatabase) -> None:
    """Zero of them on each weekday, and no mean of nothing."""
    assert rows(empty, "sessions") == []
    assert {(row[0], row[3]) for row in rows(empty, "session-stats")} == {
        ("sittings", 0.0),
        ("sittings by weekday", 0.0),
    }


def test_streaks_are_longest_first_and_say_whether_they_go_on(empty: MemoryDatabase) -> None:
    """Yesterday's streak may still go on; the local day counts, and one artist has fewer."""
    with empty.emptied_afterwards():
        add(
            empty,
            [
                extended("2025-05-30T10:00", "Alpha", "Ann", uri=ALPHA),
                extended("2025-05-31T10:00", "Beta", "Ann", uri=BETA),
                extended("2024-02-28T10:00", "Gamma", "Bob"),
                extended("2024-02-29T10:00", "Gamma", "Bob"),
                extended("2024-02-29T11:00", "Alpha", "Ann", uri=ALPHA),
                extended("2024-03-01T10:00", "Gamma", "Bob"),
                extended("2024-03-02T10:00", "Gamma", "Bob", 5_000),
            ],
        )
        assert rows(empty, "streaks") == [
            ("2024-02-28", "2024-03-01", 3, 4, False),
            ("2025-05-30", "2025-05-31", 2, 2, True),
        ]
        assert rows(empty, "streaks", artist="ann") == [
            ("2025-05-30", "2025-05-31", 2, 2, True),
            ("2024-02-29", "2024-02-29", 1, 1, False),
        ]
        assert rows(empty, "streaks", track="Beta") == [("2025-05-31", "2025-05-31", 1, 1, True)]
        # 22 hours ahead, the days are the next ones, and today is 2 June.
        assert rows(empty, "streaks", artist="Ann", timezone="Pacific/Kiritimati")[0] == (
            "2025-05-31", "2025-06-01", 2, 2, True,
        )  # fmt: skip


def test_a_day_that_never_was_breaks_no_streak(empty: MemoryDatabase) -> None:
    """Samoa went from the 29th to the 31st of December 2011."""
    with empty.emptied_afterwards():
        add(empty, [extended("2011-12-30T09:00"), extended("2011-12-30T11:00")])
        assert rows(empty, "streaks", timezone="Pacific/Apia") == [
            ("2011-12-29", "2011-12-31", 2, 2, False)
        ]
        timeline = ask(empty, "timeline", timezone="Pacific/Apia", step="day")
        assert cells(timeline, "starts_on") == [("2011-12-29",), ("2011-12-31",)]


def test_on_this_day_tells_of_each_year_before(empty: MemoryDatabase) -> None:
    """Today (1 June) where no day is given; a day with a year is looked back on from there."""
    with empty.emptied_afterwards():
        add(
            empty,
            [
                extended("2022-06-01T08:00", "Alpha", "Ann", uri=ALPHA),
                extended("2022-06-01T09:00", "Beta", "Bob", 400_000, uri=BETA),
                extended("2022-06-01T10:00", "Alpha", "Ann", uri=ALPHA),
                extended("2022-06-02T10:00", "Delta", "Dee"),
                extended("2024-06-01T23:30", "Beta", "Bob", uri=BETA),
                extended("2025-06-01T10:00", "Delta", "Dee"),
                extended("2024-02-29T10:00", "Delta", "Dee"),
            ],
        )
        today = [
            (2024, 1, 200_000, "Beta", "Bob", "2024-06-01T23:30:00.000Z"),
            (2022, 3, 800_000, "Alpha", "Ann", "2022-06-01T08:00:00.000Z"),
        ]
        assert rows(empty, "on-this-day") == today
        assert rows(empty, "on-this-day", date="06-01") == today
        assert rows(empty, "on-this-day", date="2024-06-01") == today[1:]
        berlin = ask(empty, "on-this-day", date="06-02", timezone="Europe/Berlin")
        assert cells(berlin, "year", "plays") == [(2024, 1), (2022, 1)]
        assert cells(ask(empty, "on-this-day", date="02-29"), "year") == [(2024,)]
        assert rows(empty, "on-this-day", date="2024-02-29") == []


@pytest.mark.parametrize(
    "day", ["02-30", "2023-02-29", "6-1", "0601", "2024-06", "today", "13-01", "00-10", "24-06-01"]
)
def test_what_is_no_day_is_refused(day: str, empty: MemoryDatabase) -> None:
    """Nothing is guessed, and the refusal shows what is taken."""
    with pytest.raises(UsageError, match="06-01 or 2024-06-01"):
        ask(empty, "on-this-day", date=day)


def test_milestones_are_round_numbers_and_first_plays(history: MemoryDatabase) -> None:
    """Newest first; the first play is the first of its year too, and the period only chooses."""
    berlin = {"user": "me", "timezone": "Europe/Berlin", "every": 4}
    assert rows(history, "milestones", **berlin) == [
        (9, "first play of the year", "2024-12-31T23:30:00.000Z", "Beta", "Ann"),
        (8, "round number", "2024-04-05T09:00:00.700Z", "Alpha", "Ann"),
        (4, "round number", "2024-04-02T10:00:00.500Z", "Gamma", "Bob"),
        (1, "first play", "2024-03-31T00:59:00.000Z", "Alpha", "Ann"),
        (1, "first play of the year", "2024-03-31T00:59:00.000Z", "Alpha", "Ann"),
    ]
    assert [row[0] for row in rows(history, "milestones", **berlin, since="2024-04")] == [9, 8, 4]
