"""Enrichment against the sandbox: what is asked, in which order, and what is known afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from enriching import CATALOGUE, SONGS, abilities, add, asked, heard, home_of, queue, run, terms

from spotify_hist.collect.turns import turn
from spotify_hist.errors import (
    AlreadyRunning,
    ExitCode,
    LoginNeeded,
    NoHistory,
    Offline,
    RateLimited,
)
from spotify_hist.sandbox.answers import account_id
from spotify_hist.store import listeners

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from household import Household

FIRST, SECOND, THIRD = SONGS[:3]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Household]:
    """One listener, logged in to an app in development mode (FACTS 1.2)."""
    with home_of(tmp_path) as made:
        yield made


def test_a_new_app_finds_out_everything_one_request_at_a_time(home: Household) -> None:
    """Durations, ISRCs, albums with date and artwork, artists' pictures; no batch, no features."""
    add(home, heard((FIRST, 3), (SECOND, 2), (THIRD, 1)))

    result = run(home)

    assert (result.tracks, result.artists, result.remaining, result.error) == (3, 3, {}, None)
    told = home.rows(
        "select track_id, duration_ms, isrc, albums.album_id, release_date, albums.image_url "
        "from tracks inner join track_links on local_id = tracks.album_id "
        "inner join albums on albums.album_id = spotify_id order by named_at"
    )
    assert [row[:5] for row in told] == [
        (
            song.id,
            song.duration_ms,
            (song.isrc or "").upper(),
            song.album.id,
            song.album.release_date,
        )
        for song in (FIRST, SECOND, THIRD)
    ]
    assert all(str(row[5]).endswith("640.jpg") for row in told)
    assert home.rows(
        "select count(*), count(image_url) from artists where artist_id not like 'local:%'"
    ) == [(3, 3)]
    assert abilities(home) == {"several": False, "audio_features": False}


def test_the_most_played_comes_first(home: Household) -> None:
    """Order: plays of all listeners; at equal plays the track before what it leads to."""
    add(home, heard((SECOND, 1), (FIRST, 4), (THIRD, 2)))

    run(home, budget=5)

    assert asked(home) == [
        f"tracks/{FIRST.id}",
        "tracks",  # plain calls work: are there batches? Not for a new app
        f"tracks/{THIRD.id}",
        f"tracks/{SECOND.id}",
        f"artists/{FIRST.artists[0].id}",  # known by now
    ]


def test_the_queue_goes_on_where_it_was_left(home: Household) -> None:
    """Two runs ask what one would have asked, and nothing twice."""
    add(home, heard(*((song, 12 - at) for at, song in enumerate(SONGS[:6]))))

    first = run(home, budget=5)
    second = run(home)

    assert first.requests == 5
    assert first.remaining != {}
    assert second.remaining == {}
    assert len(asked(home)) == len(set(asked(home)))
    assert set(queue(home).values()) == {"done"}
    third = run(home)
    assert (third.requests, third.tracks) == (0, 0)


def test_an_app_with_extended_quota_asks_for_many_at_once(home: Household) -> None:
    """Batches where the app still has them, genres, and audio features (FACTS 1.6)."""
    terms(home, development_mode=False)
    add(home, heard(*((song, 30 - at) for at, song in enumerate(SONGS[:20]))))

    result = run(home)

    assert (result.tracks, result.artists, result.features, result.remaining) == (20, 20, 20, {})
    assert result.requests < 20 + 8
    assert asked(home).count("tracks") >= 1
    assert abilities(home) == {"several": True, "audio_features": True}
    (genres,) = home.rows(
        "select count(genres), sum(len(genres))::integer from artists "
        "where artist_id not like 'local:%'"
    )
    assert genres[0] == 20
    assert int(str(genres[1])) > 0
    features = home.rows(
        "select count(*), count(danceability), count(tempo), count(time_signature) "
        "from audio_features"
    )
    assert features == [(20, 20, 20, 20)]


@pytest.mark.parametrize("status", [403, 404, 429, 503])
def test_removed_batches_are_found_out_once_whatever_they_answer(
    home: Household, status: int
) -> None:
    """FACTS 1.6: the plain calls go on, and the batches are left alone."""
    terms(home, batch_status=status)
    add(home, heard(*((song, 30 - at) for at, song in enumerate(SONGS[:3]))))

    result = run(home)

    assert (result.tracks, result.artists, result.failed, result.error) == (3, 3, 0, None)
    assert asked(home).count("tracks") == 1
    home.pass_time(days=6)
    add(home, heard(*((song, 1) for song in SONGS[3:6])))
    assert run(home).tracks == 3
    assert asked(home).count("tracks") + asked(home).count("artists") == 1


def test_batches_that_have_worked_get_a_second_chance(home: Household) -> None:
    """One 503 among a thousand answers is normal (FACTS 4.3) and costs no week of batches."""
    terms(home, development_mode=False)
    add(home, heard(*((song, 1) for song in SONGS[:4])))
    run(home)
    add(home, heard(*((song, 1) for song in SONGS[4:10])))
    home.sandbox.fail("/v1/tracks", 503, skip=0)

    result = run(home)

    assert (result.tracks, result.remaining) == (6, {})
    assert abilities(home) == {"several": True, "audio_features": True}


def test_a_long_limit_ends_the_run_and_marks_nothing(home: Household) -> None:
    """What was got is kept; the next run asks nothing; plays are polled all the same."""
    terms(home, development_mode=False)
    add(home, heard((FIRST, 3), (SECOND, 2), (THIRD, 1)))
    home.sandbox.fail("/v1/", 429, skip=1, times=50, headers={"Retry-After": "7200"})

    result = run(home)

    assert isinstance(result.error, RateLimited)
    assert result.error.exit_code == ExitCode.TEMPORARY
    assert (result.requests, result.tracks) == (2, 1)
    assert queue(home) == {("track", FIRST.id): "done"}
    again = run(home)
    assert (isinstance(again.error, RateLimited), again.requests) == (True, 0)
    assert again.remaining["track"] == 2
    home.sandbox.faults.clear()
    assert home.poll()[0].error is None
    home.pass_time(hours=2, seconds=1)
    rest = run(home)
    assert (rest.error, rest.tracks >= 2, rest.features >= 3) == (None, True, True)
    assert {"several", "audio_features"} <= {
        name for name, is_available in abilities(home).items() if is_available
    }


def test_a_short_limit_is_waited_for(home: Household) -> None:
    """A few seconds, and the same thing is asked again."""
    add(home, heard((FIRST, 1)))
    home.sandbox.fail("/v1/tracks/", 429, headers={"Retry-After": "2"})

    result = run(home)

    assert (result.tracks, result.error, len(home.waited)) == (1, None, 1)
    assert sum(home.waited) <= 2


def test_a_limit_of_some_seconds_again_and_again_ends_the_run(home: Household) -> None:
    """Nothing waits long inside an enrichment."""
    add(home, heard((FIRST, 1)))
    home.sandbox.fail("/v1/tracks/", 429, times=99, headers={"Retry-After": "4"})

    result = run(home)

    assert isinstance(result.error, RateLimited)
    assert sum(home.waited) <= 15
    assert queue(home) == {}


def test_a_thing_that_fails_is_tried_again_later_and_later(home: Household) -> None:
    """A 5xx is no answer about the thing: others go on, it comes again after a growing delay."""
    add(home, heard((FIRST, 3), (SECOND, 2)))
    path = f"/v1/tracks/{FIRST.id}"
    home.sandbox.fail(path, 502, times=2)

    result = run(home)

    assert (result.tracks, result.failed, result.error) == (1, 1, None)
    assert queue(home)["track", FIRST.id] == "waiting"
    assert result.remaining == {"track": 1}
    assert run(home).requests == 0
    home.pass_time(minutes=15)
    assert run(home).failed == 1
    home.pass_time(minutes=15)
    assert run(home).requests == 0
    home.pass_time(minutes=45)
    assert run(home).remaining == {}
    assert queue(home)["track", FIRST.id] == "done"


def test_three_failures_in_a_row_end_the_run(home: Household) -> None:
    """Spotify is in trouble: what was got is kept, and nothing is called not found."""
    add(home, heard(*((song, 9 - at) for at, song in enumerate(SONGS[:6]))))
    home.sandbox.fail("/v1/", 500, skip=3, times=99)

    result = run(home)

    assert isinstance(result.error, Offline)
    assert result.failed == 3
    assert result.requests == 6
    assert "not_found" not in queue(home).values()


def test_without_a_connection_the_first_failure_ends_the_run(home: Household) -> None:
    """No answer at all is not waited for three times."""
    add(home, heard((FIRST, 2), (SECOND, 1)))
    home.sandbox.fail("/v1/", 0, times=99)

    result = run(home)

    assert isinstance(result.error, Offline)
    assert result.requests == 1
    assert home.rows("select job, status from job_runs") == [("enrich", "failed")]


def test_only_what_spotify_does_not_know_is_not_found(home: Household) -> None:
    """A 404, and ids that can be none; after ninety days it is asked again."""
    gone, odd = "0" * 22, "abc"
    told = heard((FIRST, 3), (SECOND, 3))
    add(
        home,
        [
            told[0]._replace(uri=f"spotify:track:{gone}"),
            told[1]._replace(uri=f"spotify:track:{odd}"),
            told[3],
        ],
    )

    result = run(home)

    assert {key[1] for key, state in queue(home).items() if state == "not_found"} == {gone, odd}
    assert (result.tracks, result.not_found, result.remaining) == (1, 2, {})
    assert f"tracks/{odd}" not in asked(home)
    home.pass_time(days=89)
    assert run(home).requests == 0
    home.pass_time(days=1)
    assert run(home).not_found == 2


def test_the_daily_budget_holds_over_restarts_and_ends_after_a_day(home: Household) -> None:
    """Counted from the accounts of the runs, in any 24 hours."""
    with home_of(home.settings.data_dir, enrich_daily_budget=7) as small:
        add(small, heard(*((song, 30 - at) for at, song in enumerate(SONGS[:8]))))
        first = run(small, budget=4)
        small.pass_time(hours=10)
        second = run(small, budget=4)
        third = run(small, budget=4)
        assert (first.requests, second.requests, third.requests) == (4, 3, 0)
        assert third.resumes_at == small.now() + timedelta(hours=14)
        assert third.days_left == 1
        small.pass_time(hours=14)
        assert run(small).requests == 4


def test_a_budget_asked_for_by_the_person_counts_for_the_next_runs(home: Household) -> None:
    """It may go beyond the daily one; then the unattended runs wait."""
    with home_of(home.settings.data_dir, enrich_daily_budget=3) as small:
        add(small, heard(*((song, 30 - at) for at, song in enumerate(SONGS[:8]))))
        assert run(small, budget=6, beyond_daily=True).requests == 6
        assert run(small).requests == 0


def test_audio_features_are_asked_for_once_and_again_only_on_demand(home: Household) -> None:
    """FACTS 1.1: closed to new apps, and remembered so for good."""
    add(home, heard((FIRST, 1)))
    run(home)
    home.pass_time(days=400)
    home.log_in("anna")
    add(home, heard((FIRST, 1), (SECOND, 1)))
    run(home)
    assert sum(each.startswith("audio-features") for each in asked(home)) == 1

    terms(home, development_mode=False)
    assert run(home).features == 0
    result = run(home, retry_unavailable=True)

    assert (result.features, result.remaining) == (2, {})
    assert abilities(home)["audio_features"] is True


@pytest.mark.parametrize("status", [404, 429, 503])
def test_closed_audio_features_are_told_from_trouble(home: Household, status: int) -> None:
    """Whatever the closed endpoint answers, the plain calls show that it is closed (FACTS 1.6)."""
    home.sandbox.fail("/v1/audio-features", status, times=99)
    add(home, heard(*((song, 30 - at) for at, song in enumerate(SONGS[:6]))))

    result = run(home)

    assert (result.tracks, result.error) == (6, None)
    assert sum(each.startswith("audio-features") for each in asked(home)) <= 3
    assert "not_found" not in queue(home).values()


def test_a_local_id_is_linked_by_a_search_and_nothing_is_rewritten(home: Household) -> None:
    """The link is a row; the found track's details come with it, and the plays stay as they are."""
    add(home, heard((FIRST, 2), account=True))
    before = home.rows("select * exclude (played_at) from plays order by play_id")

    result = run(home)

    assert (result.links, result.remaining) == (1, {})
    assert home.rows("select * exclude (played_at) from plays order by play_id") == before
    known = home.rows(
        "select spotify_id, duration_ms, isrc, kind from track_links "
        "inner join tracks on track_id = spotify_id where entity = 'track'"
    )
    assert known == [(FIRST.id, FIRST.duration_ms, (FIRST.isrc or "").upper(), "track")]
    assert home.rows("select name from albums") == [(FIRST.album.name,)]


def test_a_search_that_finds_nothing_is_repeated_after_ninety_days(home: Household) -> None:
    """No match is remembered, and nothing else is taken for it."""
    add(home, [heard((FIRST, 1), account=True)[0]._replace(title="A Song Nobody Recorded")])

    result = run(home)

    assert (result.links, result.not_found, result.remaining) == (0, 1, {})
    assert home.rows("select count(*) from track_links") == [(0,)]
    home.pass_time(days=90)
    assert run(home).not_found == 1


def test_a_guest_version_is_credited_to_all_its_artists(home: Household) -> None:
    """Credits in billing order, and each of the artists is asked about."""
    duet = next(
        track for track in CATALOGUE.track_by_id.values()
        if len(track.artists) == 2 and track.album.artist.name.isascii()
    )  # fmt: skip
    add(home, heard((duet, 1)))

    result = run(home)

    assert result.artists == 2
    assert home.rows("select artist_id from track_artists order by position") == [
        (artist.id,) for artist in duet.artists
    ]


def test_another_listener_is_asked_as_when_a_login_has_ended(tmp_path: Path) -> None:
    """The first in order whose login is good; only without any is it an error."""
    with home_of(tmp_path, "anna", "bert") as home:
        add(home, heard((FIRST, 1), (SECOND, 1)))
        home.sandbox.revoke("anna")
        assert (run(home).tracks, run(home).remaining) == (2, {})
        add(home, heard((THIRD, 1)))
        home.sandbox.revoke("bert")
        ended = run(home, budget=5)
        assert isinstance(ended.error, LoginNeeded)
        assert ended.remaining["track"] == 1
        again = run(home)
        assert (isinstance(again.error, LoginNeeded), again.requests) == (True, 0)
        assert again.remaining["track"] == 1
        for name in ("anna", "bert"):
            home.vault.forget(account_id(name))
        with pytest.raises(LoginNeeded):
            run(home)


def test_nobody_is_asked_as_who_is_paused(tmp_path: Path) -> None:
    """Their login stays untouched; with nobody else nothing is asked."""
    with home_of(tmp_path, "anna", "bert") as home:
        home.poll()
        with home.database.write("test") as connection:
            for each in listeners.listeners(connection):
                listeners.pause(connection, each, home.now())
        so_far = len(home.sandbox.requests)
        result = run(home)
        assert result.requests == 0
        assert sum(result.remaining.values()) > 0
        assert len(home.sandbox.requests) == so_far


def test_a_second_enrichment_leaves_at_once(home: Household) -> None:
    """It would do the same."""
    add(home, heard((FIRST, 1)))
    with turn(home.settings, "enrich") as is_ours:
        assert is_ours
        with pytest.raises(AlreadyRunning):
            run(home)
    assert asked(home) == []


def test_nothing_is_written_where_nothing_is_wanted(home: Household) -> None:
    """The timer's runs leave no trace when there is nothing to do."""
    add(home, heard((FIRST, 1)))
    run(home)
    before = home.rows("select count(*) from job_runs")
    stamp = home.settings.database.stat().st_mtime_ns

    run(home)

    assert home.rows("select count(*) from job_runs") == before
    assert home.settings.database.stat().st_mtime_ns == stamp


def test_without_a_history_there_is_nothing_to_ask_about(home: Household) -> None:
    """The usual error, with the next step."""
    with pytest.raises(NoHistory):
        run(home)


def test_polled_tracks_need_no_request_of_their_own(home: Household) -> None:
    """What the API tells with a play is not asked again."""
    home.poll()
    without = home.rows("select count(*) from tracks where isrc is null")[0][0]

    result = run(home)

    assert sum(each.startswith("tracks/") for each in asked(home)) == without
    assert result.albums == 0
    assert result.artists > 0
