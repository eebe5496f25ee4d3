"""Local time as SQL is what the zone's clocks showed, and unknown lengths are estimated fairly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plays import NOW, MemoryDatabase, add, api, ask, cells, extended, rows

from spotify_hist.analytics import zones

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONES = (
    "UTC", "Europe/Berlin", "America/St_Johns", "America/Caracas", "Asia/Kolkata", "Asia/Pyongyang",
    "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Europe/Moscow", "Asia/Kathmandu",
    "America/Sao_Paulo", "Asia/Gaza", "Antarctica/Troll",
)  # fmt: skip
FIRST = datetime(2006, 1, 1, tzinfo=UTC)
SECONDS = int((NOW - FIRST).total_seconds())


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with no history."""
    found = duckdb.connect()
    found.execute("set timezone = 'UTC'")
    yield found
    found.close()


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryDatabase]:
    """One connection for all tests."""
    database = MemoryDatabase()
    yield database
    database.connection.close()


@given(zone=st.sampled_from(ZONES), seconds=st.lists(st.integers(0, SECONDS), max_size=30))
def test_every_instant_has_the_local_time_that_python_gives_it(
    connection: duckdb.DuckDBPyConnection, zone: str, seconds: list[int]
) -> None:
    """Also in zones that changed their offset for good, skipped a day, or change in Ramadan."""
    moments = [FIRST + timedelta(seconds=each) for each in seconds]
    clock = zones.local_time(ZoneInfo(zone), NOW)
    told = connection.execute(
        f"select strftime({clock}, '%Y-%m-%d %H:%M:%S') "
        "from (select unnest($1::timestamptz[]) as played_at)",
        [moments],
    ).fetchall()
    expected = [f"{each.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}" for each in moments]
    assert [text for (text,) in told] == expected


@pytest.mark.parametrize("zone", ZONES)
def test_the_second_before_and_after_each_change_is_right(
    connection: duckdb.DuckDBPyConnection, zone: str
) -> None:
    """Changes are found to the second."""
    tz = ZoneInfo(zone)
    hours = [FIRST + timedelta(hours=each) for each in range(SECONDS // 3600)]
    changes = [
        later
        for earlier, later in pairwise(hours)
        if earlier.astimezone(tz).utcoffset() != later.astimezone(tz).utcoffset()
    ]
    moments = [
        change + timedelta(seconds=each) for change in changes for each in (-3600, -1, 0, 1, 3599)
    ]
    clock = zones.local_time(tz, NOW)
    told = connection.execute(
        f"select strftime({clock}, '%Y-%m-%d %H:%M:%S') "
        "from (select unnest($1::timestamptz[]) as played_at)",
        [moments],
    ).fetchall()
    assert [text for (text,) in told] == [
        f"{each.astimezone(tz):%Y-%m-%d %H:%M:%S}" for each in moments
    ]


def test_countries_with_several_zones_have_none() -> None:
    """Germany's zone is known, that of the United States is not."""
    found = zones.country_zones()
    assert found["DE"] == "Europe/Berlin", "Büsingen's clocks have shown the same"
    assert found["JP"] == "Asia/Tokyo"
    assert "US" not in found
    assert len(found) > 150


def test_travel_takes_the_hour_of_the_country_a_play_was_heard_in(memory: MemoryDatabase) -> None:
    """Where it has one zone; elsewhere the listener's clock shows the hour."""
    with memory.emptied_afterwards():
        for number, country in enumerate(("JP", "US", None)):
            at = f"2024-05-0{number + 1}T10:00"
            add(memory, [extended(at, f"Song {number}")._replace(country=country)])

        def hours(**arguments: object) -> list[object]:
            found = cells(ask(memory, "heatmap", **arguments), "weekday", "hour", "plays")
            return [hour for _, hour, plays in found if plays]

        assert hours() == [10, 10, 10]
        assert hours(travel=True) == [19, 10, 10]


def told_by_api(memory: MemoryDatabase, *minutes: float) -> None:
    """Plays that only polls saw, each of a track of three minutes, ended at those minutes."""
    add(
        memory,
        [
            api(
                datetime(2024, 5, 1, 10, tzinfo=UTC) + timedelta(minutes=each),
                f"Song {each}", "Artist", uri=f"spotify:track:t{number}",
            )
            for number, each in enumerate(minutes)
        ],
    )  # fmt: skip
    memory.connection.execute("update tracks set duration_ms = 180000")


def test_an_unknown_length_is_estimated_by_the_track_s_and_the_pause_before(
    memory: MemoryDatabase,
) -> None:
    """The whole track at first, and a minute for the one that ended a minute later; it is said."""
    with memory.emptied_afterwards():
        told_by_api(memory, 0, 1, 30)
        answer = ask(memory, "top-tracks")
        assert sorted(cells(answer, "track", "listened_ms")) == [
            ("Song 0", 180_000),
            ("Song 1", 60_000),
            ("Song 30", 180_000),
        ]
        assert any("estimated" in note for note in answer.notes)
        assert cells(ask(memory, "recent"), "ms_played") == [(None,), (None,), (None,)]


def test_a_play_of_another_day_is_estimated_as_if_the_period_were_longer(
    memory: MemoryDatabase,
) -> None:
    """What was before the period's beginning still ended when it ended."""
    with memory.emptied_afterwards():
        told_by_api(memory, 0, 1)
        since = "2024-05-01T10:00:30Z"
        assert cells(ask(memory, "top-tracks", since=since), "listened_ms") == [(60_000,)]


def test_nothing_is_estimated_where_every_length_is_told_or_no_track_s_is_known(
    memory: MemoryDatabase,
) -> None:
    """Then no note speaks of estimates."""
    with memory.emptied_afterwards():
        add(memory, [extended("2024-05-01T10:00")])
        answer = ask(memory, "top-artists")
        assert (cells(answer, "listened_ms"), answer.notes) == ([(200_000,)], ())
        add(memory, [api("2024-05-02T10:00", "Else", "Artist", uri="spotify:track:x")])
        answer = ask(memory, "top-artists")
        assert cells(answer, "listened_ms") == [(200_000,)]
        assert "at least" in " ".join(answer.notes)
        assert rows(memory, "top-artists", kind="episode") == []
