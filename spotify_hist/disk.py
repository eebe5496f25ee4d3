"""Owns what the program knows of disks: which errors mean a full one, how to sync a file or folder,
take a lock, and how much room there is.

Never reads or writes what is in a file.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

from spotify_hist.errors import NoLocks

if TYPE_CHECKING:
    from pathlib import Path

# The errors of a disk that has no room left for a file.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# What file systems answer that have no locks, such as SMB and NFS mounted with `nolock`.
NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})
# What a file or folder answers that nothing can be written to, by whatever rule.
READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# What file systems answer that have no way to sync a directory.
_NO_DIRECTORY_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP})


def sync_directory(directory: Path) -> None:
    """Make renames and removals in a directory outlast a power cut. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_SYNC:
            raise
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make what was written to a file outlast a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, operation: int, path: Path) -> bool:
    """Take an advisory lock (`fcntl.LOCK_SH` or `LOCK_EX`) without waiting; whether it was free.

    Raises NoLocks where the file system of `path` has none, OSError for anything else.
    """
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise NoLocks(f"The file system of {path} has no file locks.") from None
        raise
    return True


def free_bytes(directory: Path) -> int:
    """What this user may still write to the disk of a directory. Raises OSError."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def unusable_name(path: Path) -> str | None:
    """Why DuckDB cannot make files at a path of this name, or None."""
    text = str(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return "its name is not valid UTF-8"
    # DuckDB reads what follows a question mark as options, and a backslash as a slash.
    mark = next((mark for mark in "?\\" if mark in text), None)
    return None if mark is None else f"its name has a {mark} in it"
