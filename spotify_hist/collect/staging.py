"""Owns getting the rows of an import's files into its scratch database, keyed and accounted for.

Never opens the history itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spotify_hist import normalise
from spotify_hist.collect.unknown_keys import UnknownKeys, printable
from spotify_hist.collect.unpacking import Unpacked, Unpacker
from spotify_hist.errors import BadInput
from spotify_hist.model import Record
from spotify_hist.sources.exports import reader
from spotify_hist.sources.exports.formats import source_of
from spotify_hist.sources.exports.opening import open_rows
from spotify_hist.store import bulk, records
from spotify_hist.store.bulk import BulkFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spotify_hist.collect.workspace import Workspace
    from spotify_hist.sources.exports.archive import Member
    from spotify_hist.store.import_jobs import KnownFile

_LEAST_BYTES = 100_000  # below this a file is read row by row just as fast

# Unpacked bytes read, bytes in all, rows so far.
Progress = Callable[[int, int, int], None]


@dataclass(slots=True)
class StagedFile:
    """One file of an import: its rows, those rejected as (index, reason), where it broke off, and
    in how many of its rows each unknown key stands.

    Of a known one, which an earlier import has read, no row is staged.
    """

    number: int
    name: str
    package: str
    format: str
    sha256: str = ""
    packed_sha256: str | None = None
    is_known: bool = False
    records: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    damage: str | None = None
    unknown_keys: dict[str, int] = field(default_factory=dict)


def stage_members(
    space: Workspace,
    members: Sequence[Member],
    user_id: int,
    known: Sequence[KnownFile] = (),
    *,
    max_rows: int,
    keep_private: bool,
    on_progress: Progress,
    least_bulk_bytes: int = _LEAST_BYTES,
) -> list[StagedFile]:
    """Read the rows of all members into the table `keyed` for a listener; what became of each file,
    in their order.

    Files that say what a `known` one says are not read again; the others are unpacked while DuckDB
    reads those before them. Raises BadInput where there are more than `max_rows`.
    """
    bulk.create(space.connection, user_id)
    files = [
        StagedFile(number, member.name, member.package, member.format)
        for number, member in enumerate(members, 1)
    ]
    total = sum(member.size for member in members)
    done = rows = 0
    with Unpacker(space.directory, known) as unpacker:
        for batch in unpacker.batches(members, None if keep_private else least_bulk_bytes):
            taken = _read_together(space, user_id, batch)
            for each in batch:
                file = files[each.number - 1]
                file.sha256, file.packed_sha256 = each.sha256, each.packed_sha256
                if each.known is not None:
                    file.records, file.is_known = each.known.records, True
                elif file.number in taken:
                    file.records = taken[file.number]
                    file.unknown_keys = printable(each.unknown_keys, file.records)
                else:
                    unpacker.rest()
                    _stage_rows(space, each.member, file, keep_private=keep_private)
                done += each.member.size
                rows += file.records
                on_progress(done, total, rows)
                if rows > max_rows:
                    raise BadInput(
                        f"This import has more than {max_rows:,} rows.",
                        hint="Import its files in several goes, or raise import.max_rows.",
                    )
    bulk.key_stage(space.connection, user_id)
    return files


def _read_together(space: Workspace, user_id: int, batch: Sequence[Unpacked]) -> dict[int, int]:
    """Let DuckDB read what it can of a batch; {number: rows} of the files it has read."""
    plain = [BulkFile(each.path, each.number) for each in batch if each.path is not None]
    return bulk.key_files(space.connection, plain, user_id)


def _stage_rows(space: Workspace, member: Member, file: StagedFile, *, keep_private: bool) -> None:
    """Read one file row by row: the reference for what the fast way must give."""
    source = source_of(member.format)
    unknown = UnknownKeys(source)

    def good_rows() -> Iterator[records.StagedRow]:
        try:
            with member.open() as stream:
                for index, raw in open_rows(member.format, stream):
                    file.records += 1
                    unknown.look_at(raw)
                    record = normalise.row(source, raw, keep_private)
                    if isinstance(record, Record):
                        yield records.StagedRow(file.number, index, file.package, record)
                    else:
                        file.rejected.append((index, record.reason))
        except reader.DamagedFile as damage:
            file.damage = damage.reason
        except OSError as error:  # it was there when the files were looked for
            file.damage = f"the file cannot be read: {error.strerror or type(error).__name__}"

    records.stage(space.connection, good_rows())
    file.unknown_keys = printable(unknown.rows, file.records)
