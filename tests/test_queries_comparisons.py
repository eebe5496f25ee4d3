"""Questions that put side by side: periods, listeners, sources; a year in review; known gaps."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from known_history import ALPHA, BETA, EPISODE, GAMMA, two_listeners
from plays import NOW, MemoryDatabase, account, add, add_gap, api, ask, cells, extended, rows

from spotify_hist import settings as settings_module
from spotify_hist.analytics import catalogue, header, periods, run, zones
from spotify_hist.analytics.periods import Period
from spotify_hist.errors import UsageError
from spotify_hist.store import ignoring

if TYPE_CHECKING:
    from collections.abc import Iterator

BERLIN = ZoneInfo("Europe/Berlin")


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


def test_two_periods_are_ranked_side_by_side(empty: MemoryDatabase) -> None:
    """The last 30 days before the 30 days before them, where no period is asked for."""
    with empty.emptied_afterwards():
        add(
            empty,
            [
                extended("2025-05-20T10:00", "Alpha", "Ann", uri=ALPHA),
                extended("2025-05-21T10:00", "Alpha", "Ann", uri=ALPHA),
                extended("2025-05-22T10:00", "Gamma", "Bob", 300_000, album="Two", uri=GAMMA),
                extended("2025-04-20T10:00", "Beta", "Bob", 100_000, album="Two", uri=BETA),
                extended("2025-04-21T10:00", "Delta", "Dee", 150_000),
                extended("2024-05-22T10:00", "Delta", "Dee"),
                extended("2025-04-02T11:59:59", "Delta", "Dee"),  # more than 60 days ago
            ],
        )
        answer = ask(empty, "compare")
        assert (answer.params["days"], answer.params["with"]) == (30, "previous")
        assert answer.rows == [
            (1, None, None, "Ann", 2, 0, 2, 400_000, 0),
            (2, 2, 0, "Bob", 1, 1, 0, 300_000, 100_000),
            (None, 1, None, "Dee", 0, 1, -1, 0, 150_000),
        ]
        tracks = ask(empty, "compare", of="tracks", limit=2)
        assert cells(tracks, "rank_now", "name") == [(1, "Alpha - Ann"), (2, "Gamma - Bob")]
        assert tracks.truncated
        albums = ask(empty, "compare", of="albums")
        assert cells(albums, "name", "plays_now", "plays_before") == [
            ("Album - Ann", 2, 0), ("Two - Bob", 1, 1), ("Album - Dee", 0, 1),
        ]  # fmt: skip
        totals = [(1, 1, 0, "all plays", 3, 2, 1, 700_000, 250_000)]
        assert rows(empty, "compare", of="totals") == totals
        year_before = ask(empty, "compare", of="totals", **{"with": "year-before"})
        assert cells(year_before, "plays_now", "plays_before") == [(3, 1)]
        may = ask(empty, "compare", since="2025-05", until="2025-06", of="totals")
        assert cells(may, "plays_now", "plays_before") == [(3, 3)]  # with all of April
        by_time = ask(empty, "compare", since="2025-05-21", by="time")
        assert cells(by_time, "name") == [("Bob",), ("Ann",)]


def test_listened_time_that_nobody_tells_is_estimated_in_both_periods(
    empty: MemoryDatabase,
) -> None:
    """Else the period with fewer polls would seem the longer one; notes speak of both."""
    with empty.emptied_afterwards():
        days = ("2025-05-20T10:00", "2025-05-21T10:00", "2025-04-20T10:00")
        add(empty, [api(day, "Alpha", "Ann", uri=ALPHA) for day in days])
        empty.connection.execute("update tracks set duration_ms = 180000")
        add_gap(empty, "2025-04-10T10:00", "2025-04-11T10:00")
        answer = ask(empty, "compare")
        assert cells(answer, "listened_now_ms", "listened_before_ms") == [(360_000, 180_000)]
        assert answer.notes[0].startswith("At least: plays are missing between 2025-04-10")
        assert answer.notes[1].startswith("3 plays have no listened time")


@pytest.mark.parametrize(
    ("since", "until", "which", "expected"),
    [
        ("2024-03-01", "2024-04-01", "previous", ("2024-02-01", "2024-03-01")),
        ("2024-01-01", "2025-01-01", "previous", ("2023-01-01", "2024-01-01")),
        ("2024-01-01", "2024-04-01", "previous", ("2023-10-01", "2024-01-01")),
        ("2024-03-25", "2024-04-01", "previous", ("2024-03-18", "2024-03-25")),
        ("2024-04-01", "2024-04-02", "previous", ("2024-03-31", "2024-04-01")),
        ("2024-02-29", "2024-03-01", "year-before", ("2023-02-28", "2023-03-01")),
        ("2024-03-31", "2024-04-01", "year-before", ("2023-03-31", "2023-04-01")),
        (None, "2024-04-01", "previous", None),
        ("2026-01-01", None, "previous", None),
        ("0001-01-02", "9999-12-31", "previous", None),
        ("0001-01-02", "0002-01-01", "year-before", None),
    ],
)
def test_the_earlier_period_is_one_of_whole_local_days(
    since: str | None, until: str | None, which: str, expected: tuple[str, str] | None
) -> None:
    """Months go with months whatever their length; before the first period is an empty one."""

    def instant(day: str | None) -> datetime | None:
        return periods.midnight(date.fromisoformat(day), BERLIN) if day else None

    found = periods.earlier(Period(instant(since), instant(until)), BERLIN, NOW, which)
    if expected is None:
        assert found.since == found.until
    else:
        assert found == Period(*map(instant, expected))


def test_the_earlier_period_of_the_last_days_ends_where_they_begin() -> None:
    """By the clock on the wall: five days before noon of the day the clocks went back."""
    now = datetime(2024, 10, 28, 11, tzinfo=UTC)
    asked = periods.resolve({"days": 5}, BERLIN, now)
    assert asked.since == datetime(2024, 10, 23, 10, tzinfo=UTC)
    found = periods.earlier(asked, BERLIN, now, "previous")
    assert found == Period(datetime(2024, 10, 18, 10, tzinfo=UTC), asked.since)


def test_a_day_left_out_is_known_of_the_zone_that_left_it_out() -> None:
    """Samoa and Tokelau crossed the date line at the end of 2011."""
    assert zones.days_left_out(ZoneInfo("Pacific/Apia"), NOW) == (date(2011, 12, 30),)
    assert zones.days_left_out(BERLIN, NOW) == ()


def test_the_listeners_of_a_household_stand_side_by_side(history: MemoryDatabase) -> None:
    """Nobody needs naming; one who played nothing is there too."""
    with history.emptied_afterwards():
        add(history, [], "guest")
        assert rows(history, "listening-by-listener") == [
            ("other", 24, 5_760_000, 0.7273, 1, 1, 1, "Ann", "Alpha - Ann"),
            ("me", 9, 730_000, 0.2727, 4, 5, 6, "Ann", "Alpha - Ann"),
            ("guest", 0, 0, 0.0, 0, 0, 0, None, None),
        ]
        april = ask(history, "listening-by-listener", user="me", since="2024-04", until="2024-05")
        assert cells(april, "listener", "plays", "share") == [
            ("me", 6, 1.0), ("guest", 0, 0.0), ("other", 0, 0.0),
        ]  # fmt: skip
        assert april.params["user"] == "me"


def test_each_listener_of_a_household_has_only_own_things_hidden(history: MemoryDatabase) -> None:
    """A rule of one listener hides nothing of another's; one of all hides everybody's."""
    with history.emptied_afterwards():
        ignoring.add(history.connection, 1, "track", "alpha", "Alpha", NOW)
        answer = ask(history, "listening-by-listener")
        assert cells(answer, "listener", "plays") == [("other", 24), ("me", 5)]
        raw = ask(history, "listening-by-listener", raw=True)
        assert cells(raw, "listener", "plays") == [("other", 24), ("me", 9)]
        ignoring.add(history.connection, None, "track", "alpha", "Alpha", NOW)
        answer = ask(history, "listening-by-listener")
        assert cells(answer, "listener", "plays") == [("me", 5), ("other", 0)]


def test_a_household_s_unknown_lengths_and_gaps_are_those_of_everybody(
    history: MemoryDatabase,
) -> None:
    """Estimates never reach over from one listener's plays to another's."""
    with history.emptied_afterwards():
        add(history, [api("2024-06-01T10:00", "Alpha", "Ann", uri=ALPHA)], "other")
        add(history, [extended("2024-06-01T09:59:30", "Gamma", "Bob", uri=GAMMA)], "me")
        history.connection.execute("update tracks set duration_ms = 180000")
        june = ask(history, "listening-by-listener", user="me", since="2024-06")
        assert cells(june, "listener", "listened_ms") == [("me", 250_000), ("other", 180_000)]
        assert june.notes[0].startswith("1 play has no listened time")


def test_a_question_about_all_listeners_says_so(history: MemoryDatabase) -> None:
    """Servers can refuse it to whoever may see one listener only."""
    asked = {query.name for query in catalogue.all_queries() if query.is_household}
    assert asked == {"listening-by-listener"}
    settings = settings_module.load("/nowhere", {"SPOTIFY_HIST_DEFAULT_USER": "other"})
    answer = run.answer(history, settings, "listening-by-listener", {}, now=NOW)
    assert answer.params["user"] == "other"
    with pytest.raises(UsageError, match="nobody"):
        ask(history, "listening-by-listener", user="nobody")


def test_a_year_in_review(history: MemoryDatabase) -> None:
    """What `me` played in 2024 by the clock of Berlin."""
    found = rows(history, "year-review", user="me", year=2024, timezone="Europe/Berlin")
    assert found == [
        ("totals", 1, "plays", 8.0, "plays", None),
        ("totals", 2, "listened time", 0.19, "hours", None),
        ("totals", 3, "different tracks", 4.0, "tracks", None),
        ("totals", 4, "different artists", 4.0, "artists", None),
        ("totals", 5, "different albums", 2.0, "albums", None),
        ("totals", 6, "days with music", 5.0, "days", None),
        ("top artists", 1, "Ann", 4.0, "plays", None),
        ("top artists", 2, "Bob", 2.0, "plays", None),
        ("top artists", 3, "Cy", 1.0, "plays", None),
        ("top artists", 4, "Dee", 1.0, "plays", None),
        ("top tracks", 1, "Alpha - Ann", 4.0, "plays", None),
        ("top tracks", 2, "Gamma - Bob", 2.0, "plays", None),
        ("top tracks", 3, "Delta - Cy", 1.0, "plays", None),
        ("top tracks", 4, "Delta - Dee", 1.0, "plays", None),
        ("top albums", 1, "One - Ann", 4.0, "plays", None),
        ("top albums", 2, "Two - Bob", 2.0, "plays", None),
        ("busiest", 1, "month: 2024-04", 6.0, "plays", "2024-04-01"),
        ("busiest", 2, "day", 2.0, "plays", "2024-03-31"),
        ("quarters", 1, "2024 Q1", 2.0, "plays", "2024-01-01"),
        ("quarters", 2, "2024 Q2", 6.0, "plays", "2024-04-01"),
        ("records", 1, "longest sitting", 5.3, "minutes", "2024-03-31"),
        ("records", 2, "longest run of days with music", 3.0, "days", "2024-03-31"),
        ("records", 3, "most often on one day: Alpha - Ann", 2.0, "plays", "2024-03-31"),
        ("discoveries", 1, "artists never heard before", 4.0, "artists", None),
        ("discoveries", 2, "of all artists", 1.0, "share", None),
        ("discoveries", 3, "the biggest: Ann", 4.0, "plays", "2024-03-31"),
        ("hours", 1, "earliest after 5 o'clock", 10.0, "hour of the day", "2024-04-04"),
        ("hours", 2, "latest before 5 o'clock", 3.02, "hour of the day", "2024-03-31"),
        ("first and last", 1, "first: Alpha - Ann", None, None, "2024-03-31"),
        ("first and last", 2, "last: Alpha - Ann", None, None, "2024-04-05"),
    ]


def test_this_year_so_far_is_reviewed_where_no_period_is_asked_for(empty: MemoryDatabase) -> None:
    """Skips are told of plays whose end is known; who was heard last year is no discovery."""
    with empty.emptied_afterwards():
        add(
            empty,
            [
                extended("2024-12-31T10:00", "Alpha", "Ann", uri=ALPHA),
                extended("2025-01-01T10:00", "Beta", "Ann", uri=BETA),
                extended("2025-01-02T10:00", "Gamma", "Bob", uri=GAMMA)._replace(
                    reason_end="fwdbtn"
                ),
                extended("2025-01-03T10:00", "Gamma", "Bob", uri=GAMMA)._replace(
                    reason_end="trackdone"
                ),
            ],
        )
        answer = ask(empty, "year-review")
        assert answer.params["since"] == "2025-01-01T00:00:00.000Z"
        facts = {(row[0], row[2]): row[3] for row in answer.rows}
        assert facts["totals", "plays"] == 3
        assert facts["totals", "skipped, of plays whose end is known"] == 0.5
        assert facts["discoveries", "of all artists"] == 0.5
        assert facts["discoveries", "the biggest: Bob"] == 2
        last_year = ask(empty, "year-review", year=2024)
        assert cells(last_year, "value")[0] == (1.0,)


def test_known_gaps_are_told_with_what_may_be_missing(empty: MemoryDatabase) -> None:
    """Open ones, unless others are asked for; the guess is the pace of the 28 days before."""
    with empty.emptied_afterwards():
        days = (f"2024-02-{day:02}T{hour}:00" for day in range(1, 15) for hour in (10, 11))
        add(empty, [extended(day, ms=5_000) for day in days])  # 28 in 28 days: one a day
        add_gap(empty, "2024-02-14T12:00", "2024-02-17T00:00")
        add_gap(empty, "2024-03-14T10:00", "2024-03-14T16:00", is_open=False)
        still_open = (
            "2024-02-14T12:00:00.000Z", "2024-02-17T00:00:00.000Z", 60.0, 3,
            "2025-06-01T12:00:00.000Z", None,
        )  # fmt: skip
        closed = (
            "2024-03-14T10:00:00.000Z", "2024-03-14T16:00:00.000Z", 6.0, 0,
            "2025-06-01T12:00:00.000Z", "2025-06-01T12:00:00.000Z",
        )  # fmt: skip
        assert rows(empty, "gaps") == [still_open]
        assert rows(empty, "gaps", state="closed") == [closed]
        assert rows(empty, "gaps", state="all") == [closed, still_open]
        assert rows(empty, "gaps", state="all", since="2024-02-16", until="2024-03") == [still_open]
        assert rows(empty, "gaps", since="2024-02-17") == []


def test_sources_tell_what_only_they_know(history: MemoryDatabase) -> None:
    """A play that two sources tell of is nobody's alone; kinds are apart."""
    assert rows(history, "sources", user="me") == [
        (
            "extended", "track", 6, 5, "2024-03-31T00:59:00.000Z", "2024-12-31T23:30:00.000Z", None,
        ),
        ("account", "track", 3, 3, "2024-04-01T10:00:00.000Z", "2024-04-04T09:00:00.000Z", None),
        ("api", "track", 2, 1, "2024-04-02T10:00:00.500Z", "2024-04-05T09:00:00.700Z", None),
        (
            "extended", "audiobook_chapter", 1, 1, "2024-04-03T07:00:00.000Z",
            "2024-04-03T07:00:00.000Z", None,
        ),
        (
            "extended", "episode", 1, 1, "2024-04-03T06:00:00.000Z", "2024-04-03T06:00:00.000Z",
            None,
        ),
        (
            "extended", "unknown", 1, 1, "2024-04-03T08:00:00.000Z", "2024-04-03T08:00:00.000Z",
            None,
        ),
    ]  # fmt: skip


def test_sources_name_the_imports_they_came_with(empty: MemoryDatabase) -> None:
    """By kind and time; what was undone is not named."""
    job = (
        "insert into import_jobs by name select $id as import_id, 1 as user_id, "
        "$now as started_at, $now as finished_at, 1 as records, 1 as new, 0 as upgraded, "
        "0 as duplicate, 0 as rejected, 1 as plays_added, $undone as undone_at"
    )
    file = (
        "insert into import_files by name select $id as file_id, $id as import_id, 'f' as name, "
        "'p' as package, $format as format, 'x' as content_sha256, $id as content_file_id, "
        "1 as records, 0 as rejected, timestamptz '2024-01-01 00:00Z' as first_played_at, "
        "$last as last_played_at, json_object($kind, 1) as kinds"
    )
    late, early = (datetime(year, 6, 1, tzinfo=UTC) for year in (2024, 2023))
    with empty.emptied_afterwards():
        add(
            empty,
            [
                extended("2024-02-01T10:00"),
                extended("2024-02-02T10:00", "Ep", "Pod", uri=EPISODE, kind="episode"),
                account("2024-02-03T10:00"),
            ],
        )
        for id_, form, kind, last, undone in (
            (1, "extended_audio", "track", late, None),
            (2, "extended_video", "track", late, None),
            (3, "extended_audio", "episode", late, None),
            (4, "account_music", "track", late, NOW),
            (5, "account_music", "track", early, None),
        ):
            empty.connection.execute(job, {"id": id_, "now": NOW, "undone": undone})
            told = {"id": id_, "format": form, "kind": kind, "last": last}
            empty.connection.execute(file, told)
        found = ask(empty, "sources")
        assert cells(found, "source", "kind", "imports") == [
            ("account", "track", None),
            ("extended", "episode", "3"),
            ("extended", "track", "1, 2"),
        ]


HEADER = """\
-- name: some
-- summary: Some plays.
-- grain: one row per play
-- scope: household
-- uses: period limit
-- default: days 30
-- example: --limit 3
select 1
"""


def test_a_header_may_name_a_default_period_and_all_listeners() -> None:
    """Both are parts of the question, for every face alike."""
    query = header.parse(HEADER, "some.sql")
    assert query.default_period == ("days", 30)
    assert query.is_household
    plain = HEADER.replace("-- scope: household\n", "").replace("-- default: days 30\n", "")
    query = header.parse(plain, "some.sql")
    assert (query.default_period, query.is_household) == (None, False)
    query = header.parse(HEADER.replace("days 30", "since this-year"), "some.sql")
    assert query.default_period == ("since", "this-year")


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("-- default: days 30", "-- default: limit 30"),
        ("-- default: days 30", "-- default: days"),
        ("-- uses: period limit", "-- uses: limit"),
        ("-- scope: household", "-- scope: everybody"),
    ],
)
def test_a_default_or_scope_that_means_nothing_is_refused(line: str, instead: str) -> None:
    """Whoever writes a question finds the mistake at once."""
    with pytest.raises(ValueError, match=r"some\.sql"):
        header.parse(HEADER.replace(line, instead), "some.sql")
