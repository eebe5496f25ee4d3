"""The accounts of work: what ran, what was said, and the commands that show both."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cli_kit import Cli, Done
from hypothesis import given
from hypothesis import strategies as st
from plays import MemoryDatabase, add, extended

from spotify_hist.errors import UsageError
from spotify_hist.faces.cli import jobs, listing, main
from spotify_hist.store import journal
from spotify_hist.store.journal import LEVELS, MAX_CHARACTERS, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spotify_hist.store.database import Connection, Database

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def memory() -> MemoryDatabase:
    """A history of two listeners, `me` and `other`."""
    database = MemoryDatabase()
    add(database, [extended("2024-01-01")])
    add(database, [], "other")
    return database


@pytest.fixture
def connection(memory: MemoryDatabase) -> Iterator[Connection]:
    """It, with an empty journal, and as it was afterwards."""
    with memory.emptied_afterwards():
        yield memory.connection


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process, in `home`."""

    def run(*arguments: str) -> Done:
        code = main.run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def told(database: Database) -> Database:
    """A history with runs and messages of the last days of October, by the clock of `NOW`."""
    add(database, [extended("2024-01-01")], "ada")
    add(database, [], "bob")
    with database.write("test") as connection:
        for hours, user_id, status, stats, error in (
            (30, 1, "ok", {"fetched": 50, "new": 3, "late": 0}, None),
            (20, 2, "failed", {}, "Spotify cannot be reached."),
            (10, 1, "ok", {"fetched": 50, "new": 0, "late": 0}, None),
        ):
            begun = NOW - hours * HOUR
            journal.add_run(
                connection, "poll", user_id, begun, begun + 0.1 * HOUR, status, stats, error
            )
        journal.add_run(connection, "enrich", None, NOW, NOW, "ok", {"requests": 1_234})
        journal.write(connection, NOW - 30 * HOUR, [Entry("info", "poll", "Began anew.", 1)])
        journal.write(connection, NOW, [Entry("error", "poll", "100 % of it failed", 2)])
    return database


def messages(connection: Connection, **filters: object) -> list[str]:
    """The messages found, newest first."""
    return [each.message for each in journal.entries(connection, **filters)]  # type: ignore[arg-type]  # each test names filters that exist


def test_messages_come_newest_first_and_those_of_one_moment_last_said_first(
    connection: Connection,
) -> None:
    """Also where a later call tells of an earlier moment."""
    journal.write(connection, NOW, [Entry("info", "poll", "one"), Entry("info", "poll", "two")])
    journal.write(connection, NOW - HOUR, [Entry("info", "poll", "older")])
    assert messages(connection) == ["two", "one", "older"]
    assert messages(connection, limit=1) == ["two"]


def test_a_message_is_kept_with_its_listener_and_its_moment(connection: Connection) -> None:
    """The listener by id and name; microseconds and the zone survive."""
    moment = datetime(2026, 3, 29, 2, 30, 0, 123_456, tzinfo=UTC)
    journal.write(connection, moment, [Entry("warning", "poll", "soon", 2)])
    (found,) = journal.entries(connection)
    assert found == journal.Logged(moment, "warning", "poll", 2, "other", "soon")


@given(text=st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=80))
def test_any_text_can_be_logged_and_stays_one_line(memory: MemoryDatabase, text: str) -> None:
    """Line breaks of all kinds go, and the bytes of a file name that is no UTF-8 are escaped."""
    with memory.emptied_afterwards():
        journal.write(memory.connection, NOW, [Entry("info", "import", text)])
        (message,) = messages(memory.connection)
    assert message.splitlines() in ([message], [])
    assert message.split() == text.encode("utf-8", "backslashreplace").decode().split()


def test_a_long_message_is_cut_where_it_can_be_seen(connection: Connection) -> None:
    """At 2,000 characters, the last of them an ellipsis; one of just that length is whole."""
    whole = "x" * MAX_CHARACTERS
    journal.write(
        connection, NOW, [Entry("info", "poll", whole), Entry("info", "poll", whole + "y")]
    )
    cut, kept = messages(connection)
    assert (kept, cut) == (whole, whole[:-1] + "…")


def test_nothing_to_log_writes_nothing(connection: Connection) -> None:
    """An empty list is no error."""
    journal.write(connection, NOW, [])
    assert messages(connection) == []


def test_the_level_is_the_least_grave_one_wanted(connection: Connection) -> None:
    """`warning` gives warnings and errors."""
    journal.write(connection, NOW, [Entry(level, "poll", level) for level in LEVELS])
    found = {level: set(messages(connection, level=level)) for level in LEVELS}
    assert found == {
        "info": {"info", "warning", "error"},
        "warning": {"warning", "error"},
        "error": {"error"},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ÉTÉ", ["Un été à 100 %"]),
        ("100 %", ["Un été à 100 %"]),
        ("%", ["Un été à 100 %"]),
        ("_", ["file_1.json"]),
        (".", ["file_1.json"]),
        ("", ["file_1.json", "Un été à 100 %"]),
        ("winter", []),
    ],
)
def test_text_is_found_in_any_case_and_nothing_in_it_is_a_pattern(
    text: str, expected: list[str], connection: Connection
) -> None:
    """Per cent signs, underscores and dots are what they are."""
    told = [Entry("info", "poll", "Un été à 100 %"), Entry("info", "import", "file_1.json")]
    journal.write(connection, NOW, told)
    assert messages(connection, text=text) == expected


def test_since_includes_its_own_moment_and_a_listener_excludes_all_others(
    connection: Connection,
) -> None:
    """Also those messages that are about nobody."""
    journal.write(connection, NOW, [Entry("info", "poll", "mine", 1), Entry("info", "sync", "all")])
    journal.write(connection, NOW + HOUR, [Entry("info", "poll", "theirs", 2)])
    assert messages(connection, since=NOW) == ["theirs", "all", "mine"]
    assert messages(connection, since=NOW + timedelta(microseconds=1)) == ["theirs"]
    assert messages(connection, user_id=1) == ["mine"]


def test_runs_come_newest_first_and_by_job_listener_and_failure(connection: Connection) -> None:
    """A run that is still at work is no failure."""
    for hours, job, user_id, status in (
        (3, "poll", 1, "ok"),
        (2, "poll", 2, "failed"),
        (1, "import", 1, "failed"),
        (0, "enrich", None, "running"),
    ):
        at = NOW - hours * HOUR
        journal.add_run(connection, job, user_id, at, at, status, {"n": hours}, "a\nb")

    def found(**filters: object) -> list[object]:
        runs = journal.runs(connection, **filters)  # type: ignore[arg-type]  # names that exist
        return [run.stats["n"] for run in runs]

    assert found() == [0, 1, 2, 3]
    assert found(limit=2) == [0, 1]
    assert found(job="poll") == [2, 3]
    assert found(user_id=1) == [1, 3]
    assert found(failed_only=True) == [1, 2]
    assert found(failed_only=True, job="poll", user_id=1) == []
    (last,) = journal.runs(connection, failed_only=True, limit=1)
    assert (last.user, last.error, last.finished_at) == ("me", "a b", NOW - HOUR)


def test_a_purge_takes_what_is_older_and_leaves_the_moment_itself(connection: Connection) -> None:
    """Runs by their end; one still at work stays, whenever it began."""
    for at in (NOW - HOUR, NOW):
        journal.write(connection, at, [Entry("info", "poll", "said")])
        journal.add_run(connection, "poll", 1, NOW - 2 * HOUR, at, "ok", {})
    journal.add_run(connection, "enrich", None, NOW - HOUR, NOW - HOUR, "running", {})
    assert journal.purge(connection, NOW) == 2
    assert journal.purge(connection, NOW) == 0
    assert len(messages(connection)) == 1
    assert {run.job for run in journal.runs(connection)} == {"poll", "enrich"}


@pytest.mark.parametrize(
    ("stats", "words"),
    [
        ({"fetched": 50, "new": 3, "late": 0}, "50 fetched, 3 new"),
        ({"fetched": 50, "new": 0}, "50 fetched, 0 new"),
        ({"plays_added": 1_234, "is_whole": True, "cut": False}, "1,234 plays added, is whole"),
        ({"stopped_by": "end", "none": None}, "stopped by: end"),
        ({}, "nothing to do"),
    ],
)
def test_the_counts_of_a_run_are_said_in_words(stats: dict[str, object], words: str) -> None:
    """What is 0 goes unsaid, but for what is new."""
    assert jobs.in_words(stats) == words


def test_jobs_are_told_newest_first_in_the_system_s_time(told: Database, cli: Cli) -> None:
    """St John's is 2 h 30 min behind in summer time; each run with what came of it."""
    done = cli("jobs")
    assert (done.code, done.err) == (0, "")
    heading, *lines = done.out.splitlines()
    assert heading.split() == ["when", "job", "listener", "status", "took", "what"]
    assert [" ".join(line.split()) for line in lines] == [
        "2026-11-01 08:30 enrich - ok 0.0 s 1,234 requests",
        "2026-10-31 23:36 poll ada ok 6:00 50 fetched, 0 new",
        "2026-10-31 13:36 poll bob failed 6:00 Spotify cannot be reached.",
        "2026-10-31 03:36 poll ada ok 6:00 50 fetched, 3 new",
    ]


def test_jobs_can_be_narrowed_down(told: Database, cli: Cli) -> None:
    """By job, failure, number and the global --user."""

    def found(*arguments: str) -> list[tuple[object, object]]:
        given = arguments if "jobs" in arguments else ("jobs", *arguments)
        return [(run["job"], run["user"]) for run in cli(*given, "--format", "json").json()["jobs"]]

    assert found("--failed") == [("poll", "bob")]
    assert found("--job", "enrich") == [("enrich", None)]
    assert found("--limit", "2") == [("enrich", None), ("poll", "ada")]
    assert found("--user", "ada", "jobs") == [("poll", "ada"), ("poll", "ada")]
    assert found("--user", "ada", "jobs", "--failed") == []


def test_a_job_for_a_program_has_its_counts_and_instants_in_utc(told: Database, cli: Cli) -> None:
    """And a duration in seconds."""
    (run,) = cli("jobs", "--failed", "--format", "json").json()["jobs"]
    assert run == {
        "run_id": 2,
        "job": "poll",
        "user": "bob",
        "started_at": "2026-10-31T16:00:00.000Z",
        "finished_at": "2026-10-31T16:06:00.000Z",
        "took_s": 360.0,
        "status": "failed",
        "stats": {},
        "error": "Spotify cannot be reached.",
    }
    rows = list(csv.DictReader(io.StringIO(cli("jobs", "--format", "csv").out)))
    assert [row["stats"] for row in rows][1] == '{"fetched": 50, "new": 0, "late": 0}'


def test_logs_are_told_newest_first_and_can_be_narrowed_down(
    told: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By level, text, age, date, listener and number."""
    monkeypatch.setattr("spotify_hist.faces.cli.context.App.now", lambda _: NOW)

    def found(*arguments: str) -> list[str]:
        given = arguments if "logs" in arguments else ("logs", *arguments)
        entries = cli(*given, "--format", "json").json()["logs"]
        return [each["message"] for each in entries]

    new, old = "100 % of it failed", "Began anew."
    assert found() == [new, old]
    assert found("--level", "warning") == [new]
    assert found("--text", "BEGAN") == [old]
    assert found("--since", "29h") == found("--since", "1799m") == [new] != found("--since", "2d")
    assert found("--since", "2026-11-01") == [new]
    # 30 hours before, at 6:00 UTC, it was 3:30 in St John's.
    assert found("--since", "2026-10-31T03:30") == [new, old]
    assert found("--since", "2026-10-31T03:31") == [new]
    assert found("--user", "ada", "logs") == [old]
    assert found("--limit", "1") == [new]
    table = cli("logs", "--level", "error").out.splitlines()
    assert table[1].split("  ")[0] == "2026-11-01 08:30"
    assert table[1].endswith("bob       100 % of it failed")


def test_an_empty_list_says_so(told: Database, cli: Cli) -> None:
    """In words for people, as an empty list for programs."""
    assert cli("jobs", "--job", "zzz").out == "Nothing of that kind has run.\n"
    assert cli("logs", "--text", "zzz").out == "No messages of that kind.\n"
    assert cli("logs", "--text", "zzz", "--format", "json").json() == {"logs": []}
    assert (
        cli("logs", "--text", "zzz", "--format", "csv").out == "logged_at,level,job,user,message\n"
    )


def test_a_purge_by_hand_keeps_the_days_of_the_setting(
    told: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """90 days unless it or --older-than says otherwise; plays are not touched."""
    monkeypatch.setattr("spotify_hist.faces.cli.context.App.now", lambda _: NOW)
    assert cli("logs", "purge").out == (
        "Deleted 0 messages and runs from before 2026-08-03 12:00 UTC.\n"
    )
    monkeypatch.setenv("SPOTIFY_HIST_LOGS_RETENTION_DAYS", "1")
    assert cli("logs", "purge").out.startswith("Deleted 2 messages and runs ")
    assert cli("logs", "purge", "--older-than", "12h").out.startswith("Deleted 1 message or run ")
    assert len(cli("jobs", "--format", "json").json()["jobs"]) == 2
    assert cli("query", "recent", "--format", "json").code == 2  # two listeners, still there


def test_a_purge_makes_no_history(home: Path, cli: Cli) -> None:
    """Where there is none, there is nothing to delete."""
    assert cli("logs", "purge") == Done(0, "There is nothing to delete.\n", "")
    assert not (home / "history.duckdb").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("logs", "--since", "soon"),
        ("logs", "--since", "3w"),
        ("logs", "--since", "999999d"),
        ("logs", "--level", "debug"),
        ("logs", "--limit", "0"),
        ("logs", "purge", "--older-than", "2026-11-01"),
        ("jobs", "--limit", "-1"),
        ("--user", "zoe", "jobs"),
        ("--user", "zoe", "logs"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: tuple[str, ...], told: Database, cli: Cli
) -> None:
    """Exit code 2, one line, and a next step."""
    done = cli(*arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("Error: ")


@given(age=st.integers(0, 10_000), unit=st.sampled_from("mhd"))
def test_an_age_is_that_much_before_now(age: int, unit: str) -> None:
    """Days are of 24 hours here; the answer is in UTC."""
    span = {"m": HOUR / 60, "h": HOUR, "d": 24 * HOUR}[unit]
    for moment in (
        listing.since(f"{age}{unit}", "Asia/Kolkata", NOW),
        listing.older_than(f"{age}{unit}", NOW),
    ):
        assert NOW - moment == age * span
        assert moment.tzinfo is UTC


def test_a_date_begins_at_midnight_of_the_listener() -> None:
    """And what is neither age nor date is refused with examples."""
    assert listing.since("2026-11-01", "Asia/Kolkata", NOW) == datetime(
        2026, 10, 31, 18, 30, tzinfo=UTC
    )
    with pytest.raises(UsageError, match="'1 day'") as refused:
        listing.since("1 day", "UTC", NOW)
    assert "2d" in refused.value.hint
