"""The promised views: they agree with the questions, and docs/schema.md tells of them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from known_history import MINE, THEIRS
from plays import add, add_gap, api, cells, extended
from plays import ask as ask_question
from sql_kit import ask, rows

from spotify_hist.analytics.sql import promised, schema_doc
from spotify_hist.store.database import Database

SCHEMA = Path(__file__).parent.parent / "docs" / "schema.md"


def _made(home: Path) -> Database:
    return Database(home / "history.duckdb")


@pytest.fixture(scope="module")
def sql_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose history is that of `known_history`, with a gap."""
    home = tmp_path_factory.mktemp("home")
    add(_made(home), MINE)
    add(_made(home), THEIRS, "other")
    add_gap(_made(home), "2024-06-01T00:00", "2024-06-02T00:00")
    return home


def test_the_schema_document_is_that_of_the_views() -> None:
    """Made anew by `python -m spotify_hist.analytics.sql.schema_doc > docs/schema.md`."""
    assert SCHEMA.read_text(encoding="utf-8") == schema_doc.text()


def test_no_view_of_the_questions_takes_a_promised_name() -> None:
    """A promised name is taken, but for the one view that both are."""
    folder = resources.files("spotify_hist.analytics.views")
    internal = {each.name.removesuffix(".sql") for each in folder.iterdir()}
    assert internal & set(promised.NAMES) == {"v_tracks"}


@pytest.mark.parametrize("name", promised.NAMES)
def test_every_promised_view_can_be_read_whole(sql_home: Path, name: str) -> None:
    """Every column of every row, of a history with plays of all kinds."""
    answer = ask(sql_home, f"from {name}")
    assert [column.name for column in answer.columns] == list(promised.load(name).columns)
    assert name == "v_imports" or answer.rows != []


@pytest.mark.parametrize("name", promised.NAMES)
def test_an_empty_history_has_no_rows(home: Path, name: str) -> None:
    """A listener without any play is no error."""
    add(_made(home), [])
    assert rows(home, f"from {name}") == []


def test_artists_are_those_of_the_question(sql_home: Path) -> None:
    """The same plays, time and order as `top-artists` of all time."""
    question = ask_question(_made(sql_home), "top-artists", user="me")
    told = rows(
        sql_home,
        "select artist, plays, listened_ms, last_played_at from v_artists "
        "order by plays desc, listened_ms desc, artist",
    )
    assert told == cells(question, "artist", "plays", "listened_ms", "last_played_at")


def test_albums_are_by_whom_they_are_played_most(home: Path) -> None:
    """A collection belongs to the artist with most of its plays."""
    add(
        _made(home),
        [
            api(
                f"2024-01-01T0{at}:00",
                f"Song {at}",
                artist,
                album="Hits",
                uri=f"spotify:track:{at}",
            )._replace(album_uri="spotify:album:hits")
            for at, artist in enumerate(["Zoe", "Bob", "Bob", "Zoe", "Bob"])
        ],
    )
    told = rows(home, "select album_id, album, artist, plays, songs from v_albums")
    assert told == [("hits", "Hits", "Bob", 5, 5)]


def test_sums_by_day_by_song_by_artist_and_in_all_agree(sql_home: Path) -> None:
    """The same counted plays stand behind each (DESIGN 9.4)."""
    counted = rows(sql_home, "select count(*), sum(listened_ms) from v_plays where is_counted")
    for name in ("v_daily", "v_song_plays", "v_artists"):
        assert rows(sql_home, f"select sum(plays), sum(listened_ms) from {name}") == counted


def test_days_are_those_of_the_listeners_clock(home: Path) -> None:
    """Half past midnight in Kolkata is still the day before in UTC."""
    add(_made(home), [extended("2024-03-01T19:00:00"), extended("2024-03-01T18:00:00")])
    with _made(home).write("test") as connection:
        connection.execute("update users set timezone = 'Asia/Kolkata'")
    assert rows(home, "select local_date, plays from v_daily order by local_date") == [
        ("2024-03-01", 1),
        ("2024-03-02", 1),
    ]
    assert rows(home, "select max(local_at) from v_plays") == [("2024-03-02T00:30:00.000",)]


def test_a_sitting_ends_with_a_pause_of_half_an_hour(home: Path) -> None:
    """From the end of one play to the beginning of the next, as the question has it."""
    add(
        _made(home),
        [
            extended("2024-03-01T10:03:00", "A", ms=180_000),
            extended("2024-03-01T10:20:00", "skipped", ms=10_000),
            extended("2024-03-01T10:36:00", "B", ms=180_000),
            extended("2024-03-01T11:09:00.001", "C", ms=180_000),
        ],
    )
    told = ask(home, "select started_at, ended_at, plays, listened_ms from v_sessions order by 1")
    assert told.rows == [
        ("2024-03-01T10:00:00.000Z", "2024-03-01T10:36:00.000Z", 2, 360_000),
        ("2024-03-01T11:06:00.001Z", "2024-03-01T11:09:00.001Z", 1, 180_000),
    ]
    question = ask_question(_made(home), "sessions")
    assert told.rows[::-1] == cells(question, *(column.name for column in told.columns))
    assert rows(home, "select max(session) from v_sessions") == [(2,)]


def test_a_play_of_unknown_length_is_estimated_as_everywhere(home: Path) -> None:
    """A track's length is known; the API never tells the listened time."""
    add(_made(home), [api("2024-03-01T10:00:00", "A", "Ann", uri="spotify:track:a")])
    with _made(home).write("test") as connection:
        connection.execute("update tracks set duration_ms = 123000")
    told = rows(home, "select ms_played, listened_ms, is_estimated, is_counted from v_plays")
    assert told == [(None, 123_000, True, True)]


def test_what_an_ignore_rule_hides_is_not_there(sql_home: Path, home: Path) -> None:
    """As no question shows it; the table still has it."""
    add(_made(home), MINE)
    with _made(home).write("test") as connection:
        connection.execute(
            "insert into ignore_rules select 1, 1, 'artist', artist_id, name, now() "
            "from artists where name = 'Ann'"
        )
    assert rows(home, "select count(*) from v_plays where artist = 'Ann'") == [(0,)]
    assert rows(home, "select count(*) from plays") == [(13,)]


def test_gaps_and_imports_are_the_listeners_own(sql_home: Path) -> None:
    """Another listener's gap is none of mine."""
    open_gaps = "select after_at, is_open from v_gaps"
    assert ask(sql_home, open_gaps).rows == [("2024-06-01T00:00:00.000Z", True)]
    assert ask(sql_home, open_gaps, user="other").rows == []
