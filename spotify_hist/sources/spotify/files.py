"""Owns small private files that outlive a crash: replaced in one step, guarded by advisory locks.

Never knows what the files hold.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from spotify_hist.disk import FULL, sync_directory
from spotify_hist.errors import StorageFull, Temporary, VaultError
from spotify_hist.private_files import make_directory, open_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK_POLL_S = 0.05


class Folder:
    """Files of the owner alone (0600 in 0700) under `directory`; `holds` says in words of what.

    Every method raises StorageFull where no space is left, else VaultError where the system
    refuses.
    """

    def __init__(self, directory: Path, holds: str) -> None:
        self.directory = directory
        self._holds = holds

    def names(self, suffix: str) -> list[str]:
        """The names that end in `suffix`, sorted; [] where there is no directory yet."""
        with self._trouble():
            try:
                return sorted(path.name for path in self.directory.iterdir()
                              if path.name.endswith(suffix))  # fmt: skip
            except FileNotFoundError:
                return []

    def read(self, name: str) -> bytes | None:
        """The whole file, or None where there is none."""
        with self._trouble():
            try:
                return (self.directory / name).read_bytes()
            except FileNotFoundError:
                return None

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        with self._trouble():
            return (self.directory / name).exists()

    def replace(self, name: str, data: bytes) -> None:
        """Put `data` in place of the file in one step, on disk before this returns.

        The caller holds the lock that guards the file.
        """
        path = self.directory / name
        temporary = path.with_name(name + ".tmp")
        with self._trouble():
            self._prepare()
            try:
                with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_TRUNC), "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
            sync_directory(self.directory)

    def remove(self, *names: str) -> None:
        """Remove the files for good; those that are not there are no error."""
        with self._trouble():
            found = False
            for name in names:
                with suppress(FileNotFoundError):
                    (self.directory / name).unlink()
                    found = True
            if found:
                sync_directory(self.directory)

    @contextmanager
    def lock(self, name: str, wait_s: float, busy: str, *, shared: bool = False) -> Iterator[None]:
        """Hold the lock file `name`, alone or `shared`. Not re-entrant.

        Raises Temporary with the text `busy` where others keep it for `wait_s` seconds.
        """
        with self._trouble():
            self._prepare()
            # The lock has a file of its own that is never removed: a lock on a file that gets
            # replaced or deleted would guard nothing.
            descriptor = open_private(self.directory / name, os.O_RDWR)
        try:
            self._acquire(descriptor, wait_s, busy, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int, wait_s: float, busy: str, kind: int) -> None:
        deadline = time.monotonic() + wait_s
        while True:
            with self._trouble(), suppress(BlockingIOError):
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                return
            if time.monotonic() >= deadline:
                raise Temporary(busy, hint="Try again in a minute.")
            time.sleep(_LOCK_POLL_S)

    def _prepare(self) -> None:
        """The directory exists and is the owner's alone, whatever the umask."""
        make_directory(self.directory)
        if self.directory.stat().st_mode & 0o077:
            self.directory.chmod(0o700)

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        """Say what the system's errors mean for the person."""
        try:
            yield
        except OSError as error:
            why = error.strerror or type(error).__name__
            if error.errno in FULL:
                raise StorageFull(
                    f"No space is left for {self._holds} in {self.directory}."
                ) from None
            raise VaultError(
                f"The directory of {self._holds}, {self.directory}, cannot be used: {why}.",
                hint="Make it a directory that belongs to you and can be written.",
            ) from None
