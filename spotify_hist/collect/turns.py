"""Owns that of one job only one run is at work: two timers, or a timer and a person, at once.

Never waits: whoever comes second leaves, since the first does the same work.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spotify_hist.disk import FULL, try_lock
from spotify_hist.errors import BadInput, StorageFull
from spotify_hist.ownership import how_to_take_back
from spotify_hist.private_files import make_directory, open_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spotify_hist.settings import Settings


@contextmanager
def turn(settings: Settings, job: str) -> Iterator[bool]:
    """Whether this run has the turn at `job`, for as long as the block lasts.

    The lock is the system's own and ends with the process, however that ends. Raises StorageFull
    or BadInput where the lock file cannot be made.
    """
    path = settings.spool / f".{job}.turn"
    try:
        make_directory(path.parent)
        descriptor = open_private(path, os.O_RDWR)
    except OSError as error:
        is_full = error.errno in FULL
        raise (StorageFull if is_full else BadInput)(
            f"{path} cannot be made: {error.strerror}.",
            hint=_how_to_mend(path, is_full=is_full),
        ) from None
    try:
        yield try_lock(descriptor, fcntl.LOCK_EX, path)
    finally:
        os.close(descriptor)


def _how_to_mend(path: Path, *, is_full: bool) -> str:
    step = "Free some space" if is_full else how_to_take_back(path)
    return (
        f"{step or 'Mend the directory or the disk'}, then try again soon: Spotify keeps 50 plays."
    )
