"""What a page holds that cannot be read: nothing of it is dropped, and it comes in once it can."""

from __future__ import annotations

import codecs
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from cli_kit import process
from conftest import NOW
from household import household
from processes import Child
from raw_rows import API
from test_spool import ANN, BOB, KILLED, START, aside, count, drained, item, page

from spotify_hist.collect import pagefile
from spotify_hist.collect.bodies import READER, Unreadable, read_body
from spotify_hist.collect.pages import drain
from spotify_hist.collect.spool import Spool
from spotify_hist.errors import ExitCode, StorageFull, UnreadablePage
from spotify_hist.store import checkpoints, coverage, journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from household import Household

    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database

RECENT = "/v1/me/player/recently-played"
NUMBER = 1_790_812_800_000
ODD_TIMES = [NUMBER, NUMBER // 1000, 1.5, "1790812800", "2026-10-01T00:00:00", "2026-10-01 00:00",
             "soon", "", None, True, [], float("nan"), 10**400, "2026-10-01T00:00:00+25:00",
             "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-02-30T00:00:00Z"]  # fmt: skip


@pytest.fixture
def spool(settings: Settings) -> Spool:
    """The spool of `home`, not made yet."""
    return Spool(settings.spool)


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Household]:
    """One listener, logged in."""
    with household(tmp_path / "home", "anna", http_retries=0) as home:
        yield home


def timeless(minute: int) -> dict[str, object]:
    """A play that nobody can tell the instant of."""
    return item(minute, played_at=NUMBER + minute * 60_000)


def logged(database: Database) -> list[tuple[str, str]]:
    """Level and message of everything in the log, oldest first."""
    with database.read() as connection:
        return [(each.level, each.message) for each in reversed(journal.entries(connection))]


def kept(settings: Settings) -> list[tuple[str, object]]:
    """Reason and item of everything that was set aside, in the order of the files."""
    files = [json.loads((settings.spool / "failed" / name).read_text()) for name in aside(settings)]
    return [
        (each["reason"], json.loads(each["text"])) for file in files for each in file["unreadable"]
    ]


def plays(database: Database) -> list[tuple[object, ...]]:
    """All plays, but for what hangs on the order of arrival in no way."""
    with database.read() as connection:
        return connection.execute(
            "select epoch_ms(played_at), track_id from plays order by all"
        ).fetchall()


# -- what can be read


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        ("2026-10-01T01:00:00.5+01:00", datetime(2026, 10, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-09-30T18:30:00.500-0530", datetime(2026, 10, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-10-01T01:00:00+01", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01T00:00:00-00:00", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01t00:00:00z", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01T00:00:00Z", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01T00:00:00.123456789Z", datetime(2026, 10, 1, 0, 0, 0, 123_000, tzinfo=UTC)),
        ("2026-10-01T00:00:00,123Z", datetime(2026, 10, 1, 0, 0, 0, 123_000, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_with_whatever_offset(told: str, moment: datetime) -> None:
    """ISO 8601 leaves no doubt about it."""
    body = read_body(page(item(0, played_at=told)))
    assert body is not None
    assert [each.played_at_ms for each in body.records] == [round(moment.timestamp() * 1000)]


@pytest.mark.parametrize("told", ODD_TIMES, ids=repr)
def test_a_time_that_would_have_to_be_guessed_is_kept_and_named(
    settings: Settings, spool: Spool, database: Database, told: object
) -> None:
    """A bare number, a time without a zone, one out of all range."""
    spool.add(ANN, page(item(0), item(1), item(2, played_at=told)), NOW)
    [outcome] = drained(spool, database)
    assert (outcome.fetched, outcome.new, outcome.rejected, outcome.error) == (3, 2, 1, None)
    [file] = aside(settings)
    assert len(json.loads((settings.spool / "failed" / file).read_text())["unreadable"]) == 1
    assert len(logged(database)) == 1


ODD_TRACKS: list[dict[str, object]] = [
    {"id": 5}, {"id": None, "uri": "spotify:track:x"}, {"name": None}, {"artists": None},
    {"artists": "First"}, {"artists": [7, None]}, {"album": []}, {"duration_ms": "200000"},
    {"duration_ms": 10**400}, {"duration_ms": float("nan")}, {"external_ids": "isrc"},
    {"type": 7}, {"uri": 5}, {"uri": "spotify:track:\udcff"}, {"is_local": {"a": [[[]]]}},
]  # fmt: skip


@pytest.mark.parametrize("change", ODD_TRACKS, ids=repr)
def test_a_secondary_field_of_another_type_costs_no_play(
    settings: Settings, spool: Spool, database: Database, change: dict[str, object]
) -> None:
    """The play is kept, the field is empty."""
    track = API["track"]
    assert isinstance(track, dict)
    for context in ("spotify:playlist:p", ["x"], 7):
        spool.add(ANN, page(item(0, track=track | change, context=context)), NOW)
    outcomes = drained(spool, database)
    assert [(each.fetched, each.rejected, each.error) for each in outcomes] == [(1, 0, None)] * 3
    assert (count(database), aside(settings)) == (1, [])


def test_a_spoiled_uri_makes_no_second_play(spool: Spool, database: Database) -> None:
    """The next page tells the same play with the uri it has."""
    body = page(item(0))
    spool.add(ANN, body.replace(b"spotify:track:4u", b"spotify:track:4\xff"), NOW)
    spool.add(ANN, body, NOW + timedelta(minutes=1))
    assert [outcome.fetched for outcome in drained(spool, database)] == [1, 1]
    assert count(database) == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first", "last"])
def test_a_name_with_a_bad_byte_gives_way_to_the_whole_one(
    spool: Spool, database: Database, order: tuple[int, int]
) -> None:
    """Of track, artist and album alike, whichever page came first."""
    names = {"Jóga": b"J\xf3ga", "Björk": b"Bj\xf6rk", "Ævi": b"\xc6vi"}
    track = API["track"]
    assert isinstance(track, dict)
    artist, album = track["artists"][0], track["album"]
    track = track | {
        "name": "Jóga",
        "artists": [artist | {"name": "Björk"}],
        "album": album | {"name": "Ævi", "artists": [artist | {"name": "Björk"}]},
    }
    whole = json.dumps({"items": [item(0, track=track)], "next": None}, ensure_ascii=False).encode()
    damaged = whole
    for name, bytes_ in names.items():
        damaged = damaged.replace(name.encode(), bytes_)
    for number in order:
        spool.add(ANN, (damaged, whole)[number], NOW + timedelta(minutes=number))
        drained(spool, database)
    assert count(database) == 1
    with database.read() as connection:
        told = connection.execute(
            "select tracks.title, artists.name, albums.name from plays"
            " join tracks using (track_id) join artists using (artist_id)"
            " join albums using (album_id)"
        ).fetchall()
    assert told == [("Jóga", "Björk", "Ævi")]


ENCODINGS = {
    "utf-8": b"", "utf-8-sig": b"", "utf-16": b"", "utf-16-le": b"", "utf-16-be": b"",
    "utf-16-le with mark": codecs.BOM_UTF16_LE, "utf-32": b"", "utf-32-be": b"",
}  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_page_is_read_in_whatever_unicode(
    settings: Settings, spool: Spool, database: Database, encoding: str
) -> None:
    """With its mark and without, the umlauts whole."""
    track = API["track"]
    assert isinstance(track, dict)
    text = json.dumps(
        {"items": [item(0, track=track | {"name": "Jóga 東京"})], "next": None}, ensure_ascii=False
    )
    name = encoding.removesuffix(" with mark")
    spool.add(ANN, ENCODINGS[encoding] + text.encode(name), NOW)
    spool.add(ANN, page(item(2)), NOW + timedelta(seconds=1))
    assert [outcome.new for outcome in drained(spool, database)] == [1, 1]
    with database.read() as connection:
        assert ("Jóga 東京",) in connection.execute("select title from play_records").fetchall()
    assert aside(settings) == []


def test_one_bad_byte_costs_one_item_at_most() -> None:
    """Wherever it stands; the others are read, and what cannot be is kept to the byte."""
    data = page(*map(item, range(6)), next="https://more", cursors={"before": "123", "after": "9"})
    whole = read_body(data)
    assert whole is not None
    known = set(whole.records)
    begin = data.index(b"[") + 1
    for place in range(0, len(data), 7):
        broken = data[:place] + b"\xff" + data[place + 1 :]
        body = read_body(broken)
        if place < begin:
            # Where not even a list of items is to be seen, the page is kept as a whole.
            assert body is None or len(known & set(body.records)) == 6
            continue
        assert body is not None, place
        same = known & set(body.records)
        assert len(same) >= 5, place
        if len(same) + len(body.unreadable) < 6:
            # It stood in a text: the play is there, a letter of it is not.
            assert len(body.records) == 6, place
        for unread in body.unreadable:
            piece = unread.text.encode("utf-8", "surrogateescape")
            assert piece in broken or b"udcff" in piece


@pytest.mark.parametrize("share", [0.2, 0.5, 0.77, 0.95])
def test_of_a_page_without_its_end_the_whole_items_are_read_and_the_rest_is_kept(
    settings: Settings, spool: Spool, database: Database, share: float
) -> None:
    """The page after it is committed all the same."""
    data = page(*map(item, range(0, 40, 2)))
    cut = data[: round(len(data) * share)]
    spool.add(ANN, cut, NOW)
    spool.add(ANN, page(item(100)), NOW + timedelta(seconds=1))
    first, second = drained(spool, database)
    assert first.new == cut.count(b'"javascript:x", "width": 9999}]}}}') == first.fetched - 1
    assert second.new == 1
    [file] = aside(settings)
    [rest] = json.loads((settings.spool / "failed" / file).read_text())["unreadable"]
    assert cut.endswith(rest["text"].encode())
    assert len(spool) == 0


def test_a_page_without_its_end_may_have_been_full(spool: Spool, database: Database) -> None:
    """It proves a gap, which the next page closes if there was none."""
    spool.add(ANN, page(item(0)), NOW)
    long = page(*(item(500 + minute) for minute in range(50, 0, -1)))
    spool.add(ANN, long[: len(long) // 2], NOW + timedelta(hours=9))
    assert [outcome.gap is not None for outcome in drained(spool, database)] == [False, True]
    spool.add(ANN, page(*(item(500 + minute) for minute in range(50, 0, -2)), item(0)), NOW)
    [outcome] = drained(spool, database)
    assert outcome.gaps_closed == 1


# -- what cannot


def test_everything_unreadable_is_kept_with_its_reason_by_the_owner_alone(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """With whose it is and when it was fetched; and so `status` can tell."""
    odd: list[object] = [timeless(0), item(1, track=None), {"played_at": "2026-10-01T00:00:00Z"},
                         "text", 7, None, [], {}, [[[{"a": [1]}]]]]  # fmt: skip
    spool.add(ANN, page(*map(item, range(20, 40)), *odd), NOW)
    [outcome] = drained(spool, database)
    assert (outcome.fetched, outcome.new, outcome.rejected, outcome.error) == (29, 20, 9, None)
    [name] = aside(settings)
    path = settings.spool / "failed" / name
    file = json.loads(path.read_text())
    assert (file["account_id"], file["fetched_at"]) == (ANN.account_id, NOW.isoformat())
    assert [each for _, each in kept(settings)] == odd
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    found = spool.look_aside()
    assert (found.pages, found.items) == (1, 9)
    assert dict(found.reasons) == {
        "not an object": 5, 'no "track"': 3, '"played_at" is not a time': 1
    }  # fmt: skip
    [(level, message)] = logged(database)
    assert level == "warning"
    assert message.startswith("ann: 9 of 29 items of a page cannot be read and are kept in spool/")
    assert name in message


def test_the_same_items_are_kept_and_logged_once(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """Spotify tells of the last 50 plays with every poll."""
    track = API["track"]
    assert isinstance(track, dict)
    for turn in range(6):
        changed = timeless(1) | {"track": track | {"popularity": turn}}
        items = [*map(item, range(20, 40)), timeless(0), changed]
        spool.add(ANN, page(*items, *[timeless(2)] * (turn > 3)), NOW + timedelta(minutes=turn))
    assert [each.rejected for each in drained(spool, database)] == [2, 2, 2, 2, 3, 3]
    assert (len(aside(settings)), spool.look_aside().items, len(logged(database))) == (2, 3, 2)


def test_what_one_listener_heard_is_kept_beside_what_another_did(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """The same item of two people are two."""
    for account in (ANN, BOB):
        spool.add(account, page(item(2), timeless(0)), NOW)
    drained(spool, database)
    assert (len(aside(settings)), spool.look_aside().items) == (2, 2)
    spool.forget(ANN)
    assert (len(aside(settings)), spool.look_aside().items) == (1, 1)


def test_a_page_that_is_mostly_unreadable_is_a_failure_and_the_rest_is_stored(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """Something is wrong with the page as such, or with this program."""
    spool.add(ANN, page(item(20), *map(timeless, range(3))), NOW)
    [outcome] = drained(spool, database)
    assert (outcome.fetched, outcome.new, outcome.rejected) == (4, 1, 3)
    assert isinstance(outcome.error, UnreadablePage)
    assert outcome.error.exit_code == ExitCode.PARTIAL
    assert "3 of the 4 plays" in outcome.error.message
    assert (count(database), len(aside(settings))) == (1, 1)
    with database.read() as connection:
        [run] = journal.runs(connection, failed_only=True)
    assert (run.job, run.stats["rejected"]) == ("poll", 3)


def test_a_page_that_is_none_is_logged_and_keeps_its_reason(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """A sign-in page that came under a good status, say."""
    spool.add(ANN, page(item(0)), NOW)
    drained(spool, database)
    spool.add(ANN, b"<html>sign in</html>", NOW + timedelta(seconds=1))
    assert drained(spool, database) == []
    assert dict(spool.look_aside().reasons) == {"it is no page of plays": 1}
    assert [level for level, _ in logged(database)] == ["error"]
    before = {path: path.stat().st_mtime_ns for path in (settings.spool / "failed").iterdir()}
    drained(spool, database)
    assert before == {
        path: path.stat().st_mtime_ns for path in (settings.spool / "failed").iterdir()
    }


def test_where_nothing_can_be_set_aside_the_page_waits_and_the_others_are_stored(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """What can be read is in the history; what cannot is lost by no means (exit 5)."""
    spool.add(ANN, page(item(20), timeless(0)), NOW)
    spool.add(ANN, b"<html>", NOW + timedelta(seconds=1))
    spool.add(ANN, page(item(30)), NOW + timedelta(seconds=2))
    (settings.spool / "failed").write_bytes(b"a file in the way")
    with pytest.raises(StorageFull) as caught:
        drained(spool, database)
    assert caught.value.exit_code == ExitCode.TEMPORARY
    assert (len(spool), count(database)) == (2, 2)
    (settings.spool / "failed").unlink()
    drained(spool, database)
    assert (len(spool), count(database), len(aside(settings))) == (0, 2, 2)


def test_the_part_of_a_gap_that_cannot_be_read_stays_open(spool: Spool, database: Database) -> None:
    """A page with unreadable items proves no more that nothing is missing."""
    spool.add(ANN, page(*map(item, range(50))), NOW)
    spool.add(ANN, page(*(item(500 + minute) for minute in range(50))), NOW + timedelta(hours=9))
    drained(spool, database)
    spool.add(ANN, page(item(49), item(510), timeless(200)), NOW + timedelta(hours=10))
    [outcome] = drained(spool, database)
    assert outcome.gaps_closed == 0
    with database.read() as connection:
        assert len(coverage.open_gaps(connection, 1)) == 1


# -- once it can be read


def set_aside_by(reader: int, spool: Spool, settings: Settings) -> None:
    """Let everything that is set aside be the work of another reader."""
    for path in (settings.spool / "failed").iterdir():
        file = json.loads(path.read_text())
        path.write_text(json.dumps(file | {"reader": reader}))


@pytest.mark.parametrize("reader", [READER - 1, READER + 1])
def test_what_another_reader_could_not_read_is_taken_in_once(
    settings: Settings, spool: Spool, database: Database, reader: int
) -> None:
    """By any command that drains; the rest stays, with the reasons of today."""
    spool.add(ANN, page(item(20)), NOW)
    drained(spool, database)
    waiting = spool.add(ANN, page(), NOW + timedelta(hours=1))
    offset = item(0, played_at="2026-10-01T02:00:00+02:00")
    told = [Unreadable("an old reason", json.dumps(each)) for each in (offset, timeless(3))]
    spool.keep(waiting, told)
    spool.remove(waiting)
    set_aside_by(reader, spool, settings)
    with database.read() as connection:
        before = checkpoints.states(connection, "poll")
    [outcome] = drained(spool, database)
    assert (outcome.user, outcome.fetched, outcome.new, outcome.rejected) == ("ann", 2, 1, 1)
    assert count(database) == 2
    assert kept(settings) == [('"played_at" is not a time', timeless(3))]
    assert drained(spool, database) == []
    with database.read() as connection:
        assert checkpoints.states(connection, "poll") == before


def test_a_whole_page_that_an_older_version_set_aside_is_taken_in(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """As the versions before this one left them: with nothing but its body, as text."""
    failed = settings.spool / "failed"
    failed.mkdir(parents=True)
    old = {
        "version": 1, "account_id": ANN.account_id, "spotify_id": "ann", "display_name": "Ann",
        "fetched_at": NOW.isoformat(), "body": "\ufeff" + page(item(0), item(2)).decode(),
    }  # fmt: skip
    (failed / "old.json").write_text(json.dumps(old))
    (failed / "rubbish.json").write_bytes(b"\xff\xfe")
    (failed / "directory.json").mkdir()
    assert [each.new for each in drained(spool, database)] == [2]
    assert aside(settings) == ["directory.json", "rubbish.json"]
    assert (failed / "rubbish.json").read_bytes() == b"\xff\xfe"
    assert (drained(spool, database), count(database)) == ([], 2)


def test_a_page_of_the_versions_before_is_read(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """Its body is text in which bad bytes were replaced."""
    path = spool.add(ANN, page(item(0)), NOW).path
    file = json.loads(path.read_text())
    path.write_text(json.dumps(file | {"body": file["body"].replace("Album", "Alb\ufffdm")}))
    assert [each.new for each in drained(spool, database)] == [1]


def test_a_backfill_is_not_moved_back_by_an_old_page(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """What is taken in late says nothing about how far a backfill has come."""
    waiting = spool.add(ANN, page(), NOW, before_ms=2_000_000_000_000, until_ms=1)
    spool.keep(waiting, [Unreadable("x", json.dumps(item(0)))])
    spool.remove(waiting)
    set_aside_by(READER - 1, spool, settings)
    assert [(each.job, each.new) for each in drained(spool, database)] == [("backfill", 1)]
    with database.read() as connection:
        assert checkpoints.states(connection, "backfill") == {}


def test_a_kill_at_any_moment_costs_neither_a_play_nor_an_item(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """Committing, keeping and taking in again may each be cut off, and repeated, anywhere."""
    spool.add(ANN, page(item(20)), NOW)
    drained(spool, database)

    def wait(turn: int) -> None:
        moment = NOW + timedelta(minutes=turn + 1)
        late = spool.add(ANN, page(), moment)
        offset = item(1000 + turn * 4)
        spool.keep(late, [Unreadable("old", json.dumps(offset)),
                          Unreadable("old", json.dumps(timeless(9000 + turn)))])  # fmt: skip
        spool.remove(late)
        path = settings.spool / "failed" / late.path.name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"reader": READER - 1}))
        spool.add(ANN, page(item(100 + turn * 4), timeless(turn)), moment)

    wait(0)
    with Child(KILLED, settings.data_dir, "0") as child:
        code, out, err = child.finish()
        assert (code, err) == (0, "")
    steps = int(out)
    turns = 12
    for turn in range(1, turns + 1):
        wait(turn)
        with Child(KILLED, settings.data_dir, str(max(1, steps * turn // turns - 2))) as child:
            assert child.finish()[0] == -9
        drained(spool, database)
        assert (len(spool), count(database)) == (0, 3 + 2 * turn)
        assert spool.look_aside().items == 2 + 2 * turn
    assert len(logged(database)) == turns + 1
    leftovers = [path.name for path in settings.spool.rglob("*.partial")]
    assert leftovers == []
    assert pagefile.is_set_aside_by_us(next((settings.spool / "failed").glob("*.json")))


def test_two_drains_at_once_keep_and_take_in_each_item_once(
    settings: Settings, spool: Spool, database: Database
) -> None:
    """Whoever comes second finds it done."""
    for turn in range(4):
        spool.add(ANN, page(item(turn), timeless(turn)), NOW + timedelta(seconds=turn))
    waiting = list(spool.pages())
    drained(spool, database)
    with mock.patch.object(Spool, "pages", return_value=iter(waiting)):
        assert list(drain(spool, database, lambda: NOW)) == []
    assert (count(database), spool.look_aside().items, len(logged(database))) == (4, 4, 4)


# -- what the person sees


@pytest.mark.parametrize("command", ["poll", "sync", "backfill"])
def test_a_page_that_is_mostly_unreadable_ends_a_command_with_6_and_status_tells_of_it(
    anna: Household, command: str
) -> None:
    """And the readable rest is in the history."""
    anna.log_in("anna", datetime.now(UTC))
    body = page(*map(item, range(3)), *map(timeless, range(4)))
    empty = page()
    anna.sandbox.fail(RECENT, 200, body=body, times=1)
    anna.sandbox.fail(RECENT, 200, body=empty, times=9)
    variables = {**anna.environment, "SPOTIFY_HIST_ENRICH_SLICE": "0"}
    done = process(command, **variables)
    assert (done.code, "Traceback" in done.err) == (6, False), done.err
    assert "4 of the 7 plays that Spotify tells of 'anna' cannot be read" in done.err
    assert len(plays(anna.database)) == 3
    told = process("status", **variables)
    assert told.code == 0, told.err
    assert "4 plays in 1 fetched page could not be understood" in " ".join(told.out.split())
    as_json = process("status", "--format", "json", **variables).json()
    assert as_json["unreadable"] == {
        "pages": 1, "items": 4, "reasons": {'"played_at" is not a time': 4}
    }  # fmt: skip
    check = process("status", "--check", **variables)
    assert check.code == 7
    assert "What you delete there is told of no more." in check.out
    for path in (anna.settings.spool / "failed").iterdir():
        path.unlink()
    assert process("status", "--check", **variables).out == "All is well.\n"


def test_a_poll_reads_a_page_as_far_as_it_goes(anna: Household) -> None:
    """A bad byte, or a mark in front of it, is no reason to wait for another page."""
    text = page(*map(item, range(3)))
    for body in (b"\xef\xbb\xbf" + text, text.replace(b"Song", b"S\xffng"), text[:-40]):
        anna.sandbox.fail(RECENT, 200, body=body)
        [result] = anna.poll()
        assert result.error is None
    assert len(plays(anna.database)) == 3
    anna.sandbox.fail(RECENT, 200, body=b"<html>sign in</html>")
    [result] = anna.poll()
    assert result.error is not None
    assert result.error.exit_code == ExitCode.TEMPORARY


def test_a_mostly_unreadable_page_is_told_with_every_poll_and_logged_once(
    anna: Household,
) -> None:
    """Until a newer version reads it."""
    for _ in range(3):
        anna.sandbox.fail(RECENT, 200, body=page(START.isoformat(), timeless(1), item(4)))
        [result] = anna.poll()
        assert isinstance(result.error, UnreadablePage)
        assert (result.fetched, result.rejected) == (3, 2)
    assert len(logged(anna.database)) == 1
    assert len(plays(anna.database)) == 1
