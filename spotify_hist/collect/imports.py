"""Owns an import: from the paths a person gives to a receipt that accounts for every row.

Never calls the network, and holds the database only for the final merge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from spotify_hist.collect import staging
from spotify_hist.collect.pages import drain
from spotify_hist.collect.spool import Spool
from spotify_hist.errors import BadInput, SpotifyHistError, Temporary
from spotify_hist.sources.exports.archive import Caps, Member, inspect
from spotify_hist.store import coverage, import_jobs, journal, listeners, records

if TYPE_CHECKING:
    from pathlib import Path

    from spotify_hist.collect.staging import StagedFile
    from spotify_hist.model import Listener
    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Connection, Database
    from spotify_hist.store.records import Committed

Clock = Callable[[], datetime]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an import did: records = new + upgraded + duplicate + rejected, per file and in all.

    `failed` are inputs nothing could be read of; `ignored` files that hold no listening.
    """

    import_id: int
    user: str
    records: int
    new: int
    upgraded: int
    duplicate: int
    rejected: int
    plays_added: int
    files: tuple[StagedFile, ...]
    ignored: tuple[str, ...] = ()
    failed: tuple[SpotifyHistError, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every row of every input was read."""
        return not (self.rejected or self.failed or any(file.damage for file in self.files))


@dataclass(slots=True)
class _Inputs:
    members: list[Member] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    failed: list[SpotifyHistError] = field(default_factory=list)


def import_paths(
    settings: Settings,
    database: Database,
    clock: Clock,
    paths: Sequence[Path],
    *,
    user: str | None = None,
    keep_private: bool = False,
    on_progress: Progress = lambda _done, _total: None,
) -> Receipt:
    """Import ZIPs, folders and single files for one listener; the receipt.

    Good rows of a partly bad export are imported and the bad ones listed. Raises BadInput where
    nothing could be read, and the store's errors; then the history is as it was before. Pages that
    wait in the spool are committed first.
    """
    started = clock()
    inputs = _find(settings, paths)
    for _ in drain(Spool(settings.spool), database, clock):
        pass
    default = settings.text("default_user")
    user_id = _expected_user_id(database, user, default)
    with staging.workspace(settings.scratch) as space:
        files = staging.stage_members(
            space,
            inputs.members,
            max_rows=int(settings.number("import.max_rows")),
            keep_private=keep_private,
            on_progress=on_progress,
        )
        if not any(file.records for file in files) and (damaged := _first_damaged(files)):
            raise BadInput(
                f"Nothing could be read from {damaged.name}: {damaged.damage}.",
                hint="Download the export again, or give another file.",
            )
        staging.key(space, user_id)
        with database.write("import") as connection:
            listener = listeners.listener_for_import(connection, user, default, started)
            if listener.user_id != user_id:
                raise Temporary("Another process added a listener meanwhile.")
            space.attach(connection)
            return _merge(connection, listener, files, inputs, started, clock)


def _find(settings: Settings, paths: Sequence[Path]) -> _Inputs:
    """The history files behind all paths; raises the first failure where there are none."""
    caps = Caps(
        max_zip_bytes=int(settings.number("import.max_zip_mb") * 1_000_000),
        max_unpacked_bytes=int(settings.number("import.max_unpacked_gb") * 1_000_000_000),
        max_ratio=settings.number("import.max_ratio"),
        max_members=int(settings.number("import.max_members")),
    )
    inputs = _Inputs()
    for path in {path.resolve(): path for path in paths}.values():
        try:
            inventory = inspect(path, caps)
        except SpotifyHistError as error:
            inputs.failed.append(error)
        else:
            inputs.members += inventory.members
            inputs.ignored += inventory.ignored
    if not inputs.members:
        raise inputs.failed[0]
    return inputs


def _expected_user_id(database: Database, user: str | None, default: str | None) -> int:
    """Whose rows these will be, existing or made by this import."""
    if not database.exists():
        return 1
    with database.read() as connection:
        return listeners.next_user_id(connection, user, default)


def _first_damaged(files: Sequence[StagedFile]) -> StagedFile | None:
    return next((file for file in files if file.damage), None)


def _merge(
    connection: Connection,
    listener: Listener,
    files: Sequence[StagedFile],
    inputs: _Inputs,
    started: datetime,
    clock: Clock,
) -> Receipt:
    """Everything that touches the history, in the caller's one transaction."""
    import_id, last_file_id = import_jobs.next_import_ids(connection)
    keyed = staging.number_files(connection, last_file_id)
    for file in files:
        import_jobs.add_file(
            connection,
            import_jobs.ImportedFile(
                file_id=last_file_id + file.number,
                import_id=import_id,
                user_id=listener.user_id,
                name=file.name,
                package=file.package,
                format=file.format,
                sha256=file.sha256,
                records=file.records,
                damage=file.damage,
                rejected=file.rejected,
            ),
        )
    committed = records.commit(connection, listener.user_id, keyed)
    if committed.fresh:
        coverage.close_gaps(connection, listener.user_id, started, keyed)
    receipt = _receipt(import_id, listener, files, inputs, committed)
    counts = {
        name: getattr(receipt, name)
        for name in ("records", "new", "upgraded", "duplicate", "rejected", "plays_added")
    }
    finished = clock()
    import_jobs.add_import(connection, import_id, listener.user_id, started, finished, counts)
    journal.add_run(connection, "import", listener.user_id, started, finished, "ok", counts)
    return receipt


def _receipt(
    import_id: int,
    listener: Listener,
    files: Sequence[StagedFile],
    inputs: _Inputs,
    committed: Committed,
) -> Receipt:
    rejected = sum(len(file.rejected) for file in files)
    return Receipt(
        import_id=import_id,
        user=listener.name,
        records=committed.records + rejected,
        new=committed.new,
        upgraded=committed.upgraded,
        duplicate=committed.duplicate,
        rejected=rejected,
        plays_added=committed.plays_added,
        files=tuple(files),
        ignored=tuple(inputs.ignored),
        failed=tuple(inputs.failed),
    )
