"""Owns the directory an export goes to: what is written there comes whole or not at all.

Never overwrites or removes a file that no export has made.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from spotify_hist import interrupts
from spotify_hist.disk import FULL, sync_directory, sync_file, try_lock
from spotify_hist.errors import (
    BadInput,
    NoLocks,
    SpotifyHistError,
    StorageFull,
    Temporary,
    UsageError,
)
from spotify_hist.ownership import give_path
from spotify_hist.private_files import make_directory, open_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MANIFEST = "spotify-hist-export.json"
_UNFINISHED = ".spotify-hist-export-"


class Outbox:
    """A directory being filled: write into `making`, then `finish`."""

    def __init__(self, directory: Path, making: Path) -> None:
        self.directory = directory
        self.making = making

    def files(self) -> list[str]:
        """What was written so far, as paths in the directory, in order."""
        return sorted(
            path.relative_to(self.making).as_posix()
            for path in self.making.rglob("*")
            if path.is_file()
        )

    @interrupts.held()
    def finish(self, account: Mapping[str, object]) -> None:
        """Put everything in its place, with `account` and the files' names as the manifest.

        Every file is on the disk before the first takes its place. A kill in between leaves files
        of both exports, which the next one with `force` replaces.
        """
        made, before = self.files(), _made_before(self.directory)
        foreign = [name for name in made if name not in before and (self.directory / name).exists()]
        if foreign:
            raise UsageError(
                f"{self.directory / foreign[0]} is not from an export and stays.",
                hint="Give a directory that is new or empty.",
            )
        for name in made:
            (self.making / name).chmod(0o600)
            sync_file(self.making / name)
        self._note({**account, "files": sorted({*made, *before})})
        for name in made:
            place = self.directory / name
            make_directory(place.parent)
            (self.making / name).replace(place)
            give_path(place)
        for name in before - set(made):
            (self.directory / name).unlink(missing_ok=True)
            _drop_empty((self.directory / name).parent, self.directory)
        self._note({**account, "files": made})
        for directory in {self.directory, *((self.directory / name).parent for name in made)}:
            sync_directory(directory)

    def _note(self, account: Mapping[str, object]) -> None:
        text = json.dumps(account, indent=2, ensure_ascii=False) + "\n"
        new = self.making / MANIFEST
        with os.fdopen(open_private(new, os.O_WRONLY | os.O_TRUNC), "w", encoding="utf-8") as file:
            file.write(text)
        sync_file(new)
        new.replace(self.directory / MANIFEST)


@contextmanager
def outbox(directory: Path, *, force: bool) -> Iterator[Outbox]:
    """A directory to fill: new, empty or, with `force`, one that an export has filled before.

    Nothing half-written is left where the block raises. Raises UsageError for a directory with
    something in it, Temporary while another export goes there, BadInput where it cannot be written,
    StorageFull.
    """
    directory = directory.expanduser().absolute()
    made_here: Path | None = None
    making: Path | None = None
    try:
        with _told(directory), ExitStack() as stack:
            if not directory.exists():
                made_here = directory
                make_directory(directory)
            stack.enter_context(_alone(directory))
            _check(directory, force=force)
            for left in directory.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(left)
            with interrupts.held():  # made without being removed afterwards, it would stay
                making = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=directory))
                give_path(making)
            yield Outbox(directory, making)
    finally:
        if making is not None:
            shutil.rmtree(making, ignore_errors=True)
        if made_here is not None:
            _drop_empty(made_here, made_here.parent)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keep other exports from a directory: each clears away what it finds half made there."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        is_free = True
        with suppress(NoLocks, OSError):  # not every file system can lock a directory
            is_free = try_lock(descriptor, fcntl.LOCK_EX, directory)
        if not is_free:
            raise Temporary(
                f"Another export to {directory} is running.",
                hint="Try again when it has ended, or export to another directory.",
            )
        yield
    finally:
        os.close(descriptor)


def _check(directory: Path, *, force: bool) -> None:
    if not directory.is_dir():
        raise UsageError(f"{directory} is a file.", hint="Give a directory to export to.")
    there = [each.name for each in directory.iterdir() if not each.name.startswith(_UNFINISHED)]
    if not there or force:
        return
    hint = "Give one that is new or empty."
    if MANIFEST in there:
        hint = "Give one that is new or empty, or --force to replace the export that is there."
    raise UsageError(f"{directory} is not empty.", hint=hint)


def _made_before(directory: Path) -> set[str]:
    """The files an export has put there, as its manifest tells; none that lies elsewhere."""
    try:
        told = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        names = {str(name) for name in told["files"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
    return {name for name in names if not Path(name).is_absolute() and ".." not in Path(name).parts}


def _drop_empty(directory: Path, end: Path) -> None:
    """Remove a directory and those around it, up to `end`, as long as they are empty."""
    while directory != end and directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
        directory = directory.parent


@contextmanager
def _told(directory: Path) -> Iterator[None]:
    """Turn errors of files into ours, in the person's words."""
    try:
        yield
    except SpotifyHistError:
        raise
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(f"The disk of {directory} is full; nothing was left there.") from None
        raise BadInput(
            f"{directory} cannot be written: {error.strerror}.",
            hint="Make it writable, or export to another directory.",
        ) from None
