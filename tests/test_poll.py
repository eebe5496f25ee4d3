"""One capture for each listener: who is asked, what is told, and what each failure costs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from household import NOW, Household, household, told

from spotify_hist.collect import pauses
from spotify_hist.collect.turns import turn
from spotify_hist.errors import (
    AlreadyRunning,
    DatabaseBusy,
    LoginNeeded,
    NewerDatabase,
    Offline,
    RateLimited,
    UsageError,
)
from spotify_hist.faces.cli.main import run
from spotify_hist.sandbox.answers import account_id
from spotify_hist.sandbox.faults import QUOTA_EXCEEDED, Faults
from spotify_hist.sources.spotify.vault import stem_of
from spotify_hist.store import database, journal, listeners
from spotify_hist.store.database import Database
from spotify_hist.store.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECENT = "/v1/me/player/recently-played"


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Household]:
    """One listener, logged in."""
    with household(tmp_path / "home", "anna") as home:
        yield home


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Household]:
    """Three listeners who share a history, each polled once."""
    with household(tmp_path / "home", "anna", "bob", "cleo", http_retries=0) as home:
        home.poll()
        yield home


def pause(home: Household, name: str) -> None:
    """Pause a listener."""
    with home.database.write("users") as connection:
        listener = listeners.find_listener(connection, name)
        assert listener is not None
        pauses.pause(home.settings, connection, listener, home.now())


def logged(home: Household) -> list[tuple[str, str]]:
    """Level and message of everything in the log, oldest first."""
    with home.database.read() as connection:
        found = journal.entries(connection)
    return [(each.level, each.message) for each in reversed(found)]


@pytest.mark.parametrize("limit", ["1MB", "3MB"])
def test_a_page_that_needs_more_memory_than_pages_do_gets_it(
    anna: Household, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Whether DuckDB runs out of it at the beginning or on the way, the second try is without."""
    tried: list[bool] = []
    really = Database.write

    def noted(self: Database, label: str, *, is_small: bool = False) -> object:
        tried.append(is_small)
        return really(self, label, is_small=is_small)

    monkeypatch.setitem(database._SMALL, "memory_limit", limit)
    monkeypatch.setattr(Database, "write", noted)
    [result] = anna.poll()
    assert (result.new, result.error) == (50, None)
    assert tried == [True, False]
    assert anna.rows("select count(*) from plays") == [(50,)]


def test_what_spotify_shows_is_in_the_history(anna: Household) -> None:
    """Every play it tells of, once."""
    shown = sorted(told(anna, "anna"))
    [result] = anna.poll()
    assert (result.fetched, result.new, result.late, result.error) == (50, 50, 0, None)
    kept = anna.rows(
        "select strftime(played_at at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ') "
        "from plays order by 1"
    )
    assert [play for (play,) in kept] == shown


def test_a_poll_that_finds_nothing_new_changes_no_play(anna: Household) -> None:
    """Only the checkpoint and the account of the run are written."""
    anna.poll()
    before = anna.rows("select record_id::varchar, play_id::varchar from play_records order by all")
    anna.pass_time(seconds=30)
    [result] = anna.poll()
    assert (result.fetched, result.new) == (50, 0)
    assert (
        anna.rows("select record_id::varchar, play_id::varchar from play_records order by all")
        == before
    )
    checked = anna.rows("select epoch_ms(checked_at) from sync_checkpoints where job = 'poll'")
    assert checked == [(round(anna.now().timestamp() * 1000),)]


def test_a_page_a_busy_database_kept_in_the_spool_is_told_of_by_the_next_poll(
    anna: Household,
) -> None:
    """Its plays are new to the history in that run, so that run says so."""
    anna.poll()
    anna.pass_time(hours=3)
    anna.database = Database(anna.settings.database, wait_s=0.0)
    with Gate(anna.settings.database).reading(0.0):
        [busy] = anna.poll()
    assert isinstance(busy.error, DatabaseBusy)
    known = anna.rows("select count(*) from plays")
    [result] = anna.poll()
    added = anna.rows(f"select count(*) - {known[0][0]} from plays")
    assert (result.fetched, result.error, [(result.new,)]) == (100, None, added)
    assert result.new > 0


def test_a_second_poll_leaves_quietly(
    anna: Household, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first does the same work: exit 0, no call, no listener in the answer."""
    with turn(anna.settings, "poll"), pytest.raises(AlreadyRunning):
        anna.poll()
    for name, value in anna.environment.items():
        monkeypatch.setenv(name, value)
    with turn(anna.settings, "poll"):
        code = run(["poll", "--format", "json"])
    said = capsys.readouterr()
    assert (code, json.loads(said.out)) == (0, {"users": []})
    assert "Another poll is running" in said.err
    assert anna.calls() == []


def test_one_listeners_failure_is_theirs_alone(three: Household) -> None:
    """The others are polled; the failure is in `jobs` and in the log."""
    three.pass_time(hours=1)
    three.sandbox.revoke("bob")
    results = {each.user: each for each in three.poll()}
    assert isinstance(results["bob"].error, LoginNeeded)
    assert "spotify-hist auth login" in results["bob"].error.hint
    assert {name for name, each in results.items() if each.new} == {"anna", "cleo"}
    with three.database.read() as connection:
        [failed] = journal.runs(connection, failed_only=True)
    assert (failed.job, failed.error) == ("poll", f"bob: {results['bob'].error.message}")
    assert logged(three) == [("error", f"bob: {results['bob'].error.message}")]


def test_a_login_that_ended_is_told_by_every_poll_until_somebody_logs_in(
    three: Household,
) -> None:
    """And Spotify is not asked for it again on the same day."""
    three.sandbox.revoke("bob")
    three.poll()
    calls = len(three.sandbox.requests)
    results = {each.user: each.error for each in three.poll()}
    assert isinstance(results["bob"], LoginNeeded)
    assert len(three.sandbox.requests) - calls == 2
    three.log_in("bob")
    assert [each.error for each in three.poll()] == [None] * 3


def test_a_damaged_login_stops_nobody_else(three: Household) -> None:
    """It is told of with the listener's name."""
    (three.settings.vault / f"{stem_of(account_id('bob'))}.token").write_bytes(b"rubbish")
    results = {each.user: each.error for each in three.poll()}
    assert results["bob"] is not None
    assert results["bob"].code == "vault"
    assert (results["anna"], results["cleo"]) == (None, None)


def test_a_paused_listener_is_not_asked(three: Household) -> None:
    """Nothing is fetched for them until somebody resumes them."""
    pause(three, "bob")
    three.pass_time(hours=1)
    calls = len(three.calls())
    results = {each.user: each for each in three.poll()}
    assert (results["bob"].is_paused, results["bob"].fetched, results["bob"].error) == (
        True,
        0,
        None,
    )
    assert len(three.calls()) - calls == 2
    with three.database.write("users") as connection:
        listener = listeners.find_listener(connection, "bob")
        assert listener is not None
        pauses.resume(connection, listener)
    assert {each.user: each.new > 0 for each in three.poll()}["bob"]


def test_one_listener_alone_can_be_polled(three: Household) -> None:
    """With --user; a name nobody knows is a usage error, one without a login needs one."""
    assert [each.user for each in three.poll("cleo")] == ["cleo"]
    with pytest.raises(UsageError):
        three.poll("dora")
    with three.database.write("test") as connection:
        listeners.listener_for_import(connection, "dora", None, NOW)
    with pytest.raises(LoginNeeded):
        three.poll("dora")


@pytest.mark.parametrize("body", [QUOTA_EXCEEDED, "Too many requests"])
def test_what_limits_the_app_limits_every_listener(
    three: Household, body: str | dict[str, object]
) -> None:
    """FACTS 1.5: the others are not asked either."""
    calls = len(three.calls())
    headers = {"Retry-After": "48925"}
    three.sandbox.fail(RECENT, 429, times=9, headers=headers, body=body)
    results = three.poll()
    assert all(isinstance(each.error, RateLimited) for each in results)
    assert len(three.calls()) - calls == 1


def test_a_long_wait_is_kept_for_the_next_runs(anna: Household) -> None:
    """FACTS 4.2: no call until then, and none too late."""
    anna.sandbox.fail(RECENT, 429, headers={"Retry-After": "79892"})
    [first] = anna.poll()
    assert isinstance(first.error, RateLimited)
    assert anna.waited == []
    anna.pass_time(seconds=79891)
    [second] = anna.poll()
    assert isinstance(second.error, RateLimited)
    assert len(anna.calls()) == 1
    anna.pass_time(seconds=2)
    [third] = anna.poll()
    assert (third.error, third.fetched) == (None, 50)


def test_nobody_logged_in_says_so(tmp_path: Path) -> None:
    """With the command that helps."""
    home = Household(tmp_path / "home", "anna")
    with pytest.raises(LoginNeeded) as caught:
        home.poll()
    home.sandbox.close()
    assert "auth login" in caught.value.hint


def test_plays_are_fetched_even_where_the_history_cannot_be_read(anna: Household) -> None:
    """A file of a newer program, say: the page waits in the spool for whoever can."""
    anna.poll()
    with anna.database.write("test") as connection:
        connection.execute("insert into schema_migrations values (999, 'x', 'x', now())")
    anna.pass_time(hours=3)
    [result] = anna.poll()
    assert isinstance(result.error, NewerDatabase)
    assert len(list(anna.settings.spool.glob("[!.]*.json"))) == 1


def test_a_poll_without_network_loses_nothing(anna: Household) -> None:
    """It is a temporary failure; the next one goes on."""
    anna.sandbox.fail(RECENT, 0, times=9)
    [result] = anna.poll()
    assert isinstance(result.error, Offline)
    anna.sandbox.faults = Faults()
    assert anna.poll()[0].new == 50


@pytest.mark.parametrize(("days_ago", "warned"), [(140, False), (155, True), (178, True)])
def test_a_login_that_ends_soon_is_warned_of_and_logged_once_a_day(
    tmp_path: Path,
    days_ago: int,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Always on the screen, under --quiet once, in the log once."""
    with household(tmp_path / "home", "anna") as home:
        home.log_in("anna", datetime.now(UTC) - timedelta(days=days_ago))
        for name, value in home.environment.items():
            monkeypatch.setenv(name, value)
        said = []
        for flags in (["-q"], ["-q"], []):
            assert run([*flags, "poll"]) == 0
            said.append(capsys.readouterr().err)
        assert ["spotify-hist auth login" in text for text in said] == [warned, False, warned]
        assert len([level for level, _ in logged(home) if level == "warning"]) == warned
