"""Listeners in the store: names, pauses, time zones, and that a removal leaves no trace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from every_table import everything
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from memory_history import DERIVED, History
from plays import MemoryDatabase, account, add, add_gap, api, extended
from universe import arrivals, rows_of, universes

from spotify_hist.errors import UsageError
from spotify_hist.model import ApiTrack, Listener
from spotify_hist.store import (
    checkpoints,
    enrich,
    identity,
    journal,
    listeners,
    records,
    removal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.store.database import Connection

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
ADA, BOB = (Listener(number, name, None, None, None) for number, name in ((1, "ada"), (2, "bob")))
SONG = "spotify:track:song"
COMPARED = (*DERIVED, "told_names")


@pytest.fixture(scope="module")
def memory() -> MemoryDatabase:
    """`ada` has two plays, `bob` one of the same song and one of another."""
    database = MemoryDatabase()
    add(database, [extended("2024-01-01T10:00", uri=SONG), account("2024-01-02T10:00")], "ada")
    add(database, [extended("2024-01-01T10:00", uri=SONG), extended("2024-02-01")], "bob")
    return database


@pytest.fixture
def connection(memory: MemoryDatabase) -> Iterator[Connection]:
    """The history of both, as it was afterwards."""
    with memory.emptied_afterwards():
        yield memory.connection


@pytest.fixture(scope="module")
def history() -> History:
    """An empty history for many examples."""
    return History()


def names(connection: Connection) -> list[str]:
    """Who there is."""
    return [each.name for each in listeners.listeners(connection)]


def test_the_overview_tells_what_the_history_holds_of_each(connection: Connection) -> None:
    """Oldest listener first; one without plays has no first and no newest play."""
    listeners.listener_for_import(connection, "zoe", None, NOW)
    ada, bob, zoe = listeners.overview(connection)
    assert [each.listener.name for each in (ada, bob, zoe)] == ["ada", "bob", "zoe"]
    assert (ada.plays, ada.first, ada.newest) == (
        2,
        datetime(2024, 1, 1, 10, tzinfo=UTC),
        datetime(2024, 1, 2, 10, tzinfo=UTC),
    )
    assert (zoe.plays, zoe.first, zoe.newest, zoe.paused_at) == (0, None, None, None)


def test_a_pause_lasts_from_its_first_moment_until_resumed(connection: Connection) -> None:
    """Pausing twice changes nothing, and neither does resuming twice."""
    listeners.pause(connection, BOB, NOW)
    listeners.pause(connection, BOB, LATER)
    assert listeners.paused(connection) == {2}
    assert [each.paused_at for each in listeners.overview(connection)] == [None, NOW]
    for _ in range(2):
        listeners.resume(connection, BOB)
        assert listeners.paused(connection) == set()


def test_the_last_poll_is_that_of_each_listener(connection: Connection) -> None:
    """Other jobs do not count."""
    checkpoints.set_checkpoint(connection, 1, "poll", NOW)
    checkpoints.set_checkpoint(connection, 1, "poll", LATER)
    checkpoints.set_checkpoint(connection, 2, "backfill", NOW)
    assert listeners.polled(connection) == {1: LATER}


def test_a_listener_is_renamed_and_keeps_everything(connection: Connection) -> None:
    """The plays hang on the id."""
    listeners.rename(connection, "ada", "Zoë.B-2")
    assert names(connection) == ["Zoë.B-2", "bob"]
    assert [each.plays for each in listeners.overview(connection)] == [2, 2]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("ada", "bob", "'bob' already"),
        ("ada", "ada", "'ada' already"),
        ("ada", "", "cannot be the name"),
        ("ada", "a b", "cannot be the name"),
        ("ada", "x" * 65, "cannot be the name"),
        ("ada", "a\n", "cannot be the name"),
        ("eve", "new", "no listener called 'eve'"),
    ],
)
def test_a_name_that_is_taken_or_none_is_refused(
    old: str, new: str, says: str, connection: Connection
) -> None:
    """With a next step, and nothing changes."""
    with pytest.raises(UsageError, match=says) as refused:
        listeners.rename(connection, old, new)
    assert refused.value.hint
    assert names(connection) == ["ada", "bob"]


def test_a_time_zone_is_given_and_taken_away(connection: Connection) -> None:
    """Each listener has their own."""
    listeners.set_timezone(connection, BOB, "Asia/Kolkata")
    assert [each.timezone for each in listeners.listeners(connection)] == [None, "Asia/Kolkata"]
    listeners.set_timezone(connection, BOB, None)
    assert [each.timezone for each in listeners.listeners(connection)] == [None, None]


def test_a_removal_tells_what_it_takes_before_and_after(connection: Connection) -> None:
    """The song that both played is not theirs alone."""
    journal.add_run(connection, "poll", 2, NOW, NOW, "ok", {})
    journal.write(connection, NOW, [journal.Entry("info", "poll", "x", 2)] * 3)
    expected = removal.Removed(plays=2, records=2, imports=0, runs=1, logs=3, tracks=1)
    assert removal.holdings(connection, BOB) == expected
    assert removal.remove(connection, BOB) == expected
    assert names(connection) == ["ada"]


def test_a_removal_of_the_last_listener_empties_every_table(connection: Connection) -> None:
    """But for the schema's own, what is known of the app, and that there are no identities."""
    add_everything(connection)
    for listener in (ADA, BOB):
        removal.remove(connection, listener)
    left = {name for name, rows in everything(connection).items() if rows}
    assert left == {"schema_migrations", "app_abilities", "identities_made"}


def add_everything(connection: Connection) -> None:
    """Rows of every kind for `ada` and `bob`, as the jobs leave them behind."""
    for user_id in (1, 2):
        connection.execute(
            "insert into import_jobs by name select $id as import_id, $id as user_id, $now as "
            "started_at, $now as finished_at, 1 as records, 1 as new, 0 as upgraded, 0 as "
            "duplicate, 1 as rejected, 1 as plays_added",
            {"id": user_id, "now": NOW},
        )
        connection.execute(
            "insert into import_files by name select $id as file_id, $id as import_id, "
            "'f' as name, 'p' as package, 'x' as format, "
            "'sha' as content_sha256, $id as content_file_id, "
            "1 as records, 1 as rejected",
            {"id": user_id},
        )
        connection.execute(
            "insert into record_privates select record_id, $id, '{}' from play_records "
            "where user_id = $id",
            {"id": user_id},
        )
        connection.execute(
            "insert into gap_closings values ($id, '2024-01-01', '2024-01-02', $id)",
            {"id": user_id},
        )
        connection.execute("insert into rejected_rows values (?, 7, 'no')", [user_id])
        connection.execute(
            "insert into record_rows select record_id, $id, 0 from play_records "
            "where user_id = $id",
            {"id": user_id},
        )
        connection.execute(
            "insert into coverage_gaps values (?, '2024-01-01', '2024-01-02', ?, null)",
            [user_id, NOW],
        )
        checkpoints.set_checkpoint(connection, user_id, "poll", NOW)
        journal.add_run(connection, "poll", user_id, NOW, NOW, "ok", {})
        journal.write(connection, NOW, [journal.Entry("info", "poll", "said", user_id)])
    connection.execute("insert into app_abilities values ('app', 'features', false, ?)", [NOW])
    connection.execute("insert into audio_features (track_id) select track_id from tracks")
    connection.execute(
        "insert into enrich_queue select 'track', track_id, 'done', 0, null, ? from tracks", [NOW]
    )
    tell_details(connection, "song")


def tell_details(connection: Connection, track_id: str) -> None:
    """What Spotify tells of a track beyond its names."""
    track = ApiTrack(track_id, 1, "ISRC", "al", "2024", None, (("guest", "Guest"), (None, "X")))
    records.add_track_details(connection, [track])


def test_a_removal_leaves_every_row_of_the_others(connection: Connection) -> None:
    """Imports with their files and rows, gaps, checkpoints, runs, messages, credits."""
    add_everything(connection)
    removal.remove(connection, BOB)
    of_ada = {
        name: [row for row in rows if row[0] in {"1", None}]
        for name, rows in everything(connection).items()
    }
    for name in (
        "import_jobs", "import_files", "rejected_rows", "coverage_gaps", "gap_closings",
    ):  # fmt: skip
        assert len(everything(connection)[name]) == len(of_ada[name]) == 1, name
    found = everything(connection)
    counts = {
        name: len(found[name])
        for name in (
            "users",
            "job_runs",
            "logs",
            "sync_checkpoints",
            "record_rows",
            "record_privates",
            "plays",
        )
    }
    assert counts == {
        "users": 1, "job_runs": 1, "logs": 1, "sync_checkpoints": 1, "record_rows": 2,
        "record_privates": 2, "plays": 2,
    }  # fmt: skip
    assert [row[:2] for row in found["track_artists"]] == [("song", "0")]
    assert ("guest", "Guest", None, None) in found["artists"]


def test_what_was_asked_about_a_shared_track_is_asked_again(connection: Connection) -> None:
    """Spotify may have told the very names that go; what is gone is not asked about at all."""
    add_everything(connection)
    local, *_ = (row[0] for row in everything(connection)["tracks"] if row[0] != "song")
    connection.execute(
        "insert into enrich_queue values ('artist', 'guest', 'done', 0, null, $now), "
        "('features', 'song', 'done', 0, null, $now), ('album', 'gone', 'done', 0, null, $now)",
        {"now": NOW},
    )
    assert local
    removal.remove(connection, BOB)
    asked = {row[:2] for row in everything(connection)["enrich_queue"]}
    assert ("track", "song") not in asked
    assert ("album", "gone") not in asked
    assert {("artist", "guest"), ("features", "song")} <= asked


def test_a_link_that_only_the_other_revealed_goes_and_is_searched_again() -> None:
    """A link that the listener's own records tell stays as it is."""
    database = MemoryDatabase()
    with database.write("test") as connection:
        add(database, [account("2024-01-01", "Mine", "Ann"), account("2024-01-01", "Ours", "Ann")])
        add(database, [api("2024-01-01", "Mine", "Ann", uri="spotify:track:mine")])
        add(database, [api("2024-03-01", "Ours", "Ann", uri="spotify:track:ours")], "bob")
        links = {row[1]: row[2] for row in everything(connection)["track_links"]}
        assert set(links.values()) == {"mine", "ours"}
        for local_id in links:
            connection.execute(
                "insert into enrich_queue values ('link', ?, 'done', 0, null, ?)", [local_id, NOW]
            )
        removal.remove(connection, BOB)
        kept = {row[1]: row[2] for row in everything(connection)["track_links"]}
        assert set(kept.values()) == {"mine"}
        assert [row[1] for row in everything(connection)["enrich_queue"]] == list(kept)


def test_what_a_search_found_for_a_listener_survives_the_removal_of_another() -> None:
    """The link, the track it leads to, its artist and album; no record tells of any of them."""
    database = MemoryDatabase()
    with database.write("test") as connection:
        add(database, [account("2024-01-01", "Mine", "Ann")])
        ((local_id, *_),) = everything(connection)["tracks"]
        details = ApiTrack("found", 1, "ISRC", "al", "2024", None, (("ann", "Ann"),))
        answers = enrich.Answers(
            found={str(local_id): [enrich.Song(details, "Mine", "Album", "Ann")]}
        )
        assert enrich.keep(connection, answers, NOW) == 1
        identity.refresh(connection)
        before = everything(connection)
        assert ("track", local_id, "found") in before["track_links"]
        add(database, [api("2024-03-01", "Theirs", "Bea", uri="spotify:track:theirs")], "bob")
        removal.remove(connection, BOB)
        assert everything(connection) == before


@examples(max_examples=examples().max_examples // 4)  # two histories an example
@given(data=st.data())
def test_a_history_after_a_removal_is_as_if_the_listener_had_never_been(
    history: History, data: st.DataObject
) -> None:
    """Whatever both played, in whatever order it came: the same plays, records, tracks, artists,
    albums, names and links. Both may have played the very same things."""
    mine = data.draw(universes(plays=12, stretches=3))
    theirs = data.draw(st.one_of(universes(plays=12, stretches=3), st.just(mine)))
    parts = [(1, part) for part in data.draw(arrivals(mine, batches=2))]
    others = [(2, part) for part in data.draw(arrivals(theirs, batches=2))]
    with history.empty():
        for user_id, part in parts:
            history.add(rows_of(part), user_id)
        alone = {name: history.table(name) for name in COMPARED}
    with history.empty():
        for user_id, part in data.draw(st.permutations(parts + others)):
            history.add(rows_of(part), user_id)
        removal.remove(history.connection, BOB)
        assert {name: history.table(name) for name in COMPARED} == alone
        removal.remove(history.connection, ADA)
        assert [name for name in COMPARED if history.table(name)] == []


def test_a_gap_of_another_listener_stays_open() -> None:
    """Who is removed takes only their own gaps along."""
    database = MemoryDatabase()
    add(database, [extended("2024-01-01")], "ada")
    add(database, [extended("2024-01-01")], "bob")
    add_gap(database, "2024-01-01", "2024-01-02")
    removal.remove(database.connection, BOB)
    assert len(everything(database.connection)["coverage_gaps"]) == 1
