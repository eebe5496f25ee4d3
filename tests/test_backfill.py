"""Going back page by page: every reason to stop, going on after a kill, several listeners."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from household import NOW, Household, household

from spotify_hist.collect.backfill import backfill
from spotify_hist.collect.turns import turn
from spotify_hist.errors import AlreadyRunning, LoginNeeded, Offline, RateLimited
from spotify_hist.sandbox.faults import QUOTA_EXCEEDED
from spotify_hist.store import checkpoints

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECENT = "/v1/me/player/recently-played"


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Household]:
    """One listener, logged in, nothing collected yet."""
    with household(tmp_path / "home", "anna") as home:
        yield home


def state(home: Household) -> dict[str, object]:
    """What is remembered of the first listener's backfill."""
    with home.database.read() as connection:
        return checkpoints.states(connection, "backfill")[1]


def test_it_takes_what_spotify_shows_and_stops_at_the_end(anna: Household) -> None:
    """Past about fifty plays there are no items and no cursors (FACTS 3.2)."""
    [result] = anna.backfill()
    assert (result.fetched, result.new, result.requests) == (50, 50, 2)
    assert (result.stopped_by, result.is_finished, result.error) == ("end", True, None)
    oldest = anna.rows("select min(epoch_ms(played_at)) from plays")[0][0]
    assert result.reached is not None
    assert round(result.reached.timestamp() * 1000) == oldest
    first, second = anna.calls()
    assert int(first["before"]) == round(NOW.timestamp() * 1000)
    assert int(second["before"]) == oldest


def test_a_window_that_reaches_far_enough_is_enough(anna: Household) -> None:
    """It stops when a page goes back further than the days wanted, and keeps all of it."""
    [result] = anna.backfill(max_days=1)
    assert result.stopped_by in {"max_days", "end"}
    assert result.is_finished
    reach = anna.rows("select min(played_at)::varchar from plays")[0][0]
    span = anna.rows("select count(*) from plays")[0][0]
    assert (span, result.fetched) == (50, 50), reach


def test_a_run_that_used_up_its_requests_goes_on_next_time(anna: Household) -> None:
    """The second run asks where the first one stopped."""
    [first] = anna.backfill(max_requests=1)
    assert (first.stopped_by, first.is_finished) == ("max_requests", False)
    [second] = anna.backfill(max_requests=1)
    assert (second.stopped_by, second.is_finished, second.fetched) == ("end", True, 0)
    assert state(anna)["new"] == 50
    assert anna.calls()[1]["before"] == str(state(anna)["reached_ms"])


def test_a_finished_backfill_begins_anew_when_asked_and_is_left_alone_by_sync(
    anna: Household,
) -> None:
    """The person may want to try again; the timer need not."""
    anna.backfill()
    anna.pass_time(hours=12)
    [again] = anna.backfill()
    assert again.new > 0
    assert int(anna.calls()[2]["before"]) == round(anna.now().timestamp() * 1000)
    left = backfill(
        anna.settings, anna.database, anna.vault, anna.now, only_unfinished=True, sleep=anna.sleep
    )
    assert left == []


def test_spotify_that_tells_the_same_again_is_asked_no_more(anna: Household) -> None:
    """A cursor that does not go back would be asked for for ever."""
    body = {"items": [], "next": "more", "cursors": {"before": "9999999999999", "after": "1"}}
    anna.backfill(max_requests=1)
    item = {"track": {"id": "x" * 22, "name": "n"}, "played_at": NOW.isoformat(), "context": None}
    anna.sandbox.fail(RECENT, 200, body={**body, "items": [item]})
    [result] = anna.backfill()
    assert (result.stopped_by, result.is_finished) == ("no_progress", True)


def test_short_waits_are_waited_until_there_are_too_many(anna: Household) -> None:
    """Three times asked to slow down is enough for one run; the next one goes on."""
    anna.sandbox.fail(RECENT, 429, times=3, headers={"Retry-After": "2"})
    [result] = anna.backfill()
    assert isinstance(result.error, RateLimited)
    assert (result.stopped_by, result.is_finished, result.fetched) == ("rate_limit", False, 50)
    assert anna.waited == [2.0, 2.0, 2.0]
    [rest] = anna.backfill()
    assert (rest.stopped_by, rest.fetched) == ("end", 0)


def test_a_long_wait_ends_the_run_and_keeps_the_next_one_from_calling(anna: Household) -> None:
    """FACTS 4.2: nobody sleeps for hours; the moment is remembered."""
    anna.backfill(max_requests=1)
    anna.sandbox.fail(RECENT, 429, headers={"Retry-After": "19056"})
    [result] = anna.backfill()
    assert isinstance(result.error, RateLimited)
    assert result.stopped_by == "rate_limit"
    calls = len(anna.sandbox.requests)
    [again] = anna.backfill()
    assert (again.stopped_by, again.requests) == ("rate_limit", 0)
    assert len(anna.sandbox.requests) == calls
    anna.pass_time(seconds=19057)
    [later] = anna.backfill()
    assert later.stopped_by == "end"


def test_one_listener_that_may_not_call_stops_the_others_of_the_app(tmp_path: Path) -> None:
    """The quota is shared (FACTS 1.5), so nobody else is asked after it is used up."""
    with household(tmp_path / "home", "anna", "bob", "cleo", backfill_concurrency=1) as home:
        home.sandbox.fail(RECENT, 429, times=9, body=QUOTA_EXCEEDED)
        results = home.backfill()
        assert [each.stopped_by for each in results] == ["rate_limit"] * 3
        assert len(home.calls()) == 1


def test_several_listeners_are_filled_side_by_side(tmp_path: Path) -> None:
    """Each gets what is theirs; one that fails does not stop the others."""
    with household(tmp_path / "home", "anna", "bob", "cleo") as home:
        home.sandbox.revoke("bob")
        results = {each.user: each for each in home.backfill()}
        assert isinstance(results["Bob"].error, LoginNeeded)
        assert {name for name, each in results.items() if each.is_finished} == {"anna", "cleo"}
        counts = home.rows(
            "select name, count(*) from plays join users using (user_id) group by 1 order by 1"
        )
        assert counts == [("anna", 50), ("cleo", 50)]


def test_a_page_left_by_a_kill_is_committed_and_gone_on_from(anna: Household) -> None:
    """It lies in the spool with what it was asked for: the next run begins there."""
    from spotify_hist.collect.spool import Spool
    from spotify_hist.sources.spotify.client import Spotify

    [token] = anna.vault.tokens()
    before_ms = round(anna.now().timestamp() * 1000)
    until_ms = before_ms - 30 * 86_400_000
    with Spotify(
        anna.settings, anna.vault, token.account.account_id, lambda: anna.now().timestamp()
    ) as spotify:
        body = spotify.recently_played(limit=50, before=before_ms)
    spool = Spool(anna.settings.spool)
    spool.add(token.account, body, anna.now(), before_ms=before_ms, until_ms=until_ms)

    [result] = anna.backfill()

    assert (result.requests, result.fetched, result.stopped_by) == (1, 0, "end")
    assert (len(spool), state(anna)["new"]) == (0, 50)
    assert len(anna.calls()) == 2


def test_an_error_leaves_it_unfinished(anna: Household) -> None:
    """What came before the error is kept."""
    anna.sandbox.fail(RECENT, 503, times=20, skip=1)
    [result] = anna.backfill()
    assert isinstance(result.error, Offline)
    assert (result.stopped_by, result.fetched, result.is_finished) == ("error", 50, False)
    assert state(anna)["finished"] is False


def test_a_second_backfill_leaves(anna: Household) -> None:
    """The first does the same work."""
    with turn(anna.settings, "backfill"), pytest.raises(AlreadyRunning):
        anna.backfill()
    assert anna.calls() == []


def test_a_poll_before_or_after_changes_nothing(tmp_path: Path) -> None:
    """The same plays are the same plays, whoever fetched them."""
    plays = []
    for number, order in enumerate((("poll", "backfill"), ("backfill", "poll"))):
        with household(tmp_path / str(number), "anna") as home:
            for step in order:
                getattr(home, step)()
            plays.append(home.rows("select played_at::varchar, track_id from plays order by all"))
    assert plays[0] == plays[1]
    assert len(plays[0]) == 50


def test_it_may_run_for_days(anna: Household) -> None:
    """A gap of the polls is closed by a backfill that reaches the play before it."""
    anna.poll()
    anna.pass_time(hours=2)
    results = anna.backfill()
    assert results[0].is_finished
    assert anna.now() - NOW == timedelta(hours=2)
    assert anna.rows("select count(*) from coverage_gaps") == [(0,)]
