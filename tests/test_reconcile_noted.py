"""What scrobblers noted: which plays of Spotify's own sources it is, and what it may tell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from memory_history import DERIVED, USER, History
from reference import plays as reference_plays
from universe import (
    COVER,
    MIX,
    OTHER,
    SINGLE,
    SONG,
    START,
    Unit,
    account,
    api,
    arrivals,
    extended,
    noted,
    noted_universes,
    rows_of,
)

from spotify_hist.model import SCROBBLERS
from spotify_hist.store import coverage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.model import Record

QUICK = examples(max_examples=examples().max_examples // 3)
T = START
MINUTE = 60_000
NOW = datetime(2026, 11, 1, tzinfo=UTC)


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
@given(data=st.data(), units=noted_universes(plays=12))
def test_with_scrobblers_too_the_plays_are_those_of_the_slow_reference_in_any_order(
    shared: History, data: st.DataObject, units: list[Unit]
) -> None:
    """The same plays as the reference's, and the same history whatever came first."""
    with shared.empty() as history:
        history.add(rows_of(units))
        assert set(history.play_rows()) == reference_plays(history.told())
        at_once = history.derived()
    with shared.empty() as history:
        for batch in data.draw(arrivals(units, batches=4)):
            history.add(rows_of(batch))
        in_pieces = history.derived()
    for name in DERIVED:
        assert in_pieces[name] == at_once[name], name


@QUICK
@given(
    units=noted_universes(plays=12),
    late=noted_universes(plays=2),
    gone=st.sampled_from([*SCROBBLERS, "api", "extended"]),
)
def test_with_scrobblers_too_only_what_changed_is_rebuilt(
    shared: History, units: list[Unit], late: list[Unit], gone: str
) -> None:
    """Records that come and records that go: the same as rebuilding everything."""
    with shared.empty() as history:
        history.add(rows_of(units))
        history.add(rows_of(late))
        piecewise = history.derived()
        history.rebuild_everything()
        assert history.derived() == piecewise
        history.remove(f"source = '{gone}' and hash(record_id) % 2 = 0")
        piecewise = history.derived()
        history.rebuild_everything()
        assert history.derived() == piecewise


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(
            [extended(SONG, T, 200_000), noted("lastfm", SONG, T - 320_000)],
            [("extended", "lastfm")],
            id="two minutes before the start: the song was paused",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), noted("lastfm", SONG, T - 320_001)],
            [("extended",), ("lastfm",)],
            id="longer before the start is another play",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), noted("lastfm", SONG, T + 5_000)],
            [("extended", "lastfm")],
            id="5 s after the end",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), noted("lastfm", SONG, T + 5_001)],
            [("extended",), ("lastfm",)],
            id="longer after the end is another play",
        ),
        pytest.param(
            [api(SONG, T), noted("maloja", SONG, T - 22 * MINUTE)],
            [("api", "maloja")],
            id="where the listened time is unknown the song may be 20 minutes long",
        ),
        pytest.param(
            [api(SONG, T), noted("maloja", SONG, T - 22 * MINUTE - 1)],
            [("api",), ("maloja",)],
            id="but not longer",
        ),
        pytest.param(
            [extended(SONG, T, 7_200_000), noted("maloja", SONG, T - 22 * MINUTE - 1)],
            [("extended",), ("maloja",)],
            id="not even where it is known to be longer",
        ),
        pytest.param(
            [extended(SONG, T, 0), noted("maloja", SONG, T - 120_001)],
            [("extended",), ("maloja",)],
            id="a listened time of 0 ms is known",
        ),
        pytest.param(
            [account(SONG, T, 200_000), noted("koito", SONG, T + 65_000)],
            [("account", "koito")],
            id="the end is somewhere in the account's minute",
        ),
        pytest.param(
            [account(SONG, T, 200_000), noted("koito", SONG, T + 65_001)],
            [("account",), ("koito",)],
            id="but not after it",
        ),
        pytest.param(
            [account(SONG, T, 200_000), api(SONG, T + 50_000), noted("koito", SONG, T - 300_000)],
            [("account", "api"), ("koito",)],
            id="the API tells the end and the account the listened time",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), noted("lastfm", OTHER, T)],
            [("extended",), ("lastfm",)],
            id="another title is another play",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), noted("lastfm", COVER, T - 205_001)],
            [("extended",), ("lastfm",)],
            id="another artist is another play",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), noted("lastfm", COVER, T - 205_000)],
            [("extended", "lastfm")],
            id="but within 5 s of the start it is the performer where the export has the album's",
        ),
        pytest.param(
            [account(SONG, T, 200_000), noted("koito", COVER, T + 65_000)],
            [("account", "koito")],
            id="or within 5 s of the end",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), noted("lastfm", COVER, T), noted("lastfm", SONG, T - 9)],
            [("extended", "lastfm"), ("lastfm",)],
            id="the same artist is better",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), noted("koito", SONG._replace(title="x"), T, uri=True)],
            [("extended", "koito")],
            id="the same id under another title is one play",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), noted("koito", SINGLE, T, uri=True)],
            [("extended", "koito")],
            id="the same names under another id are one play",
        ),
        pytest.param(
            [api(MIX, T), noted("lastfm", MIX._replace(performer="various  ARTISTS"), T - 9)],
            [("api", "lastfm")],
            id="the album's artist will do",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), *[noted("lastfm", SONG, T - 200_000)] * 2],
            [("extended", "lastfm")],
            id="equal rows of one scrobbler are one play",
        ),
        pytest.param(
            [noted("lastfm", SONG, T), noted("lastfm", SONG, T, album=False)],
            [("lastfm",)],
            id="with and without the album they are one play too",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), noted("lastfm", SONG, T), noted("lastfm", SONG, T - 1)],
            [("extended", "lastfm"), ("lastfm",)],
            id="one scrobbler notes each play once",
        ),
        pytest.param(
            [extended(SONG, T, 200_000), *(noted(each, SONG, T - 200_000) for each in SCROBBLERS)],
            [("extended", "koito", "lastfm", "listenbrainz", "maloja", "your_spotify")],
            id="but each scrobbler may note it",
        ),
        pytest.param(
            [noted("koito", SONG, T), noted("lastfm", SONG, T + 5_000)],
            [("koito", "lastfm")],
            id="two scrobblers 5 s apart",
        ),
        pytest.param(
            [noted("koito", SONG, T), noted("lastfm", SONG, T - 5_001)],
            [("koito",), ("lastfm",)],
            id="two scrobblers further apart",
        ),
        pytest.param(
            [noted("koito", SONG, T, ms_played=200_000), noted("lastfm", SONG, T - 5_000)],
            [("koito", "lastfm")],
            id="two scrobblers that noted the same start",
        ),
        pytest.param(
            [noted("your_spotify", SONG, T), noted("lastfm", SONG, T - 200_000)],
            [("lastfm", "your_spotify")],
            id="your_spotify keeps the end, as the API told it",
        ),
        pytest.param(
            [
                api(SONG, T),
                noted("your_spotify", SONG._replace(title="Song (Live)"), T, uri=True),
                noted("lastfm", SONG._replace(title="Song (Live)"), T - 200_000),
            ],
            [("api", "lastfm", "your_spotify")],
            id="the names that one scrobbler knows help the next",
        ),
    ],
)
def test_what_a_scrobbler_noted_is_a_play_of_spotify_s_own_sources(
    history: History, told: list[Record], expected: list[tuple[str, ...]]
) -> None:
    """Literal cases: the sources of each play that the records make."""
    history.add_records(*told)
    assert history.sources() == expected


@pytest.mark.parametrize("form", ["extended", "api", "account"])
@pytest.mark.parametrize("ms_played", [None, 200_000], ids=["unknown length", "known length"])
@pytest.mark.parametrize("noted_at", ["start", "end"])
def test_a_song_on_repeat_is_counted_as_often_as_it_was_played(
    history: History, form: str, ms_played: int | None, noted_at: str
) -> None:
    """The end of one repeat is the start of the next; the first one was paused for a while."""
    told = []
    for number in range(12):
        start = T + number * 201_000 + (60_000 if number else 0)
        end = T + number * 201_000 + 260_000
        if form == "extended":
            told.append(extended(SONG, end, 200_000))
        else:
            told.append(api(SONG, end) if form == "api" else account(SONG, end, 200_000))
        at = start if noted_at == "start" else end
        told.append(noted("lastfm", SONG, at, ms_played=ms_played if noted_at == "start" else None))
    history.add_records(*told)
    assert history.sources() == [(form, "lastfm")] * 12


def test_of_two_plays_of_a_song_the_nearer_one_is_meant(history: History) -> None:
    """A play that the API missed is not taken for a later one that has a note of its own."""
    history.add_records(
        api(SONG, T), noted("lastfm", SONG, T - 18 * MINUTE), noted("lastfm", SONG, T - 3 * MINUTE)
    )
    at = {(at, sources) for _, at, _, _, sources in history.play_rows()}
    assert at == {(T, ("api", "lastfm")), (T - 18 * MINUTE, ("lastfm",))}


def test_a_scrobbler_gives_only_what_nobody_else_tells(history: History) -> None:
    """Listened time and id of a play, where Spotify's own sources do not tell them."""
    history.add_records(
        account(SONG, T, 31_000), noted("koito", SONG, T, ms_played=200_000, uri=True),
        api(OTHER, T + MINUTE * 60), noted("koito", OTHER, T + MINUTE * 57, ms_played=200_000),
    )  # fmt: skip
    rows = history.connection.execute(
        "select epoch_ms(played_at), ms_played, track_id, sources from plays order by 1"
    ).fetchall()
    assert rows == [
        (T, 31_000, "a", ["account", "koito"]),
        (T + MINUTE * 60, 200_000, "c", ["api", "koito"]),
    ]


def test_a_scrobbler_names_a_track_only_where_nobody_else_does(history: History) -> None:
    """Its spelling is the last, however late it was noted."""
    history.add_records(account(SONG, T, 200_000))
    history.add_records(noted("lastfm", SONG._replace(title="SONG", album=None), T + MINUTE * 600))
    history.add_records(noted("koito", OTHER._replace(title="OTHER"), T, uri=True))
    history.add_records(extended(OTHER, T - MINUTE * 600, 200_000))
    titles = history.connection.execute("select title from tracks where track_id = 'c'").fetchall()
    assert titles == [("Other",)]


def test_the_gap_before_a_page_does_not_see_what_scrobblers_noted(history: History) -> None:
    """A scrobbler proves nothing about what Spotify told: the gap is as wide as without it."""
    history.add_records(api(SONG, T))
    history.add_records(
        noted("lastfm", OTHER, T + MINUTE * 60), noted("lastfm", SONG, T + MINUTE * 118)
    )
    before = _before(history, T + MINUTE * 120)
    history.add_records(api(SONG, T + MINUTE * 120))
    result = coverage.page_result(history.connection, USER, before)
    gap = coverage.find_gap(history.connection, USER, before, NOW)
    assert history.sources() == [("api",), ("api", "lastfm"), ("lastfm",)]
    assert result.is_unknown
    assert gap is not None
    assert [round(at.timestamp() * 1000) for at in (gap.after, gap.before)] == [
        T,
        T + MINUTE * 120,
    ]


def test_there_is_no_gap_before_the_first_page_of_somebody_who_scrobbled(history: History) -> None:
    """Only Spotify's own plays are known plays to the gap rule."""
    history.add_records(noted("lastfm", OTHER, T))
    before = _before(history, T + MINUTE * 120)
    history.add_records(api(SONG, T + MINUTE * 120))
    assert coverage.find_gap(history.connection, USER, before, NOW) is None


def _before(history: History, latest_ms: int) -> coverage.Before:
    latest = datetime.fromtimestamp(latest_ms / 1000, UTC)
    return coverage.known_before(history.connection, USER, latest)


def _gap(history: History, after_ms: int, before_ms: int) -> None:
    history.connection.execute(
        "insert into coverage_gaps by name select $user as user_id, to_timestamp($after / 1000) "
        "as after_at, to_timestamp($before / 1000) as before_at, $now::timestamptz as found_at",
        {"user": USER, "after": after_ms, "before": before_ms, "now": NOW},
    )


def _told(source: str, at_ms: int) -> Record:
    if source == "lastfm":
        return noted("lastfm", SONG, at_ms)
    return (extended if source == "extended" else account)(SONG, at_ms, 200_000)


@pytest.mark.parametrize(("source", "closed"), [("extended", 1), ("account", 1), ("lastfm", 0)])
def test_only_an_export_of_spotify_s_own_closes_a_gap(
    history: History, source: str, closed: int
) -> None:
    """A scrobbler that reaches across a gap may have missed what Spotify played there."""
    _gap(history, T, T + MINUTE * 60)
    history.connection.execute(
        "insert into import_files by name select 1 as file_id, 1 as import_id, 'f' as name, "
        "'' as package, 'f' as format, '' as content_sha256, 1 as content_file_id, "
        "3 as records, 0 as rejected"
    )
    for at in (T - MINUTE * 10, T + MINUTE * 30, T + MINUTE * 90):
        history.add_records(_told(source, at))
    assert coverage.close_gaps(history.connection, USER, NOW, 1) == closed


def test_what_a_scrobbler_noted_does_not_fill_a_gap(history: History) -> None:
    """Plays between two of the API's leave no room only where Spotify told of them."""
    history.add_records(api(SONG, T), api(SONG, T + 60_000))
    _gap(history, T, T + 60_000)
    history.add_records(*(noted("lastfm", OTHER, T + at * 1000) for at in (20, 40)))
    closing = {"is_backfill": False}
    assert coverage.close_gaps_of_page(history.connection, USER, NOW, **closing) == 0
    history.add_records(*(api(OTHER, T + at * 1000) for at in (20, 40)))
    assert coverage.close_gaps_of_page(history.connection, USER, NOW, **closing) == 1
