"""Questions about time against plain Python, around changes of clocks and a day that never was."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from listenings import EDGES, Listening, Played, few, iso, listenings, names
from plays import NOW, MemoryDatabase, add, ask, cells, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

STEPS = ("day", "week", "month", "quarter", "year")
# Samoa went from the 29th to the 31st of December 2011.
NEVER_WERE = {"Pacific/Apia": {date(2011, 12, 30)}}
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryDatabase]:
    """One connection for all examples."""
    database = MemoryDatabase()
    yield database
    database.connection.close()


def heard(memory: MemoryDatabase, listening: Listening) -> None:
    add(memory, [play.record() for play in listening.plays])


def step_of(day: date, step: str) -> date:
    """The first day of the step a day is in."""
    if step == "week":
        return day - day.weekday() * DAY
    if step == "month":
        return day.replace(day=1)
    if step == "quarter":
        return day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1)
    return day.replace(day=1, month=1) if step == "year" else day


def days_between(first: date, last: date, zone: str) -> list[date]:
    """Every day that the zone had, both ends included."""
    days = (first + nth * DAY for nth in range((last - first).days + 1))
    return [day for day in days if day not in NEVER_WERE.get(zone, set())]


def listened(plays: Iterable[Played]) -> int:
    return sum(play.ms or 0 for play in plays)


def song_names(plays: Iterable[Played]) -> set[tuple[str, str]]:
    return {names(play.song) for play in plays if play.song}


def artists(plays: Iterable[Played]) -> set[str]:
    return {artist for _, artist in song_names(plays)}


@few
@given(listening=listenings(), step=st.sampled_from(STEPS), is_of_a_year=st.booleans())
def test_the_timeline_has_every_step_between_the_first_and_the_last_play(
    listening: Listening, step: str, is_of_a_year: bool, memory: MemoryDatabase
) -> None:
    """Counts, listened time, different things and first times of each step, empty ones included."""
    counted = sorted(listening.counted(), key=lambda play: play.at)
    year = max((listening.local(play).year for play in counted), default=2024)
    before = [play for play in counted if is_of_a_year and listening.local(play).year < year]
    steps: defaultdict[date, list[Played]] = defaultdict(list)
    for play in counted[len(before) :]:
        steps[step_of(listening.local(play).date(), step)].append(play)
    known = artists(before)
    expected = []
    for day in days_between(min(steps), max(steps), listening.zone) if steps else []:
        if step == "day" or step_of(day, step) == day:
            plays = steps[day]
            new = artists(plays) - known
            known |= new
            expected.append(
                (
                    day.isoformat(), len(plays), listened(plays),
                    len(song_names(plays)), len(artists(plays)), len(new),
                )
            )  # fmt: skip
    with memory.emptied_afterwards():
        heard(memory, listening)
        period = {"year": year} if is_of_a_year else {}
        assert expected == rows(memory, "timeline", timezone=listening.zone, step=step, **period)


@few
@given(listening=listenings())
def test_the_clock_has_every_hour_and_its_part_of_the_whole(
    listening: Listening, memory: MemoryDatabase
) -> None:
    """The hours that the zone's clocks showed."""
    hours: defaultdict[int, list[Played]] = defaultdict(list)
    for play in listening.counted():
        hours[listening.local(play).hour].append(play)
    total = len(listening.counted())
    with memory.emptied_afterwards():
        heard(memory, listening)
        assert rows(memory, "clock", timezone=listening.zone) == [
            (
                hour,
                len(hours[hour]),
                listened(hours[hour]),
                pytest.approx(len(hours[hour]) / total if total else 0, abs=0.00005),
            )
            for hour in range(24)
        ]


@few
@given(listening=listenings())
def test_the_calendar_has_every_day_of_a_year_up_to_today(
    listening: Listening, memory: MemoryDatabase
) -> None:
    """Days of 23, 24 and 25 hours are one each; a day the zone left out is none."""
    zone = listening.zone
    year = listening.local(listening.plays[0]).year
    days: defaultdict[date, list[Played]] = defaultdict(list)
    for play in listening.counted():
        days[listening.local(play).date()].append(play)
    last = min(date(year, 12, 31), NOW.astimezone(ZoneInfo(zone)).date())
    with memory.emptied_afterwards():
        heard(memory, listening)
        assert rows(memory, "calendar", timezone=zone, year=year) == [
            (day.isoformat(), day.isoweekday(), len(days[day]), listened(days[day]))
            for day in days_between(date(year, 1, 1), last, zone)
        ]


@few
@given(listening=listenings())
def test_days_and_hours_and_sittings_add_up_to_the_same_total(
    listening: Listening, memory: MemoryDatabase
) -> None:
    """Invariant 4: nothing is lost or told twice, whatever the clocks do."""

    def total(question: str, **arguments: object) -> tuple[int, int]:
        answer = ask(memory, question, timezone=listening.zone, **arguments)
        both = cells(answer, "plays", "listened_ms")
        return sum(int(str(plays)) for plays, _ in both), sum(int(str(ms)) for _, ms in both)

    counted = listening.counted()
    with memory.emptied_afterwards():
        heard(memory, listening)
        expected = len(counted), listened(counted)
        assert {total("timeline", step=step) for step in STEPS} == {expected}
        assert total("clock") == expected
        assert total("heatmap") == expected
        assert total("calendar", since="2006") == expected
        assert total("sessions", limit=1_000) == expected
        assert total_of_streaks(memory, listening) == len(counted)


def total_of_streaks(memory: MemoryDatabase, listening: Listening) -> int:
    answer = ask(memory, "streaks", timezone=listening.zone, limit=1_000)
    return sum(int(str(plays)) for (plays,) in cells(answer, "plays"))


def sittings(plays: Sequence[Played], gap_minutes: int) -> list[list[Played]]:
    """Counted plays in the order they ended in, cut where a pause is too long."""
    in_order = sorted(plays, key=lambda play: play.at)
    pause = timedelta(minutes=gap_minutes)
    cuts = [
        nth
        for nth, (before, after) in enumerate(pairwise(in_order), 1)
        if started_at(after) - before.at > pause
    ]
    edges = [0, *cuts, len(in_order)]
    return [in_order[first:last] for first, last in pairwise(edges) if first < last]


def started_at(play: Played) -> datetime:
    return play.at - timedelta(milliseconds=play.ms or 0)


@few
@given(listening=listenings(), gap=st.sampled_from([0, 9, 10, 13, 30, 200]))
def test_sittings_are_cut_where_no_play_began_soon_enough(
    listening: Listening, gap: int, memory: MemoryDatabase
) -> None:
    """From the end of one play to the start of the next; both orders, and the numbers of all."""
    expected = []
    for plays in sittings(listening.counted(), gap):
        per_artist: defaultdict[str, list[Played]] = defaultdict(list)
        for play in plays:
            per_artist[names(play.song)[1] if play.song else ""].append(play)
        top = min(
            per_artist, key=lambda name: (-len(per_artist[name]), -listened(per_artist[name]), name)
        )
        start = started_at(plays[0])
        duration = (plays[-1].at - start) // timedelta(milliseconds=1)
        expected.append(
            (
                iso(start), iso(plays[-1].at), duration, len(plays), listened(plays),
                len(song_names(plays)), len(per_artist),
                plays[0].song and plays[0].song.title, plays[-1].song and plays[-1].song.title, top,
            )
        )  # fmt: skip
    newest = sorted(expected, key=lambda row: row[1], reverse=True)
    with memory.emptied_afterwards():
        heard(memory, listening)
        asked = {"timezone": listening.zone, "gap": gap}
        assert rows(memory, "sessions", limit=100, **asked) == newest
        longest = sorted(newest, key=lambda row: row[2], reverse=True)
        assert rows(memory, "sessions", limit=100, order="longest", **asked) == longest
        assert rows(memory, "sessions", limit=2, offset=1, **asked) == newest[1:3]
        facts = {(row[0], row[2]): row[3] for row in rows(memory, "session-stats", **asked)}
        assert facts["sittings", "sittings"] == len(expected)
        if expected:
            mean = sum(row[2] for row in expected) / len(expected) / 60_000
            assert facts["length", "mean"] == pytest.approx(mean, abs=0.0051)
            assert facts["plays", "most"] == max(row[3] for row in expected)


@few
@given(listening=listenings(), artist=st.sampled_from([None, "Ann", "Zoë"]))
def test_streaks_are_runs_of_days_that_followed_each_other(
    listening: Listening, artist: str | None, memory: MemoryDatabase
) -> None:
    """Where a day never was, its neighbours follow each other."""
    plays = [
        play
        for play in listening.counted()
        if artist is None or (play.song and play.song.artist == artist)
    ]
    counts = Counter(listening.local(play).date() for play in plays)
    runs: list[list[date]] = []
    every = days_between(min(counts), max(counts), listening.zone) if counts else []
    for before, day in pairwise([date.min, *every]):
        if counts[day]:
            runs = runs if before in counts and runs else [*runs, []]
            runs[-1].append(day)
    expected = [
        (str(run[0]), str(run[-1]), len(run), sum(counts[day] for day in run), False)
        for run in sorted(runs, key=lambda run: (len(run), run[0]), reverse=True)
    ]
    played = {play.song.artist for play in listening.plays if play.song}
    if artist is not None and artist not in played:
        return
    with memory.emptied_afterwards():
        heard(memory, listening)
        arguments = {} if artist is None else {"artist": artist}
        found = ask(memory, "streaks", timezone=listening.zone, limit=1_000, **arguments)
        assert found.rows == expected


@few
@given(listening=listenings(), every=st.integers(1, 6), is_of_a_year=st.booleans())
def test_milestones_are_numbered_over_all_time(
    listening: Listening, every: int, is_of_a_year: bool, memory: MemoryDatabase
) -> None:
    """The first play, each local year's first and each round number; a period shows some."""
    counted = sorted(listening.counted(), key=lambda play: play.at)
    expected = []
    years: set[int] = set()
    for number, play in enumerate(counted, 1):
        year = listening.local(play).year
        kinds = ["first play"] * (number == 1)
        kinds += ["first play of the year"] * (year not in years)
        kinds += ["round number"] * (number % every == 0)
        years.add(year)
        song = names(play.song) if play.song else ()
        expected += [(year, number, kind, iso(play.at), *song) for kind in reversed(kinds)]
    shown = max(years, default=2024)
    with memory.emptied_afterwards():
        heard(memory, listening)
        period = {"year": shown} if is_of_a_year else {}
        assert rows(memory, "milestones", timezone=listening.zone, every=every, **period) == [
            row[1:] for row in reversed(expected) if row[0] == shown or not is_of_a_year
        ]


def instant(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def year_before(day: date) -> date:
    return (
        day.replace(year=day.year - 1)
        if (day.month, day.day) != (2, 29)
        else date(day.year - 1, 2, 28)
    )


@few
@given(data=st.data(), listening=listenings(), which=st.sampled_from(["previous", "year-before"]))
def test_two_periods_side_by_side_are_two_rankings(
    data: st.DataObject, listening: Listening, which: str, memory: MemoryDatabase
) -> None:
    """Each play is in one of the periods or in none; whole days are as many days before."""
    zone = listening.zone
    edge = datetime.fromisoformat(data.draw(st.sampled_from(EDGES[zone]))).date()
    since = edge + data.draw(st.integers(-2, 3)) * DAY
    until = since + data.draw(st.integers(1, 5)) * DAY
    assume(instant(since, zone) < instant(until, zone))
    if which == "year-before":
        began, ended = year_before(since), year_before(until)
    else:
        began, ended = since - (until - since), since
    periods = []
    for first, last in ((since, until), (began, ended)):
        plays = [
            play
            for play in listening.counted()
            if instant(first, zone) <= play.at < instant(last, zone)
        ]
        counts: defaultdict[str, list[Played]] = defaultdict(list)
        for play in plays:
            counts[names(play.song)[1] if play.song else ""].append(play)
        order = sorted(counts, key=lambda name: (-len(counts[name]), -listened(counts[name]), name))
        periods.append({name: (rank, counts[name]) for rank, name in enumerate(order, 1)})
    now, before = periods
    expected = []
    for name in [*now, *(name for name in before if name not in now)]:
        rank_now, plays_now = now.get(name, (None, []))
        rank_before, plays_before = before.get(name, (None, []))
        change = rank_before - rank_now if rank_now and rank_before else None
        expected.append(
            (
                rank_now, rank_before, change, name, len(plays_now), len(plays_before),
                len(plays_now) - len(plays_before), listened(plays_now), listened(plays_before),
            )
        )  # fmt: skip
    with memory.emptied_afterwards():
        heard(memory, listening)
        asked = {"timezone": zone, "since": str(since), "until": str(until), "with": which}
        assert rows(memory, "compare", **asked) == expected
        assert (
            cells(ask(memory, "compare", of="totals", **asked), "plays_now", "plays_before")
            == [
                (
                    sum(len(plays) for _, plays in now.values()),
                    sum(len(plays) for _, plays in before.values()),
                )
            ][: len(expected)]
        )
