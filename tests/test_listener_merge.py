"""Two listeners who are one person become one, as if all had come in under one name."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from cli_kit import process
from conftest import NOW
from hypothesis import given
from hypothesis import strategies as st
from memory_history import History
from test_identity_of_accounts import BOTH, LACKING, OTHER
from test_spool import drained, item, page
from test_unreadable import timeless
from test_vault import make_token
from universe import Unit, arrivals, counted_together, rows_of, universes

from spotify_hist.collect import listener_merge as collect_merge
from spotify_hist.collect.imports import import_paths
from spotify_hist.collect.spool import Spool
from spotify_hist.collect.turns import turn
from spotify_hist.errors import Temporary
from spotify_hist.model import Account, Listener
from spotify_hist.sources.spotify.vault import Vault
from spotify_hist.store import listener_merge, listeners

if TYPE_CHECKING:
    from pathlib import Path

    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database

EXTENDED = [
    {"ts": f"2026-09-{day:02}T10:20:30Z", "ms_played": 200_000,
     "spotify_track_uri": "spotify:track:4uLU6hMCjMI75M1A2tKUQC",
     "master_metadata_track_name": "Song", "master_metadata_album_artist_name": "First"}
    for day in range(1, 9)
]  # fmt: skip


@pytest.fixture(scope="module")
def history() -> History:
    """The real schema, in memory."""
    made = History()
    for user_id, name in ((1, "ann"), (2, "bob"), (3, "cleo")):
        made.connection.execute(
            "insert into users by name select $1::integer as user_id, $2 as name,"
            " timestamptz '2026-01-01' as created_at",
            [user_id, name],
        )
    return made


@hypothesis.settings(
    max_examples=10,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)  # each makes two histories and merges one
@given(st.data())
def test_a_merged_history_is_one_in_which_all_came_in_under_one_name(
    history: History, data: st.DataObject
) -> None:
    """With several sources, in both orders, whatever both had heard and a third listener too."""
    units: list[Unit] = counted_together(data.draw(universes(plays=12)))
    batches = [rows_of(each) for each in data.draw(arrivals(units)) if each]
    sides = data.draw(
        st.lists(st.sampled_from([1, 2]), min_size=len(batches), max_size=len(batches))
    )
    into, other = data.draw(st.permutations([1, 2]))
    for at in data.draw(st.sets(st.integers(0, max(len(batches) - 1, 0)), max_size=2)):
        if batches:  # what both have
            batches.append(batches[at])
            sides.append(3 - sides[at])
    with history.empty():
        for rows in batches[:1]:
            history.add(rows, 3)
        for rows in batches:
            history.add(rows, into)
        expected = history.derived()
    with history.empty():
        for rows in batches[:1]:
            history.add(rows, 3)
        for rows, side in zip(batches, sides, strict=True):
            history.add(rows, side)
        known = {each.user_id: each for each in listeners.listeners(history.connection)}
        listener_merge.merge(history.connection, known[into], known[other], NOW)
        assert history.derived() == expected
        names = {each.user_id for each in listeners.listeners(history.connection)}
        assert names == {into, 3}


def two(settings: Settings, database: Database, ann: Account, bob: Account, folder: Path) -> None:
    """Two listeners with a login, an import, polls, rules and pages each."""
    vault = Vault(settings.vault, None)
    spool = Spool(settings.spool)
    for turn_, account in enumerate((ann, bob)):
        with database.write("test") as connection:
            listener = listeners._add(connection, f"name-{turn_}", account, NOW)
            connection.execute(
                "insert into ignore_rules values (?, ?, 'artist', 'spotify:x', null, ?)",
                [turn_ + 1, listener.user_id, NOW],
            )
        begun = NOW.timestamp() + turn_
        vault.save(replace(make_token(refresh_token=f"r{turn_}"), account=account,
                           authorized_at=begun))  # fmt: skip
        export = folder / f"Streaming_History_Audio_{turn_}.json"
        export.write_text(json.dumps(EXTENDED[turn_ * 3 : turn_ * 3 + 5]))
        import_paths(settings, database, lambda: NOW, [export], user=listener.name)
        moment = NOW + timedelta(minutes=turn_)
        spool.add(account, page(item(0), item(10 + turn_), timeless(1)), moment)
        drained(spool, database)
        spool.add(account, page(item(30 + turn_)), moment)


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    """What the history answers."""
    with database.read() as connection:
        return connection.execute(statement).fetchall()


@pytest.mark.parametrize(("ann", "bob"), [(BOTH, LACKING), (LACKING, BOTH), (BOTH, OTHER)])
def test_everything_of_the_other_goes_over(
    settings: Settings, database: Database, tmp_path: Path, ann: Account, bob: Account
) -> None:
    """Records, imports, rules, logs, checkpoints, the login, and what waits or is set aside."""
    two(settings, database, ann, bob, tmp_path)
    done = process("users", "merge", "name-0", "name-1", "--yes", "--format", "json")
    assert done.code == 0, done.err
    told = done.json()
    assert (told["user"], told["merged"]) == ("name-0", "name-1")
    assert (told["records"], told["plays"], told["plays_added"]) == (8, 8, 5)
    with database.read() as connection:
        [listener] = listeners.listeners(connection)
    assert listener.account == (ann if ann != LACKING else BOTH)
    assert rows(database, "select count(*), count(distinct user_id) from plays") == [(13, 1)]
    for table in ("play_records", "import_jobs", "job_runs", "logs", "sync_checkpoints"):
        found = rows(database, f"select distinct user_id from {table} where user_id is not null")
        assert found == [(listener.user_id,)], table
    assert rows(database, "select count(*) from ignore_rules") == [(1,)]
    assert rows(
        database,
        "select count(*) from record_rows anti join play_records using (record_id)",
    ) == [(0,)]
    assert rows(database, "select count(*) from record_rows") == [(10,)]
    [token] = Vault(settings.vault, None).tokens()
    assert token.account.is_same_as(listener.account or OTHER)
    assert token.refresh_token == ("r0" if bob == OTHER else "r1")
    spool = Spool(settings.spool)
    spool.add(token.account, page(item(77)), NOW + timedelta(hours=1))
    assert [each.user for each in drained(spool, database)] == ["name-0"]
    undone = process("import", "undo", "2", "--yes")
    assert undone.code in {0, 2}, undone.err
    assert "Traceback" not in undone.err


def test_a_merge_that_is_cut_off_is_finished_by_the_same_command(
    settings: Settings, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever: the history changes in one step, and last."""
    two(settings, database, BOTH, OTHER, tmp_path)
    vault = Vault(settings.vault, None)
    for place, name in ((Vault, "forget"), (Spool, "hand_over"), (listener_merge, "merge")):
        really = getattr(place, name)

        def cut_off(*arguments: object, step: Any = really) -> None:
            step(*arguments)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(place, name, cut_off)
            with pytest.raises(KeyboardInterrupt):
                collect_merge.merge_listeners(
                    settings, database, vault, lambda: NOW, "name-0", "name-1"
                )
        assert rows(database, "select count(*) from users") == [(2,)]
    collect_merge.merge_listeners(settings, database, vault, lambda: NOW, "name-0", "name-1")
    assert rows(database, "select count(*) from users") == [(1,)]
    assert rows(database, "select count(*), count(distinct user_id) from plays") == [(13, 1)]
    assert len(vault.tokens()) == 1


def test_what_makes_no_sense_is_refused_and_changes_nothing(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """One and the same, unknown names, nobody to confirm it, and while a poll is at work."""
    two(settings, database, BOTH, LACKING, tmp_path)
    before = rows(database, "from play_records order by all")
    for names in (("name-0", "name-0"), ("name-0", "dora"), ("dora", "name-0")):
        done = process("users", "merge", *names, "--yes")
        assert (done.code, "Traceback" in done.err) == (2, False), done.err
    done = process("users", "merge", "name-0", "name-1")
    assert (done.code, "--yes" in done.err) == (2, True), done.err
    with turn(settings, "poll"), pytest.raises(Temporary):
        collect_merge.merge_listeners(
            settings, database, Vault(settings.vault, None), lambda: NOW, "name-0", "name-1"
        )
    assert rows(database, "from play_records order by all") == before


def test_status_advises_to_merge_the_two_that_the_fault_made(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """By their names, in the order in which they came."""
    two(settings, database, BOTH, LACKING, tmp_path)
    steps = process("status", "--format", "json").json()["next_steps"]
    assert any("'spotify-hist users merge name-0 name-1'" in step for step in steps)


def test_a_listener_without_an_account_takes_over_the_other_ones(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """A local listener, say, whose login made another one."""
    two(settings, database, BOTH, OTHER, tmp_path)
    with database.write("test") as connection:
        local = listeners.listener_for_import(connection, "local", None, NOW)
    assert isinstance(local, Listener)
    done = process("users", "merge", "local", "name-1", "--yes")
    assert done.code == 0, done.err
    with database.read() as connection:
        found = {each.name: each.account for each in listeners.listeners(connection)}
    assert found == {"name-0": BOTH, "local": OTHER}
    assert len(Vault(settings.vault, None).tokens()) == 2


def test_each_known_by_another_of_its_ids_alone_is_known_by_both_afterwards(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """Whichever of the two `/me` tells next, no second listener is made of it."""
    by_id, by_account = Account("ada", "ada", None), Account("acc-9", None, "Ada")
    two(settings, database, by_id, by_account, tmp_path)
    done = process("users", "merge", "name-0", "name-1", "--yes")
    assert done.code == 0, done.err
    assert "two Spotify accounts" not in done.out + done.err
    with database.write("test") as connection:
        (merged,) = listeners.listeners(connection)
        assert merged.account == Account("acc-9", "ada", "Ada")
        for account in (by_id, by_account):
            found = listeners.listener_for_account(connection, account, NOW)
            assert found.user_id == merged.user_id
