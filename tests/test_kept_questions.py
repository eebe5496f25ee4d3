"""Questions on a connection that questions before them used: the same answers as on a new one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_history import ALPHA, MINE, THEIRS
from listenings import few
from plays import NOW, add, add_gap, api, example_arguments
from sql_kit import settings_of

from spotify_hist.analytics import catalogue, run
from spotify_hist.errors import UsageError
from spotify_hist.store import identity, ignoring, migrate
from spotify_hist.store.database import Database
from spotify_hist.store.kept_open import KeptOpen, left_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spotify_hist.settings import Settings

# What changes the views and tables that a question stands on.
CHOICES: dict[str, list[object]] = {
    # What one listener alone played, and slips: nobody is told what others heard.
    "artist": ["Ann", "Bob", "Bbo"],
    "track": ["Alpha", "Gamma", "Gamna", "Alpha - Ann"],
    "album": ["One", "Two", "Tow"],
    "user": ["me", "other"],
    "year": [2023, 2024],
    "kind": ["track", "episode", "all"],
    "min_ms": [0, 30_000],
    "raw": [True, False],
    "travel": [True, False],
    "timezone": ["UTC", "Europe/Berlin", "Pacific/Apia"],
    "gap": [1, 30],
    "with": ["previous", "year-before"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two listeners, a gap, plays of unknown length, and rules that join and hide."""
    home = tmp_path_factory.mktemp("home")
    database = Database(home / "history.duckdb")
    add(database, [*MINE, *THEIRS[:3]])
    add(database, [*THEIRS, api("2024-06-02T10:00", "Alpha", "Ann", uri=ALPHA)], "other")
    add_gap(database, "2024-06-01T00:00", "2024-06-02T00:00")
    with database.write("test") as connection:
        connection.execute("update tracks set duration_ms = 240000")
        identity.join(connection, "track", "alpha", ["gamma"], NOW)
        ignoring.add(connection, 1, "track", "beta", "Beta", NOW)
    return home


@pytest.fixture(scope="module")
def kept(home: Path) -> Iterator[KeptOpen]:
    """Kept open by each question for the next."""
    kept = KeptOpen(home / "history.duckdb")
    yield kept
    kept.close()


def _asked(database: Database, settings: Settings, name: str, given: dict[str, object]) -> object:
    try:
        return run.answer(database, settings, name, given, now=NOW)
    except UsageError as error:
        return error.message, error.hint


@given(st.data())
@few
def test_what_questions_before_left_behind_changes_no_answer(
    home: Path, kept: KeptOpen, data: st.DataObject
) -> None:
    """Any question after any other is answered as on a connection of its own."""
    settings = settings_of(home)
    for _ in range(4):
        query = data.draw(st.sampled_from(catalogue.all_queries()))
        fitting = {
            param.name: st.sampled_from(CHOICES[param.name])
            for param in query.params
            if param.name in CHOICES
        }
        chosen = data.draw(st.fixed_dictionaries({}, optional=fitting))
        given_all = {"user": "me", **example_arguments(query), **chosen}
        fresh = Database(home / "history.duckdb")
        assert _asked(kept, settings, query.name, given_all) == _asked(
            fresh, settings, query.name, given_all
        )


def test_a_question_asked_again_makes_nothing_anew(home: Path, kept: KeptOpen) -> None:
    """Only the question itself, and the count of plays that nobody tells the length of."""
    settings = settings_of(home)
    for _ in range(2):
        with kept.read() as connection:
            before = dict(left_on(connection))
        run.answer(kept, settings, "top-artists", {"user": "other"}, now=NOW)
    with kept.read() as connection:
        assert left_on(connection) == before
        assert "counted_plays" in before
        assert "estimates" in before


def test_names_that_one_listener_played_are_not_told_to_the_next(
    home: Path, kept: KeptOpen
) -> None:
    """Whoever asked before on the same connection."""
    settings = settings_of(home)
    for user in ("me", "other", "me", "other"):
        given: dict[str, object] = {"user": user, "artist": "Dee"}
        answer = _asked(kept, settings, "artist", given)
        assert isinstance(answer, tuple) is (user == "other")
        slip = _asked(kept, settings, "artist", given | {"artist": "Deee"})
        assert ("'Dee'" in repr(slip)) is (user == "me")


def test_a_history_of_an_older_schema_gives_the_same_answers(home: Path, tmp_path: Path) -> None:
    """What a migration fills in is what the program writes."""
    older = Database(tmp_path / "history.duckdb")
    shutil.copy(home / "history.duckdb", older.path)
    before = [_everything(Database(home / "history.duckdb"), query) for query in _QUESTIONS]
    with duckdb.connect(str(older.path)) as connection:
        migrate.downgrade(connection, 5)
        assert migrate.version(connection) == 5
    assert [_everything(older, query) for query in _QUESTIONS] == before


_QUESTIONS = ("recent", "top-tracks", "search", "year-review", "forgotten")


def _everything(database: Database, name: str) -> object:
    query = catalogue.load(name)
    given = {"user": "me", "kind": "all", "min_ms": 0, "year": 2024, **example_arguments(query)}
    fitting = {param.name for param in query.params} & set(given)
    settings = settings_of(database.path.parent)
    rows = _asked(database, settings, name, {key: given[key] for key in fitting})
    assert not isinstance(rows, tuple)
    return rows
