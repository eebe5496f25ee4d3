"""Owns the watched folder: archives dropped there are imported once and put away.

Never reads an archive itself; `imports` does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from spotify_hist.collect.turns import turn
from spotify_hist.errors import BadInput, SpotifyHistError
from spotify_hist.ownership import give_path
from spotify_hist.private_files import make_directory
from spotify_hist.store import journal

if TYPE_CHECKING:
    from pathlib import Path

    from spotify_hist.collect.imports import Receipt
    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database

DONE, FAILED = "done", "failed"
_SCRATCH = "import-"  # workspaces of running imports lie in the same folder
_STILL_ARRIVING = timedelta(minutes=10)
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Pending:
    """An archive that waits; in a sub-folder it is for the listener of that name."""

    path: Path
    user: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one archive: its receipt, or why it could not be imported."""

    name: str
    receipt: Receipt | None = None
    error: SpotifyHistError | None = None


def pending(settings: Settings) -> list[Pending]:
    """The ZIPs that wait in the watched folder and its listeners' sub-folders, in a fixed order.

    Raises BadInput where the folder is there and cannot be read.
    """
    folder = settings.watched
    try:
        return [
            Pending(path, None if path.parent == folder else path.parent.name)
            for place in (folder, *_listeners_folders(folder))
            for path in sorted(place.iterdir())
            if path.suffix.lower() == ".zip" and not path.name.startswith(".") and path.is_file()
        ]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadInput(
            f"The watched folder {folder} cannot be read: {error.strerror}.",
            hint="Mend its permissions, or set SPOTIFY_HIST_SYNC_WATCH_DIR to another folder.",
        ) from None


def import_pending(settings: Settings, database: Database, clock: Clock) -> list[Taken]:
    """Import every archive that waits and move it to `done/`, or to `failed/` with the reason.

    One that may still be arriving is left for the next time, and so is one that failed for a
    reason that passes (a busy database, a full disk): then the error is told and the archive stays
    where it is. Another run at the same time leaves all to this one.
    """
    if not pending(settings):
        return []
    with turn(settings, "watch") as is_ours:
        if not is_ours:
            return []
        found = [each for each in pending(settings) if not _may_be_arriving(each.path, clock())]
        return [_take(settings, database, clock, each) for each in found]


def _listeners_folders(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir()
        and path.name not in {DONE, FAILED}
        and not path.name.startswith((".", _SCRATCH))
    )


def _may_be_arriving(path: Path, now: datetime) -> bool:
    """A ZIP ends with its list of members: while it is being copied it is no ZIP yet."""
    import zipfile

    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        # Changed in the future says that a clock was wrong, and not that it will go on till then.
        return not zipfile.is_zipfile(path) and abs(now - changed) < _STILL_ARRIVING
    except OSError:
        return True


def _take(settings: Settings, database: Database, clock: Clock, found: Pending) -> Taken:
    from spotify_hist.collect.imports import import_paths

    started = clock()
    try:
        receipt = import_paths(settings, database, clock, [found.path], user=found.user)
    except SpotifyHistError as error:
        if error.retryable:
            return Taken(found.path.name, error=error)
        text = f"{found.path.name}: {error.message}"
        with suppress(SpotifyHistError), database.write("import") as connection:
            journal.add_run(connection, "import", None, started, clock(), "failed", {}, text)
            journal.write(connection, clock(), [journal.Entry("error", "import", text)])
        moved = _put_away(found.path, FAILED, f"{error.message} {error.hint}".strip())
        return Taken(found.path.name, error=moved or error)
    return Taken(found.path.name, receipt, _put_away(found.path, DONE))


def _put_away(path: Path, where: str, reason: str | None = None) -> BadInput | None:
    """Move an archive, under a free name; the error where that cannot be done."""
    folder = path.parent / where
    try:
        make_directory(folder)
        target, number = folder / path.name, 2
        while target.exists():
            target = folder / f"{path.stem}-{number}{path.suffix}"
            number += 1
        if reason is not None:
            note = target.with_name(target.name + ".reason.txt")
            note.write_text(reason + "\n", "utf-8")
            give_path(note)
        path.rename(target)
    except OSError as error:
        return BadInput(
            f"{path} cannot be moved to {folder}: {error.strerror}.",
            hint="Mend the permissions of that folder; until then it is read at every sync.",
        )
    return None
