"""`query duplicates`: a listener who doubts the counting sees what was taken as one play."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from conftest import NOW
from plays import add, api, ask, cells, extended, rows
from raw_rows import ACCOUNT, GENERATION_2026

from spotify_hist.collect.imports import import_paths

if TYPE_CHECKING:
    from pathlib import Path

    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database

SONG = "spotify:track:4uLU6hMCjMI75M1A2tKUQC"
OTHER = "spotify:track:other"
AGAIN_URI = "spotify:track:again"
PLAY = GENERATION_2026 | {"ts": "2023-05-06T10:20:30Z", "offline_timestamp": None}
LONELY = PLAY | {
    "ts": "2023-05-07T10:20:30Z",
    "master_metadata_track_name": "Lonely",
    "spotify_track_uri": OTHER,
}
AGAIN = LONELY | {
    "ts": "2023-05-08T10:20:30Z",
    "master_metadata_track_name": "Again",
    "spotify_track_uri": AGAIN_URI,
}


def written(path: Path, *rows: object) -> Path:
    """A JSON file of rows."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


@pytest.fixture
def history(settings: Settings, database: Database, tmp_path: Path) -> Database:
    """One play of three sources and two files, one told of once, one whose row stands twice."""
    first = written(tmp_path / "a" / "endsong_0.json", LONELY, PLAY, AGAIN, AGAIN)
    second = written(
        tmp_path / "b" / "Streaming_History_Audio_2023.json", PLAY | {"ms_played": 7}, PLAY
    )
    third = written(tmp_path / "c" / "StreamingHistory0.json", ACCOUNT)
    for path in (first, second, third):
        import_paths(settings, database, lambda: NOW, [path])
    add(database, [api("2023-05-06T10:20:31.500", "Song (live)", "Artist", uri=SONG)])
    add(database, [extended("2023-05-09T10:00", "Theirs", "Else")] * 2, "other")
    return database


def test_every_row_that_was_taken_as_one_play_is_shown_with_its_place(history: Database) -> None:
    """Source, instant, listened time, names, URI, file, import and row, in a fixed order."""
    answer = ask(history, "duplicates", user="me")
    at, again = "2023-05-06T10:20:30.000Z", "2023-05-08T10:20:30.000Z"
    found = cells(
        answer, "played_at", "tellings", "source", "told_at", "ms_played", "told_track", "uri",
        "file", "import_id", "row_index",
    )  # fmt: skip
    new = "Streaming_History_Audio_2023.json"
    live = "2023-05-06T10:20:31.500Z"
    assert found == [
        (again, 2, "extended", again, 185_000, "Again", AGAIN_URI, "endsong_0.json", 1, 2),
        (again, 2, "extended", again, 185_000, "Again", AGAIN_URI, "endsong_0.json", 1, 3),
        (live, 4, "account", "2023-05-06T10:20:00.000Z", 185_000, "Song", None,
         "StreamingHistory0.json", 3, 0),
        (live, 4, "api", live, None, "Song (live)", SONG, "api", None, None),
        (live, 4, "extended", at, 185_000, "Song", SONG, "endsong_0.json", 1, 1),
        (live, 4, "extended", at, 185_000, "Song", SONG, new, 2, 1),
    ]  # fmt: skip
    plays = [play for (play,) in cells(answer, "play")]
    assert plays[0] == plays[1] != plays[2]
    assert len(set(plays)) == 2
    assert all(isinstance(play, str) and len(play) == 8 for play in plays)


def test_only_plays_that_several_rows_or_sources_tell_of_can_be_asked_for(
    history: Database,
) -> None:
    """By default those of several rows; `all` shows where every play comes from."""

    def told(several: str) -> list[tuple[object, ...]]:
        answer = ask(history, "duplicates", user="me", several=several)
        return cells(answer, "track", "tellings", "source")

    of_three = [("Song (live)", 4, source) for source in ("account", "api", "extended", "extended")]
    again = [("Again", 2, "extended")] * 2
    assert told("rows") == again + of_three
    assert told("records") == told("sources") == of_three
    alone = [("Lonely", 1, "extended")]
    assert told("all")[:7] == again + alone + of_three
    assert told("all")[7:] == [("Song (live)", 1, "extended")]


def test_a_play_is_found_by_what_any_of_its_rows_calls_it(history: Database) -> None:
    """In any case, and with signs that mean something elsewhere taken as they are."""

    def found(**arguments: object) -> set[object]:
        answer = ask(history, "duplicates", user="me", several="all", **arguments)
        return {track for (track,) in cells(answer, "track")}

    assert found(track="LIVE)") == found(track="song") == {"Song (live)"}
    assert found(track="one") == {"Lonely"}
    assert found(track="%") == found(track="_") == set()
    assert found(artist="aRtI") == {"Song (live)", "Again", "Lonely"}
    assert found(artist="Artist", track="again") == {"Again"}
    assert found(artist="Nobody") == set()
    assert found(track="Theirs") == set()


def test_periods_pages_and_listeners_are_kept_apart(history: Database) -> None:
    """The shared parameters mean what they mean everywhere."""
    whole = rows(history, "duplicates", user="me", several="all")
    paged = [
        row
        for offset in range(0, len(whole), 3)
        for row in rows(history, "duplicates", user="me", several="all", limit=3, offset=offset)
    ]
    assert paged == whole
    assert rows(history, "duplicates", user="me", since="2023-05-08") == whole[:2]
    assert rows(history, "duplicates", user="me", until="2023-05-06") == []
    theirs = ask(history, "duplicates", user="other")
    assert cells(theirs, "track", "tellings") == [("Theirs", 2)] * 2


def test_the_numbers_of_the_evidence_are_those_of_the_receipts(history: Database) -> None:
    """Every row of every import is one telling of one play."""
    with history.read() as connection:
        (imported,) = connection.execute("select sum(records) from import_files").fetchall()[0]
    evidence = rows(history, "duplicates", user="me", several="all", limit=1000)
    from_files = [row for row in evidence if row[12] is not None]
    assert len(from_files) == imported
    assert len({(row[12], row[11], row[13]) for row in from_files}) == imported
