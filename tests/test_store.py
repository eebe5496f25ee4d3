"""One file, many processes: the gate, opening and refusing files, kills, and the schema."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import duckdb
import pytest
from processes import Child, wait_until

from spotify_hist.errors import (
    BadInput,
    DamagedDatabase,
    DatabaseBusy,
    NewerDatabase,
    NoHistory,
    StorageFull,
    Temporary,
)
from spotify_hist.store import migrate
from spotify_hist.store.database import Database, integers
from spotify_hist.store.duckdb_errors import translated
from spotify_hist.store.gate import Gate
from spotify_hist.store.migrate import Migration

if TYPE_CHECKING:
    from collections.abc import Callable

ADD_LISTENER = (
    "insert into users by name select {0} as user_id, 'u{0}' as name, now() as created_at"
)

# A reader that says how many listeners there are, and goes on at a line.
READER = """
import sys
from pathlib import Path
from spotify_hist.store.database import Database, integers
with Database(Path(sys.argv[1]), wait_s=60).read() as connection:
    print(*integers(connection, "select count(*) from users"))
    sys.stdin.readline()
"""
# A writer that adds a listener, says so before the commit, and goes on at a line.
WRITER = """
import sys
from pathlib import Path
from spotify_hist.store.database import Database
print("started")
with Database(Path(sys.argv[1]), wait_s=60).write("import") as connection:
    connection.execute(sys.argv[2])
    print("written")
    sys.stdin.readline()
print("committed")
"""
FOREIGN = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
print("open")
sys.stdin.readline()
"""
KILLED_AFTER_COMMIT = """
import os, signal, sys
from pathlib import Path
from spotify_hist.store.database import Database
with Database(Path(sys.argv[1])).write("import") as connection:
    connection.execute(sys.argv[2])
    connection.commit()
    os.kill(os.getpid(), signal.SIGKILL)
"""
NO_SPACE = """
import resource, sys
from pathlib import Path
from spotify_hist.errors import SpotifyHistError
from spotify_hist.store.database import Database
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
try:
    with Database(Path(sys.argv[1])).write("import") as connection:
        connection.execute(
            "insert into rejected_rows select range, range, uuid()::varchar from range(200000)"
        )
except SpotifyHistError as error:
    print(type(error).__name__, error.retryable)
"""
# Without its capabilities even root is held to permissions.
UNPRIVILEGED = """
import ctypes, os, struct, sys
from pathlib import Path
from spotify_hist.errors import SpotifyHistError
from spotify_hist.store.database import Database
if os.geteuid() == 0:
    header = struct.pack("<IiI", 0x20080522, 0, 0)[:8]
    ctypes.CDLL(None).capset(header, struct.pack("<6I", 0, 0, 0, 0, 0, 0))
try:
    with Database(Path(sys.argv[1]), wait_s=0).write("poll"):
        print("opened")
except SpotifyHistError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def made(database: Database) -> Database:
    """The database with one listener in it."""
    with database.write("test") as connection:
        connection.execute(ADD_LISTENER.format(1))
    return database


def listeners(database: Database) -> int:
    """How many listeners a database holds."""
    with database.read() as connection:
        return integers(connection, "select count(*) from users")[0]


def is_busy(database: Database) -> bool:
    """Whether a reader would have to wait."""
    try:
        with database.read():
            return False
    except DatabaseBusy:
        return True


def test_readers_share_the_file(made: Database, impatient: Database) -> None:
    """Two processes and this one read at the same time."""
    with Child(READER, made.path) as one, Child(READER, made.path) as other:
        assert (one.line(), other.line()) == ("1", "1")
        assert listeners(impatient) == 1


def test_a_writer_waits_for_readers_and_goes_before_new_ones(
    made: Database, impatient: Database
) -> None:
    """With a writer in line nobody else gets in until it has had its turn."""
    with Child(READER, made.path) as reader:
        assert reader.line() == "1"
        with Child(WRITER, made.path, ADD_LISTENER.format(2)) as writer:
            assert writer.line() == "started"
            wait_until(lambda: is_busy(impatient))
            with Child(READER, made.path) as late:
                reader.go_on()
                assert writer.line() == "written"
                writer.go_on()
                assert writer.line() == "committed"
                assert late.line() == "2"


def test_a_deadline_names_the_writer_that_holds_the_file(
    made: Database, impatient: Database
) -> None:
    """Who waits in vain is told which command of which process is at work."""
    with Child(WRITER, made.path, ADD_LISTENER.format(2)) as writer:
        writer.line()
        assert writer.line() == "written"
        with pytest.raises(DatabaseBusy, match=rf"spotify-hist import \(pid {writer.pid}\)"):
            listeners(impatient)
        with pytest.raises(DatabaseBusy, match="import") as caught, impatient.write("poll"):
            pass
        assert caught.value.retryable
        assert isinstance(caught.value, Temporary)


def test_a_deadline_is_kept_however_long_the_holder_stays(made: Database) -> None:
    """A wait ends by itself."""
    with Child(READER, made.path) as reader:
        reader.line()
        began = time.monotonic()
        with pytest.raises(DatabaseBusy, match="reading"), Database(made.path, 0.2).write("poll"):
            pass
        assert time.monotonic() - began >= 0.2


def test_a_killed_writer_is_not_named_any_more(made: Database, impatient: Database) -> None:
    """Its name goes with the next reader; a writer in vain is told of readers."""
    with Child(WRITER, made.path, ADD_LISTENER.format(2)) as writer:
        writer.line()
        writer.line()
        writer.kill()
    with Child(READER, made.path) as reader:
        assert reader.line() == "1"
        attempt = impatient.write("poll")
        with pytest.raises(DatabaseBusy, match="processes that are reading"), attempt:
            pass


def test_threads_of_one_process_wait_for_each_other(made: Database, impatient: Database) -> None:
    """The gate holds inside a process too, where DuckDB would mix connections."""
    with made.read(), pytest.raises(DatabaseBusy), impatient.write("poll"):
        pass
    with made.write("poll"), pytest.raises(DatabaseBusy):
        listeners(impatient)


@pytest.mark.parametrize("how", ["write", "read"])
def test_a_foreign_program_is_named(made: Database, impatient: Database, how: str) -> None:
    """A shell or BI tool knows nothing of the gate: DuckDB tells its program and process."""
    with Child(FOREIGN, made.path, how) as foreign:
        assert foreign.line() == "open"
        with pytest.raises(DatabaseBusy) as caught, impatient.write("poll"):
            pass
        assert f"pid {foreign.pid}" in caught.value.message
        assert "python" in caught.value.message
        if how == "write":
            with pytest.raises(DatabaseBusy):
                listeners(impatient)
        else:
            assert listeners(impatient) == 1


def test_a_foreign_program_that_leaves_is_waited_for(made: Database) -> None:
    """The wait goes on until the file is free."""
    with Child(FOREIGN, made.path, "write") as foreign:
        foreign.line()
        with Child(READER, made.path) as reader:
            foreign.go_on()
            assert reader.line() == "1"


def test_a_killed_writer_leaves_the_last_committed_state(made: Database) -> None:
    """kill -9 in the middle of a transaction: the next one reads and writes as if it never was."""
    with Child(WRITER, made.path, ADD_LISTENER.format(2)) as writer:
        writer.line()
        assert writer.line() == "written"
        writer.kill()
    assert listeners(made) == 1
    with made.write("test") as connection:
        connection.execute(ADD_LISTENER.format(3))
    assert listeners(made) == 2


def test_a_kill_right_after_the_commit_loses_nothing(made: Database) -> None:
    """Committed rows may sit in the log only (FACTS 9.2)."""
    with Child(KILLED_AFTER_COMMIT, made.path, ADD_LISTENER.format(2)) as writer:
        assert writer.finish()[0] == -9
    assert made.path.with_name("history.duckdb.wal").exists()
    assert listeners(made) == 2


def test_a_kill_while_the_file_is_made_leaves_nothing_in_the_way(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file appears under its name only when it is a whole database."""

    class Killed(BaseException):
        """Stands for the end of the process."""

    def killed(path: str, **_: object) -> None:
        Path(path).write_bytes(b"half")
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(duckdb, "connect", killed)
        with pytest.raises(Killed), database.write("test"):
            pass
    assert not database.exists()
    with database.write("test") as connection:
        connection.execute(ADD_LISTENER.format(1))
    assert listeners(database) == 1
    assert sorted(path.name for path in database.path.parent.iterdir()) == [
        "history.duckdb", "history.duckdb.gate", "history.duckdb.turn",
    ]  # fmt: skip


def test_an_error_inside_a_write_undoes_it(made: Database) -> None:
    """Nothing of a block that raises is kept, whatever it raises."""

    def interrupted() -> None:
        with made.write("test") as connection:
            connection.execute(ADD_LISTENER.format(2))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert listeners(made) == 1


def test_nobody_else_may_read_the_history(made: Database) -> None:
    """The file and what lies beside it are the owner's alone."""
    for path in made.path.parent.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert made.path.parent.stat().st_mode & 0o077 == 0


def test_reading_cannot_write(made: Database) -> None:
    """A read-only connection refuses."""
    with made.read() as connection, pytest.raises(duckdb.InvalidInputException):
        connection.execute(ADD_LISTENER.format(2))


def test_reading_before_there_is_a_history_says_how_to_begin(database: Database) -> None:
    """No file is made by asking."""
    with pytest.raises(NoHistory), database.read():
        pass
    assert not database.exists()


def _sqlite(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + bytes(8000))


def _parquet(path: Path) -> None:
    duckdb.execute(f"copy (select 1 as a) to '{path}' (format parquet)")


def _truncated(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t as select range as i from range(100000)")
    path.write_bytes(path.read_bytes()[:20_000])


def _damaged(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t as select range as i from range(100000)")
    with path.open("r+b") as file:
        file.seek(12_500)
        file.write(bytes(range(256)))


def _directory(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("hello"),
        lambda path: path.write_bytes(bytes(50_000)),
        _sqlite,
        _parquet,
        _truncated,
        _damaged,
        _directory,
    ],
    ids=["empty", "short", "zeros", "sqlite", "parquet", "truncated", "damaged", "directory"],
)
def test_what_is_no_database_is_refused_and_left_alone(
    impatient: Database, make: Callable[[Path], object]
) -> None:
    """Any other thing in the database's place is named, never overwritten."""
    impatient.path.parent.mkdir()
    make(impatient.path)
    before = impatient.path.read_bytes() if impatient.path.is_file() else None
    for attempt in (impatient.read, lambda: impatient.write("poll")):
        with pytest.raises(DamagedDatabase) as caught, attempt():
            pass
        assert str(impatient.path) in caught.value.message
        assert caught.value.hint
    assert before == (impatient.path.read_bytes() if impatient.path.is_file() else None)


def test_a_database_of_another_program_is_refused(impatient: Database) -> None:
    """Tables we did not make are somebody's."""
    impatient.path.parent.mkdir()
    with duckdb.connect(str(impatient.path)) as connection:
        connection.execute("create table theirs (a integer)")
    for attempt in (impatient.read, lambda: impatient.write("poll")):
        with pytest.raises(DamagedDatabase, match="did not make"), attempt():
            pass
    with duckdb.connect(str(impatient.path)) as connection:
        assert connection.execute("show tables").fetchall() == [("theirs",)]


@pytest.mark.skipif(sys.platform != "linux", reason="drops the capabilities of Linux")
def test_a_directory_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    """Permission is a matter for the person, not for another try."""
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    with Child(UNPRIVILEGED, home / "history.duckdb") as child:
        code, out, err = child.finish()
    assert (code, err) == (0, "")
    assert out.startswith("BadInput ")
    assert str(home) in out


def test_a_full_disk_is_a_matter_of_later(made: Database) -> None:
    """Where the file may not grow the history stays as it was, and the person may try again."""
    with Child(NO_SPACE, made.path) as child:
        code, out, err = child.finish()
    assert (code, out, err) == (0, "StorageFull True\n", "")
    assert listeners(made) == 1


@pytest.mark.parametrize(
    "error",
    [
        duckdb.FatalException("FATAL Error: fsync failed!"),
        duckdb.TransactionException(
            'Failed to commit: Could not write file "h.duckdb.wal": Input/output error'
        ),
        duckdb.IOException('IO Error: Could not read from file "h.duckdb": Input/output error'),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_broken_disk_is_told_as_one(tmp_path: Path, error: duckdb.Error) -> None:
    """In the words of DuckDB 2.0, as a fault of the disk provokes them."""
    with pytest.raises(BadInput, match="disk") as caught, translated(tmp_path / "h.duckdb"):
        raise error
    assert type(caught.value) is BadInput


def test_a_database_that_cannot_be_made_leaves_nothing_and_says_why(database: Database) -> None:
    """The disk is full, or broken, at the very moment the file gets its name."""
    for number, kind in ((errno.ENOSPC, StorageFull), (errno.EIO, BadInput)):
        refused = OSError(number, os.strerror(number))
        with (
            mock.patch.object(Path, "replace", side_effect=refused),
            pytest.raises(kind),
            database.write("test"),
        ):
            pytest.fail("the file was made all the same")
        assert not database.exists()
    with database.write("test"):
        pass
    assert database.exists()


# -- the schema


def _with_one_more(up: str, down: str) -> tuple[Migration, ...]:
    known = migrate.migrations()
    return (*known, Migration(known[-1].number + 1, "next", up, down))


def test_the_schema_goes_up_and_down_again(made: Database) -> None:
    """Each migration has a way back; all of them leave an empty file, ready to go up again."""
    with duckdb.connect(str(made.path)) as connection:
        connection.execute("delete from users")
        migrate.downgrade(connection, 0)
        assert connection.execute("show tables").fetchall() == []
        assert migrate.version(connection) == 0
        migrate.upgrade(connection)
        assert migrate.version(connection) == migrate.latest()
        migrate.upgrade(connection)
        (count,) = integers(connection, "select count(*) from schema_migrations")
        assert count == len(migrate.migrations())


def test_reading_an_older_schema_brings_it_up_to_date(
    made: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade of the program is enough; nobody runs a migration by hand."""
    newer = _with_one_more("alter table users add column mood varchar", "select 1")
    monkeypatch.setattr(migrate, "migrations", lambda: newer)
    with made.read() as connection:
        assert connection.execute("select name, mood from users").fetchall() == [("u1", None)]


def test_a_step_of_the_schema_that_fails_changes_nothing(
    made: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step and its bookkeeping are one transaction."""
    broken = _with_one_more("alter table users add column mood varchar; select * from nowhere", "")
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "migrations", lambda: broken)
        with pytest.raises(duckdb.CatalogException), made.read():
            pass
    assert listeners(made) == 1


def test_a_step_down_touches_only_what_is_above_the_target(
    made: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way back of one migration leaves the older ones and their rows."""
    steps = _with_one_more("create table more (a integer)", "drop table more")
    monkeypatch.setattr(migrate, "migrations", lambda: steps)
    with made.write("migrate"):
        pass
    with duckdb.connect(str(made.path)) as connection:
        migrate.downgrade(connection, steps[-2].number)
        assert migrate.version(connection) == steps[-2].number
        assert connection.execute("select name from users").fetchall() == [("u1",)]


def test_the_file_of_a_newer_program_is_refused(made: Database) -> None:
    """What a newer version wrote is not guessed at, neither read nor written."""
    with made.write("test") as connection:
        connection.execute("insert into schema_migrations values (999, 'future', 'x', now())")
    for attempt in (made.read, lambda: made.write("poll")):
        with pytest.raises(NewerDatabase, match="999") as caught, attempt():
            pass
        assert "Upgrade" in caught.value.hint


def test_a_migration_that_was_changed_is_damage(made: Database) -> None:
    """The checksum of each applied step is compared."""
    with made.write("test") as connection:
        connection.execute("update schema_migrations set checksum = 'x' where version = 1")
    with pytest.raises(DamagedDatabase, match="Migration 1"), made.read():
        pass


def test_a_table_of_migrations_of_another_shape_is_damage(made: Database) -> None:
    """Another program may use the same name for it."""
    with made.write("test") as connection:
        connection.execute("drop table schema_migrations")
        connection.execute("create table schema_migrations (name varchar)")
    with pytest.raises(DamagedDatabase, match="not one of ours"), made.read():
        pass


def test_whoever_waits_is_told_for_whom_and_how_long_and_that_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seconds left grow fewer; a wait that is over at once says nothing."""
    monkeypatch.setattr("spotify_hist.store.gate._TOLD_EVERY_S", 0.02)
    told: list[tuple[str, float]] = []
    gate = Gate(tmp_path / "history.duckdb", lambda who, left_s: told.append((who, left_s)))
    with gate.writing(time.monotonic() + 10, "import"):
        assert told == []
        with pytest.raises(DatabaseBusy), gate.reading(time.monotonic() + 0.3):
            pass
    *during, end = told
    assert {who for who, _ in during} == {f"spotify-hist import (pid {os.getpid()})"}
    left = [left_s for _, left_s in during]
    assert left == sorted(left, reverse=True)
    assert 0.0 <= left[-1] < left[0] < 0.3
    assert end == ("", 0.0)


def test_whoever_waits_for_another_program_is_told_its_name(
    made: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DuckDB shell does not know the gate."""
    monkeypatch.setattr("spotify_hist.store.gate._TOLD_EVERY_S", 0.02)
    told: list[str] = []
    waiting = Database(made.path, 0.3, lambda who, _left_s: told.append(who))
    with Child(FOREIGN, made.path, "write") as shell:
        assert shell.line() == "open"
        with pytest.raises(DatabaseBusy), waiting.read():
            pass
        assert f"(pid {shell.pid})" in told[0].lower()
    assert told[-1] == ""


def test_the_gate_alone_keeps_its_deadline_in_every_direction(tmp_path: Path) -> None:
    """Reader against writer, writer against reader, writer against writer."""
    gate = Gate(tmp_path / "history.duckdb")
    now = time.monotonic()
    with gate.writing(now, "one"):
        with pytest.raises(DatabaseBusy, match="one"), gate.writing(now, "two"):
            pass
        with pytest.raises(DatabaseBusy, match="one"), gate.reading(now):
            pass
    readers = gate.reading(now), gate.reading(now)
    with readers[0], readers[1], pytest.raises(DatabaseBusy), gate.writing(now, "two"):
        pass
    with gate.writing(now, "two"):
        pass
