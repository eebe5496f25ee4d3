"""Owns small private files that outlive a crash: replaced in one step, guarded by advisory locks.

Never knows what the files hold.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from spotify_hist import warn
from spotify_hist.disk import FULL, sync_directory, try_lock
from spotify_hist.errors import StorageFull, Temporary, VaultError
from spotify_hist.ownership import (
    exposure_of,
    how_to_make_private,
    how_to_take_back,
    take_over,
)
from spotify_hist.private_files import make_directory, open_private

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK_POLL_S = 0.05
_MEND = "Make it a directory that belongs to you and can be written."
_MEND_FILE = "It must be a file that you can read and write: 'chmod 600 {}'."


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
        with self._trouble(name):
            try:
                return (self.directory / name).read_bytes()
            except FileNotFoundError:
                return None

    def require_private(self, name: str) -> None:
        """Raise VaultError, with the command that mends it, where others can read the file.

        Where its mode is not ours to choose there is a warning alone: for a file that was mounted
        or linked here from elsewhere, and on a file system that has no modes.
        """
        path = self.directory / name
        with self._trouble(name):
            exposure = exposure_of(path)
        if exposure == "given":
            warn.once(f"{path} can be read by others, if they can reach it.")
        elif exposure == "mendable":
            raise VaultError(
                f"{path}, the key of {self._holds}, can be read by others.",
                hint=f"Make it yours alone: {how_to_make_private(path)}. If somebody may have "
                "read it, run 'spotify-hist auth rotate-key' then.",
            )

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        with self._trouble(name):
            return (self.directory / name).exists()

    def replace(self, name: str, data: bytes) -> None:
        """Put `data` in place of the file in one step, on disk before this returns.

        The caller holds the lock that guards the file.
        """
        path = self.directory / name
        temporary = path.with_name(name + ".tmp")
        with self._trouble(name):
            self._prepare()
            try:
                # What a killed run of another user left cannot be opened, but it can be removed.
                temporary.unlink(missing_ok=True)
                with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_EXCL), "wb") as file:
                    take_over(file.fileno(), path)
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
        with self._trouble(*names[:1]):
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
        with self._trouble(name):
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
            with self._trouble():
                if try_lock(descriptor, kind, self.directory):
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
    def _trouble(self, name: str | None = None) -> Iterator[None]:
        """Say what the system's errors mean for the person, and which file is at fault."""
        try:
            yield
        except OSError as error:
            why = error.strerror or type(error).__name__
            if error.errno in FULL:
                raise StorageFull(
                    f"No space is left for {self._holds} in {self.directory}."
                ) from None
            path, what = self.directory, f"The directory of {self._holds}, {self.directory},"
            # Where a folder above is at fault, or this one, the system names that.
            named = None if error.filename is None else Path(os.fsdecode(error.filename))
            is_within = named is None or named.parent == self.directory
            if name is not None and is_within and not self.directory.is_file():
                path, what = self.directory / name, f"{self.directory / name}, of {self._holds},"
            hint = how_to_take_back(path)
            raise VaultError(
                f"{what} cannot be used: {why}.",
                hint=f"{hint}." if hint else _mend(path, wants_directory=path == self.directory),
            ) from None


def _mend(path: Path, *, wants_directory: bool) -> str:
    """The step for what is ours and still cannot be used."""
    import shlex

    if wants_directory and path.is_file():
        return f"It is a file: 'mv {shlex.quote(str(path))} {shlex.quote(f'{path}.away')}'."
    return _MEND_FILE.format(shlex.quote(str(path))) if path.is_file() else _MEND
