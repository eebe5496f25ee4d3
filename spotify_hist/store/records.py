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
_NAMES = ("upsert_tracks", "upsert_artists", "upsert_albums", "find_names", "insert_names", "link")
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

    def plus(self, other: Committed) -> Committed:
        """What both did together."""
        return Committed(
            self.records + other.records,
            self.fresh + other.fresh,
            self.new + other.new,
            self.upgraded + other.upgraded,
            self.plays_added + other.plays_added,
        )


def create_stage(connection: Connection) -> None:
    """An empty temporary table `stage`."""
    connection.execute(sql.load("records")["create_stage"])


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


def key_stage(connection: Connection, user_id: int) -> None:
    """Make the temporary table `keyed` of `stage`: the rows with their record, head and track
    ids."""
    keys = keyed_rows(counted(connection))
    connection.execute(f"create or replace temp table keyed as {keys}", {"user_id": user_id})


def keyed_rows(counted: str) -> str:
    """The statement that gives rows their ids, for `$user_id`; `counted` selects rows as `stage`
    has them and `nth`, which of several equal ones each is."""
    return sql.load("records")["keys"].replace("{counted}", counted)


def counted(connection: Connection) -> str:
    """What `keyed_rows` wants, of the rows in `stage`."""
    (account,) = integers(connection, "select count(*) from stage where source = 'account'")
    return sql.load("records")["counted_equal" if account else "counted"]


def commit(
    connection: Connection, user_id: int, keyed: str = "keyed", *, is_large: bool = False
) -> Committed:
    """Insert the records of table `keyed` that are not known yet and rebuild their plays.

    Runs inside the caller's transaction. Rows of known records change nothing but private fields
    that were not kept before. `is_large`: so many rows that looking twice is cheaper than copying.
    """
    step = sql.load("records")
    reconcile.prepare(connection)
    count = step["count_keyed"].replace("{keyed}", keyed)
    # Where no two rows share a head, no two say the same record.
    first = "head_id" if is_large else "record_id"
    records, private, distinct = integers(connection, count.replace("{id}", first))
    has_own_heads = is_large and records == distinct
    if is_large and not has_own_heads:
        distinct = integers(connection, count.replace("{id}", "record_id"))[2]
    fresh = _find_fresh(connection, user_id, keyed, is_large=is_large, repeats=records - distinct)
    is_plain = (
        is_large and not integers(connection, step["count_sharing"].replace("{keyed}", keyed))[0]
    )
    rows = step["insert_rows" if is_plain else "insert_unshared_rows"]
    connection.execute(rows.replace("{keyed}", keyed))
    if fresh:
        connection.execute(step["insert_fresh"], {"user_id": user_id})
    if private:
        keep = step["keep_private"].replace("{keyed}", keyed)
        connection.execute(keep, {"user_id": user_id})
    if not fresh:
        return Committed(records, 0, 0, 0, 0)
    for name in (*(("tell", "told") if is_large else ("tell_each",)), *_NAMES):
        connection.execute(step[name].replace("{records}", "fresh"))
    former, made = reconcile.rebuild(connection, user_id, "fresh", has_own_heads=has_own_heads)
    # Where nothing stood before, every play is one that a fresh record began.
    new = integers(connection, step["count_new"])[0] if former else made
    return Committed(records, fresh, new, fresh - new, made - former)


def _find_fresh(
    connection: Connection, user_id: int, keyed: str, *, is_large: bool, repeats: int
) -> int:
    """Make `fresh` of the rows of `keyed` whose records are not known, each once; how many."""
    step = {name: text.replace("{keyed}", keyed) for name, text in sql.load("records").items()}
    where = {"user_id": user_id}
    rows = "fresh_rows"
    if is_large and not repeats and not integers(connection, step["count_known"], where)[0]:
        rows = keyed
    else:
        connection.execute(step["find_fresh"], where)
    if repeats:
        connection.execute(step["drop_repeated"])
    connection.execute(step["fresh"].replace("{rows}", rows))
    return integers(connection, "select count(*) from fresh")[0]


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
