"""The file kept open for a moment: shared by readers, let go for writers, never stale."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING

import duckdb
import pytest
from processes import Child, wait_until

from spotify_hist.errors import (
    BadInput,
    DamagedDatabase,
    DatabaseBusy,
    NoHistory,
    UsageError,
)
from spotify_hist.store import kept_open, migrate
from spotify_hist.store.database import Database
from spotify_hist.store.gate import Gate
from spotify_hist.store.kept_open import KeptOpen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spotify_hist.store.database import Connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A history without plays."""
    path = tmp_path / "history.duckdb"
    with Database(path).write("test"):
        pass
    return path


@pytest.fixture
def kept(path: Path) -> Iterator[KeptOpen]:
    """Kept open, and closed in the end."""
    kept = KeptOpen(path, wait_s=20)
    yield kept
    kept.close()


def count(connection: Connection) -> int:
    row = connection.execute("select count(*) from users").fetchone()
    assert row is not None
    return int(row[0])


def test_questions_that_follow_each_other_share_one_open_file(kept: KeptOpen) -> None:
    """Each with a connection of its own, so that temporary views do not meet."""
    with kept.read() as one:
        opened = kept._opened
        one.execute("create temp view mine as select 1 as x")
        with kept.read() as two, pytest.raises(duckdb.CatalogException):
            two.execute("from mine")
    with kept.read():
        pass
    assert opened is not None


def test_after_so_many_readers_the_file_is_opened_anew(
    kept: KeptOpen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory that DuckDB holds on to for them comes back."""
    monkeypatch.setattr(kept_open, "_MOST_READERS", 3)
    opened = []
    for _ in range(7):
        with kept.read() as connection:
            assert count(connection) == 0
            opened.append(kept._opened)
    assert [each is opened[0] for each in opened] == [True] * 3 + [False] * 4
    assert opened[3] is opened[5] is not opened[6]


def test_a_long_question_holds_up_nobody(kept: KeptOpen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who come after many readers share its open file after a moment, and later have a new
    one."""
    monkeypatch.setattr(kept_open, "_MOST_READERS", 2)
    with kept.read():
        first = kept._opened
        for _ in range(4):
            with kept.read() as connection:
                assert count(connection) == 0
                assert kept._opened is first
    while kept._opened is first:
        with kept.read() as connection:
            assert count(connection) == 0


def test_a_failure_does_not_outlast_its_connection(kept: KeptOpen) -> None:
    """The file is opened anew after an error; a question asked wrongly is no such error."""
    with kept.read():
        first = kept._opened
    with pytest.raises(UsageError), kept.read():
        raise UsageError("no such artist")
    assert kept._opened is first
    with pytest.raises(RuntimeError), kept.read():
        raise RuntimeError
    with kept.read():
        assert kept._opened is not first


def test_the_session_is_in_utc(kept: KeptOpen) -> None:
    """As on every connection of the store."""
    with kept.read() as connection:
        assert connection.execute("select current_setting('timezone')").fetchone() == ("UTC",)


def test_the_file_is_let_go_when_nobody_asks(kept: KeptOpen, path: Path) -> None:
    """After a moment, so that other programs can open it."""
    with kept.read():
        pass
    wait_until(lambda: kept._opened is None)
    duckdb.connect(str(path)).close()


_WRITER = """
import sys, time
from pathlib import Path
from spotify_hist.store.database import Database

database = Database(Path(sys.argv[1]), wait_s=30)
print("ready", flush=True)
sys.stdin.readline()
for number in range(3):
    start = time.monotonic()
    with database.write("poll") as connection:
        connection.execute(
            "insert into users (user_id, name, created_at) values (?, ?, now())",
            [number, str(number)],
        )
    print(time.monotonic() - start, flush=True)
"""


def test_a_writer_gets_in_while_questions_never_stop(kept: KeptOpen, path: Path) -> None:
    """Of another process; each question sees what was written before it began."""
    done, seen = threading.Event(), list[int]()
    broken: list[Exception] = []

    def ask() -> None:
        try:
            while not done.is_set():
                with kept.read() as connection:
                    seen.append(count(connection))
        except Exception as error:  # noqa: BLE001 - told where the test can see it
            broken.append(error)

    with Child(_WRITER, path) as writer:
        assert writer.line() == "ready"
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        writer.go_on()
        took = [float(writer.line()) for _ in range(3)]
        done.set()
        for thread in threads:
            thread.join()
    assert broken == []
    assert max(took) < 5
    assert set(seen) <= {0, 1, 2, 3}
    with kept.read() as connection:
        assert count(connection) == 3


def test_a_file_that_was_replaced_or_removed_is_noticed_at_once(kept: KeptOpen, path: Path) -> None:
    """Nobody is answered from what is no longer there."""
    other = path.with_name("other")
    shutil.copy(path, other)
    with Database(other).write("test") as connection:
        connection.execute("insert into users (user_id, name, created_at) values (7, 'x', now())")
    with kept.read() as connection:
        assert count(connection) == 0
    other.replace(path)
    with kept.read() as connection:
        assert count(connection) == 1
    path.rename(other)
    with pytest.raises(NoHistory), kept.read():
        pass
    path.write_bytes(b"nothing of ours")
    with pytest.raises(DamagedDatabase), kept.read():
        pass
    path.unlink()
    other.rename(path)
    with kept.read() as connection:
        assert count(connection) == 1


def test_a_reader_gives_up_when_a_writer_stays(path: Path) -> None:
    """All who wait, not only the one who tries to open; and the holder is named."""
    kept = KeptOpen(path, wait_s=0.2)
    errors: list[str] = []

    def ask() -> None:
        with pytest.raises(DatabaseBusy) as caught, kept.read():
            pass
        errors.append(str(caught.value))

    with Gate(path).writing(time.monotonic() + 10, "import"):
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(errors) == 3
    assert all("import" in error for error in errors)
    with kept.read():
        pass
    kept.close()


def test_an_older_schema_is_brought_up_to_date(path: Path) -> None:
    """As `Database.read` does."""
    with duckdb.connect(str(path)) as connection:
        migrate.downgrade(connection, migrate.latest() - 1)
    kept = KeptOpen(path)
    with kept.read() as connection:
        assert migrate.version(connection) == migrate.latest()
    kept.close()


def test_a_directory_that_goes_away_is_an_error_and_no_hang(kept: KeptOpen, path: Path) -> None:
    """The lock files go with it; when it is back all is as before."""
    with kept.read():
        pass
    away = path.parent.with_name(path.parent.name + "-away")
    path.parent.rename(away)
    with pytest.raises(BadInput), kept.read():
        pass
    shutil.rmtree(path.parent, ignore_errors=True)
    away.rename(path.parent)
    with kept.read():
        pass
