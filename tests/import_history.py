"""A history in memory that imports, polls and undoes as `collect` does, and what is left of each.

Files are lists of records; the same list is the same file. Time goes by one minute an event.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from memory_history import History, Table
from plays import NOW

from spotify_hist.collect import imports, pages
from spotify_hist.collect.bodies import Body
from spotify_hist.collect.inputs import Inputs
from spotify_hist.collect.pagefile import SpooledPage
from spotify_hist.collect.staging import StagedFile
from spotify_hist.model import Account, Listener, Record
from spotify_hist.store import import_jobs, records, tallies, undo
from spotify_hist.store.records import StagedRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotify_hist.store.import_jobs import Receipt
    from spotify_hist.store.undo import TakenBack

# Everything that is a function of the set of records, with the private fields that are kept.
DERIVED = (
    "play_records", "plays", "kept_plays", "tracks", "artists", "albums", "track_links",
    "told_names",
)  # fmt: skip
_SAYS = """
select distinct import_jobs.started_at, record_rows.record_id
from import_jobs
inner join import_files using (import_id)
inner join record_rows
    on record_rows.file_id in (import_files.file_id, import_files.content_file_id)
where import_jobs.undone_at is null
"""
_KEPT = """
select import_jobs.started_at, import_files.name, record_privates.record_id, record_privates.private
from record_privates
inner join import_files using (file_id)
inner join import_jobs using (import_id)
"""
Row: TypeAlias = "tuple[str, Record]"


@dataclass(frozen=True)
class File:
    """The rows of a file: the export each is of, and what it says."""

    rows: tuple[Row, ...]

    @property
    def format(self) -> str:
        """Account data, or anything else."""
        is_account = any(record.source == "account" for _, record in self.rows)
        return "account_streaming" if is_account else "endsong"


@dataclass(frozen=True)
class Import:
    """An import of some files, and a name for it."""

    files: tuple[File, ...]
    keep_private: bool = False
    name: str = ""


@dataclass(frozen=True)
class Page:
    """A page of the API."""

    told: tuple[Record, ...]
    is_full: bool = False
    is_backfill: bool = False


@dataclass(frozen=True)
class Undo:
    """The undoing of the import of that name."""

    name: str


Event: TypeAlias = Import | Page | Undo


class ImportHistory(History):
    """One connection for many examples, each in a transaction of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.connection.execute("create schema scratch")
        self.connection.execute("create table scratch.bulk_files (file_id integer, first_row int)")

    def live(self, events: Sequence[Event | None]) -> dict[str, Receipt]:
        """Let it all happen, for listener 1; the receipts by name. None is a minute of peace."""
        self.add_listener("me")
        receipts: dict[str, Receipt] = {}
        for number, event in enumerate(events):
            now = NOW + timedelta(minutes=number)
            match event:
                case Import():
                    receipts[event.name] = self.bring(event, now)
                case Page():
                    self.page(event, now)
                case Undo():
                    self.undo(receipts[event.name].import_id, now)
        return receipts

    def add_listener(self, name: str) -> Listener:
        """A listener without anything."""
        from spotify_hist.store import listeners

        return listeners.listener_for_import(self.connection, name, None, NOW)

    def bring(self, event: Import, now: datetime = NOW, user_id: int = 1) -> Receipt:
        """One import."""
        files = []
        rows: list[StagedRow] = []
        for number, file in enumerate(event.files, 1):
            sha256 = hashlib.sha256(repr(file.rows).encode()).hexdigest()
            staged = StagedFile(number, f"file {number}", "package", file.format, sha256)
            staged.records = len(file.rows)
            files.append(staged)
            for index, (package, record) in enumerate(file.rows):
                told = record if event.keep_private else record._replace(private=None)
                rows.append(StagedRow(number, index, package, told))
        records.create_stage(self.connection)
        records.stage(self.connection, rows)
        records.key_stage(self.connection, user_id)
        self.connection.execute("create or replace table scratch.keyed_rows as from keyed")
        told_by_file = tallies.told_by_file(self.connection, "keyed")
        ready = imports._Staged(files, told_by_file, Inputs(), event.keep_private)
        listener = Listener(user_id, "me", None, None, None)
        return imports._merge(
            self.connection, listener, ready, now, lambda: now, lambda _done, _all: None
        )

    def page(self, event: Page, now: datetime = NOW) -> None:
        """One page, of a poll or a backfill."""
        before_ms = 2_000_000_000_000 if event.is_backfill else None
        page = SpooledPage(Path("page"), Account("a", None, None), now, b"", before_ms)
        body = Body(list(event.told), [], [], event.is_full, None)
        listener = Listener(1, "me", None, None, None)
        pages._merge(self.connection, listener, page, body, now)

    def undo(self, import_id: int, now: datetime = NOW, user_id: int = 1) -> TakenBack:
        """Take an import back."""
        taken = undo.take_back(self.connection, import_id, user_id, now)
        import_jobs.mark_undone(self.connection, import_id, now)
        return taken

    def everything(self) -> dict[str, Table]:
        """All that must be as if an undone import had never run, but for gaps."""
        tables = {name: self.table(name) for name in DERIVED}
        return tables | {"says": self.table(f"({_SAYS})"), "kept": self.table(f"({_KEPT})")}

    def gaps(self) -> Table:
        """Each gap, and whether it is open."""
        return self.table("(select after_at, before_at, closed_at is null from coverage_gaps)")


def without_undone(events: Sequence[Event | None]) -> list[Event | None]:
    """The same minutes without the imports that are undone."""
    gone = {event.name for event in events if isinstance(event, Undo)}
    return [
        None if isinstance(event, Import | Undo) and event.name in gone else event
        for event in events
    ]


def at(minute: float) -> datetime:
    """An instant some minutes into a day."""
    return datetime(2024, 5, 1, tzinfo=UTC) + timedelta(minutes=minute)
