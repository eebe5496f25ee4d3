"""Owns what an error of the operating system about a file means to a person.

Never handles one itself: whoever knows what was being done says it better.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from spotify_hist.disk import FULL, NO_LOCKS, READ_ONLY
from spotify_hist.errors import BadInput, NoLocks, SpotifyHistError, StorageFull, Temporary
from spotify_hist.ownership import how_to_take_back

# There is too much at once of something that others use, too.
_CROWDED = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EBUSY, errno.ETXTBSY})
# The file lies on another machine, or a disk that has gone away for now.
_AWAY = frozenset(
    {
        errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN,
        errno.ENETUNREACH, errno.ENOTCONN, errno.ECONNRESET, errno.ENODEV, errno.ENXIO,
    }
)  # fmt: skip
_PACKAGE = Path(__file__).parent


def meaning(error: OSError) -> SpotifyHistError | None:
    """Our error for one of the system's; None for what says nothing about a file of the person's.

    The file is named where the system named one. What a file of the program itself lacks is our
    bug, and so is what no file has to do with.
    """
    names = [each for each in (error.filename, error.filename2) if isinstance(each, (str, bytes))]
    path = Path(os.fsdecode(names[0])) if names else None
    if path is not None and _PACKAGE in path.parents:
        return None
    why = error.strerror or type(error).__name__
    file = "a file" if path is None else str(path)
    if error.errno in FULL:
        where = "what is written" if path is None else file
        return StorageFull(f"There is no space left for {where}.")
    if error.errno == errno.ENOMEM:
        return BadInput("There is not memory enough for this.", hint="Close other programs.")
    if error.errno in _CROWDED:
        return Temporary(f"The system cannot open {file} now: {why}.", hint="Try again later.")
    if error.errno == errno.EIO:
        return BadInput(
            f"The disk or the terminal failed to read or write {_something(path)}.",
            hint="Check it, then run the same command again; nothing was lost.",
        )
    if error.errno in NO_LOCKS and path is not None:
        return NoLocks(f"The file system of {file} has no file locks.")
    if path is None:
        return None
    if error.errno in _AWAY:
        return Temporary(f"{file} cannot be reached: {why}.", hint="Check its disk; try again.")
    is_refused = error.errno in READ_ONLY
    hint = (how_to_take_back(path) if is_refused else "") or "Check the path and its permissions."
    return BadInput(f"{file} cannot be used: {why}.", hint=hint)


def _something(path: Path | None) -> str:
    return "something" if path is None else str(path)
