"""Owns how much room the disks of this home have left, and when that is too little.

Never writes anything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.settings import Settings

# Enough for months of polls, for DuckDB's log, and for small imports.
LEAST_BYTES = 100_000_000
# A file system can run out of files before it runs out of bytes; each fetched page is one.
LEAST_FILES = 1_000


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The room on the file system of `folder` that this user may still use.

    With less than `needed_bytes` it is nearly full. `free_files` is None where the file system
    does not count files.
    """

    folder: Path
    free_bytes: int
    needed_bytes: int
    free_files: int | None = None

    @property
    def is_nearly_full(self) -> bool:
        """Whether the next large step could fail for want of room."""
        lacks_files = self.free_files is not None and self.free_files < LEAST_FILES
        return self.free_bytes < self.needed_bytes or lacks_files

    def in_words(self) -> str:
        """How little room there is."""
        if self.free_bytes < 1_000_000:
            return f"The disk of {self.folder} is full."
        if self.free_bytes < self.needed_bytes:
            return (
                f"The disk of {self.folder} is nearly full: {_megabytes(self.free_bytes)} are "
                f"free, and {_megabytes(self.needed_bytes)} may be needed."
            )
        return f"The disk of {self.folder} can hold only {self.free_files:,} more files."


def disks(settings: Settings, history_bytes: int) -> tuple[DiskSpace, ...]:
    """The disk of the home, then those of the history, where a link leads to it, and of the watched
    folder, where they are others.

    What cannot be asked is left out. The history's needs twice the history (`history_bytes`, its
    log included): a new version, or a removal, writes it once again, and its log besides. A poll
    alone needs next to nothing.
    """
    return tuple(_each(settings, history_bytes))


def _each(settings: Settings, history_bytes: int) -> Iterator[DiskSpace]:
    home = _existing(settings.data_dir)
    history = Path(os.path.realpath(settings.database)).parent
    needed_there = max(LEAST_BYTES, 2 * history_bytes)
    is_here = _device(_existing(history)) == _device(home)
    folders = {_device(home): (settings.data_dir, home, needed_there if is_here else LEAST_BYTES)}
    for folder, needed in ((history, needed_there), (settings.watched, LEAST_BYTES)):
        existing = _existing(folder)
        folders.setdefault(_device(existing), (folder, existing, needed))
    for folder, existing, needed in folders.values():
        try:
            found = os.statvfs(existing)
        except OSError:
            continue
        free = found.f_bavail * found.f_frsize
        yield DiskSpace(folder, free, needed, found.f_favail if found.f_files else None)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there: what will be made lies on its disk."""
    return next((each for each in (folder, *folder.parents) if each.exists()), folder)


def _device(path: Path) -> int | None:
    try:
        return path.stat().st_dev
    except OSError:
        return None


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB"
