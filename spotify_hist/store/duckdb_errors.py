"""Owns what DuckDB's errors about the history file mean to a person.

Never guesses by a word: each sentence of DuckDB's that is known here stands whole, up to what it
fills in (DuckDB 2.0.1; `tests/test_duckdb_errors.py` provokes them). Any other is our bug.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from spotify_hist import interrupts
from spotify_hist.disk import FULL, NO_LOCKS
from spotify_hist.errors import (
    BadInput,
    DamagedDatabase,
    DamagedLog,
    DatabaseBusy,
    NewerDatabase,
    NoHistory,
    NoLocks,
    SpotifyHistError,
    StorageFull,
    Temporary,
)
from spotify_hist.ownership import how_to_take_back

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OUT_OF_MEMORY = "out_of_memory"  # the code of that error

# Damage comes as the bare base class; the other subclasses tell of a statement's data.
_OF_FILES = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.OutOfMemoryException,
    duckdb.InternalException,
    duckdb.SerializationException,
    duckdb.TransactionException,
)
_NUMBERS = {os.strerror(number): number for number in errno.errorcode}
_OF_LOG = re.compile(
    r'Failure while replaying (?:checkpoint )?WAL file "'
    r"|This WAL was created for this database file, but"
    r"|WAL does not match database file\.$"
)
_LOCK = re.compile(
    r'Could not set lock on file "[^"]*": (?P<why>.*?)(?:\. See also .*)?$', re.DOTALL
)
_HOLDER = re.compile(r"^Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_NO_LOCKS = "File locks are not supported for this file system"
# What the operating system said of a file, as DuckDB passes it on; `"errno":"28"` where it wraps
# one error in another.
_OF_SYSTEM = re.compile(
    r"(?:Could not (?:read from|write|fsync|truncate|remove|move|rename|create|allocate|open)"
    r'(?: to)?(?: file| directory)? ?"[^"]*"(?: - attempted to write \d+ bytes)?'
    r'|Cannot open file "[^"]*"|Failed to create directory "[^"]*"[^:]*): (?P<why>[A-Z][^"\n]*)',
)
_NUMBERED = re.compile(r'"errno":"(?P<number>\d+)"')
_NO_SYNC = "fsync failed!"
_DAMAGE = re.compile(
    r"exists, but it is not a valid DuckDB database file!"
    r"|[Cc]orrupt database file"
    r'|Could not read enough bytes from file "'
    r"|^Serialization Error: "
    r"|Failed to decode LEB128 integer"
    r'|Cannot open encrypted database "'
    r'|sqlite_scanner\.duckdb_extension" not found|extension "sqlite_scanner"',
    re.MULTILINE,
)
_VERSIONS = re.compile(
    r"storage version number (?P<found>\d+), but we can only read storage versions between"
    r" (?P<first>\d+) and (?P<last>\d+)"
)
_GONE = "in read-only mode: database does not exist"
_LATER = "written with a storage version greater than the latest version supported"
# A work's temporary files have outgrown the disk.
_SPILL = "failed to offload data block"
# A commit that lacks memory comes as an error of the transaction.
_NO_BLOCK = re.compile(r"[Ff]ailed to commit: (?:could not|failed to) (?:allocate|pin) ")


# What helps where there is not memory enough: with a question, a small and a large piece of work.
ASK_FOR_LESS = "Ask for less at once, such as a shorter period, or close other programs."
CLOSE_OTHERS = "Close other programs and run it again; nothing was changed by it."
RAISE_MEMORY = "Raise the setting import.memory_mb, or close other programs."


@contextmanager
def translated(path: Path, no_memory: str = ASK_FOR_LESS) -> Iterator[None]:
    """Turn DuckDB's errors about a file into ours, in the person's words.

    `no_memory` is the hint where there is not memory enough.
    """
    try:
        yield
    except RuntimeError:
        # What DuckDB makes of a KeyboardInterrupt that strikes while it works.
        if interrupts.asked() is None:
            raise
        raise KeyboardInterrupt from None
    except duckdb.Error as error:
        if not isinstance(error, _OF_FILES) and type(error) is not duckdb.Error:
            raise
        known = meaning(path, error, no_memory)
        if known is None:
            raise
        raise known from error


def meaning(
    path: Path, error: duckdb.Error, no_memory: str = ASK_FOR_LESS
) -> SpotifyHistError | None:
    """Our error for DuckDB's, or None where it says nothing about the file."""
    text = str(error)
    if (lock := _LOCK.search(text)) is not None:
        return _of_lock(path, lock["why"])
    # A disk or a memory that fails while a log is read says nothing about the log.
    found = _of_memory(path, error, no_memory) or _of_system(path, text)
    if found is not None:
        return found
    if _OF_LOG.search(text) is not None:
        return _of_log(path, text)
    if (versions := _VERSIONS.search(text)) is not None:
        if int(versions["found"]) < int(versions["first"]):
            return DamagedDatabase(
                f"{path} was written by a DuckDB too old to be read.",
                hint="Copy it with the DuckDB that wrote it, by its EXPORT DATABASE.",
            )
        return NewerDatabase(f"{path} was written by a newer DuckDB than the one installed.")
    if _GONE in text:
        return NoHistory(f"There is no listening history in {path.parent} any more.")
    if _LATER in text:
        return NewerDatabase(f"{path} was written by a newer DuckDB than the one installed.")
    if _DAMAGE.search(text) is not None:
        return DamagedDatabase(f"{path} cannot be read as a DuckDB database.")
    return None


def not_a_log(path: Path) -> DamagedLog:
    """What lies where the log of a file belongs, and is none: DuckDB would write over it."""
    return DamagedLog(
        f"{log_of(path)} is no log of a DuckDB database, and the history cannot be opened beside "
        "it: DuckDB would overwrite it.",
        hint=f"Move it away: {_move(path)}. The history itself is not touched by that.",
    )


def log_without_file(path: Path) -> DamagedLog:
    """The log of a history whose file has gone."""
    return DamagedLog(
        f"{path} is missing, but its log {log_of(path)} is there; it holds what was written last.",
        hint=f"Put {path.name} back beside it. Only to begin a new history: {_move(path)}.",
    )


def log_of(path: Path) -> Path:
    """Where DuckDB keeps what is committed and not in the file yet (FACTS 9.2)."""
    return path.with_name(path.name + ".wal")


def _move(path: Path) -> str:
    """The command that takes a log out of the way and keeps it."""
    import shlex

    log = log_of(path)
    return shlex.join(["mv", str(log), f"{log}.aside"])


def _of_lock(path: Path, why: str) -> SpotifyHistError:
    if _NO_LOCKS in why or _NUMBERS.get(why) in NO_LOCKS:
        return NoLocks(f"The file system of {path} has no file locks.")
    held = _HOLDER.match(why)
    holder = f"{held['program']} (pid {held['pid']})" if held else "another program"
    return DatabaseBusy(
        f"The database {path} is held by {holder}.",
        hint="Close that program and try again; nothing was lost.",
        holder=holder,
    )


def _of_memory(path: Path, error: duckdb.Error, hint: str) -> SpotifyHistError | None:
    if not isinstance(error, duckdb.OutOfMemoryException) and not _NO_BLOCK.search(str(error)):
        return None
    if _SPILL in str(error):
        return StorageFull(f"The disk of {path} has no room for the temporary files of this work.")
    return BadInput(
        "There is not memory enough for this.",
        hint=hint,
        code=OUT_OF_MEMORY,
    )


def _of_system(path: Path, text: str) -> SpotifyHistError | None:
    """What the operating system's answer means, where DuckDB passes one on."""
    number = _number(text)
    if number is None:
        return None
    if number in FULL:
        return StorageFull(f"The disk of {path} is full.")
    if number in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return BadInput(
            f"{path} cannot be opened: {os.strerror(number).lower()}.",
            hint=f"{how_to_take_back(path) or 'Run as the user who owns that directory'}.",
        )
    if number in {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN}:
        return Temporary(f"{path} cannot be opened now: {os.strerror(number).lower()}.")
    if number in {errno.EISDIR, errno.ENXIO, errno.ELOOP, errno.ENOTDIR, errno.EINVAL}:
        return DamagedDatabase(
            f"{path} cannot be read as a DuckDB database: {os.strerror(number).lower()}.",
        )
    # Nothing that passes: a timer must show it as a failure while Spotify still has the plays.
    return BadInput(
        f"The disk of {path} failed to read or write it: {os.strerror(number).lower()}.",
        hint="Check the disk, then run the same command again; what was captured is safe.",
    )


def _number(text: str) -> int | None:
    if (numbered := _NUMBERED.search(text)) is not None:
        return int(numbered["number"])
    if (said := _OF_SYSTEM.search(text)) is not None:
        return _NUMBERS.get(said["why"].strip())
    return errno.EIO if _NO_SYNC in text else None


def _of_log(path: Path, text: str) -> DamagedLog:
    """A log that DuckDB does not take into the file (FACTS 11.8)."""
    log, move = log_of(path), _move(path)
    if "the WAL was created for an older version of this database" in text:
        return DamagedLog(
            f"{log} is the log of an earlier state of {path.name}.",
            hint=f"Move it away: {move}. What it holds is most likely in the file already.",
        )
    if "the WAL was created for a newer version of this database" in text:
        return DamagedLog(
            f"{path} is an earlier copy than its log {log}, which holds what was written later.",
            hint=f"Put back the file that belongs to the log. Or move the log away: {move}; what "
            "came in after that copy is missing then: import it again, and run 'spotify-hist "
            "sync' for the last 50 plays.",
        )
    if "WAL does not match database file" in text:
        return DamagedLog(
            f"{log} is the log of another database file than {path.name}.",
            hint=f"Put back the file that belongs to it, or move the log away: {move}.",
        )
    return DamagedLog(
        f"{log} is damaged; it holds what was written last, before a crash.",
        hint=f"Move it away: {move}. What only the log held is missing then: run 'spotify-hist "
        "sync' for the last 50 plays, and import the last archives again.",
    )
