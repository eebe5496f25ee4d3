"""Which records are one play: the rules of FACTS 6.2, and that no order of arrival matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from memory_history import DERIVED, History
from reference import plays as reference_plays
from universe import (
    CHAPTER,
    COVER,
    EPISODE,
    MIX,
    NOTHING,
    OTHER,
    SINGLE,
    SONG,
    START,
    Thing,
    Unit,
    account,
    api,
    arrivals,
    extended,
    rows_of,
    universes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.model import Record

QUICK = examples(max_examples=examples().max_examples // 2)


@pytest.fixture(scope="module")
def shared() -> History:
    """One connection for the whole module."""
    return History()


@pytest.fixture
def history(shared: History) -> Iterator[History]:
    """An empty history."""
    with shared.empty():
        yield shared


@QUICK
@given(data=st.data(), units=universes())
def test_any_order_and_any_batches_give_the_same_history(
    shared: History, data: st.DataObject, units: list[Unit]
) -> None:
    """Invariant 1: plays, what was played and every link are a function of the set of records."""
    with shared.empty() as history:
        history.add(rows_of(units))
        at_once = history.derived()
    with shared.empty() as history:
        for batch in data.draw(arrivals(units)):
            history.add(rows_of(batch))
        in_pieces = history.derived()
    for name in DERIVED:
        assert in_pieces[name] == at_once[name], name


@QUICK
@given(data=st.data(), units=universes())
def test_the_accounts_of_all_batches_add_up_to_the_plays(
    shared: History, data: st.DataObject, units: list[Unit]
) -> None:
    """Each batch's rows are new, upgraded or duplicate, and its plays_added tells the truth."""
    with shared.empty() as history:
        plays = 0
        for batch in data.draw(arrivals(units)):
            rows = rows_of(batch)
            done = history.add(rows)
            assert done.records == len(rows) == done.new + done.upgraded + done.duplicate
            assert min(done.new, done.upgraded, done.duplicate) >= 0
            plays += done.plays_added
            assert history.count("plays") == plays
        before = history.derived()
        again = history.add(rows_of(units))
        assert (again.fresh, again.plays_added) == (0, 0)
        assert history.derived() == before


@QUICK
@given(data=st.data(), units=universes(plays=60, stretches=30))
def test_rebuilding_only_what_changed_gives_what_rebuilding_everything_gives(
    shared: History, data: st.DataObject, units: list[Unit]
) -> None:
    """The islands around new records hold everything their matches depend on."""
    with shared.empty() as history:
        history.add(rows_of(units))
        for batch in data.draw(st.lists(universes(plays=2, stretches=30), max_size=2)):
            history.add(rows_of(batch))
        piecewise = history.derived()
        history.rebuild_everything()
        assert history.derived() == piecewise


@examples()
@given(units=universes())
def test_the_plays_are_those_of_the_slow_reference(shared: History, units: list[Unit]) -> None:
    """The same partition of the records, end, listened time, kind and sources of each play."""
    with shared.empty() as history:
        history.add(rows_of(units))
        assert set(history.play_rows()) == reference_plays(history.told())
        assert len(history.play_rows()) == history.count("plays")


T = START
ALL_THREE = ("account", "api", "extended")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(
            [extended(SONG, T, 200_000), api(SONG, T + 5_000)],
            [("api", "extended")],
            id="the API 5 s after the export is the same play",
        ),
        pytest.param(
            [extended(SONG, T + 5_000, 200_000), api(SONG, T)],
            [("api", "extended")],
            id="the API 5 s before the export is the same play",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), api(SONG, T + 5_001)],
            [("api",), ("extended",)],
            id="the API more than 5 s away is another play",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), api(SONG, T + 6_000)],
            [("api",), ("extended",)],
            id="the API 6 s away is another play",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), api(OTHER, T + 1_000)],
            [("api",), ("extended",)],
            id="another track at the same time is another play",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), api(SINGLE, T + 1_000)],
            [("api", "extended")],
            id="the same song under two URIs is one play",
        ),
        pytest.param(
            [extended(SONG, T, 1), extended(SINGLE, T, 2), api(SINGLE, T + 1)],
            [("api", "extended"), ("extended",)],
            id="two URIs of one song that the export tells apart are two plays",
        ),
        pytest.param(
            [extended(MIX, T, 200_000), api(MIX._replace(uri="spotify:track:z"), T + 900)],
            [("api", "extended")],
            id="the export names the album's artist where the API names the performer",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), account(SONG, T, 200_000)],
            [("account", "extended")],
            id="the account's minute holds the true end",
        ),
        pytest.param(
            [extended(SONG, T - 5_000, 200_000), account(SONG, T, 200_000)],
            [("account", "extended")],
            id="the true end is 5 s before the account's minute",
        ),
        pytest.param(
            [extended(SONG, T - 6_000, 200_000), account(SONG, T, 200_000)],
            [("account",), ("extended",)],
            id="the true end is 6 s before the account's minute",
        ),
        pytest.param(
            [extended(SONG, T + 65_000, 200_000), account(SONG, T, 200_000)],
            [("account", "extended")],
            id="the true end is 65 s after the account's minute began",
        ),
        pytest.param(
            [extended(SONG, T + 66_000, 200_000), account(SONG, T, 200_000)],
            [("account",), ("extended",)],
            id="the true end is 66 s after the account's minute began",
        ),
        pytest.param(
            [api(SONG, T + 64_999), account(SONG, T, 200_000)],
            [("account", "api")],
            id="the account and the API alone are one play too",
        ),
        pytest.param(
            [account(SONG, T, 200_000), extended(COVER, T, 200_000)],
            [("account", "extended")],
            id="minute and listened time equal: another artist is no obstacle",
        ),
        pytest.param(
            [account(SONG, T, 200_000), extended(OTHER, T, 200_000)],
            [("account", "extended")],
            id="minute and listened time equal: another title is no obstacle",
        ),
        pytest.param(
            [account(OTHER, T, 200_000), extended(COVER, T, 200_000)],
            [("account",), ("extended",)],
            id="minute and listened time equal: both names differing are an obstacle",
        ),
        pytest.param(
            [account(SONG, T, 0), extended(OTHER, T, 0)],
            [("account",), ("extended",)],
            id="a listened time of 0 ms proves nothing",
        ),
        pytest.param(
            [account(SONG, T, 200_000), extended(OTHER, T + 61_000, 200_000)],
            [("account",), ("extended",)],
            id="another title in the next minute is another play",
        ),
        pytest.param(
            [account(NOTHING, T, 200_000), extended(SONG, T, 200_000)],
            [("account", "extended")],
            id="the account's unknown row is the play of its minute and listened time",
        ),
        pytest.param(
            [account(SONG._replace(artist=None), T, 31_000), extended(SONG, T, 200_000)],
            [("account",), ("extended",)],
            id="a title without an artist is no proof where listened times differ",
        ),
        pytest.param(
            [account(EPISODE, T, 31_000, old=True), account(EPISODE, T, 31_000)],
            [("account",)],
            id="an old export calls an episode a track: still one play",
        ),
        pytest.param(
            [account(EPISODE, T, 31_000, old=True), extended(EPISODE, T, 31_000)],
            [("account", "extended")],
            id="an episode of an old export is that of the extended history",
        ),
        pytest.param(
            [account(CHAPTER, T, 31_000), extended(CHAPTER, T, 31_000)],
            [("account", "extended")],
            id="a chapter goes by its book: the extended history knows no author",
        ),
        pytest.param(
            [api(SONG, T + 100), api(SONG, T + 2_099)],
            [("api",)],
            id="the API re-issues a timestamp under 2 s away",
        ),
        pytest.param(
            [api(SONG, T), api(SONG, T + 1_500), extended(SONG, T + 6_000, 200_000)],
            [("api", "extended")],
            id="milliseconds say when the API's play ended, a whole second does not",
        ),
        pytest.param(
            [extended(SONG, T, 200_000, uri=False), api(SONG._replace(uri=None), T + 900)],
            [("api", "extended")],
            id="names are enough where neither side knows the URI",
        ),
        pytest.param(
            [api(SONG, T + 100), api(SONG, T + 2_100)],
            [("api",), ("api",)],
            id="the API tells of the same track 2 s later",
        ),
        pytest.param(
            [api(SONG, T + 100), api(OTHER, T + 200)],
            [("api",), ("api",)],
            id="the API tells of two tracks at almost the same time",
        ),
        pytest.param(
            [extended(SONG, T, 200_000)] * 3,
            [("extended",)],
            id="equal rows of the extended history are one play",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), extended(SONG, T + 1_000, 200_000)],
            [("extended",), ("extended",)],
            id="a second later is another play",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), extended(SONG, T, 200_000, uri=False)],
            [("extended",)],
            id="the row of 2020 without a URI is the later export's row",
        ),
        pytest.param(
            [account(SONG, T, 31_000)] * 2,
            [("account",), ("account",)],
            id="equal rows of account data are counted",
        ),
        pytest.param(
            [account(SONG, T, 31_000)] * 2 + [extended(SONG, T + 9_000, 31_000)],
            [("account",), ("account", "extended")],
            id="each of two equal account rows needs a play of its own",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), api(SONG, T + 300), account(SONG, T, 200_000)],
            [ALL_THREE],
            id="three sources tell of one play",
        ),
    ],
)
def test_the_rules_of_facts_6_2(
    history: History, told: list[Record], expected: list[tuple[str, ...]]
) -> None:
    """Literal cases: the sources of each play that the records make."""
    history.add_records(*told)
    assert history.sources() == expected


@pytest.mark.parametrize(
    "change",
    [
        {"ms_played": 200_001},
        {"platform": "ios"},
        {"country": "DE"},
        {"reason_start": "fwdbtn"},
        {"reason_end": "fwdbtn"},
        {"shuffle": True},
        {"skipped": False},
        {"offline": True},
        {"offline_timestamp": 1_700_000_000},
        {"incognito": True},
        {"uri": "spotify:track:other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_extended_rows_that_differ_in_a_kept_field_are_two_plays(
    history: History, change: dict[str, object]
) -> None:
    """FACTS 6.2: only rows that agree in all kept fields are one."""
    row = extended(SONG, T, 200_000)
    history.add_records(row, row._replace(**change))  # type: ignore[arg-type]  # fields of a Record
    assert history.sources() == [("extended",), ("extended",)]


def test_equal_listened_time_decides_between_candidates(history: History) -> None:
    """Of two plays in the account row's minute, the one listened to for as long is meant."""
    near, far = extended(SONG, T + 1_000, 31_000), extended(SONG, T + 58_000, 200_000)
    history.add_records(near, far, account(SONG, T, 200_000))
    plays = {(ms, sources) for _, _, ms, _, sources in history.play_rows()}
    assert plays == {(31_000, ("extended",)), (200_000, ("account", "extended"))}


def test_the_closest_pair_is_matched_first_and_one_to_one(history: History) -> None:
    """A repeat 4 s after a play does not take the play that is nearer to another."""
    history.add_records(
        extended(SONG, T, 2_000), extended(SONG, T + 4_000, 3_000), api(SONG, T + 3_900),
        api(SONG, T + 200),
    )  # fmt: skip
    ends = {(at, ms) for _, at, ms, _, _ in history.play_rows()}
    assert ends == {(T + 200, 2_000), (T + 3_900, 3_000)}


@pytest.mark.parametrize(
    "renamed",
    [
        [SONG._replace(artist=f"{n} Artist {n}") for n in range(6)],
        [SONG._replace(title=f"{n} Song {n}") for n in range(6)],
    ],
    ids=["artist", "title"],
)
def test_a_new_name_in_a_later_export_parts_nothing(history: History, renamed: list[Thing]) -> None:
    """Every name a play was ever told under counts when other sources are compared with it."""
    told = [
        extended(SONG, T, 200_000, uri=False),
        extended(SONG, T, 200_000),
        *(extended(thing, T, 200_000) for thing in renamed),
    ]
    for record in told:
        history.add_records(record)
    assert history.sources() == [("extended",)]
    history.add_records(account(SONG, T, 31_000))
    assert history.sources() == [("account", "extended")]


# The same case at several times: an order that is left to chance does not hold at all of them.
anytime = pytest.mark.parametrize("start", range(T, T + 6 * 3_600_000, 3_600_000))


@anytime
def test_the_api_means_the_longer_of_two_plays(history: History, start: int) -> None:
    """It leaves out short plays, so of two at the same instant it tells of the longer."""
    history.add_records(
        extended(SONG, start, 1_000), extended(SONG, start, 200_000), api(SONG, start + 100)
    )
    plays = {(ms, sources) for _, _, ms, _, sources in history.play_rows()}
    assert plays == {(1_000, ("extended",)), (200_000, ("api", "extended"))}


@anytime
def test_the_api_is_matched_with_the_longest_account_row(history: History, start: int) -> None:
    """The same where only the account knows listened times."""
    rows = [account(SONG, start, ms) for ms in (0, 1_000, 200_000, 31_000)]
    history.add_records(*rows, api(SONG, start + 9_000))
    with_api = [ms for _, _, ms, _, sources in history.play_rows() if "api" in sources]
    assert with_api == [200_000]


@anytime
def test_what_is_called_a_track_only_by_old_exports_is_an_episode(
    history: History, start: int
) -> None:
    """The record that says more exactly what it was tells the kind."""
    history.add_records(account(EPISODE, start, 31_000, old=True), account(EPISODE, start, 31_000))
    assert [kind for _, _, _, kind, _ in history.play_rows()] == ["episode"]


@anytime
def test_the_minute_that_holds_the_end_is_preferred(history: History, start: int) -> None:
    """At a full minute two account rows may be meant: the one of that minute is."""
    history.add_records(
        account(SONG, start, 31_000), account(SONG, start + 60_000, 1_000),
        extended(SONG, start + 60_000, 5_000),
    )  # fmt: skip
    alone = [(at, ms) for _, at, ms, _, sources in history.play_rows() if sources == ("account",)]
    assert alone == [(start, 31_000)]


def test_a_name_revealed_once_links_local_ids_whatever_came_first(history: History) -> None:
    """A track keeps the links of every name it ever had, in any order of arrival."""
    history.add_records(extended(MIX, T, 200_000))
    history.add_records(api(MIX, T + 7_200_000))
    history.add_records(account(MIX, T + 86_400_000, 200_000))
    history.look()
    rows = history.connection.execute("select distinct uri, track from kept_plays").fetchall()
    assert rows == [("spotify:track:m", "Mix")]


def test_each_field_comes_from_the_best_record(history: History) -> None:
    """Reasons and listened time of the export, context and milliseconds of the API."""
    row = extended(SONG, T, 200_000, reason_end="trackdone", platform="ios")
    history.add_records(
        row, api(SONG, T + 321, context="spotify:playlist:p"), account(SONG, T, 200_000)
    )
    fields = history.connection.execute(
        "select epoch_ms(played_at), ms_played, reason_end, platform, context_uri, kind from plays"
    ).fetchall()
    assert fields == [(T + 321, 200_000, "trackdone", "ios", "spotify:playlist:p", "track")]


def test_a_whole_second_of_the_api_does_not_overrule_anything(history: History) -> None:
    """FACTS 3.7: without milliseconds the API is no more exact than the export."""
    history.add_records(extended(SONG, T, 200_000), api(SONG, T + 1_000), api(SONG, T + 2_500))
    assert [at for _, at, *_ in history.play_rows()] == [T + 2_500]
    history.add_records(extended(OTHER, T + 600_000, 31_000), api(OTHER, T + 602_000))
    assert (T + 600_000) in {at for _, at, *_ in history.play_rows()}


def test_listeners_do_not_share_plays(history: History) -> None:
    """The same records of two listeners are two histories, each rebuilt by itself."""
    rows = rows_of([Unit("", (extended(SONG, T, 200_000),)), Unit("", (api(SONG, T + 1),))])
    first = history.add(rows, user_id=1)
    second = history.add(rows, user_id=2)
    assert (first.plays_added, second.plays_added, history.count("plays")) == (1, 1, 2)
    assert history.sources() == [("api", "extended")] * 2
