"""The spool: a page that was fetched is on disk until its rows are committed, come what may."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING
from unittest import mock

import pytest
from conftest import NOW
from processes import Child
from raw_rows import API

from spotify_hist.collect.bodies import read_body
from spotify_hist.collect.pagefile import SpooledPage
from spotify_hist.collect.pages import Outcome, drain, settle, way_back
from spotify_hist.collect.spool import Spool
from spotify_hist.errors import BadInput, DatabaseBusy, ExitCode, StorageFull, Temporary
from spotify_hist.model import Account
from spotify_hist.store import checkpoints, coverage

if TYPE_CHECKING:
    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database

ANN = Account("account-ann", "ann", "Ann")
BOB = Account("account-bob", None, None)
START = datetime(2026, 10, 1, tzinfo=UTC)

# Drains the spool of the home argv[1]; says when it begins and how many pages it committed.
DRAIN = """
import sys
from datetime import UTC, datetime
from spotify_hist.collect.pages import drain
from spotify_hist.collect.spool import Spool
from spotify_hist.settings import load
from spotify_hist.store.database import Database
settings = load(sys.argv[1])
print("ready")
sys.stdin.readline()
clock = lambda: datetime(2026, 11, 1, tzinfo=UTC)
print(len(list(drain(Spool(settings.spool), Database.from_settings(settings), clock))))
"""
# The same, but dies at the n-th step of I/O, or prints how many there are.
KILLED = (
    """
import os, signal, sys
STEPS = {"execute", "executemany", "begin", "commit", "close", "connect", "unlink", "replace",
         "flock", "open"}
last, seen = int(sys.argv[2]), 0
def step(frame, event, argument):
    global seen
    if event.startswith("c_") and getattr(argument, "__name__", "") in STEPS:
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)
"""
    + DRAIN.replace('print("ready")\nsys.stdin.readline()\n', "").replace(
        "print(len(", "sys.setprofile(step)\nlen((", 1
    )
    + "\nsys.setprofile(None)\nprint(seen)\n"
)


@pytest.fixture
def spool(settings: Settings) -> Spool:
    """The spool of `home`, not made yet."""
    return Spool(settings.spool)


def item(minute: int, **changes: object) -> dict[str, object]:
    """A play that ended so many minutes after the start."""
    moment = START + timedelta(minutes=minute)
    return API | {"played_at": f"{moment:%Y-%m-%dT%H:%M:%S}.123Z"} | changes


def page(*items: object, **more: object) -> bytes:
    """The body of an answer."""
    return json.dumps({"items": items, "next": None, "cursors": None, **more}).encode()


def drained(spool: Spool, database: Database) -> list[Outcome]:
    """Commit what waits."""
    return list(drain(spool, database, lambda: NOW))


def count(database: Database, table: str = "plays") -> int:
    """Rows of a table."""
    with database.read() as connection:
        return len(connection.execute(f"select 1 from {table}").fetchall())


def aside(settings: Settings) -> list[str]:
    """The names of what was set aside."""
    failed = settings.spool / "failed"
    return sorted(path.name for path in failed.iterdir()) if failed.exists() else []


def test_a_page_outlives_a_busy_database(
    settings: Settings, spool: Spool, database: Database, impatient: Database
) -> None:
    """The failure is for later (exit code 5), and the next drain commits the page."""
    spool.add(ANN, page(item(0), item(4)), NOW)
    with database.write("other"), pytest.raises(DatabaseBusy) as caught:
        drained(spool, impatient)
    assert caught.value.exit_code == ExitCode.TEMPORARY
    assert len(spool) == 1
    [outcome] = drained(spool, database)
    assert (outcome.user, outcome.fetched, outcome.new) == ("ann", 2, 2)
    assert (len(spool), aside(settings), count(database)) == (0, [], 2)


def test_pages_committed_before_a_failure_stay_told(
    spool: Spool, database: Database, impatient: Database
) -> None:
    """One listener's page is done when the database becomes busy for the next."""
    spool.add(ANN, page(item(0)), NOW)
    spool.add(BOB, page(item(1)), NOW + timedelta(seconds=1))
    outcomes = drain(spool, impatient, lambda: NOW)
    assert next(outcomes).account == ANN
    with database.write("other"), pytest.raises(DatabaseBusy):
        next(outcomes)
    assert [waiting.account for waiting in spool.pages()] == [BOB]


def test_pages_are_taken_in_the_order_they_were_fetched(spool: Spool) -> None:
    """Whatever the clock's time zone and the order they were written in."""
    elsewhere = timezone(timedelta(hours=-9))
    for minute in (3, 1, 2):
        moment = NOW + timedelta(minutes=minute)
        spool.add(ANN, b"%d" % minute, moment if minute != 2 else moment.astimezone(elsewhere))
    waiting = list(spool.pages())
    assert [each.body for each in waiting] == [b"1", b"2", b"3"]
    assert [each.fetched_at for each in waiting] == [NOW + timedelta(minutes=n) for n in (1, 2, 3)]


def test_only_the_owner_may_read_a_page(settings: Settings, spool: Spool) -> None:
    """It tells what someone listened to."""
    path = spool.add(ANN, page(item(0)), NOW).path
    spool.set_aside(path)
    places = [settings.spool, *settings.spool.rglob("*")]
    assert [place.stat().st_mode & 0o777 for place in places] == [0o700, 0o700, 0o600]


def test_a_page_comes_back_as_it_went_in(spool: Spool) -> None:
    """Body, account and instant, also where the body is no UTF-8."""
    spool.add(ANN, "schön\n".encode() + b"\xff", NOW)
    spool.add(BOB, b"", NOW + timedelta(microseconds=1))
    [first, second] = spool.pages()
    assert (first.account, first.fetched_at, first.body) == (ANN, NOW, "schön\n".encode() + b"\xff")
    assert (second.account, second.body) == (BOB, b"")
    spool.remove(first)
    spool.remove(first)
    assert len(spool) == 1


UNREADABLE = [
    b"", b"not json", b"[]", b"null", b"7", b'"x"', b"{}", b"\xff\xfe", b"[" * 100_000,
    b'{"account_id": "a", "spotify_id": null, "display_name": null, "body": "x"}',
]  # fmt: skip
WRONG = [
    {"account_id": None}, {"account_id": 7}, {"spotify_id": []}, {"display_name": 1},
    {"body": None}, {"body": {"items": []}}, {"fetched_at": "yesterday"}, {"fetched_at": 5},
    {"fetched_at": "2026-11-01T12:00:00"},
]  # fmt: skip


@pytest.mark.parametrize("data", UNREADABLE, ids=lambda data: repr(data[:20]))
def test_a_file_that_is_no_page_is_set_aside(
    settings: Settings, spool: Spool, database: Database, data: bytes
) -> None:
    """It is kept for whoever looks, and stands in nobody's way."""
    settings.spool.mkdir(parents=True)
    (settings.spool / "20260101T000000000000-x.json").write_bytes(data)
    spool.add(ANN, page(item(0)), NOW)
    assert [outcome.new for outcome in drained(spool, database)] == [1]
    assert aside(settings) == ["20260101T000000000000-x.json"]
    assert (settings.spool / "failed" / aside(settings)[0]).read_bytes() == data
    assert drained(spool, database) == []


@pytest.mark.parametrize("change", WRONG, ids=repr)
def test_a_page_with_a_wrong_field_is_set_aside(
    settings: Settings, spool: Spool, database: Database, change: dict[str, object]
) -> None:
    """Nothing of it reaches the database."""
    path = spool.add(ANN, page(item(0)), NOW).path
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert drained(spool, database) == []
    assert aside(settings) == [path.name]
    assert not database.exists()


def test_a_directory_among_the_pages_is_set_aside(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """However it came there."""
    (settings.spool / "a.json").mkdir(parents=True)
    assert drained(spool, database) == []
    assert aside(settings) == ["a.json"]


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>busy</html>", b"[]", b"{}", b"null", b'{"items": null}', b'{"items": {}}',
     b'{"items": "x"}', b"[" * 100_000, b'{"items": [', b"\xff"],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_a_body_that_is_no_page_is_set_aside(
    settings: Settings, spool: Spool, database: Database, body: bytes
) -> None:
    """The page after it is committed all the same."""
    path = spool.add(ANN, body, NOW).path
    spool.add(ANN, page(item(0)), NOW + timedelta(seconds=1))
    assert [outcome.new for outcome in drained(spool, database)] == [1]
    assert aside(settings) == [path.name]


def test_items_that_are_no_plays_are_counted_and_cost_nobody(
    spool: Spool, database: Database
) -> None:
    """Odd items beside good ones, and keys that nobody knows yet."""
    broken = [item(1, played_at="soon"), item(2, track={})]
    odd: list[object] = [None, 7, [], {}, {"track": None}, *broken]
    spool.add(ANN, page(*odd, item(0, novelty={"x": [1]}), total=99, novelty=True), NOW)
    [outcome] = drained(spool, database)
    assert (outcome.fetched, outcome.new, outcome.rejected) == (8, 1, 7)
    assert count(database) == 1


def test_a_spool_file_of_a_later_version_may_say_more(spool: Spool, database: Database) -> None:
    """Keys it does not know do not trouble it."""
    path = spool.add(ANN, page(item(0)), NOW).path
    path.write_text(json.dumps(json.loads(path.read_text()) | {"etag": "x"}))
    assert [outcome.new for outcome in drained(spool, database)] == [1]


@pytest.mark.parametrize("length", [0, 1, -1])
def test_a_half_written_page_is_not_taken_for_one(
    settings: Settings, spool: Spool, database: Database, length: int
) -> None:
    """A kill while it is written leaves a hidden file, which the next drain removes."""
    path = spool.add(ANN, page(item(0)), NOW).path
    partial = path.rename(settings.spool / f".{path.name}.partial")
    partial.write_bytes(partial.read_bytes()[:length])
    assert (len(spool), drained(spool, database)) == (0, [])
    assert list(settings.spool.iterdir()) == []


def test_a_page_whose_writer_died_just_before_the_end_is_not_lost(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """Whole, but without its own name yet: the next drain finishes it."""
    path = spool.add(ANN, page(item(0)), NOW).path
    path.rename(settings.spool / f".{path.name}.partial")
    assert [outcome.new for outcome in drained(spool, database)] == [1]
    assert list(settings.spool.iterdir()) == []


@pytest.mark.parametrize("length", [0, 40, -1])
def test_a_page_that_is_being_written_is_left_to_its_writer(
    settings: Settings, spool: Spool, database: Database, length: int
) -> None:
    """Whoever writes it holds its lock."""
    path = spool.add(ANN, page(item(0)), NOW).path
    partial = path.rename(settings.spool / f".{path.name}.partial")
    partial.write_bytes(partial.read_bytes()[:length])
    with partial.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert drained(spool, database) == []
    assert list(settings.spool.iterdir()) == [partial]


def test_a_page_taken_for_abandoned_before_its_first_byte_is_written_all_the_same(
    spool: Spool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drain may come between the making of the file and its lock."""
    lock, drains = fcntl.flock, [spool]

    def drain_first(file: IO[bytes], kind: int) -> None:
        if kind == fcntl.LOCK_EX and drains:
            assert list(drains.pop().pages()) == []
        lock(file, kind)

    monkeypatch.setattr(fcntl, "flock", drain_first)
    spool.add(ANN, page(item(0)), NOW)
    assert drains == []
    assert [outcome.new for outcome in drained(spool, database)] == [1]


def test_a_page_that_cannot_be_removed_is_told_and_not_counted_twice(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """Its rows are committed; the next drain finds them known."""
    spool.add(ANN, page(item(0)), NOW)
    drained(spool, database)
    path = spool.add(ANN, page(item(2)), NOW).path
    broken = OSError(errno.EIO, "Input/output error")
    with (
        mock.patch.object(Path, "unlink", side_effect=broken),
        pytest.raises(Temporary, match="cannot be removed"),
    ):
        drained(spool, database)
    assert (path.exists(), count(database)) == (True, 2)
    assert [outcome.new for outcome in drained(spool, database)] == [0]
    assert (len(spool), count(database)) == (0, 2)


def test_a_full_disk_is_told_as_something_that_passes(settings: Settings, spool: Spool) -> None:
    """And no half-made file is left on it."""
    full = OSError(errno.ENOSPC, "No space left on device")
    with mock.patch.object(os, "fsync", side_effect=full), pytest.raises(StorageFull):
        spool.add(ANN, page(item(0)), NOW)
    assert list(settings.spool.iterdir()) == []


def test_a_spool_that_cannot_be_written_is_told_before_the_page_counts(
    settings: Settings, spool: Spool
) -> None:
    """A file in the directory's place."""
    settings.spool.parent.mkdir(parents=True)
    settings.spool.write_text("in the way")
    with pytest.raises(BadInput, match="spool"):
        spool.add(ANN, page(item(0)), NOW)
    assert settings.spool.read_text() == "in the way"


def test_a_page_that_comes_twice_is_counted_once(spool: Spool, database: Database) -> None:
    """A kill between the commit and the removal: the page is drained again."""
    for second in range(2):
        spool.add(ANN, page(item(0), item(4)), NOW + timedelta(seconds=second))
    assert [outcome.new for outcome in drained(spool, database)] == [2, 0]
    assert count(database) == 2


def test_two_drains_at_once_commit_each_play_once(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """The timer and the person at the same moment."""
    for number in range(6):
        spool.add(
            ANN, page(item(number * 4), item(number * 4 + 2)), NOW + timedelta(seconds=number)
        )
    with Child(DRAIN, settings.data_dir) as one, Child(DRAIN, settings.data_dir) as other:
        assert (one.line(), other.line()) == ("ready", "ready")
        one.go_on()
        other.go_on()
        said = [child.finish() for child in (one, other)]
    assert [(code, err) for code, _, err in said] == [(0, ""), (0, "")]
    assert sum(int(out) for _, out, _ in said) >= 6
    assert (len(spool), aside(settings), count(database)) == (0, [], 12)


def test_a_page_that_is_gone_when_its_turn_comes_is_not_committed(
    spool: Spool, database: Database
) -> None:
    """Somebody removed its listener after the drain had read it."""
    spool.add(ANN, page(item(0)), NOW)
    spool.add(BOB, page(item(1)), NOW + timedelta(seconds=1))
    waiting = list(spool.pages())
    waiting[0].path.unlink()
    outcomes = [settle(each, spool, database, lambda: NOW) for each in waiting]
    assert [each and each.account for each in outcomes] == [None, BOB]
    assert count(database, "users") == 1


def test_two_drains_may_set_the_same_file_aside(settings: Settings, spool: Spool) -> None:
    """The second one finds it gone."""
    path = spool.add(ANN, b"", NOW).path
    spool.set_aside(path)
    spool.set_aside(path)
    assert aside(settings) == [path.name]


def test_a_drain_killed_at_any_moment_costs_nothing(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """kill -9 at steps from the first to the last, each followed by an undisturbed drain."""
    spool.add(ANN, page(item(0)), NOW)
    drained(spool, database)
    spool.add(ANN, page(item(2)), NOW)
    with Child(KILLED, settings.data_dir, "0") as child:
        code, out, err = child.finish()
        assert (code, err) == (0, "")
    steps = int(out)
    for turn in range(1, 6):
        spool.add(ANN, page(item(turn * 4), item(turn * 4 + 2)), NOW + timedelta(seconds=turn))
        with Child(KILLED, settings.data_dir, str(steps * turn // 5 - 3)) as child:
            assert child.finish()[0] == -9
        drained(spool, database)
        assert (len(spool), count(database)) == (0, 2 + 2 * turn)
    assert aside(settings) == []


# -- what a page proves about the time before it


def test_a_full_page_of_strangers_proves_a_gap(spool: Spool, database: Database) -> None:
    """FACTS 3.9: it shares nothing with what is known, so there may have been more."""
    spool.add(ANN, page(*(item(minute) for minute in range(50))), NOW)
    spool.add(ANN, page(*(item(500 + minute) for minute in range(50))), NOW + timedelta(hours=9))
    first, second = drained(spool, database)
    assert first.gap is None
    assert second.gap is not None
    assert second.gap.after == START + timedelta(minutes=49, milliseconds=123)
    assert second.gap.before == START + timedelta(minutes=500, milliseconds=123)
    assert count(database, "coverage_gaps") == 1


def test_a_play_told_twice_in_one_page_hides_no_gap(spool: Spool, database: Database) -> None:
    """Exact duplicates occur inside one answer (FACTS 3.6); they are no sign of something known."""
    spool.add(ANN, page(item(0)), NOW)
    items = [item(500 + minute) for minute in range(49)]
    spool.add(ANN, page(*items, items[7]), NOW + timedelta(hours=9))
    gaps = [outcome.gap for outcome in drained(spool, database)]
    assert gaps[0] is None
    assert gaps[1] is not None


@pytest.mark.parametrize("shared", [49, 49.02])
def test_a_full_page_that_joins_on_proves_there_is_none(
    spool: Spool, database: Database, shared: float
) -> None:
    """One play in common is enough, also where its timestamp was issued anew (FACTS 3.6)."""
    spool.add(ANN, page(*(item(minute) for minute in range(50))), NOW)
    moment = START + timedelta(minutes=shared)
    joint = item(0, played_at=f"{moment:%Y-%m-%dT%H:%M:%S}.500Z")
    items = [joint, *(item(60 + minute) for minute in range(49))]
    spool.add(ANN, page(*items), NOW + timedelta(hours=9))
    first, second = drained(spool, database)
    assert (first.gap, second.gap) == (None, None)
    assert (second.new, count(database)) == (49, 99)


def test_late_plays_in_a_page_do_not_move_its_gap(spool: Spool, database: Database) -> None:
    """The gap lies between the newest play known and the first one after it (FACTS 3.4)."""
    spool.add(ANN, page(item(0), item(400)), NOW)
    late = [item(100), item(200)]
    recent = [item(500 + each) for each in range(48)]
    spool.add(ANN, page(*late, *recent), NOW + timedelta(hours=9))
    gap = drained(spool, database)[1].gap
    assert gap is not None
    assert gap.after == START + timedelta(minutes=400, milliseconds=123)
    assert gap.before == START + timedelta(minutes=500, milliseconds=123)


def test_a_full_page_of_late_plays_alone_proves_no_gap(spool: Spool, database: Database) -> None:
    """All of them are older than what was known: nothing is said of the time after that."""
    spool.add(ANN, page(item(1000)), NOW)
    spool.add(ANN, page(*(item(each) for each in range(50))), NOW + timedelta(hours=9))
    assert [outcome.gap for outcome in drained(spool, database)] == [None, None]


def gap_made(spool: Spool, database: Database, long_ms: int = 240_000) -> None:
    """A gap from minute 49 to minute 70 between two full pages of four-minute tracks."""
    track = API["track"]
    assert isinstance(track, dict)
    long = track | {"duration_ms": long_ms}
    for first in (0, 70):
        plays = [item(first + each, track=long) for each in range(50)]
        spool.add(ANN, page(*plays), NOW + timedelta(hours=first))
    assert [each.gap is not None for each in drained(spool, database)] == [False, True]


def open_gaps(database: Database) -> int:
    """How many gaps nothing has filled."""
    with database.read() as connection:
        return len(coverage.open_gaps(connection, 1))


def test_a_page_that_holds_the_play_before_a_gap_closes_it(
    spool: Spool, database: Database
) -> None:
    """Spotify then tells of all that came after that play."""
    gap_made(spool, database)
    spool.add(ANN, page(item(49), item(55), item(119)), NOW + timedelta(days=9))
    [outcome] = drained(spool, database)
    assert (outcome.new, outcome.late, outcome.gaps_closed, open_gaps(database)) == (1, 1, 1, 0)


def test_an_older_play_that_is_shown_again_does_not_close_a_gap(
    spool: Spool, database: Database
) -> None:
    """A play far before the gap may have come late; it says nothing about the gap."""
    gap_made(spool, database)
    spool.add(ANN, page(item(12), item(55), item(119)), NOW + timedelta(days=9))
    [outcome] = drained(spool, database)
    assert (outcome.gaps_closed, open_gaps(database)) == (0, 1)


def test_late_plays_that_leave_no_room_close_a_gap(spool: Spool, database: Database) -> None:
    """Four-minute tracks every four minutes: nothing of half a minute fits between them."""
    gap_made(spool, database)
    track = API["track"]
    assert isinstance(track, dict)
    long = track | {"duration_ms": 240_000}
    for turn, minute in enumerate((53, 57, 61, 65, 69)):
        spool.add(ANN, page(item(minute, track=long), item(119)), NOW + timedelta(days=turn + 9))
    outcomes = drained(spool, database)
    assert [each.gaps_closed for each in outcomes] == [0, 0, 0, 0, 1]
    assert open_gaps(database) == 0


def test_a_backfill_that_reaches_the_play_before_a_gap_closes_it(
    spool: Spool, database: Database
) -> None:
    """Page by page it was told of everything down to that play."""
    gap_made(spool, database)
    for before, minutes in ((68, (60, 64)), (60, (49, 50))):
        before_ms = round((START + timedelta(minutes=before)).timestamp() * 1000)
        body = page(*map(item, minutes))
        spool.add(ANN, body, NOW + timedelta(days=9, minutes=-before), before_ms=before_ms)
    assert [each.gaps_closed for each in drained(spool, database)] == [0, 1]


def test_a_page_of_a_backfill_proves_no_gap(spool: Spool, database: Database) -> None:
    """It was asked for older plays: that it shares nothing with newer ones is no wonder."""
    spool.add(ANN, page(item(-500)), NOW)
    body = page(*(item(each) for each in range(50)))
    spool.add(ANN, body, NOW + timedelta(days=1), before_ms=2_000_000_000_000, until_ms=0)
    outcomes = drained(spool, database)
    assert [(each.job, each.gap) for each in outcomes] == [("poll", None), ("backfill", None)]


def test_a_backfilled_page_committed_twice_leaves_the_same_state(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """A kill between its commit and its removal: how far the backfill came stays true."""
    states = []
    for _ in range(2):
        spool.add(ANN, page(item(0), item(9)), NOW, before_ms=2_000_000_000_000, until_ms=5)
        drained(spool, database)
        with database.read() as connection:
            states.append(checkpoints.states(connection, "backfill"))
    assert states[0] == states[1]
    assert states[0][1]["new"] == 2
    assert states[0][1]["finished"] is False


def test_a_backfill_remembers_where_it_is_and_why_it_ended(
    spool: Spool, database: Database
) -> None:
    """The cursor of the next page; `end` past the last play (FACTS 3.2)."""
    first_ms = round((START + timedelta(milliseconds=123)).timestamp() * 1000)
    spool.add(ANN, page(item(0), item(9)), NOW, before_ms=first_ms + 900_000, until_ms=5)
    drained(spool, database)
    with database.read() as connection:
        state = checkpoints.states(connection, "backfill")[1]
    assert (state["before_ms"], state["reached_ms"], state["stopped_by"]) == (
        first_ms,
        first_ms,
        None,
    )
    spool.add(ANN, page(), NOW, before_ms=first_ms, until_ms=5)
    drained(spool, database)
    with database.read() as connection:
        state = checkpoints.states(connection, "backfill")[1]
    assert (state["reached_ms"], state["finished"], state["stopped_by"], state["new"]) == (
        first_ms,
        True,
        "end",
        2,
    )


@pytest.mark.parametrize(
    ("cursor", "stopped_by"), [("900", None), ("400", "max_days"), ("1000", "no_progress")]
)
def test_spotifys_cursor_says_where_the_next_page_begins(cursor: str, stopped_by: str) -> None:
    """The cursor comes first, else the oldest play; it must lead to older plays than the last."""
    body = read_body(page(item(0), cursors={"before": cursor, "after": "x"}))
    assert body is not None
    asked = SpooledPage(Path(), ANN, NOW, b"", before_ms=1000, until_ms=500)
    assert way_back(asked, body).stopped_by == stopped_by


def test_late_plays_are_told(spool: Spool, database: Database) -> None:
    """Plays that turn up after newer ones are new and late (FACTS 3.4)."""
    spool.add(ANN, page(item(10), item(30)), NOW)
    spool.add(ANN, page(item(10), item(20), item(30), item(40)), NOW + timedelta(hours=1))
    assert [(each.new, each.late) for each in drained(spool, database)] == [(2, 0), (2, 1)]
