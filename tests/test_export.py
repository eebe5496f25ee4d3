"""Everything out again, and back in: what each format carries, and what an export never breaks."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, cast

import duckdb
import pytest
from every_table import everything
from hypothesis import given, settings
from known_history import MINE, THEIRS
from plays import NOW, MemoryDatabase, add, api, extended
from universe import noted_universes, rows_of

from spotify_hist import normalise
from spotify_hist.errors import BadInput, NoHistory, Temporary, UsageError
from spotify_hist.faces.cli.main import run
from spotify_hist.model import Record
from spotify_hist.sources.exports.formats import source_of
from spotify_hist.sources.exports.opening import detect, open_rows
from spotify_hist.store import listeners, records
from spotify_hist.store.database import Database
from spotify_hist.store.exporting import FORMS, Form, export
from spotify_hist.store.outbox import MANIFEST, outbox
from spotify_hist.store.records import StagedRow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from universe import Unit

WHOLE: tuple[Form, ...] = ("ndjson", "csv")
# What is made of the records alone.
DERIVED = ("albums", "artists", "play_records", "plays", "told_names", "track_links", "tracks")


@pytest.fixture
def history(database: Database) -> Database:
    """The history of `known_history`, of two listeners."""
    add(database, MINE)
    add(database, THEIRS, "other")
    return database


def _kept(database: Database) -> dict[str, list[tuple[str | None, ...]]]:
    with database.read() as connection:
        return {name: rows for name, rows in everything(connection).items() if name in DERIVED}


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def _go(database: Database, target: Path, form: Form, **more: object) -> dict[str, object]:
    return export(database, target, form, now=NOW, **more).as_dict()  # type: ignore[arg-type]


@pytest.mark.parametrize("form", WHOLE)
def test_what_went_out_comes_back_whole(history: Database, tmp_path: Path, form: Form) -> None:
    """Imported into a fresh home, every play, record, name and link is what it was."""
    _go(history, tmp_path / "out", form, user="me")
    assert run(["--home", str(tmp_path / "fresh"), "import", str(tmp_path / "out")]) == 0
    fresh = Database(tmp_path / "fresh" / "history.duckdb")
    (mine, theirs) = _kept(history), _kept(fresh)
    for name in ("play_records", "plays"):
        user_at = 3 if name == "play_records" else 1
        mine[name] = [row for row in mine[name] if row[user_at] == "1"]
    assert theirs == mine


@pytest.mark.parametrize("form", WHOLE)
def test_a_second_import_of_it_changes_nothing(
    history: Database, tmp_path: Path, form: Form, capsys: pytest.CaptureFixture[str]
) -> None:
    """Into the very history it came from."""
    before = _kept(history)
    _go(history, tmp_path / "out", form, user="me")
    arguments = ["--user", "me", "import", "--format", "json", str(tmp_path / "out")]
    assert run(arguments) == 0
    receipt = json.loads(capsys.readouterr().out)
    assert (receipt["new"], receipt["upgraded"], receipt["rejected"]) == (0, 0, 0)
    assert receipt["duplicate"] == receipt["records"] == len(MINE)
    assert _kept(history) == before


def _committed(database: Database, rows: Iterable[StagedRow]) -> None:
    with database.write("test") as connection:
        found = listeners.listener_for_import(connection, "me", None, NOW)
        records.create_stage(connection)
        records.stage(connection, rows)
        records.key_stage(connection, found.user_id)
        records.commit(connection, found.user_id)


def _read_back(directory: Path) -> Iterable[StagedRow]:
    """The rows of the one file in a directory, as an import reads them."""
    (path,) = directory.glob("me.*")
    form = detect(lambda: path.open("rb"))
    assert form is not None
    with path.open("rb") as stream:
        for index, raw in open_rows(form, stream):
            record = normalise.row(source_of(form), raw, keep_private=True)
            assert isinstance(record, Record), record
            yield StagedRow(1, index, "mine", record)


@pytest.fixture(scope="module")
def one() -> MemoryDatabase:
    """A database for many histories."""
    return MemoryDatabase()


@pytest.fixture(scope="module")
def another() -> MemoryDatabase:
    """A second one, for what comes back."""
    return MemoryDatabase()


@given(units=noted_universes())
@settings(max_examples=25)
def test_whatever_was_told_comes_back(
    one: MemoryDatabase,
    another: MemoryDatabase,
    tmp_path_factory: pytest.TempPathFactory,
    units: list[Unit],
) -> None:
    """Any records of any sources, equal ones of account data too, make the same plays again."""
    with one.emptied_afterwards():
        _committed(one, rows_of(units))
        for form in WHOLE:
            out = tmp_path_factory.mktemp("out")
            export(one, out, form, now=NOW)
            with another.emptied_afterwards():
                _committed(another, _read_back(out))
                assert _kept(another) == _kept(one), form


NASTY = (
    'quote " and \\ backslash', "comma, semicolon;", "line\nbreak\r\nand return\r", "tab\t", "null",
    "\x1f\x1e\x07", "🦆 \u2028 \u202e", "{json}", "'", "=1+1", "true", "0", " ", "\ufeff",
)  # fmt: skip


@pytest.mark.parametrize("form", WHOLE)
def test_names_with_anything_in_them_come_back(
    database: Database, tmp_path: Path, form: Form
) -> None:
    """Every field of a record, with what quotes, commas and control characters could spoil."""
    told = [
        extended(f"2024-01-01T{at:02}:00:00", text, text, album=text, uri=None)._replace(
            platform=text, country=text, reason_start=text, reason_end=text, private=text,
            shuffle=True, skipped=False, offline=None, offline_timestamp=-1 - at, incognito=True,
        )
        for at, text in enumerate(NASTY)
    ]  # fmt: skip
    add(database, told)
    _go(database, tmp_path / "out", form)
    assert [row.record for row in _read_back(tmp_path / "out")] == told


def test_an_api_record_comes_back_with_all_it_knows(database: Database, tmp_path: Path) -> None:
    """Milliseconds, context, and the artist's and album's addresses."""
    told = api("2024-01-01T00:00:00.123", "A", "B", uri="spotify:track:a")._replace(
        album_uri="spotify:album:x", album_artist="C", context_uri="spotify:playlist:p"
    )
    add(database, [told])
    _go(database, tmp_path / "out", "ndjson")
    assert [row.record for row in _read_back(tmp_path / "out")] == [told]


def test_private_fields_come_back_only_if_wanted(
    database: Database, home: Path, tmp_path: Path
) -> None:
    """As on the first import (FACTS 5.11)."""
    add(database, [extended("2024-01-01T00:00")._replace(private='{"ip_addr": "1.2.3.4"}')])
    _go(database, tmp_path / "out", "ndjson")
    for more, kept in (([], 0), (["--keep-private"], 1)):
        fresh = tmp_path / f"fresh{kept}"
        assert run(["--home", str(fresh), "import", *more, str(tmp_path / "out")]) == 0
        with Database(fresh / "history.duckdb").read() as connection:
            found = connection.execute("select count(private) from play_records").fetchone()
        assert found == (kept,)


def test_an_undone_import_leaves_what_polls_told(
    history: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A poll is known of no file, so its records are nobody's to take back."""
    before = _kept(history)
    _go(history, tmp_path / "out", "ndjson", user="me")
    assert run(["--user", "me", "import", str(tmp_path / "out")]) == 0
    assert run(["import", "undo", "1", "--yes"]) == 0
    capsys.readouterr()
    left = {row[4] for row in _kept(history)["play_records"] if row[3] == "1"}
    assert left == {"api"}
    assert _kept(history)["play_records"] != before["play_records"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": "napster"}, '"source" is none that is known'),
        ({"source": None}, 'no "source"'),
        ({"kind": "song"}, '"kind" is none that is known'),
        ({"played_at": "yesterday"}, '"played_at" is not a time in UTC: yesterday'),
        ({"ms_played": -1}, '"ms_played" is negative'),
        ({"ms_played": "long"}, '"ms_played" is not a whole number'),
        ({"shuffle": "maybe"}, '"shuffle" is neither true, false nor null'),
        ({"title": 3}, '"title" is neither text nor null'),
    ],
)
def test_a_row_that_was_spoiled_is_refused_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object], reason: str
) -> None:
    """With its place and the reason, as every row of every format."""
    good: dict[str, object] = {
        "record_id": "x", "source": "extended", "played_at": "2024-01-01T00:00:00.000Z",
        "kind": "track", "title": "A", "artist": "B", "ms_played": 200_000,
    }  # fmt: skip
    file = tmp_path / "mine.ndjson"
    file.write_text("\n".join(json.dumps(row) for row in (good, good | change)))
    assert run(["--home", str(tmp_path / "h"), "import", "--format", "json", str(file)]) == 3
    (told,) = json.loads(capsys.readouterr().out)["files"]
    assert told["format"] == "spotify_hist"
    assert told["rejected"] == [{"index": 1, "reason": reason}]


def test_parquet_is_parted_by_listener_and_year(history: Database, tmp_path: Path) -> None:
    """As DuckDB, Spark and pandas read it: the parts are columns."""
    receipt = _go(history, tmp_path / "out", "parquet")
    with duckdb.connect() as connection:
        for name, theirs in (("plays", 24), ("records", 24)):
            found = connection.execute(
                "select listener, year, count(*) from "
                f"read_parquet('{tmp_path}/out/{name}/**/*.parquet', hive_partitioning = true) "
                "group by all order by all"
            ).fetchall()
            mine = 13 if name == "plays" else len(MINE)
            assert found == [("me", 2024, mine), ("other", 2024, theirs)]
        columns = connection.execute(
            f"select track, artist, sources from '{tmp_path}/out/plays/**/*.parquet' "
            "where sources = ['api', 'extended']"
        ).fetchall()
    assert columns == [("Alpha", "Ann", ["api", "extended"])]
    assert cast("list[dict[str, object]]", receipt["listeners"])[0]["rows"] == {
        "plays": 13,
        "records": len(MINE),
    }


def _listens(path: Path) -> list[dict[str, object]]:
    with zipfile.ZipFile(path) as package:
        return [
            json.loads(line)
            for name in package.namelist()
            for line in package.read(name).splitlines()
        ]


def test_listenbrainz_gets_what_its_importer_takes(database: Database, tmp_path: Path) -> None:
    """Seconds of the start, names, the address at Spotify; a month a file."""
    add(
        database,
        [
            extended("2024-01-31T23:59:59", "A", "B", 60_500, uri="spotify:track:" + "a" * 22),
            extended("2024-02-01T12:00:00", "C", "D", 30_000, album=None),
            extended("2024-02-01T13:00:00", "C", "D", 29_999, album=None),
            extended("2024-02-02T12:00:00", "Ep", "Show", 90_000, kind="episode"),
            extended("2024-02-02T13:00:00", None, None, 90_000, album=None, kind="unknown"),
            api("2024-03-01T00:00:00.900", "E", "F", uri="spotify:track:" + "e" * 22),
        ],
    )
    receipt = _go(database, tmp_path / "out", "listenbrainz")
    file = tmp_path / "out" / "listenbrainz_me.zip"
    with zipfile.ZipFile(file) as package:
        assert package.namelist() == [f"listens/2024/{month}.jsonl" for month in (1, 2, 3)]
    first, second, third = _listens(file)
    address = "https://open.spotify.com/track/" + "a" * 22
    assert first == {
        "listened_at": 1_706_745_538,
        "track_metadata": {
            "artist_name": "B",
            "track_name": "A",
            "release_name": "Album",
            "additional_info": {
                "submission_client": "spotify-hist",
                "music_service": "spotify.com",
                "spotify_id": address,
                "origin_url": address,
                "duration_played": 60.5,
            },
        },
    }
    assert "release_name" not in cast("dict[str, object]", second["track_metadata"])
    assert third["listened_at"] == 1_709_251_200
    (told,) = cast("list[dict[str, object]]", receipt["listeners"])
    assert told["rows"] == {"listens": 3}
    assert told["left_out"] == {"episode": 1, "under 30 seconds": 1, "unknown": 1}


def test_listens_come_back_as_the_plays_they_were(history: Database, tmp_path: Path) -> None:
    """Into the same history they add nothing; they are matched as ListenBrainz' notes are."""
    _go(history, tmp_path / "out", "listenbrainz", user="me")
    with history.read() as connection:
        before = connection.execute("select count(*) from plays").fetchone()
    assert run(["--user", "me", "import", str(tmp_path / "out")]) == 0
    with history.read() as connection:
        assert connection.execute("select count(*) from plays").fetchone() == before


def test_a_database_is_a_home_again(history: Database, tmp_path: Path) -> None:
    """All of the history, and nothing of what only this machine's collecting needs."""
    with history.write("test") as connection:
        connection.execute("insert into logs values (now(), 'info', 'poll', 1, 'hello')")
        before = everything(connection)
    _go(history, tmp_path / "out", "duckdb")
    assert _names(tmp_path / "out") == ["history.duckdb", MANIFEST]
    with Database(tmp_path / "out" / "history.duckdb").read() as connection:
        after = everything(connection)
    operational = {"job_runs", "logs", "sync_checkpoints", "enrich_queue", "app_abilities"}
    made = {"identities", "identities_made"}
    assert {name for name in operational if after[name]} == set()
    for name in set(before) - operational - made:
        assert after[name] == before[name], name


def test_a_database_of_one_listener_holds_nothing_of_another(
    database: Database, tmp_path: Path
) -> None:
    """Not even in the blocks that deleted rows leave."""
    add(database, MINE)
    add(database, [extended("2024-01-01T00:00", "Guilty Pleasure", "Unmistakable")], "other")
    _go(database, tmp_path / "out", "duckdb", user="me")
    whole = (tmp_path / "out" / "history.duckdb").read_bytes()
    assert b"Guilty" not in whole
    assert b"Unmistakable" not in whole
    with Database(tmp_path / "out" / "history.duckdb").read() as connection:
        assert connection.execute("select name from users").fetchall() == [("me",)]


def test_listeners_whose_names_are_no_file_names_get_files(
    database: Database, tmp_path: Path
) -> None:
    """Slashes, dots, and names that differ in case alone."""
    names = ["../up", "a/b", "..", "Ada", "ada", "ä b"]
    for at, name in enumerate(names):
        add(database, [extended("2024-01-01T00:00")], f"listener{at}")
        with database.write("test") as connection:  # whatever names there may be one day
            connection.execute("update users set name = ? where user_id = ?", [name, at + 1])
    for form in FORMS:
        receipt = _go(database, tmp_path / form, form)
        assert [each["user"] for each in receipt["listeners"]] == names  # type: ignore[attr-defined]
        for path in (tmp_path / form).rglob("*"):
            assert path.resolve().is_relative_to(tmp_path / form)
    assert len(list((tmp_path / "csv").glob("*.csv"))) == len(names)
    assert _names(tmp_path) == sorted([*FORMS, "home"])


def test_a_directory_with_something_in_it_stays_as_it_is(history: Database, tmp_path: Path) -> None:
    """Without --force nothing is touched, and the hint tells of it only where it would help."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError) as caught:
        _go(history, tmp_path / "out", "csv")
    assert "--force" not in caught.value.hint
    assert _names(tmp_path / "out") == ["mine.txt"]
    with pytest.raises(UsageError, match="is a file"):
        _go(history, tmp_path / "out" / "mine.txt", "csv")


def test_force_replaces_an_export_and_nothing_else(history: Database, tmp_path: Path) -> None:
    """Files of the former one go, also where the format is another; foreign ones stay."""
    out = tmp_path / "out"
    _go(history, out, "parquet")
    (out / "mine.txt").write_text("mine")
    (out / "plays" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError) as caught:
        _go(history, out, "csv")
    assert "--force" in caught.value.hint
    _go(history, out, "csv", force=True)
    left = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert left == ["me.csv", "mine.txt", "other.csv", "plays/mine.txt", MANIFEST]
    assert not (out / "records").exists()
    _go(history, out, "csv", force=True, user="me")
    assert not (out / "other.csv").exists()


def test_force_never_takes_the_place_of_a_foreign_file(history: Database, tmp_path: Path) -> None:
    """Even where it has the name that an export would give."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "me.csv").write_text("mine")
    with pytest.raises(UsageError, match="is not from an export"):
        _go(history, tmp_path / "out", "csv", force=True)
    assert (tmp_path / "out" / "me.csv").read_text() == "mine"
    assert _names(tmp_path / "out") == ["me.csv"]


def test_a_manifest_that_names_files_elsewhere_is_not_believed(
    history: Database, tmp_path: Path
) -> None:
    """Nothing outside the directory is removed."""
    (tmp_path / "precious.txt").write_text("precious")
    (tmp_path / "out").mkdir()
    named = ["../precious.txt", str(tmp_path / "precious.txt")]
    (tmp_path / "out" / MANIFEST).write_text(json.dumps({"files": named}))
    _go(history, tmp_path / "out", "csv", force=True)
    assert (tmp_path / "precious.txt").read_text() == "precious"


def test_what_a_killed_export_left_is_cleared_away(history: Database, tmp_path: Path) -> None:
    """It is in nobody's way, and goes with the next one."""
    (tmp_path / "out" / ".spotify-hist-export-abc" / "plays").mkdir(parents=True)
    _go(history, tmp_path / "out", "csv")
    assert _names(tmp_path / "out") == ["me.csv", "other.csv", MANIFEST]


def test_two_exports_to_one_place_do_not_spoil_each_other(
    history: Database, tmp_path: Path
) -> None:
    """Whoever comes second is told, and what the first has half made stays."""
    with outbox(tmp_path / "out", force=False) as box:
        (box.making / "me.csv").write_text("half")
        with pytest.raises(Temporary, match=r"Another export to .*out is running"):
            _go(history, tmp_path / "out", "csv", force=True)
        assert (box.making / "me.csv").read_text() == "half"
    _go(history, tmp_path / "out", "csv")
    assert _names(tmp_path / "out") == ["me.csv", "other.csv", MANIFEST]


@pytest.mark.parametrize("form", FORMS)
def test_directories_called_like_a_column_change_nothing(
    history: Database, tmp_path: Path, form: Form
) -> None:
    """DuckDB takes `year=2020` in a path for a column, even for one that is told of."""
    plain, odd = tmp_path / "plain", tmp_path / "year=1999" / "ms_played=5" / "out"
    _go(history, plain, form)

    _go(history, odd, form)

    assert _names(odd) == _names(plain)
    if form in WHOLE:
        for place in (plain, odd):
            assert run(["--home", str(place / "home"), "import", str(place)]) == 0
        fresh = [Database(place / "home" / "history.duckdb") for place in (plain, odd)]
        assert _kept(fresh[0]) == _kept(fresh[1])


def test_a_place_that_cannot_be_written_is_said(history: Database, tmp_path: Path) -> None:
    """In the person's words, with nothing left there."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        _go(history, tmp_path / "file" / "out", "csv")


FULL = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from spotify_hist.store.database import Database
from spotify_hist.store.exporting import export
from spotify_hist.errors import StorageFull
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    export(Database(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3], now=datetime.now(UTC))
except StorageFull as error:
    sys.exit(f"full: {error.message}")
"""


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_leaves_nothing_half_written(
    database: Database, tmp_path: Path, form: Form
) -> None:
    """The directory that was made goes again, and the message names it."""
    told = [
        extended(f"2024-01-01T{at // 60:02}:{at % 60:02}:00", f"Song {at}") for at in range(300)
    ]
    add(database, told)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(database.path), str(tmp_path / "out"), form],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stderr.startswith("full: "), done.stderr
    assert str(tmp_path / "out") in done.stderr
    assert not (tmp_path / "out").exists()


def test_no_history_is_no_export(database: Database, tmp_path: Path) -> None:
    """And no directory."""
    with pytest.raises(NoHistory):
        _go(database, tmp_path / "out", "csv")
    assert not (tmp_path / "out").exists()


def test_the_receipt_tells_what_went_and_what_has_no_place(
    history: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line a listener on stdout."""
    arguments = ["--user", "me", "export", str(tmp_path / "out"), "--format", "listenbrainz"]
    assert run(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        "me: 9 listens in listenbrainz_me.zip",
        (
            "  left out, as listenbrainz has no place for them: 1 audiobook chapters, "
            "1 podcast episodes, 1 tracks heard for less than 30 seconds, 1 nameless rows"
        ),
    ]


def test_the_receipt_is_json_for_programs(
    history: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same lies beside the files."""
    out = tmp_path / "out"
    assert run(["export", str(out), "--format", "ndjson", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["listeners"] == [
        {"user": "me", "rows": {"records": 14}, "files": ["me.ndjson"], "left_out": {}},
        {"user": "other", "rows": {"records": 24}, "files": ["other.ndjson"], "left_out": {}},
    ]
    kept = json.loads((out / MANIFEST).read_text())
    assert kept["listeners"] == told["listeners"]
    assert kept["files"] == ["me.ndjson", "other.ndjson"]


def test_an_unknown_listener_is_refused(
    history: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With those that are known."""
    assert run(["--user", "nobody", "export", str(tmp_path / "out"), "--format", "csv"]) == 2
    assert "me, other" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
