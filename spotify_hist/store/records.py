"""Owns the way from staged rows to records: keys, idempotent insertion, what was played.

Never decides which records are one play; `reconcile` does, from the set of records alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from spotify_hist.model import ApiTrack, Record
from spotify_hist.store import reconcile, sql
from spotify_hist.store.database import Connection, integers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_BATCH = 20_000
_LINK = ("insert_names", "link")
_DETAILS = ("upsert_track_details", "upsert_album_details", "upsert_credited", "upsert_credits")
_STAGE_COLUMNS = ("file_id", "row_index", "package", *Record._fields)


class StagedRow(NamedTuple):
    """A record and where it stood: import file (0 for the API), row, and the export it is of."""

    file_id: int
    row_index: int
    package: str
    record: Record


@dataclass(frozen=True, slots=True)
class Committed:
    """What a batch of records did: `fresh` = `new` + `upgraded`; the rest were duplicates.

    `new` records began a play, `upgraded` ones added to a play. `plays_added` may differ from `new`
    where a record shows two plays to be one, or the two sayings of one play to be of two.
    """

    records: int
    fresh: int
    new: int
    upgraded: int
    plays_added: int

    @property
    def duplicate(self) -> int:
        return self.records - self.fresh


def create_stage(connection: Connection, *, temporary: bool = True) -> None:
    """An empty table `stage`: temporary, or part of a scratch database."""
    connection.execute(_placed("create_stage", temporary))


def stage(connection: Connection, rows: Iterable[StagedRow]) -> int:
    """Append rows to `stage` in batches; how many."""
    insert = f"insert into stage by name select {_UNNESTED}"
    iterator = iter(rows)
    count = 0
    while batch := list(islice(iterator, _BATCH)):
        columns = [
            [row.file_id for row in batch],
            [row.row_index for row in batch],
            [row.package for row in batch],
            *([list(column) for column in zip(*(row.record for row in batch), strict=True)]),
        ]
        connection.execute(insert, columns)
        count += len(batch)
    return count


_TYPES = {
    "file_id": "integer[]",
    "row_index": "integer[]",
    "played_at_ms": "bigint[]",
    "ms_played": "bigint[]",
    "offline_timestamp": "bigint[]",
    "shuffle": "boolean[]",
    "skipped": "boolean[]",
    "offline": "boolean[]",
    "incognito": "boolean[]",
}
_UNNESTED = ", ".join(
    f"unnest(${number}::{_TYPES.get(name, 'varchar[]')}) as {name}"
    for number, name in enumerate(_STAGE_COLUMNS, 1)
)


def key_stage(connection: Connection, user_id: int, *, temporary: bool = True) -> None:
    """Make the table `keyed` of `stage`: the rows with their record, head and track ids."""
    connection.execute(_placed("key_stage", temporary), {"user_id": user_id})


def _placed(step: str, temporary: bool) -> str:
    return sql.load("records")[step].replace("{temporary}", "temporary" if temporary else "")


def commit(connection: Connection, user_id: int, keyed: str = "keyed") -> Committed:
    """Insert the records of table `keyed` that are not known yet and rebuild their plays.

    Runs inside the caller's transaction. Rows of known records change nothing but private fields
    that were not kept before.
    """
    step = sql.load("records")
    reconcile.prepare(connection)
    records, private = integers(
        connection,
        f"select count(*), count(private) from {keyed}",  # noqa: S608 - our own table
    )
    find = step["find_fresh"].replace("{keyed}", keyed)
    connection.execute(find, {"user_id": user_id})
    (fresh,) = integers(connection, "select count(*) from fresh")
    connection.execute(step["insert_rows"].replace("{keyed}", keyed))
    if fresh:
        connection.execute(step["insert_fresh"], {"user_id": user_id})
    if private:
        keep = step["keep_private"].replace("{keyed}", keyed)
        connection.execute(keep, {"user_id": user_id})
    if not fresh:
        return Committed(records, 0, 0, 0, 0)
    for name in ("upsert_tracks", "upsert_artists", "upsert_albums", "find_names", *_LINK):
        connection.execute(step[name])
    former = reconcile.rebuild(connection, user_id, "fresh")
    new, plays_added = integers(connection, step["count_new"], {"former": former})
    return Committed(records, fresh, new, fresh - new, plays_added)


def add_track_details(connection: Connection, tracks: Sequence[ApiTrack]) -> None:
    """Store what the API tells of tracks beyond their names; absent fields erase nothing."""
    if not tracks:
        return
    step = sql.load("records")
    details = {
        field: [getattr(track, field) for track in tracks]
        for field in ("track_id", "duration_ms", "isrc", "album_id", "release_date", "image_url")
    }
    connection.execute(step["create_track_details"], details)
    credited = [
        (track.track_id, position, artist_id, name)
        for track in tracks
        for position, (artist_id, name) in enumerate(track.artists)
        if artist_id
    ]
    fields = ("track_id", "position", "artist_id", "name")
    credit = {field: [row[number] for row in credited] for number, field in enumerate(fields)}
    connection.execute(step["create_credits"], credit)
    for name in _DETAILS:
        connection.execute(step[name])
