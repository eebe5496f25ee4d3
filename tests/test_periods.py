"""From a listener's words for time to half-open periods of instants, whatever the clocks did."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotify_hist.analytics.periods import Period, midnight, resolve, zone
from spotify_hist.errors import UsageError

BERLIN = ZoneInfo("Europe/Berlin")
APIA = ZoneInfo("Pacific/Apia")
# 1 March, 00:30 in Berlin; still 29 February in UTC.
NOW = datetime(2024, 2, 29, 23, 30, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia",
         "Australia/Lord_Howe", "America/Havana", "Pacific/Kiritimati")  # fmt: skip


def utc(text: str) -> datetime:
    """An instant written without its Z."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(since: str, until: str, name: str) -> float:
    """How long a period is."""
    period = resolve({"since": since, "until": until}, ZoneInfo(name), NOW)
    assert period.since is not None
    assert period.until is not None
    return (period.until - period.since) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-06-01", "2024-05-31T22:00"),
        ("2024-12-01", "2024-11-30T23:00"),
        ("2024-06", "2024-05-31T22:00"),
        ("2024", "2023-12-31T23:00"),
        ("today", "2024-02-29T23:00"),
        ("yesterday", "2024-02-28T23:00"),
        ("tomorrow", "2024-03-01T23:00"),
        ("now", "2024-02-29T23:30"),
        ("this-month", "2024-02-29T23:00"),
        ("last-month", "2024-01-31T23:00"),
        ("this-year", "2023-12-31T23:00"),
        ("last-year", "2022-12-31T23:00"),
        ("1d", "2024-02-28T23:30"),
        ("90d", "2023-12-01T23:30"),
        ("200d", "2023-08-13T22:30"),  # the same local time, under summer time
        ("0d", "2024-02-29T23:30"),
        ("2024-06-01T12:00", "2024-06-01T10:00"),
        ("2024-06-01T12:00Z", "2024-06-01T12:00"),
        ("2024-06-01 12:00:30+05:30", "2024-06-01T06:30:30"),
    ],
)
def test_words_for_time_mean_local_time(text: str, expected: str) -> None:
    """Every form the help names, in the listener's zone and not in UTC."""
    assert resolve({"since": text}, BERLIN, NOW) == Period(utc(expected), None)
    assert resolve({"until": text}, BERLIN, NOW) == Period(None, utc(expected))


def test_no_words_are_all_time() -> None:
    """Both ends are open."""
    nothing = dict.fromkeys(("since", "until", "days", "year"))
    assert resolve({}, BERLIN, NOW) == resolve(nothing, BERLIN, NOW) == Period(None, None)


def test_days_end_now_and_a_year_is_whole() -> None:
    """`days` keeps the local time of day; `year` ends where the next begins."""
    assert resolve({"days": 90}, BERLIN, NOW) == Period(utc("2023-12-01T23:30"), None)
    year = resolve({"year": 2024}, BERLIN, NOW)
    assert year == Period(utc("2023-12-31T23:00"), utc("2024-12-31T23:00"))
    assert resolve({"year": 2025}, BERLIN, NOW).since == year.until


@pytest.mark.parametrize(
    ("day", "next_day", "name", "expected"),
    [
        ("2024-03-31", "2024-04-01", "Europe/Berlin", 23),
        ("2024-10-27", "2024-10-28", "Europe/Berlin", 25),
        ("2024-06-01", "2024-06-02", "Europe/Berlin", 24),
        ("2024-04-07", "2024-04-08", "Australia/Lord_Howe", 24.5),
        ("2024-10-06", "2024-10-07", "Australia/Lord_Howe", 23.5),
        ("2024-03-10", "2024-03-11", "America/Havana", 23),  # that day begins at 1:00
        ("2024-11-03", "2024-11-04", "America/Havana", 25),  # midnight comes twice
        ("2024-03-31", "2024-04-01", "Asia/Kolkata", 24),
    ],
)
def test_a_day_is_as_long_as_its_clocks_made_it(
    day: str, next_day: str, name: str, expected: float
) -> None:
    """Days of 23, 23.5, 24.5 and 25 hours are whole days."""
    assert hours(day, next_day, name) == expected


def test_the_day_samoa_left_out_is_no_period_but_the_days_around_it_are() -> None:
    """29 December 2011 was followed by the 31st: nothing lies between, and nothing is lost."""
    assert hours("2011-12-29", "2011-12-31", "Pacific/Apia") == 24
    assert hours("2011-12-29", "2011-12-30", "Pacific/Apia") == 24
    assert hours("2011-12-30", "2012-01-01", "Pacific/Apia") == 24
    assert hours("2011-12", "2012-01", "Pacific/Apia") == 30 * 24
    with pytest.raises(UsageError, match=r"2011-12-30.*2011-12-31.*in Pacific/Apia"):
        resolve({"since": "2011-12-30", "until": "2011-12-31"}, APIA, NOW)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"since": "2024", "days": 3}, "since/until and days contradict"),
        ({"until": "2024", "year": 2024}, "since/until and year contradict"),
        ({"days": 3, "year": 2024}, "days and year contradict"),
        ({"since": "2024", "days": 3, "year": 2024}, "since/until and days and year"),
        ({"since": "2024-06-01", "until": "2024-06-01"}, "is not before"),
        ({"since": "2024-06-02", "until": "2024-06-01"}, "is not before"),
        ({"since": "today", "until": "2024-03-01"}, "is not before"),
        ({"since": "now", "until": "0d"}, "is not before"),
        ({"days": 10**9}, "further back than the calendar"),
        ({"days": 10**30}, "further back than the calendar"),
        ({"year": 0}, "beyond the calendar"),
        ({"year": 9999}, "beyond the calendar"),
        ({"year": -1}, "beyond the calendar"),
    ],
)
def test_what_contradicts_itself_or_the_calendar_is_refused(
    arguments: dict[str, object], says: str
) -> None:
    """A period is never guessed at."""
    with pytest.raises(UsageError, match=says):
        resolve(arguments, BERLIN, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "2024-13", "2024-00", "2024-02-30", "2023-02-29", "0000", "10000", "24", "2024-6",
        "2024-6-1", "01.06.2024", "last week", "Today", "d", "-3d", "123456d", "3 d",
        "\uff12\uff10\uff12\uff14", "2024\n", "2024-06\n", "90d\n", "\u0663d",
        "2024-06-01T25:00", "0001-01-01",
        "9999-12-31T23:59-12:00", "None",
    ],
)  # fmt: skip
def test_garbage_is_refused_by_the_name_of_its_parameter(text: str) -> None:
    """The hint lists the forms that are understood; the first midnight of the calendar has no UTC
    east of Greenwich."""
    with pytest.raises(UsageError) as caught:
        resolve({"until": text}, BERLIN, NOW)
    assert caught.value.message.startswith("until cannot be ")
    assert "2024-06-01" in caught.value.hint


@pytest.mark.parametrize("name", ["America/St_Johns", "UTC"])
def test_the_ends_of_the_calendar_can_be_named(name: str) -> None:
    """The year 1 and the year 9999 are dates like others."""
    period = resolve({"since": "0001", "until": "9999-12-31"}, ZoneInfo(name), NOW)
    assert period.since is not None
    assert period.until is not None
    assert (period.since.year, period.until.year) == (1, 9999)


words = st.sampled_from(
    ["now", "today", "last-year", "2024", "2024-02", "2024-02-29", "9999", "0001", "90d", "99999d"]
)
anything = words | st.text(max_size=12) | st.from_regex(r"[0-9dTZ:+-]{1,26}", fullmatch=True)


@given(
    arguments=st.fixed_dictionaries(
        {},
        optional={
            "since": anything,
            "until": anything,
            "days": st.integers(),
            "year": st.integers(-(10**5), 10**5),
        },
    ),
    name=st.sampled_from(ZONES),
)
def test_any_arguments_give_a_period_in_utc_or_a_usage_error(
    arguments: dict[str, object], name: str
) -> None:
    """No text and no number is a bug, and what comes out is in order."""
    try:
        period = resolve(arguments, ZoneInfo(name), NOW)
    except UsageError:
        return
    ends = [end for end in (period.since, period.until) if end is not None]
    assert all(end.tzinfo is UTC for end in ends)
    if len(ends) == 2:
        assert ends[0] < ends[1]


DAYS_LEFT_OUT = {
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Kiritimati", date(1994, 12, 31)),
}


@example(day=date(2011, 12, 30), name="Pacific/Apia")
@example(day=date(1994, 12, 31), name="Pacific/Kiritimati")
@given(day=st.dates(date(1971, 1, 1), date(2037, 1, 1)), name=st.sampled_from(ZONES))
def test_midnight_is_the_first_instant_of_its_day(day: date, name: str) -> None:
    """The instant before it is of an earlier day; only days left out of a calendar are empty."""
    tz = ZoneInfo(name)
    start, end = midnight(day, tz), midnight(day + timedelta(days=1), tz)
    assert start <= end
    assert start.astimezone(tz).date() >= day
    assert (start - timedelta(microseconds=1)).astimezone(tz).date() < day
    if start < end:
        assert (end - timedelta(microseconds=1)).astimezone(tz).date() == day
    else:
        assert (name, day) in DAYS_LEFT_OUT


@pytest.mark.parametrize(
    "name",
    ["Mars/Olympus", "", "europe/berlin ", "../etc/passwd", "/etc/localtime", "UTC\0", "x" * 5000,
     "posix/UTC", "right/UTC", "localtime", "Factory", "Europe", "+02:00"],
)  # fmt: skip
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    """Nor is any file of the system, nor what the database would not know."""
    with pytest.raises(UsageError, match="no time zone") as caught:
        zone(name)
    assert "Europe/Berlin" in caught.value.hint


def test_a_time_zone_is_found_by_its_iana_name() -> None:
    """Aliases too."""
    assert zone("Asia/Calcutta").key == "Asia/Calcutta"
    assert zone("UTC").key == "UTC"
