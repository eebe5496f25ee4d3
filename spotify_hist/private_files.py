"""Owns that what the program makes is its owner's alone, under any umask, from its first instant.

Never changes a directory that was there, nor what belongs to somebody else.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from spotify_hist.ownership import give, give_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OTHERS, _OWNERS = 0o077, 0o600
_umask_at_start: int | None = None


def keep_private() -> None:
    """From now on all that this process and its children make is its owner's alone: also what
    DuckDB makes beside the history, which asks for no mode of its own."""
    global _umask_at_start  # noqa: PLW0603 - the umask belongs to the process, too
    found = os.umask(_OTHERS)
    if _umask_at_start is None:
        _umask_at_start = found


@contextmanager
def umask_at_start() -> Iterator[None]:
    """The umask this process was started with, for a program of the person's that it starts."""
    if _umask_at_start is None:
        yield
        return
    kept = os.umask(_umask_at_start)
    try:
        yield
    finally:
        os.umask(kept)


def make_directory(directory: Path) -> None:
    """Make a directory and those missing above it, each for its owner alone under any umask.

    One that is there stays as it is: whoever made it may share it on purpose. Raises OSError:
    NotADirectoryError for a file in its place, since "File exists" tells nobody what is wrong.
    """
    try:
        directory.mkdir(mode=0o700)
    except FileNotFoundError:
        if directory.parent == directory:
            raise
        make_directory(directory.parent)
        make_directory(directory)
    except FileExistsError:
        if not directory.is_dir():
            raise NotADirectoryError(
                errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory)
            ) from None
    except OSError:
        if not directory.is_dir():
            raise
    else:
        give_path(directory)
        mode = directory.stat().st_mode
        if mode & 0o777 != 0o700:  # a umask that takes from the owner, too
            directory.chmod(stat.S_IMODE(mode) & ~0o777 | 0o700)


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file that is made where it is missing, its owner's alone under any umask.

    One that others could read is tightened. Raises OSError.
    """
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)
    give(descriptor, path.parent)
    mode = _right_mode(os.fstat(descriptor))
    if mode is not None:
        with suppress(OSError):  # a file system with no modes of its own
            os.fchmod(descriptor, mode)
    return descriptor


def tighten(*paths: Path) -> None:
    """Make files that are there their owner's alone, as far as they are ours."""
    for path in paths:
        with suppress(OSError):  # none there, or a file system with no modes of its own
            mode = _right_mode(path.stat())
            if mode is not None:
                path.chmod(mode)


def _right_mode(found: os.stat_result) -> int | None:
    """The mode that a file of ours should have; None where it has it, or is not ours."""
    mode = stat.S_IMODE(found.st_mode)
    is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
    if not is_ours or (mode & _OWNERS and not mode & _OTHERS):
        return None
    return mode & _OWNERS or _OWNERS
