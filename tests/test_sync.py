"""What the timer runs: everything that is due in its order, each step whatever became of others."""

from __future__ import annotations

import json
import os
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from household import NOW, Household, household

from spotify_hist.collect.sync import Synced, sync
from spotify_hist.collect.turns import turn
from spotify_hist.errors import LoginNeeded, UsageError
from spotify_hist.faces.cli.main import run
from spotify_hist.sandbox.exports import write_exports
from spotify_hist.store import journal
from spotify_hist.store.database import Database
from spotify_hist.store.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECENT = "/v1/me/player/recently-played"


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Household]:
    """One listener, logged in, nothing collected yet."""
    with household(tmp_path / "home", "anna", http_retries=0) as home:
        yield home


def synced(home: Household, user: str | None = None) -> Synced:
    """One sync on the simulated clock."""
    return sync(home.settings, home.database, home.vault, home.now, user, sleep=home.sleep)


def drop_archive(home: Household, name: str = "anna", folder: str = "") -> None:
    """Put the listener's own export into the watched folder."""
    exports = write_exports(
        home.sandbox.lives[name],
        home.settings.data_dir / "made",
        downloaded_at=home.now() - timedelta(days=1),
        formats=("extended",),
    )
    target = home.settings.watched / folder
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(exports["extended"], target / "my_spotify_data.zip")


def test_the_first_sync_goes_back_once_and_later_ones_only_poll(anna: Household) -> None:
    """The backfill runs by itself after the first login, and never again by itself."""
    first = synced(anna)
    assert [each.stopped_by for each in first.backfills] == ["end"]
    assert (first.users[0].new, first.users[0].error, first.errors) == (50, None, ())
    anna.pass_time(hours=1)
    second = synced(anna)
    assert second.backfills == ()
    assert second.users[0].new > 0


def test_everything_due_is_done_in_one_run(anna: Household) -> None:
    """Archives first, then the way back, then the poll, then some details."""
    drop_archive(anna)
    done = synced(anna)
    assert [each.error for each in done.imports] == [None]
    assert done.imports[0].receipt is not None
    assert [each.is_finished for each in done.backfills] == [True]
    assert done.users[0].error is None
    assert done.enriched is not None
    assert 0 < done.enriched.requests <= 10
    order = [each.path for each in anna.sandbox.requests if each.path.startswith("/v1/")]
    details = [number for number, path in enumerate(order) if "player" not in path]
    assert min(details) > max(n for n, path in enumerate(order) if path == RECENT)
    with anna.database.read() as connection:
        jobs = [each.job for each in journal.runs(connection, limit=50)]
    assert list(dict.fromkeys(reversed(jobs))) == ["import", "backfill", "poll", "enrich", "tidy"]


def test_nothing_counts_twice_whoever_brought_it(anna: Household) -> None:
    """The plays of archive, backfill and polls together are the listener's true plays."""
    drop_archive(anna)
    for _ in range(4):
        synced(anna)
        anna.pass_time(hours=2)
    synced(anna)
    known = anna.rows("select count(*), count(distinct (played_at, track_id)) from plays")
    shown = anna.sandbox.lives["anna"].until(anna.now())
    assert known[0][0] == known[0][1]
    assert int(str(known[0][0])) <= len(shown)


def test_a_broken_archive_stops_nothing_else(anna: Household) -> None:
    """The poll is done; the failure is told and the exit code says partly."""
    anna.settings.watched.mkdir(parents=True)
    (anna.settings.watched / "x.zip").write_bytes(b"no archive at all")
    os.utime(anna.settings.watched / "x.zip", (NOW.timestamp() - 7200,) * 2)
    done = synced(anna)
    assert [each.error is not None for each in done.imports] == [True]
    assert done.users[0].new == 50


def test_a_busy_database_still_lets_the_plays_be_fetched(anna: Household) -> None:
    """Only the poll calls Spotify; its page waits in the spool."""
    synced(anna)
    anna.pass_time(hours=2)
    calls = len(anna.sandbox.requests)
    anna.database = Database(anna.settings.database, wait_s=0.0)
    with Gate(anna.settings.database).reading(0.0), Gate(anna.settings.database).reading(0.0):
        done = synced(anna)
    assert done.users[0].error is not None
    assert done.users[0].error.code == "database_busy"
    assert len(anna.sandbox.requests) == calls + 1
    assert len(list(anna.settings.spool.glob("[!.]*.json"))) == 1
    anna.pass_time(minutes=10)
    later = synced(anna)
    assert (later.users[0].fetched, later.users[0].error) == (100, None)


def test_what_strikes_several_steps_is_told_once(
    anna: Household, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database that is busy keeps the backfill and the poll from committing."""
    for name, value in {**anna.environment, "SPOTIFY_HIST_DATABASE_WAIT_S": "0"}.items():
        monkeypatch.setenv(name, value)
    with anna.database.write("test"):
        code = run(["sync"])
    said = capsys.readouterr().err
    assert (code, said.count("The database is in use")) == (5, 1)


def test_a_poll_at_work_is_left_to_its_work(anna: Household) -> None:
    """The rest is done."""
    with turn(anna.settings, "poll"):
        done = synced(anna)
    assert (done.users, done.notes) == ((), ("Another poll is running.",))
    assert [each.is_finished for each in done.backfills] == [True]


def test_one_listeners_failure_stops_no_other(tmp_path: Path) -> None:
    """Neither in the backfill nor in the poll; it is told once."""
    with household(tmp_path / "home", "anna", "bob") as home:
        home.sandbox.revoke("bob")
        done = synced(home)
        errors = {each.user: each.error for each in done.users}
        assert sorted(errors) == ["Bob", "anna"]
        assert isinstance(errors["Bob"], LoginNeeded)
        assert errors["anna"] is None


def test_nobody_logged_in_is_an_error_only_where_nothing_was_imported(tmp_path: Path) -> None:
    """Some people only ever import."""
    home = Household(tmp_path / "home", "anna")
    with pytest.raises(LoginNeeded):
        synced(home)
    drop_archive(home)
    done = synced(home)
    home.sandbox.close()
    assert [each.error for each in done.imports] == [None]
    assert any("logged in" in note for note in done.notes)


def test_an_unknown_listener_is_a_usage_error(anna: Household) -> None:
    """A typing mistake in a timer must be seen."""
    synced(anna)
    with pytest.raises(UsageError):
        synced(anna, "nobody")


def test_old_logs_and_runs_go_once_a_day(anna: Household) -> None:
    """After the days that the settings keep them; what is younger stays."""
    synced(anna)
    with anna.database.write("test") as connection:
        journal.write(connection, anna.now(), [journal.Entry("info", "test", "old")])
    anna.pass_time(days=89)
    synced(anna)
    with anna.database.read() as connection:
        assert [each.message for each in journal.entries(connection, text="old")] == ["old"]
    anna.pass_time(days=2)
    synced(anna)
    with anna.database.read() as connection:
        assert journal.entries(connection, text="old") == []
        tidied = journal.runs(connection, job="tidy", limit=50)
    assert len(tidied) == 2


def test_the_answer_of_the_command_tells_everything(
    anna: Household, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON for monitors and in words for people; exit 6 where an archive failed."""
    for name, value in anna.environment.items():
        monkeypatch.setenv(name, value)
    drop_archive(anna)
    assert run(["sync", "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [each["user"] for each in answer["users"]] == ["me"]
    assert answer["imports"][0]["plays_added"] > 0
    assert answer["backfills"][0]["finished"] is True
    assert answer["errors"] == []
    bad = anna.settings.watched / "bad.zip"
    bad.write_bytes(b"x")
    os.utime(bad, (NOW.timestamp() - 7200,) * 2)
    assert run(["sync"]) == 6
    said = capsys.readouterr()
    assert "me: 0 new plays of 50 fetched." in said.out
    assert "bad.zip" in said.err
