"""Owns how a newly written database file takes the place of another: once it was read back.

Never changes the file that it copies; until the rename that is what it was.

DuckDB tells nobody of what fails while a file is closed (FACTS 11.8), so a file is good only when
it was checkpointed, closed, opened again and found to hold the same as what it was made from.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from spotify_hist.disk import FULL, free_bytes, sync_directory, sync_file
from spotify_hist.errors import BadInput, DatabaseBusy, SpotifyHistError, StorageFull
from spotify_hist.store import engine, sql
from spotify_hist.store.duckdb_errors import log_of, log_without_file, translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

# What a new file needs beside the rows: DuckDB's first blocks, and the log of the deletion.
_SPARE_BYTES = 4 * 1024 * 1024
# What DuckDB keeps beside a file while it works: `.checkpoint` since 1.5; and `.recovery`, into
# which it puts both together after a crash. They stay until that took the log's place, so that one
# that lies about holds nothing of its own, and DuckDB never reads it.
_LOG_ENDINGS = ("", ".checkpoint")
_PUT_TOGETHER = ".recovery"


# What there is in a database: a kind of thing, the schema it is in, its name, and what it says.
Schema = tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds, whatever the order and place of its rows: the text of its schema,
    and of each table how many rows there are and the sum of their hashes."""

    schema: Schema
    sums: Mapping[str, tuple[int, str]]


def contents(connection: duckdb.DuckDBPyConnection, database: str) -> Contents:
    """All that counts of an attached database; reads every row once."""
    statement = sql.load("rewriting")["sums"]
    schema = _schema(connection, database)
    sums: dict[str, tuple[int, str]] = {}
    for kind, within, name, _ in schema:
        if kind == "table":
            table = ".".join(f'"{_quoted(part)}"' for part in (within, name))
            read = statement.replace("{table}", f"{database}.{table}")
            sums[table] = connection.execute(read).fetchone() or (0, "")
    return Contents(schema, sums)


def _schema(connection: duckdb.DuckDBPyConnection, database: str) -> Schema:
    values = {"database": database}
    return tuple(connection.execute(sql.load("rewriting")["schema"], values).fetchall())


def _quoted(name: str) -> str:
    return name.replace('"', '""')


def copy(old: Path, new: Path) -> None:
    """Write what `old` holds to the new file `new`, without what deleted rows left; whole.

    Raises BadInput where what can be read back is not the same, and the errors of the store.
    """
    with _copying(old, new) as connection:
        expected = contents(connection, "old")
        engine.attach(connection, new, "new")
        connection.execute("copy from database old to new")
        connection.execute("force checkpoint new")
        connection.execute("detach new")
    check(new, expected)


def rehearse(path: Path) -> None:
    """See that DuckDB can make anew all that a file has, also what a person has added to it.

    Raises BadInput where it cannot, and the errors of the store.
    """
    with _copying(path, path) as connection:
        expected = _schema(connection, "old")
        connection.execute("attach ':memory:' as new")
        connection.execute("copy from database old to new (schema)")
        lost = [
            (kind, name) for kind, _, name, _ in set(expected) - set(_schema(connection, "new"))
        ]
    if lost:
        kind, name = min(lost)
        raise BadInput(
            f"{path} cannot be written anew without losing its {kind} '{name}', which is not from "
            "spotify-hist.",
            hint="Keep what it says elsewhere and drop it in a DuckDB shell, then run this again.",
        )


@contextmanager
def _copying(old: Path, new: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to copy the file `old`, attached as that, to `new`."""
    try:
        with translated(new), engine.in_memory() as connection, engine.stoppable(connection):
            engine.attach(connection, old, "old", "read_only")
            yield connection
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        # Not one of the disk: what a person has added can be such that it cannot be made again.
        raise BadInput(
            f"{old} cannot be written anew: {str(error).splitlines()[0]}",
            hint="What is named there is not from spotify-hist: drop it in a DuckDB shell, then "
            "run this again.",
        ) from error


def check(path: Path, expected: Contents | None = None) -> None:
    """See that a closed file can be opened again and holds what it should.

    Raises BadInput where it does not, and the errors of the store.
    """
    with translated(path), engine.in_memory() as connection, engine.stoppable(connection):
        engine.attach(connection, path, "made", "read_only")
        found = contents(connection, "made")
    if unsettled_logs(path) or (expected is not None and found != expected):
        raise BadInput(
            f"What was written to {path} is not what can be read from it.",
            hint="The history is as it was. Check the disk, then run the same command again.",
        )


@contextmanager
def made_anew(path: Path) -> Iterator[Path]:
    """A name to make a file under; it takes the place of `path` once the block is through.

    What is made has the owner and the mode of what it replaces, and is on the disk before it does.
    A kill leaves no half-made file at `path`. Raises StorageFull, BadInput, and DatabaseBusy where
    another program has opened or changed the file meanwhile.
    """
    making = path.with_name(path.name + ".new")
    try:
        clear(path)
        before = _stamp(path)
        yield making
        with _held(path):
            if _stamp(path) != before:
                raise _busy(path, "was changed by another program")
            _take_place(making, path)
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(f"The disk of {path} is full.") from None
        raise BadInput(
            f"{error.filename or path} cannot be made: {error.strerror}.",
            hint="Make that directory writable, or set SPOTIFY_HIST_HOME to another one.",
        ) from None
    finally:
        with suppress(OSError):
            clear(path)


def _take_place(making: Path, path: Path) -> None:
    # A log that stays would be taken for the new file's.
    if logs := unsettled_logs(path):
        if path.exists():
            raise BadInput(
                f"{logs[0]} could not be taken into {path}.",
                hint="The history is as it was. Run the same command again.",
            )
        raise log_without_file(path)
    _put_together(path).unlink(missing_ok=True)
    making.chmod(0o600)
    with suppress(FileNotFoundError):
        before = path.stat()
        if before.st_uid != making.stat().st_uid and os.geteuid() == 0:
            os.chown(making, before.st_uid, before.st_gid)
    sync_file(making)
    making.replace(path)
    sync_directory(path.parent)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Keep programs that know nothing of the gate, such as a DuckDB shell, from opening a file:
    what they write to one that was replaced is lost. Raises DatabaseBusy where one has it open."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as DuckDB does
        except (BlockingIOError, PermissionError):
            raise _busy(path, "was opened by another program") from None
        yield
    finally:
        os.close(descriptor)


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What tells this state of a file from any other; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _busy(path: Path, what: str) -> DatabaseBusy:
    return DatabaseBusy(
        f"{path} {what} while it was being written anew.",
        hint="Close that program and try again; nothing was lost.",
    )


def leftovers(path: Path) -> list[Path]:
    """What a rewrite of this file that was killed has left beside it."""
    making = path.with_name(path.name + ".new")
    beside = (making, *_logs(making), _put_together(making))
    return [each for each in beside if os.path.lexists(each)]


def clear(path: Path) -> None:
    """Remove what a rewrite that was killed has left. Raises OSError."""
    for left in leftovers(path):
        left.unlink(missing_ok=True)


def unsettled_logs(path: Path) -> list[Path]:
    """The logs beside a file that hold something which the file does not."""
    found = []
    for log in _logs(path):
        with suppress(FileNotFoundError):
            if log.stat().st_size:
                found.append(log)
    return found


def _logs(path: Path) -> list[Path]:
    log = log_of(path)
    return [log.with_name(log.name + ending) for ending in _LOG_ENDINGS]


def _put_together(path: Path) -> Path:
    log = log_of(path)
    return log.with_name(log.name + _PUT_TOGETHER)


def require_space(path: Path) -> None:
    """Raise StorageFull where the disk has no room for a second copy of a file, before anything is
    deleted from it that only a copy gets rid of."""
    try:
        size = path.stat().st_size + sum(each.stat().st_size for each in unsettled_logs(path))
        free = free_bytes(path.parent)
    except OSError as error:
        raise BadInput(f"{path} cannot be looked at: {error.strerror}.") from None
    needed = size + size // 4 + _SPARE_BYTES
    if free < needed:
        raise StorageFull(
            f"The disk of {path} has {_megabytes(free)} free; {_megabytes(needed)} are needed to "
            "write the history anew."
        )


def owe(connection: duckdb.DuckDBPyConnection, removed: str, now: datetime) -> None:
    """Remember, in the caller's transaction, that deleted rows are still to be got rid of.

    `removed` is whose rows they are; only its hash is kept.
    """
    values = {"now": now, "removed": _digest(removed)}
    connection.execute(sql.load("rewriting")["owe"], values)


def is_owed(connection: duckdb.DuckDBPyConnection, removed: str | None = None) -> bool:
    """Whether the file has to be written anew; with `removed`, because of that listener."""
    values = {"removed": _digest(removed or "")}
    row = connection.execute(sql.load("rewriting")["owed"], values).fetchone()
    any_owed, of_them = row or (0, 0)
    return bool(any_owed if removed is None else of_them)


def settle(connection: duckdb.DuckDBPyConnection) -> None:
    """Note that the file was written anew."""
    connection.execute(sql.load("rewriting")["settle"])


def still_owed(error: SpotifyHistError, what: str) -> SpotifyHistError:
    """The same error of a rewrite, said to whoever has already deleted something."""
    error.message = f"{what}, but the file could not be written anew yet. {error.message}"
    until = "Until then the deleted titles can be read in the file."
    if isinstance(error, BadInput):  # it does not pass by itself
        error.hint = f"{until} {error.hint}"
    else:
        error.hint = f"{until} The next command that writes does it; 'spotify-hist status' tells."
    return error


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB"
