"""What DuckDB's errors about the file mean: each is provoked for real, and told with a way out."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest
import strace_kit
from cli_kit import process

from spotify_hist.errors import (
    BadInput,
    DamagedDatabase,
    DamagedLog,
    DatabaseBusy,
    ExitCode,
    NewerDatabase,
    NoHistory,
    NoLocks,
    SpotifyHistError,
    StorageFull,
    Temporary,
)
from spotify_hist.store.database import Database
from spotify_hist.store.duckdb_errors import log_of, meaning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A process that commits a listener and dies before DuckDB takes the log into the file.
_WRITE_AND_DIE = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("insert into users (user_id, name, created_at) values (?, ?, now())",
    [int(sys.argv[2]), sys.argv[3]])
os._exit(0)
"""


def commit_to_the_log(path: Path, number: int, name: str) -> None:
    """A listener that only the log knows of."""
    subprocess.run([sys.executable, "-c", _WRITE_AND_DIE, path, str(number), name], check=True)


@pytest.fixture
def made(database: Database) -> Database:
    """A history with one listener, and no log beside it."""
    with database.write("test") as connection:
        connection.execute("insert into users (user_id, name, created_at) values (1, 'ada', now())")
    assert not log_of(database.path).exists()
    return database


def _flip(path: Path) -> None:
    """One byte in the middle is another one."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def _damaged(made: Database) -> None:
    commit_to_the_log(made.path, 2, "bob" * 400)
    _flip(log_of(made.path))


def _of_an_earlier_state(made: Database) -> None:
    commit_to_the_log(made.path, 2, "bob")
    kept = made.path.with_name("kept")
    shutil.copy(log_of(made.path), kept)
    with made.write("test") as connection:
        connection.execute("update users set display_name = 'B' where user_id = 2")
    kept.replace(log_of(made.path))


def _of_a_later_state(made: Database) -> None:
    kept = made.path.with_name("kept")
    shutil.copy(made.path, kept)
    with made.write("test") as connection:
        connection.execute("update users set display_name = 'A'")
    commit_to_the_log(made.path, 2, "bob")
    kept.replace(made.path)


def _of_another_file(made: Database) -> None:
    other = made.path.with_name("other.duckdb")
    with Database(other).write("test"):
        pass
    commit_to_the_log(other, 2, "bob")
    log_of(other).replace(log_of(made.path))


def _of_another_kind(made: Database) -> None:
    log_of(made.path).write_text("a letter to grandmother", encoding="utf-8")


def _a_directory(made: Database) -> None:
    log_of(made.path).mkdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_damaged, "is damaged"),
        (_of_an_earlier_state, "log of an earlier state"),
        (_of_a_later_state, "is an earlier copy than its log"),
        (_of_another_file, "log of another database file"),
        (_of_another_kind, "is no log of a DuckDB database"),
        (_a_directory, "is no log of a DuckDB database"),
    ],
)
def test_a_log_that_does_not_fit_is_named_and_the_step_given_for_it_works(
    made: Database, spoil: Callable[[Database], None], words: str
) -> None:
    """Reading and writing refuse alike, change nothing, and `mv` is all that it takes."""
    spoil(made)
    log = log_of(made.path)
    before = made.path.read_bytes()
    said = process("--home", str(made.path.parent), "poll", "--format", "json")
    for attempt in (made.read, lambda: made.write("test")):
        with pytest.raises(DamagedLog, match=words) as caught, attempt():
            pytest.fail("it was opened all the same")
        assert str(log) in caught.value.message
    assert log.exists()
    assert made.path.read_bytes() == before
    assert "Traceback" not in said.err

    step = next(part for part in caught.value.hint.split(": ") if part.startswith("mv "))
    moved = subprocess.run(shlex.split(step.split(".aside")[0] + ".aside"), check=False)

    assert moved.returncode == 0
    with made.write("test") as connection:
        assert connection.execute("select name from users where user_id = 1").fetchall()


def test_a_log_whose_file_has_gone_is_not_written_over(made: Database) -> None:
    """It holds what was committed last, and a new history would be none of it."""
    commit_to_the_log(made.path, 2, "bob")
    kept = made.path.with_name("kept")
    made.path.rename(kept)
    content = log_of(made.path).read_bytes()

    for attempt in (made.read, lambda: made.write("test")):
        with pytest.raises(DamagedLog, match="is missing"), attempt():
            pytest.fail("it was opened all the same")

    assert log_of(made.path).read_bytes() == content
    kept.rename(made.path)
    with made.read() as connection:
        assert connection.execute("select count(*) from users").fetchall() == [(2,)]


def test_a_log_that_was_torn_or_never_begun_stops_nobody(made: Database) -> None:
    """What a power cut leaves: DuckDB takes what is whole of it."""
    log = log_of(made.path)
    for content in (b"", bytes(5000), b"d", b"d\x00b"):
        log.write_bytes(content)
        with made.read() as connection:
            assert connection.execute("select count(*) from users").fetchall() == [(1,)]


def _refused(database: Database) -> SpotifyHistError:
    with pytest.raises(SpotifyHistError) as caught, database.read():
        pytest.fail("it was opened all the same")
    return caught.value


@pytest.mark.parametrize("what", ["fifo", "socket", "device", "loop", "directory"])
def test_what_is_no_file_is_told_at_once(
    impatient: Database, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe would be waited at for ever."""
    path = impatient.path
    path.parent.mkdir()
    monkeypatch.chdir(path.parent)  # the address of a socket must be short
    match what:
        case "fifo":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(path.name)
        case "device":
            path.symlink_to("/dev/null")
        case "loop":
            path.symlink_to(path.name)
        case _:
            path.mkdir()

    done = process("query", "top-artists")

    assert done.code == ExitCode.BAD_INPUT
    assert len(done.err.splitlines()) == 1
    assert str(path.parent) in done.err or "/dev/null" in done.err


def test_a_link_to_a_disk_that_is_not_mounted_makes_no_new_history(
    impatient: Database, tmp_path: Path
) -> None:
    """The plays would come into a file that the mounted disk hides."""
    target = tmp_path / "disk" / "history.duckdb"
    impatient.path.parent.mkdir()
    impatient.path.symlink_to(target)
    linked = Database(impatient.path)

    for attempt in (linked.read, lambda: linked.write("poll")):
        with pytest.raises(BadInput, match=r"is a link to .* which is not there"), attempt():
            pytest.fail("it was made all the same")

    assert not target.parent.exists()


def test_a_linked_history_stays_where_the_link_leads(tmp_path: Path) -> None:
    """A rewrite replaces the file, not the link."""
    (tmp_path / "disk").mkdir()
    path = tmp_path / "history.duckdb"
    target = tmp_path / "disk" / "history.duckdb"
    with Database(target).write("test"):
        pass
    path.symlink_to(target)

    Database(path).rewrite("test")

    assert path.is_symlink()
    with Database(target).read() as connection:
        assert connection.execute("select count(*) from users").fetchall() == [(0,)]


_OPEN = """
import sys
from pathlib import Path
from spotify_hist.errors import SpotifyHistError
from spotify_hist.store.database import Database
database = Database(Path(sys.argv[1]), 0.0)
for attempt in (database.read, lambda: database.write("test")):
    try:
        with attempt():
            print("opened")
    except SpotifyHistError as error:
        print(type(error).__name__)
"""


@pytest.mark.skipif(strace_kit.obstacle() is not None, reason=str(strace_kit.obstacle()))
@pytest.mark.parametrize("name", ["ENOLCK", "EOPNOTSUPP", "ENOSYS"])
@pytest.mark.parametrize("call", ["flock", "fcntl"])
def test_a_file_system_without_locks_is_told_as_one(made: Database, call: str, name: str) -> None:
    """SMB and NFS answer so; nobody else has the file. Read-only, DuckDB needs no lock there."""
    ending = "" if call == "fcntl" else ".turn"
    done = subprocess.run(
        [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-P",
            f"{made.path}{ending}",
            "-e",
            f"trace={call}",
            "-e",
            f"inject={call}:error={name}:when=1+",
            sys.executable,
            "-c",
            _OPEN,
            made.path,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    read, written = done.stdout.split()
    assert written == NoLocks.__name__
    assert read in {NoLocks.__name__, "opened"}


_AS_NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
_ON_A_READ_ONLY_DISK = (
    "unshare", "-m", "sh", "-c",
    'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"',
)  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else, or mount a disk")
@pytest.mark.parametrize("how", [_AS_NOBODY, _ON_A_READ_ONLY_DISK], ids=["permissions", "mount"])
@pytest.mark.parametrize("has_locks", [True, False])
def test_a_home_that_cannot_be_written_can_be_asked(
    made: Database, how: tuple[str, ...], has_locks: bool
) -> None:
    """No lock file has to be made, and what only the log holds is there too."""
    home = made.path.parent
    before = (*how, str(home)) if how is _ON_A_READ_ONLY_DISK else how
    if subprocess.run(
        [*before, sys.executable, "-c", ""], capture_output=True, check=False
    ).returncode:
        pytest.skip("this machine lets nobody do so")
    commit_to_the_log(made.path, 2, "bob")
    if not has_locks:
        for path in (*home.glob("*.turn"), *home.glob("*.gate")):
            path.unlink()
    for path in home.iterdir():
        path.chmod(0o644)
    _open_the_way_to(home)
    home.chmod(0o555)

    done = subprocess.run(
        [*before, sys.executable, "-c", _OPEN, made.path],
        capture_output=True,
        text=True,
        check=False,
    )

    home.chmod(0o755)
    assert done.stdout.split() == ["opened", "BadInput"], done.stderr


def _open_the_way_to(directory: Path) -> None:
    """Let everybody through to a folder of a test's own."""
    for parent in (directory, *directory.parents):
        if parent.stat().st_uid == os.geteuid() and parent.stat().st_mode & 0o055 != 0o055:
            parent.chmod(0o755)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (
            duckdb.IOException(
                "IO Error: Trying to read a database file with storage version number 99, but we "
                "can only read storage versions between 64 and 70."
            ),
            NewerDatabase,
        ),
        (
            duckdb.IOException(
                'IO Error: Error opening "h.duckdb": file was written with a storage version '
                "greater than the latest version supported by this DuckDB instance."
            ),
            NewerDatabase,
        ),
        (
            duckdb.IOException(
                "IO Error: Trying to read a database file with storage version number 39, but we "
                "can only read storage versions between 64 and 70."
            ),
            DamagedDatabase,
        ),
        (
            duckdb.IOException(
                'IO Error: Could not set lock on file "h.duckdb": Conflicting lock is held in '
                "/usr/bin/duckdb (PID 12). See also https://duckdb.org/docs/current"
            ),
            DatabaseBusy,
        ),
        (
            duckdb.IOException(
                'IO Error: Async write failed for range [offset=0, size=7]: {"exception_type":'
                '"IO","exception_message":"Could not write file \\"x\\": File too large",'
                '"errno":"27"}'
            ),
            StorageFull,
        ),
        (
            duckdb.OutOfMemoryException(
                "Out of Memory Error: failed to offload data block of size 256.0 KiB (1 GiB/1 GiB "
                "used)."
            ),
            StorageFull,
        ),
        (duckdb.IOException('IO Error: Cannot open file "h": Too many open files'), Temporary),
        (
            duckdb.IOException(
                'IO Error: Cannot open database "h" in read-only mode: database does not exist'
            ),
            NoHistory,
        ),
        (
            duckdb.IOException(
                'IO Error: Failure while replaying WAL file "h.wal": Could not read from file '
                '"h.wal": Input/output error'
            ),
            BadInput,
        ),
    ],
)
def test_what_cannot_be_provoked_here_is_known_by_its_whole_sentence(
    tmp_path: Path, error: duckdb.Error, kind: type[SpotifyHistError]
) -> None:
    """In the words of DuckDB 2.0.1."""
    assert type(meaning(tmp_path / "h.duckdb", error)) is kind


@pytest.mark.parametrize(
    "text",
    [
        "IO Error: the artist's name is Corrupt and the album No space left on device",
        'Constraint Error: "version number" is no newer version of Permission denied',
        "IO Error: serialization of a checksum",
    ],
)
def test_a_word_alone_says_nothing_about_the_file(tmp_path: Path, text: str) -> None:
    """DuckDB's messages quote data and statements."""
    assert meaning(tmp_path / "h.duckdb", duckdb.IOException(text)) is None
