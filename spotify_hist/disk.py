"""Owns what the program knows of disks: which errors mean a full one, and how to sync a folder.

Never opens anything but a directory.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# The errors of a disk that has no room left for a file.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
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
