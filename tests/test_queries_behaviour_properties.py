"""Questions about behaviour and discovery against plain Python, on histories full of ties."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lives import STARTS, Life, Play, grouped, iso, lives, period, share
from plays import NOW, MemoryDatabase, add, ask, cells, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryDatabase]:
    """One connection for all examples."""
    database = MemoryDatabase()
    yield database
    database.connection.close()


few = settings(
    # An example is a whole history and several questions.
    max_examples=settings().max_examples // 2,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def told(memory: MemoryDatabase, life: Life) -> None:
    add(memory, [play.record() for play in life.plays])


@few
@given(life=lives(), of=st.sampled_from(["artists", "tracks"]))
def test_discoveries_are_first_plays_that_lie_in_the_period(
    life: Life, of: str, memory: MemoryDatabase
) -> None:
    """Whether it stuck goes by local days until now, not by those of the period."""
    expected = []
    for plays in grouped(life.kept(), lambda play: play.id_of(of)).values():
        first, last = plays[0], plays[-1]
        days = len({play.local.date() for play in plays})
        if life.has(first):
            expected.append(
                (
                    iso(first.at),
                    first.artist if of == "artists" else first.title,
                    first.artist,
                    first.title,
                    sum(life.has(play) for play in plays),
                    len(plays),
                    days,
                    days >= 3,
                    iso(last.at),
                )
            )
    expected.sort(key=lambda row: (-row[4], -row[5], row[0], row[1], row[2]))
    with memory.emptied_afterwards():
        told(memory, life)
        assert rows(memory, "discoveries", of=of, **life.asked) == expected


@few
@given(life=lives(), of=st.sampled_from(["artists", "tracks"]), data=st.data())
def test_rediscoveries_are_plays_after_a_silence(
    life: Life, of: str, data: st.DataObject, memory: MemoryDatabase
) -> None:
    """Each return is a row; a silence of just the days asked for is long enough."""
    by_id = grouped(life.kept(), lambda play: play.id_of(of)).values()
    gaps = {(back.at - last.at).days for plays in by_id for last, back in itertools.pairwise(plays)}
    silence = data.draw(st.sampled_from(sorted(gaps - {0} | {365})))
    expected = []
    for plays in by_id:
        for before, (last, back) in enumerate(itertools.pairwise(plays), 1):
            if back.at - last.at >= timedelta(days=silence) and life.has(back):
                expected.append(
                    (
                        back.artist if of == "artists" else back.title,
                        back.artist,
                        iso(last.at),
                        iso(back.at),
                        (back.at - last.at).days,
                        before,
                        len(plays) - before,
                    )
                )
    expected.sort(key=lambda row: (-row[6], -row[5], row[3], row[0], row[1]))
    with memory.emptied_afterwards():
        told(memory, life)
        found = rows(memory, "rediscoveries", of=of, silence=silence, **life.asked)
        assert found == expected


@few
@given(
    life=lives(),
    of=st.sampled_from(["artists", "tracks", "albums"]),
    least=st.integers(1, 3),
    data=st.data(),
)
def test_forgotten_is_what_was_loved_in_the_period_and_never_played_since(
    life: Life, of: str, least: int, data: st.DataObject, memory: MemoryDatabase
) -> None:
    """A play after the period breaks the silence as any other does."""
    by_id = grouped(life.kept(), lambda play: play.id_of(of)).values()
    silent = data.draw(
        st.sampled_from(sorted({(NOW - plays[-1].at).days for plays in by_id} | {1}))
    )
    expected = []
    for plays in by_id:
        loved = [play for play in plays if life.has(play)]
        last = plays[-1]
        if len(loved) >= least and NOW - last.at >= timedelta(days=silent):
            years = Counter(play.local.year for play in loved)
            peak = min(years, key=lambda year: (-years[year], year))
            name = {"artists": last.artist, "tracks": last.title, "albums": last.album}[of]
            row = (name, last.artist, len(loved), iso(plays[0].at), iso(last.at))
            order = (-len(loved), NOW - last.at, name, last.artist)
            expected.append((order, (*row, (NOW - last.at).days, peak)))
    expected.sort()
    with memory.emptied_afterwards():
        told(memory, life)
        arguments = {"of": of, "min_plays": least, "silent": silent}
        found = rows(memory, "forgotten", **arguments, **life.asked)
        assert found == [row for _, row in expected]


@few
@given(life=lives(), times=st.integers(2, 3))
def test_obsessions_are_days_on_which_one_track_came_often(
    life: Life, times: int, memory: MemoryDatabase
) -> None:
    """Its share is of all plays of that local day."""
    days = Counter(play.local.date() for play in life.counted())
    found = Counter((play.local.date(), play.title, play.artist) for play in life.counted())
    expected = [
        (str(day), title, artist, plays, share(plays, days[day]))
        for (day, title, artist), plays in sorted(
            found.items(),
            key=lambda item: (-item[1], -item[0][0].toordinal(), item[0][1], item[0][2]),
        )
        if plays >= times
    ]
    with memory.emptied_afterwards():
        told(memory, life)
        assert rows(memory, "obsessions", times=times, **life.asked) == expected


@few
@given(life=lives(), step=st.sampled_from(["month", "year", "all"]))
def test_the_repeat_rate_counts_tracks_that_came_before_and_just_before(
    life: Life, step: str, memory: MemoryDatabase
) -> None:
    """Just before may be in the month before; before is within the row's own time."""
    counted = life.counted()
    immediate = {back.at for last, back in itertools.pairwise(counted) if last.song == back.song}
    times = grouped(counted, lambda play: "all" if step == "all" else period(play.local, step))
    expected = [
        (
            name,
            len(plays),
            len({play.song for play in plays}),
            share(len(plays) - len({play.song for play in plays}), len(plays)),
            share(sum(play.at in immediate for play in plays), len(plays)),
        )
        for name, plays in sorted(times.items())
    ]
    with memory.emptied_afterwards():
        told(memory, life)
        assert rows(memory, "repeat-rate", step=step, **life.period) == expected


@few
@given(life=lives(), of=st.sampled_from(["artists", "tracks", "hours"]), least=st.integers(1, 3))
def test_skips_are_plays_ended_with_the_next_button(
    life: Life, of: str, least: int, memory: MemoryDatabase
) -> None:
    """Plays of every length count here, those without a known reason do not."""
    keys: dict[str, Callable[[Play], tuple[str, str | None]]] = {
        "artists": lambda play: (play.artist, play.artist),
        "tracks": lambda play: (play.title, play.artist),
        "hours": lambda play: (f"{play.local:%H}:00", None),
    }
    ended = [play for play in life.plays if play.end is not None and life.has(play)]
    expected = []
    for name, plays in grouped(ended, keys[of]).items():
        skipped = [play.ms for play in plays if play.end == "fwdbtn"]
        if len(plays) >= least:
            mean = math.floor(sum(skipped) / len(skipped) + 0.5) if skipped else None
            rate = len(skipped) / len(plays)
            expected.append((*name, len(plays), len(skipped), share(rate, 1), mean, rate))
    expected.sort(key=lambda row: (-row[6], -row[3], row[0], row[1] or ""))
    with memory.emptied_afterwards():
        told(memory, life)
        found = rows(memory, "skips", of=of, min_plays=least, **life.asked)
        assert found == [row[:6] for row in expected]


@few
@given(life=lives(), step=st.sampled_from(["month", "quarter", "year"]))
def test_diversity_is_the_entropy_of_the_plays_over_the_artists(
    life: Life, step: str, memory: MemoryDatabase
) -> None:
    """An artist is new where the first play ever is one of the row's."""
    firsts = {
        artist: plays[0].at for artist, plays in grouped(life.kept(), lambda p: p.artist).items()
    }
    expected = []
    for name, plays in sorted(
        grouped(life.counted(), lambda play: period(play.local, step)).items()
    ):
        artists = Counter(play.artist for play in plays)
        parts = [count / len(plays) for count in artists.values()]
        bits = -sum(part * math.log2(part) for part in parts)
        new = {play.artist for play in plays if play.at == firsts[play.artist]}
        numbers = (bits, 2**bits, max(parts), len(new) / len(artists))
        expected.append(((name, len(plays), len(artists), len({p.song for p in plays})), numbers))
    with memory.emptied_afterwards():
        told(memory, life)
        found = rows(memory, "diversity", step=step, **life.period)
        assert [row[:4] for row in found] == [row for row, _ in expected]
        for row, (_, numbers) in zip(found, expected, strict=True):
            assert row[4:] == pytest.approx(numbers, abs=0.0051)


@few
@given(life=lives(), artists=st.integers(1, 3))
def test_loyalty_is_each_year_s_share_and_rank_of_the_favourites(
    life: Life, artists: int, memory: MemoryDatabase
) -> None:
    """Ranks are among all artists of the year, also those that are no favourites."""
    totals = Counter(play.artist for play in life.counted())
    favourites = sorted(totals, key=lambda artist: (-totals[artist], artist))[:artists]
    expected = []
    for year, plays in sorted(grouped(life.counted(), lambda play: play.local.year).items()):
        counts = Counter(play.artist for play in plays)
        ranked = sorted(counts, key=lambda artist: (-counts[artist], artist))
        expected += [
            (year, artist, counts[artist], share(counts[artist], len(plays)), rank)
            for rank, artist in enumerate(ranked, 1)
            if artist in favourites
        ]
    with memory.emptied_afterwards():
        told(memory, life)
        assert rows(memory, "loyalty", artists=artists, **life.period) == expected


@few
@given(life=lives())
def test_shuffle_vs_chosen_counts_every_way_to_begin(life: Life, memory: MemoryDatabase) -> None:
    """Every play is in one row; the share of skips is of plays whose end is told."""
    plays = [play for play in life.plays if life.has(play)]
    expected = []
    for (began, shuffle), ways in grouped(
        plays, lambda play: (STARTS[play.start], play.shuffle)
    ).items():
        ends = [play.end for play in ways if play.end is not None]
        skipped = share(ends.count("fwdbtn"), len(ends)) if ends else None
        listened = sum(play.ms for play in ways)
        expected.append(
            (began, shuffle, len(ways), share(len(ways), len(plays)), listened, skipped)
        )
    expected.sort(key=lambda row: (-row[2], row[0], row[1] is None, row[1] or False))
    with memory.emptied_afterwards():
        told(memory, life)
        assert rows(memory, "shuffle-vs-chosen", **life.period) == expected


@few
@given(life=lives(), groups=st.integers(3, 6), data=st.data())
def test_clusters_hold_each_artist_once_in_whatever_order_the_plays_came(
    life: Life, groups: int, data: st.DataObject, memory: MemoryDatabase
) -> None:
    """Groups are numbered without a hole, the first holds the most played artist."""
    artists = [f"Artist {number}" for number in range(9)]
    records = [
        play.record()._replace(artist=artists[play.song + index % 5], uri=None)
        for index, play in enumerate(life.plays)
    ]
    shuffled = data.draw(st.permutations(records))
    answers = []
    for each in (records, shuffled):
        with memory.emptied_afterwards():
            add(memory, each)
            answers.append(ask(memory, "clusters", groups=groups))
            ranked = cells(ask(memory, "top-artists", limit=1000), "artist", "plays")
    assert answers[0].rows == answers[1].rows
    assert sorted(cells(answers[0], "artist", "plays"), key=str) == sorted(ranked, key=str)
    numbers = [number for (number,) in cells(answers[0], "group_number")]
    assert set(numbers) == set(range(1, min(groups, len(ranked)) + 1))
    assert numbers == sorted(numbers, key=str)
