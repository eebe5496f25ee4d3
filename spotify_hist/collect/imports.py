"""Owns an import: from the paths a person gives to a receipt that accounts for every row.

Never calls the network, and holds the database only for the final merge.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from spotify_hist.collect import inputs, staging
from spotify_hist.collect.pages import drain
from spotify_hist.collect.spool import Spool
from spotify_hist.collect.workspace import number_files, workspace
from spotify_hist.errors import BadInput, Temporary
from spotify_hist.private_files import make_directory
from spotify_hist.store import (
    coverage,
    identity,
    import_jobs,
    journal,
    listeners,
    merging,
    tallies,
)
from spotify_hist.store.database import Database
from spotify_hist.store.import_jobs import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from spotify_hist.collect.inputs import Inputs
    from spotify_hist.collect.staging import Progress, StagedFile
    from spotify_hist.collect.workspace import Workspace
    from spotify_hist.model import Listener
    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Connection
    from spotify_hist.store.import_jobs import KnownFile
    from spotify_hist.store.records import Committed
    from spotify_hist.store.tallies import Told

__all__ = ["Receipt", "import_paths"]

Clock = Callable[[], datetime]
# Rows merged into the history, and rows in all.
Merging = Callable[[int, int], None]
_COUNTS = (
    "records", "new", "upgraded", "duplicate", "rejected", "plays_added", "gaps_closed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Staged:
    """What is ready to be merged: the files, and what their rows are by file number."""

    files: Sequence[StagedFile]
    told: Mapping[int, Told]
    inputs: Inputs
    keep_private: bool


def import_paths(
    settings: Settings,
    database: Database,
    clock: Clock,
    paths: Sequence[Path],
    *,
    user: str | None = None,
    keep_private: bool = False,
    dry_run: bool = False,
    stdin: BinaryIO | None = None,
    on_progress: Progress = lambda _done, _total, _rows: None,
    on_merge: Merging = lambda _done, _total: None,
) -> Receipt:
    """Import ZIPs, folders and single files for one listener; the receipt.

    The path `-` is what `stdin` gives. Good rows of a partly bad export are imported and the bad
    ones listed. Raises BadInput where nothing could be read, and the store's errors; then the
    history is as it was before. Pages that wait in the spool are committed first. A dry run does
    all of it to a copy: the receipt is the same, and the history and the spool are not touched.
    """
    started = clock()
    default = settings.text("default_user")
    with (
        _traceless(settings) if dry_run else nullcontext(),
        workspace(settings.scratch, int(settings.number("import.memory_mb"))) as space,
    ):
        found = inputs.find(settings, paths, stdin, space.directory)
        spool = Spool(settings.spool)
        if dry_run:
            database, spool = _copies(settings, database, space.directory)
        for _ in drain(spool, database, clock):
            pass
        user_id, known = _expected(database, user, default)
        staged = _stage(
            settings,
            space,
            found,
            user_id,
            # What is private would not be kept of a file that is not read.
            () if keep_private else known,
            on_progress,
            keep_private=keep_private,
        )
        with database.write("import", room=space.room) as connection:
            listener = listeners.listener_for_import(connection, user, default, started)
            if listener.user_id != user_id:
                raise Temporary("Another process added a listener meanwhile.")
            space.attach(connection)
            receipt = _merge(connection, listener, staged, started, clock, on_merge)
    return replace(receipt, failed=tuple(found.failed), is_dry_run=dry_run)


@contextmanager
def _traceless(settings: Settings) -> Iterator[None]:
    """Leave no directory behind that was not there before."""
    missing = [each for each in (settings.scratch, settings.data_dir) if not each.exists()]
    try:
        yield
    finally:
        for directory in missing:
            with suppress(OSError):
                directory.rmdir()


def _copies(settings: Settings, database: Database, directory: Path) -> tuple[Database, Spool]:
    """The spool and the history once more, in a directory of the import's own.

    A page that is committed meanwhile is in both, which does no harm.
    """
    target = directory / "rehearsal"
    spool = target / "spool"
    make_directory(spool)
    for page in settings.spool.glob("[!.]*.json"):
        with suppress(FileNotFoundError):
            shutil.copyfile(page, spool / page.name)
    copy = Database(target / "history.duckdb")
    if database.exists():
        database.copy_to(copy.path)
    return copy, Spool(spool)


def _expected(
    database: Database, user: str | None, default: str | None
) -> tuple[int, list[KnownFile]]:
    """Whose rows these will be, existing or made by this import, and the files known of them."""
    if not database.exists():
        return 1, []
    with database.read() as connection:
        user_id = listeners.next_user_id(connection, user, default)
        return user_id, import_jobs.known_files(connection, user_id)


def _stage(
    settings: Settings,
    space: Workspace,
    found: Inputs,
    user_id: int,
    known: Sequence[KnownFile],
    on_progress: Progress,
    *,
    keep_private: bool,
) -> _Staged:
    """Read every file into the workspace; raises BadInput where nothing could be read."""
    files = staging.stage_members(
        space,
        found.members,
        user_id,
        known,
        max_rows=int(settings.number("import.max_rows")),
        keep_private=keep_private,
        on_progress=on_progress,
    )
    if not any(file.records for file in files):
        for file in files:
            if file.damage:
                raise BadInput(
                    f"Nothing could be read from {file.name}: {file.damage}.",
                    hint="Download the export again, or give another file.",
                )
    return _Staged(files, tallies.told_by_file(space.connection, "keyed"), found, keep_private)


def _merge(
    connection: Connection,
    listener: Listener,
    staged: _Staged,
    started: datetime,
    clock: Clock,
    on_merge: Merging,
) -> Receipt:
    """Everything that touches the history, in the caller's one transaction."""
    user_id = listener.user_id
    import_id, last_file_id = import_jobs.next_import_ids(connection)
    keyed = number_files(connection, last_file_id)
    file_ids = _add_files(connection, import_id, user_id, staged, last_file_id)
    counts = dict.fromkeys(file_ids, (0, 0))
    read = (file for file in staged.files if not file.is_known)
    rows = sum(file.records - len(file.rejected) for file in read)
    merged = 0
    on_merge(merged, rows)

    def count_part(part: Committed) -> None:
        nonlocal merged
        merged += part.records
        on_merge(merged, rows)
        for file_id, (new, upgraded) in tallies.fresh_by_file(connection, part).items():
            counts[file_id] = (counts[file_id][0] + new, counts[file_id][1] + upgraded)

    committed = merging.merge(connection, user_id, keyed, count_part)
    import_jobs.count_files(connection, counts)
    if staged.keep_private:
        import_jobs.add_privates(connection, keyed)
    gaps_closed = coverage.close_gaps(connection, user_id, started, import_id)
    identity.refresh(connection)
    finished = clock()
    import_jobs.add_import(
        connection,
        import_id,
        user_id,
        started,
        finished,
        plays_added=committed.plays_added,
        gaps_closed=gaps_closed,
        keep_private=staged.keep_private,
        ignored=staged.inputs.ignored,
        failed=staged.inputs.failed,
    )
    receipt = import_jobs.receipt(connection, import_id)
    if receipt is None:
        raise LookupError("an import vanished inside a transaction")
    stats = {name: getattr(receipt, name) for name in _COUNTS}
    journal.add_run(connection, "import", user_id, started, finished, "ok", stats)
    return receipt


def _add_files(
    connection: Connection, import_id: int, user_id: int, staged: _Staged, last_file_id: int
) -> list[int]:
    """Write down the files, before their rows are committed; their ids."""
    nothing = tallies.Told()
    file_ids = [last_file_id + file.number for file in staged.files]
    import_jobs.add_files(
        connection,
        import_id,
        user_id,
        [
            import_jobs.FileToAdd(
                file_id=file_id,
                name=file.name,
                package=file.package,
                format=file.format,
                sha256=file.sha256,
                packed_sha256=file.packed_sha256,
                records=file.records,
                damage=file.damage,
                rejected=file.rejected,
                told=staged.told.get(file.number, nothing),
                unknown_keys=file.unknown_keys,
            )
            for file_id, file in zip(file_ids, staged.files, strict=True)
        ],
    )
    known = [last_file_id + file.number for file in staged.files if file.is_known]
    if import_jobs.unknown_files(connection, known):
        raise Temporary("An import that had read the same files was undone meanwhile.")
    return file_ids
