"""Imports: a receipt that accounts for every row, whatever the input, and nothing half done."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from conftest import NOW
from export_files import make_zip
from memory_history import DERIVED, look
from processes import Child
from raw_rows import ACCOUNT, API, GENERATION_2026

from spotify_hist.collect.imports import Receipt, import_paths
from spotify_hist.collect.pages import drain
from spotify_hist.collect.spool import Spool
from spotify_hist.collect.workspace import workspace
from spotify_hist.errors import BadInput, DatabaseBusy, UsageError
from spotify_hist.model import Account
from spotify_hist.sandbox.exports import SECRETS, write_exports
from spotify_hist.sandbox.life import live
from spotify_hist.settings import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database

START = datetime(2026, 3, 1, tzinfo=UTC)
Rows = list[tuple[object, ...]]

# Imports argv[3] into the home argv[1]; dies at step argv[2] of I/O, or prints how many there are.
KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from spotify_hist.collect.imports import import_paths
from spotify_hist.settings import load
from spotify_hist.store.database import Database
STEPS = {"execute", "executemany", "begin", "commit", "close", "connect", "unlink", "replace",
         "rename", "rmdir", "mkdir", "write", "flock", "open"}
last, seen = int(sys.argv[2]), 0
def step(frame, event, argument):
    global seen
    if event.startswith("c_") and getattr(argument, "__name__", "") in STEPS:
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)
settings = load(sys.argv[1])
database = Database.from_settings(settings)
sys.setprofile(step)
import_paths(settings, database, lambda: datetime(2026, 11, 1, tzinfo=UTC), [Path(sys.argv[3])])
sys.setprofile(None)
print(seen)
"""

# Imports argv[2] into the home argv[1], and waits to be told to go on where argv[3] says: while it
# stages, or in the middle of the merge.
HELD_UP = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock
from spotify_hist.collect.imports import import_paths
from spotify_hist.settings import load
from spotify_hist.store import coverage
from spotify_hist.store.database import Database
def wait(*_):
    print("here")
    sys.stdin.readline()
def close_gaps(*arguments):
    wait()
    return really(*arguments)
settings, place = load(sys.argv[1]), sys.argv[3]
really = coverage.close_gaps
seen = []
def progress(*step):
    if place == "staging" and not seen:
        seen.append(step)
        wait()
with mock.patch.object(coverage, "close_gaps", close_gaps if place == "merge" else really):
    receipt = import_paths(
        settings, Database.from_settings(settings), lambda: datetime(2026, 11, 1, tzinfo=UTC),
        [Path(sys.argv[2])], on_progress=progress,
    )
print(receipt.records, receipt.new, receipt.upgraded)
"""


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The five exports of three weeks of a life."""
    life = live(21, start=START, end=START + timedelta(days=21), plays_per_day=60)
    return write_exports(life, tmp_path_factory.mktemp("exports"))


def bring(
    settings: Settings, database: Database, *paths: Path, keep_private: bool = False
) -> Receipt:
    """Import some paths."""
    return import_paths(settings, database, lambda: NOW, paths, keep_private=keep_private)


def rows_of(database: Database, statement: str) -> Rows:
    """What a statement gives."""
    with database.read() as connection:
        rows: Rows = connection.execute(statement).fetchall()
        return rows


def derived(database: Database) -> dict[str, Rows]:
    """Everything that is a function of the set of records."""
    with database.read() as connection:
        look(connection)
        return {
            name: connection.execute(
                f"select columns(*)::varchar from {name} order by all"
            ).fetchall()
            for name in DERIVED
        }


def row(number: int, **changes: object) -> dict[str, object]:
    """An extended row, each `number` an hour later."""
    moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    return GENERATION_2026 | {"ts": f"{moment:%Y-%m-%dT%H:%M:%SZ}"} | changes


def written(path: Path, *rows: object) -> Path:
    """A JSON file of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def assert_adds_up(receipt: Receipt) -> None:
    """Every row is one of the four, per file and in all."""
    total = receipt.new + receipt.upgraded + receipt.duplicate + receipt.rejected
    assert receipt.records == total == sum(file.records for file in receipt.files)
    assert receipt.rejected == sum(len(file.rejected) for file in receipt.files)
    for file in receipt.files:
        known = [file.new, file.upgraded, file.duplicate]
        assert file.records == sum(count or 0 for count in known) + len(file.rejected)
        assert None not in known
    for name in ("new", "upgraded", "duplicate"):
        assert getattr(receipt, name) == sum(getattr(file, name) for file in receipt.files)


def assert_nothing_left(settings: Settings) -> None:
    """No scratch file stays behind."""
    assert not settings.scratch.exists() or list(settings.scratch.iterdir()) == []


# -- accounting


@pytest.mark.parametrize("order", [1, -1])
def test_every_receipt_adds_up_and_so_do_all_of_them(
    settings: Settings, database: Database, exports: dict[str, Path], order: int
) -> None:
    """Five exports of one life one after the other; then every record is traced to a row."""
    receipts = [bring(settings, database, path) for path in list(exports.values())[::order]]
    for receipt in receipts:
        assert_adds_up(receipt)
        assert receipt.is_whole
    [(plays, records, traced)] = rows_of(
        database,
        "select (select count(*) from plays), (select count(*) from play_records),"
        " (select count(distinct record_id) from record_rows)",
    )
    assert sum(receipt.plays_added for receipt in receipts) == plays
    assert sum(receipt.new + receipt.upgraded for receipt in receipts) == records == traced
    [(rows,)] = rows_of(database, "select count(*) from record_rows")
    assert rows == sum(receipt.records for receipt in receipts)
    assert_nothing_left(settings)


def test_all_at_once_gives_what_one_after_the_other_gives(
    settings: Settings, database: Database, exports: dict[str, Path], tmp_path: Path
) -> None:
    """One command with five paths, or five commands: the same history."""
    receipt = bring(settings, database, *exports.values())
    assert_adds_up(receipt)
    other_settings = load(tmp_path / "other")
    other = type(database).from_settings(other_settings)
    for path in exports.values():
        bring(other_settings, other, path)
    assert derived(other) == derived(database)
    [(plays,)] = rows_of(database, "select count(*) from plays")
    assert receipt.plays_added == plays


def test_the_same_import_again_changes_nothing(
    settings: Settings, database: Database, exports: dict[str, Path], tmp_path: Path
) -> None:
    """As a ZIP, as a folder, and file by file: every row is a duplicate of a known one."""
    first = bring(settings, database, exports["extended"])
    before = derived(database)
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(exports["extended"]) as archive:
        archive.extractall(folder)
    singles = sorted(folder.rglob("*.json"))
    again = [
        bring(settings, database, *paths) for paths in ([exports["extended"]], [folder], singles)
    ]
    for receipt in again:
        assert (receipt.new, receipt.upgraded, receipt.plays_added) == (0, 0, 0)
        assert receipt.duplicate == receipt.records == first.records
    assert derived(database) == before
    [(rows,)] = rows_of(database, "select count(*) from record_rows")
    assert rows == first.records


def test_equal_account_rows_in_two_files_of_one_export_are_all_traced(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """The n-th equal row is a record of its own, even in a file with the bytes of another."""
    for name in ("StreamingHistory0.json", "StreamingHistory1.json"):
        written(tmp_path / "MyData" / name, ACCOUNT)
    receipt = bring(settings, database, tmp_path / "MyData")
    assert (receipt.records, receipt.new, receipt.plays_added) == (2, 2, 2)
    untraced = rows_of(
        database, "select * from play_records anti join record_rows using (record_id)"
    )
    assert untraced == []


def test_a_second_download_of_one_export_counts_nothing_twice(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """The n-th equal row of one export is the n-th of another (FACTS 6.2)."""
    twice = [ACCOUNT, ACCOUNT]
    one = written(tmp_path / "a" / "StreamingHistory0.json", *twice)
    other = written(tmp_path / "b" / "StreamingHistory0.json", *twice, ACCOUNT)
    assert bring(settings, database, one).plays_added == 2
    assert bring(settings, database, other).plays_added == 1


# -- bad input


def test_a_broken_row_costs_its_neighbours_nothing(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """It is named by its index and its reason, and kept in the history's account."""
    path = written(
        tmp_path / "endsong_0.json", row(0), row(1, ms_played="x"), 7, row(3), row(4, ts="soon")
    )
    receipt = bring(settings, database, path)
    assert_adds_up(receipt)
    assert [index for index, _ in receipt.files[0].rejected] == [1, 2, 4]
    assert (receipt.records, receipt.new, receipt.rejected) == (5, 2, 3)
    assert not receipt.is_whole
    kept = rows_of(database, "select row_index, reason from rejected_rows order by all")
    assert kept == [tuple(each) for each in receipt.files[0].rejected]
    [account] = rows_of(
        database, "select records, new, upgraded, duplicate, rejected, plays_added from import_jobs"
    )
    assert account == (5, 2, 0, 0, 3, 2)


def test_one_bad_row_in_a_large_file_is_named_and_nothing_else_is_lost(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """Large files take the fast way, which must step aside for such a row."""
    rows = [row(number, ms_played=number) for number in range(400)]
    rows[250]["ms_played"] = "long"
    path = written(tmp_path / "Streaming_History_Audio_2024_0.json", *rows)
    assert path.stat().st_size > 100_000
    receipt = bring(settings, database, path)
    assert_adds_up(receipt)
    assert [index for index, _ in receipt.files[0].rejected] == [250]
    assert receipt.plays_added == 399


@pytest.mark.parametrize("count", [3, 400])
def test_a_truncated_member_gives_its_rows_and_its_damage(
    settings: Settings, database: Database, tmp_path: Path, count: int
) -> None:
    """Everything before the break is imported; the file is named as damaged."""
    data = json.dumps([row(number) for number in range(count)], indent=2).encode()
    good = json.dumps([row(1000)]).encode()
    path = make_zip(tmp_path / "x.zip", {"endsong_0.json": data[:-200], "endsong_1.json": good})
    receipt = bring(settings, database, path)
    assert_adds_up(receipt)
    assert [file.records for file in receipt.files] == [count - 1, 1]
    assert receipt.files[0].damage
    assert receipt.files[1].damage is None
    assert not receipt.is_whole


def test_a_file_that_breaks_off_between_two_rows_is_damaged_however_large(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """It looks whole to a lenient reader."""
    text = json.dumps([row(number) for number in range(400)])
    cut = text[: text.rindex("{")].rstrip()
    path = make_zip(tmp_path / "x.zip", {"endsong_0.json": cut.encode()})
    receipt = bring(settings, database, path)
    assert (receipt.records, receipt.new) == (399, 399)
    assert receipt.files[0].damage


def test_invalid_text_in_a_large_file_costs_its_row_alone(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """Bytes that are no UTF-8: that row is rejected, and all others are kept."""
    data = json.dumps([row(number) for number in range(400)]).encode()
    at = data.rindex(b"Song")
    path = make_zip(tmp_path / "x.zip", {"endsong_0.json": data[:at] + b"\xff" + data[at + 1 :]})
    receipt = bring(settings, database, path)
    assert_adds_up(receipt)
    assert receipt.new == 399
    assert list(receipt.files[0].rejected) == [(399, "not valid UTF-8")]
    assert receipt.files[0].damage is None


def test_damaged_inputs_beside_good_ones_are_told_and_the_good_ones_kept(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """One bad download does not cost the other."""
    good = written(tmp_path / "endsong_0.json", row(0))
    bad = tmp_path / "my_spotify_data.zip"
    bad.write_bytes(b"PK\3\4 and nothing more")
    receipt = bring(settings, database, bad, good, tmp_path / "nowhere.zip")
    assert receipt.new == 1
    assert [type(error) for error in receipt.failed] == [BadInput, BadInput]


def _encrypted(path: Path) -> Path:
    data = bytearray(make_zip(path, {"endsong_0.json": b"[]"}).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("endsong_0.json", b'{"rows": []}'),
        ("endsong_0.json", b"null"),
        ("endsong_0.json", b""),
        ("endsong_0.json", b"[[[["),
        ("history.zip", b"this is no ZIP"),
        ("notes.txt", b"this is no history"),
        ("Userdata.json", b'{"username": "x"}'),
        ("other.json", b'[{"a": 1}]'),
    ],
)
def test_what_holds_no_history_is_refused_and_leaves_no_trace(
    settings: Settings, database: Database, tmp_path: Path, name: str, data: bytes
) -> None:
    """A message with the file's name and a next step; no database, no scratch file."""
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadInput, match=name) as caught:
        bring(settings, database, path)
    assert caught.value.hint
    assert not database.exists()
    assert_nothing_left(settings)


@pytest.mark.parametrize("make", [_encrypted, lambda path: make_zip(path, {"readme.txt": b"x"})])
def test_a_zip_without_readable_history_is_refused(
    settings: Settings, database: Database, tmp_path: Path, make: object
) -> None:
    """Protected by a password, or of something else."""
    assert callable(make)
    with pytest.raises(BadInput, match=r"x\.zip"):
        bring(settings, database, make(tmp_path / "x.zip"))
    assert not database.exists()


def test_a_path_that_leads_nowhere_is_refused(settings: Settings, database: Database) -> None:
    """It is named."""
    with pytest.raises(BadInput, match="nowhere"):
        bring(settings, database, settings.data_dir / "nowhere")


def test_an_empty_list_is_an_import_of_no_rows(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """A year without podcasts has such a file."""
    receipt = bring(settings, database, written(tmp_path / "StreamingHistory_podcast_0.json"))
    assert (receipt.records, receipt.plays_added, receipt.is_whole) == (0, 0, True)


def test_rows_that_are_all_bad_are_accounted_for(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """Nothing is new and every row has its reason."""
    receipt = bring(settings, database, written(tmp_path / "endsong_0.json", {}, None, {"ts": 1}))
    assert_adds_up(receipt)
    assert (receipt.records, receipt.rejected) == (3, 3)


def test_more_rows_than_allowed_are_refused_before_anything_is_written(
    home: Path, database: Database, tmp_path: Path
) -> None:
    """The limit is a setting; the message tells it."""
    settings = load(home, {"SPOTIFY_HIST_IMPORT_MAX_ROWS": "2"})
    with pytest.raises(BadInput, match="more than 2 rows"):
        bring(settings, database, written(tmp_path / "endsong_0.json", row(0), row(1), row(2)))
    assert not database.exists()
    assert_nothing_left(settings)


def test_a_busy_database_leaves_the_import_for_later(
    settings: Settings, database: Database, impatient: Database, tmp_path: Path
) -> None:
    """Nothing stays behind, and the same command works afterwards."""
    path = written(tmp_path / "endsong_0.json", row(0))
    with database.write("other"), pytest.raises(DatabaseBusy):
        bring(settings, impatient, path)
    assert_nothing_left(settings)
    assert bring(settings, database, path).plays_added == 1


def test_listeners_share_a_file_and_no_play(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """The same export for two listeners is two histories; a typing error is told."""
    path = written(tmp_path / "endsong_0.json", row(0), row(0), row(1))
    assert bring(settings, database, path).user == "me"
    for user in ("ann", "me"):
        receipt = import_paths(settings, database, lambda: NOW, [path], user=user)
        assert (receipt.user, receipt.plays_added) == (user, 2 if user == "ann" else 0)
    with pytest.raises(UsageError, match="no such name"):
        import_paths(settings, database, lambda: NOW, [path], user="no such name")
    counts = rows_of(
        database,
        "select name, count(*) from users join plays using (user_id) group by all order by 1",
    )
    assert counts == [("ann", 2), ("me", 2)]


# -- privacy


def _all_text(database: Database) -> str:
    """Every value of every table, and the bytes of the files."""
    with database.read() as connection:
        tables = [name for (name,) in connection.execute("show tables").fetchall()]
        text = io.StringIO()
        for name in tables:
            for values in connection.execute(f"select columns(*)::varchar from {name}").fetchall():
                text.write("\n".join(map(str, values)))
    for path in database.path.parent.rglob("*"):
        if path.is_file():
            text.write(path.read_bytes().decode("latin-1"))
    return text.getvalue()


def test_private_values_never_reach_the_history(
    settings: Settings, database: Database, exports: dict[str, Path]
) -> None:
    """Address, user agent, name and place of the rows, and all of the other files (FACTS 5.11)."""
    receipt = bring(settings, database, *exports.values())
    assert any("Userdata" in name for name in receipt.ignored)
    text = _all_text(database)
    assert [secret for secret in SECRETS if secret in text] == []


def test_private_values_are_kept_where_the_person_asks(
    settings: Settings, database: Database, exports: dict[str, Path]
) -> None:
    """Only those of the rows themselves; the other files are never read."""
    bring(settings, database, exports["extended_2020"], exports["account"], keep_private=True)
    text = _all_text(database)
    kept = {secret for secret in SECRETS if secret in text}
    assert kept == set(SECRETS[:6])


def test_private_values_can_be_added_later(
    settings: Settings, database: Database, exports: dict[str, Path]
) -> None:
    """The same export once more, now with them: no play changes."""
    bring(settings, database, exports["extended"])
    plays = derived(database)["kept_plays"]
    again = bring(settings, database, exports["extended"], keep_private=True)
    assert (again.new, again.upgraded) == (0, 0)
    assert derived(database)["kept_plays"] == plays
    assert rows_of(database, "select count(*) from play_records where private is null") == [(0,)]


# -- kills


def test_a_kill_at_any_moment_costs_nothing(exports: dict[str, Path], tmp_path: Path) -> None:
    """kill -9 at steps from the first to the last; then the same command, undisturbed."""
    source = exports["extended"]
    whole = load(tmp_path / "whole")
    with Child(KILLED, whole.data_dir, "0", source) as child:
        code, out, err = child.finish()
        assert (code, err) == (0, "")
    expected = derived(_database(whole))
    steps = int(out)
    for number, last in enumerate(_spread(steps, 7)):
        settings = load(tmp_path / str(number))
        with Child(KILLED, settings.data_dir, str(last), source) as child:
            assert child.finish()[0] == -9
        database = _database(settings)
        receipt = bring(settings, database, source)
        assert_adds_up(receipt)
        assert derived(database) == expected, f"killed at step {last} of {steps}"
        assert_nothing_left(settings)


def _spread(steps: int, count: int) -> Sequence[int]:
    """Steps all over, and the ones around the end, where the commit is."""
    return sorted({1 + steps * n // count for n in range(count)} | {steps - 12, steps - 4, steps})


def _database(settings: Settings) -> Database:
    from spotify_hist.store.database import Database

    return Database.from_settings(settings)


def test_what_a_killed_import_left_goes_with_the_next_one(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """Its directory is no longer locked; one that is at work is left alone."""
    left = settings.scratch / "import-left"
    left.mkdir(parents=True)
    (left / "1.json").write_text("[]")
    path = written(tmp_path / "endsong_0.json", row(0))
    with workspace(settings.scratch, 300) as other:
        assert not left.exists()
        bring(settings, database, path)
        assert other.directory.exists()
    assert_nothing_left(settings)


# -- manners

PAGE = json.dumps({"items": [API], "next": None, "cursors": None}).encode()
POLLED = {"ts": "2026-05-06T10:20:30Z", "ms_played": 31_000}


def many_rows(path: Path) -> Path:
    """Two files with thousands of rows; one of them is of the play that `PAGE` tells."""
    rows = [row(number, ms_played=number) for number in range(4_000)]
    files = {
        "endsong_0.json": json.dumps(rows).encode(),
        "endsong_1.json": json.dumps([row(5_000, **POLLED), *rows[:500]]).encode(),
    }
    return make_zip(path, files)


def test_polls_commit_and_questions_are_answered_while_an_import_is_staged(
    settings: Settings, database: Database, impatient: Database, tmp_path: Path
) -> None:
    """Nobody waits for it; what came in meanwhile is merged with what it brings."""
    bring(settings, database, written(tmp_path / "endsong_0.json", row(9_000)))
    with Child(HELD_UP, settings.data_dir, many_rows(tmp_path / "x.zip"), "staging") as child:
        assert child.line() == "here"
        spool = Spool(settings.spool)
        spool.add(Account("acc", None, "Ada"), PAGE, NOW)
        (outcome,) = drain(spool, impatient, lambda: NOW)
        assert outcome.new == 1
        assert rows_of(impatient, "select count(*) from plays") == [(2,)]
        child.go_on()
        assert child.finish()[:2] == (0, "4501 4000 1\n")
    sources = rows_of(database, "select sources from plays where len(sources) > 1")
    assert sources == [(["api", "extended"],)]


def test_a_poll_during_the_merge_waits_or_leaves_its_page_in_the_spool(
    settings: Settings, database: Database, impatient: Database, tmp_path: Path
) -> None:
    """Whoever does not wait is told so; nothing is lost, and nothing counts twice."""
    path = many_rows(tmp_path / "x.zip")
    spool = Spool(settings.spool)
    with Child(HELD_UP, settings.data_dir, path, "merge") as child:
        assert child.line() == "here"
        spool.add(Account("acc", None, "Ada"), PAGE, NOW)
        with pytest.raises(DatabaseBusy, match="import"):
            list(drain(spool, impatient, lambda: NOW))
        assert len(spool) == 1
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: list(drain(spool, database, lambda: NOW)))
            child.go_on()
            assert child.finish()[:2] == (0, "4501 4001 0\n")
            (outcome,) = waiting.result()
    assert (outcome.fetched, len(spool)) == (1, 0)
    assert rows_of(database, "select count(*) from plays") == [(4_001,)]
    sources = rows_of(database, "select sources from plays where len(sources) > 1")
    assert sources == [(["api", "extended"],)]


# -- the command


def command(home: Path, *paths: Path) -> tuple[int, dict[str, object], list[dict[str, object]]]:
    """Run `import --format json`: (exit code, what it says on stdout, errors on stderr)."""
    result = subprocess.run(
        [sys.executable, "-m", "spotify_hist", "--home", str(home), "import", *map(str, paths),
         "--format", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    errors = [json.loads(line)["error"] for line in result.stderr.splitlines()]
    return result.returncode, json.loads(result.stdout or "{}"), errors


def test_the_command_tells_the_receipt_in_json(home: Path, tmp_path: Path) -> None:
    """DESIGN 7: the shape others build on, and exit code 3 where a row was rejected."""
    good = written(tmp_path / "endsong_0.json", row(0), row(1))
    code, said, errors = command(home, good)
    assert (code, errors) == (0, [])
    counts = {"import_id": 1, "records": 2, "new": 2, "upgraded": 0, "duplicate": 0, "rejected": 0}
    assert said.items() >= {**counts, "plays_added": 2}.items()
    files = said["files"]
    assert isinstance(files, list)
    (file,) = files
    of_file = {"name": "endsong_0.json", "format": "endsong", "records": 2, "damage": None}
    assert file.items() >= {**of_file, "new": 2, "upgraded": 0, "duplicate": 0}.items()
    assert file["rejected"] == []
    bad = written(tmp_path / "b" / "endsong_0.json", row(0), {"ts": 1})
    code, said, errors = command(home, bad)
    assert (code, errors) == (3, [])
    assert said.items() >= {"import_id": 2, "records": 2, "duplicate": 1, "rejected": 1}.items()
    files = said["files"]
    assert isinstance(files, list)
    assert [each["index"] for each in files[0]["rejected"]] == [1]


def test_the_command_tells_what_failed(home: Path, tmp_path: Path) -> None:
    """Exit code 6 where some inputs failed and 3 where all did, each with an error in JSON."""
    good = written(tmp_path / "endsong_0.json", row(0))
    code, said, errors = command(home, good, tmp_path / "nowhere")
    assert (code, said["new"], len(errors)) == (6, 1, 1)
    code, said, errors = command(home, tmp_path / "nowhere")
    assert (code, said) == (3, {})
    assert [error["code"] for error in errors] == ["bad_input"]
