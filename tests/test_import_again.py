"""The same files again: known by their bytes, not read twice, and read anew where that matters."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from conftest import NOW
from export_files import CAPS, make_zip
from raw_rows import ACCOUNT, GENERATION_2026

from spotify_hist.collect import staging
from spotify_hist.collect.imports import import_paths
from spotify_hist.collect.undo import undo_import
from spotify_hist.errors import Temporary
from spotify_hist.sources.exports.archive import inspect
from spotify_hist.store import bulk, import_jobs

if TYPE_CHECKING:
    from pathlib import Path

    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database
    from spotify_hist.store.import_jobs import Receipt

FOLDER = "Spotify Extended Streaming History"


def row(number: int) -> dict[str, object]:
    """One extended row."""
    at = f"2024-01-{1 + number // 1440:02d}T{number // 60 % 24:02d}:{number % 60:02d}:00Z"
    return GENERATION_2026 | {"ts": at, "ms_played": 50_000 + number, "ip_addr": "192.0.2.7"}


def rows(first: int, count: int) -> bytes:
    """A file of so many rows."""
    return json.dumps([row(number) for number in range(first, first + count)]).encode()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of a file that DuckDB reads and a small one."""
    return make_zip(
        tmp_path / "my_spotify_data.zip",
        {
            f"{FOLDER}/Streaming_History_Audio_2024_0.json": rows(0, 300),
            f"{FOLDER}/Streaming_History_Video_2024.json": rows(300, 3),
        },
    )


def bring(
    settings: Settings, database: Database, *paths: Path, keep_private: bool = False
) -> tuple[Receipt, int]:
    """Import; the receipt, and how many rows were staged."""
    with (
        mock.patch.object(staging, "_stage_rows", side_effect=staging._stage_rows) as slow,
        mock.patch.object(bulk, "key_files", side_effect=bulk.key_files) as fast,
    ):
        receipt = import_paths(settings, database, lambda: NOW, paths, keep_private=keep_private)
    read = slow.call_count + sum(len(call.args[1]) for call in fast.call_args_list)
    return receipt, read


def counts(receipt: Receipt) -> tuple[int, int, int, int]:
    """new, upgraded, duplicate, rejected."""
    return receipt.new, receipt.upgraded, receipt.duplicate, receipt.rejected


def test_the_same_archive_again_is_not_read(
    settings: Settings, database: Database, archive: Path
) -> None:
    """All duplicates, with the same dates and kinds, and not a single file read."""
    first, read = bring(settings, database, archive)
    assert (counts(first), read) == ((303, 0, 0, 0), 2)
    again, read = bring(settings, database, archive)
    assert (counts(again), read) == ((0, 0, 303, 0), 0)
    assert (again.first, again.last, again.kinds) == (first.first, first.last, first.kinds)
    assert [each.duplicate for each in again.files] == [300, 3]
    assert again.plays_added == 0


def test_the_unpacked_folder_is_known_too(
    settings: Settings, database: Database, archive: Path, tmp_path: Path
) -> None:
    """By the content of its files, whatever they are called."""
    bring(settings, database, archive)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "unpacked")
    large = next((tmp_path / "unpacked").rglob("*Audio*"))
    large.rename(large.with_name("endsong_0.json"))
    again, read = bring(settings, database, tmp_path / "unpacked")
    # Another name is another format: that file is read, and found to say nothing new.
    assert (counts(again), read) == ((0, 0, 303, 0), 1)


def test_an_archive_packed_otherwise_is_known_by_its_content(
    settings: Settings, database: Database, archive: Path, tmp_path: Path
) -> None:
    """Stored where it was deflated."""
    bring(settings, database, archive)
    with zipfile.ZipFile(archive) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    stored = make_zip(tmp_path / "stored.zip", files, zipfile.ZIP_STORED)
    again, read = bring(settings, database, stored)
    assert (counts(again), read) == ((0, 0, 303, 0), 0)


def test_a_new_file_beside_known_ones_is_read_alone(
    settings: Settings, database: Database, archive: Path
) -> None:
    """A later export repeats most of its files."""
    bring(settings, database, archive)
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr(f"{FOLDER}/Streaming_History_Audio_2025.json", rows(1000, 5))
    again, read = bring(settings, database, archive)
    assert (counts(again), read) == ((5, 0, 303, 0), 1)


def test_private_fields_wanted_now_are_read(
    settings: Settings, database: Database, archive: Path
) -> None:
    """They were dropped the first time, so the files are read again."""
    bring(settings, database, archive)
    again, read = bring(settings, database, archive, keep_private=True)
    assert (counts(again), read) == ((0, 0, 303, 0), 2)
    with database.read() as connection:
        kept = connection.execute("select count(private) from play_records").fetchone()
    assert kept == (303,)


def test_a_file_with_rejected_rows_is_read_again(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """A later version may understand what this one does not."""
    path = tmp_path / "endsong_0.json"
    path.write_text(json.dumps([row(1), {"ts": "yesterday", "ms_played": 1}]))
    bring(settings, database, path)
    again, read = bring(settings, database, path)
    assert (counts(again), read) == ((0, 0, 1, 1), 1)
    assert again.files[0].rejected == ((1, '"ts" is not a time in UTC: yesterday'),)


def test_account_data_is_read_again(settings: Settings, database: Database, tmp_path: Path) -> None:
    """Which of several equal rows one is depends on the files beside it."""
    path = tmp_path / "StreamingHistory_music_0.json"
    path.write_text(json.dumps([ACCOUNT]))
    bring(settings, database, path)
    again, read = bring(settings, database, path)
    assert (counts(again), read) == ((0, 0, 1, 0), 1)


def test_what_was_undone_is_read_again(
    settings: Settings, database: Database, archive: Path
) -> None:
    """A file of an import that no longer stands is not known."""
    first, _ = bring(settings, database, archive)
    undo_import(database, lambda: NOW, first.import_id, None)
    again, read = bring(settings, database, archive)
    assert (counts(again), read) == ((303, 0, 0, 0), 2)


def test_an_undo_of_the_first_leaves_what_the_second_says(
    settings: Settings, database: Database, archive: Path
) -> None:
    """The second import, which read nothing, keeps all plays."""
    first, _ = bring(settings, database, archive)
    second, _ = bring(settings, database, archive)
    assert undo_import(database, lambda: NOW, first.import_id, None).records == 0
    assert undo_import(database, lambda: NOW, second.import_id, None).records == 303


def test_an_undo_in_the_middle_costs_no_play(
    settings: Settings, database: Database, archive: Path
) -> None:
    """The import that relied on what was undone says so, and changes nothing."""
    first, _ = bring(settings, database, archive)
    is_undone: list[int] = []

    def undo_meanwhile(*_: int) -> None:
        if not is_undone:
            is_undone.append(undo_import(database, lambda: NOW, first.import_id, None).records)

    with pytest.raises(Temporary, match="undone meanwhile"):
        import_paths(settings, database, lambda: NOW, [archive], on_progress=undo_meanwhile)
    assert is_undone == [303]
    with database.read() as connection:
        assert len(import_jobs.receipts(connection)) == 1
    assert counts(bring(settings, database, archive)[0]) == (303, 0, 0, 0)


def test_a_damaged_member_has_no_fingerprint(archive: Path) -> None:
    """What is cut short is never taken for the whole."""

    [large, small] = inspect(archive, CAPS).members
    assert large.packed_sha256() not in {None, small.packed_sha256()}
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\3\4") : data.index(b"PK\3\4") + 4] = b"PK\7\7"
    archive.write_bytes(data)
    assert [each.packed_sha256() is None for each in inspect(archive, CAPS).members] == [
        True,
        False,
    ]
