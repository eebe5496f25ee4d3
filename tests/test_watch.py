"""The watched folder: an archive dropped there is imported once and put away, come what may."""

from __future__ import annotations

import os
import shutil
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import NOW

from spotify_hist import settings as settings_module
from spotify_hist.collect.turns import turn
from spotify_hist.collect.watch import Taken, import_pending, pending
from spotify_hist.errors import DatabaseBusy
from spotify_hist.sandbox.exports import write_exports
from spotify_hist.sandbox.life import live
from spotify_hist.store import journal
from spotify_hist.store.gate import Gate

if TYPE_CHECKING:
    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extended export of some weeks."""
    life = live(5, start=NOW - timedelta(days=40), end=NOW)
    folder = tmp_path_factory.mktemp("exports")
    return write_exports(life, folder, downloaded_at=NOW, formats=("extended",))["extended"]


def drop(archive: Path, folder: Path, name: str = "my_spotify_data.zip") -> Path:
    """Copy the archive into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(archive, folder / name))


def sync_folder(settings: Settings, database: Database) -> list[Taken]:
    """What `sync` does with the folder."""
    return import_pending(settings, database, lambda: NOW)


def names(folder: Path) -> list[str]:
    """All files below a folder, the workspaces of imports aside."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def plays(database: Database) -> dict[str, int]:
    """How many plays each listener has."""
    statement = "select name, count(*) from plays join users using (user_id) group by 1"
    with database.read() as connection:
        return dict(connection.execute(statement).fetchall())


def test_an_empty_or_missing_folder_is_no_work(settings: Settings, database: Database) -> None:
    """Nothing is made, nothing is opened."""
    assert sync_folder(settings, database) == []
    assert not settings.watched.exists()
    assert not database.exists()


def test_an_archive_is_imported_once_and_put_away(
    settings: Settings, database: Database, archive: Path
) -> None:
    """The next run finds nothing to do."""
    drop(archive, settings.watched)
    [taken] = sync_folder(settings, database)
    assert taken.error is None
    assert taken.receipt is not None
    assert taken.receipt.plays_added > 0
    assert names(settings.watched) == ["done/my_spotify_data.zip"]
    assert sync_folder(settings, database) == []


def test_a_second_archive_of_the_same_name_replaces_nothing(
    settings: Settings, database: Database, archive: Path
) -> None:
    """Spotify calls every archive the same (FACTS 5.2)."""
    for _ in range(3):
        drop(archive, settings.watched)
        sync_folder(settings, database)
    assert names(settings.watched / "done") == [
        "my_spotify_data-2.zip",
        "my_spotify_data-3.zip",
        "my_spotify_data.zip",
    ]


def test_a_listeners_folder_is_for_that_listener(
    settings: Settings, database: Database, archive: Path
) -> None:
    """Several people drop archives of the same name."""
    drop(archive, settings.watched / "anna")
    drop(archive, settings.watched / "bob", "MINE.ZIP")
    taken = sync_folder(settings, database)
    assert [each.receipt and each.receipt.user for each in taken] == ["anna", "bob"]
    assert set(plays(database)) == {"anna", "bob"}
    assert names(settings.watched) == ["anna/done/my_spotify_data.zip", "bob/done/MINE.ZIP"]


def test_what_is_no_archive_goes_to_failed_with_the_reason_beside_it(
    settings: Settings, database: Database, archive: Path
) -> None:
    """And costs the others nothing; the failure is in the log."""
    good = drop(archive, settings.watched, "good.zip")
    bad = settings.watched / "bad.zip"
    bad.write_bytes(good.read_bytes()[:2000])
    empty = settings.watched / "empty.zip"
    with zipfile.ZipFile(empty, "w") as made:
        made.writestr("readme.txt", "nothing")
    for path in (bad, empty):
        os.utime(path, (NOW.timestamp() - 3600,) * 2)
    taken = {each.name: each for each in sync_folder(settings, database)}
    assert taken["good.zip"].error is None
    assert taken["bad.zip"].error is not None
    assert names(settings.watched) == [
        "done/good.zip",
        "failed/bad.zip",
        "failed/bad.zip.reason.txt",
        "failed/empty.zip",
        "failed/empty.zip.reason.txt",
    ]
    reason = (settings.watched / "failed" / "bad.zip.reason.txt").read_text()
    assert taken["bad.zip"].error.message in reason
    with database.read() as connection:
        assert [each.job for each in journal.runs(connection, failed_only=True)] == ["import"] * 2
        assert len(journal.entries(connection, level="error")) == 2


def test_an_archive_that_is_still_arriving_is_left_alone(
    settings: Settings, database: Database, archive: Path
) -> None:
    """A ZIP that is being copied has no end yet."""
    whole = archive.read_bytes()
    path = drop(archive, settings.watched)
    path.write_bytes(whole[: len(whole) // 2])
    os.utime(path, (NOW.timestamp() - 5,) * 2)
    assert sync_folder(settings, database) == []
    path.write_bytes(whole)
    assert [each.error for each in sync_folder(settings, database)] == [None]


def test_a_reason_that_passes_leaves_the_archive_where_it_is(
    settings: Settings, database: Database, impatient: Database, archive: Path
) -> None:
    """A busy database is no fault of the archive."""
    path = drop(archive, settings.watched)
    with database.write("test"):
        pass
    with Gate(settings.database).reading(0.0):
        [taken] = sync_folder(settings, impatient)
    assert isinstance(taken.error, DatabaseBusy)
    assert path.exists()
    assert [each.error for each in sync_folder(settings, database)] == [None]


def test_an_archive_that_a_kill_left_is_imported_again_and_counts_once(
    settings: Settings, database: Database, archive: Path
) -> None:
    """Between the import and the move: all rows are duplicates then."""
    drop(archive, settings.watched)
    sync_folder(settings, database)
    before = plays(database)
    (settings.watched / "done" / "my_spotify_data.zip").rename(settings.watched / "again.zip")
    [taken] = sync_folder(settings, database)
    assert taken.receipt is not None
    assert (taken.receipt.new, taken.receipt.plays_added) == (0, 0)
    assert plays(database) == before


def test_another_run_at_the_same_time_is_left_to_it(
    settings: Settings, database: Database, archive: Path
) -> None:
    """Two timers, one folder."""
    drop(archive, settings.watched)
    with turn(settings, "watch"):
        assert sync_folder(settings, database) == []
    assert len(pending(settings)) == 1


def test_hidden_files_and_workspaces_are_not_archives(settings: Settings) -> None:
    """Browsers and imports keep unfinished things in such places."""
    for name in (".part.zip", "import-abc/1.zip", "done/old.zip", "failed/old.zip", "x.json"):
        path = settings.watched / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert pending(settings) == []


def test_another_folder_can_be_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: Path, database: Database, home: Path
) -> None:
    """With a setting."""
    monkeypatch.setenv("SPOTIFY_HIST_SYNC_WATCH_DIR", str(tmp_path / "inbox"))
    settings = settings_module.load()
    drop(archive, tmp_path / "inbox")
    drop(archive, home / "uploads")
    assert len(sync_folder(settings, database)) == 1
    assert names(tmp_path / "inbox") == ["done/my_spotify_data.zip"]
