"""An empty history in memory: batches go in as `collect` brings them, tables come out as text."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
from reference import Told

from spotify_hist.analytics import scope
from spotify_hist.analytics.scope import Scope
from spotify_hist.model import Record
from spotify_hist.store import migrate, reconcile, records
from spotify_hist.store.records import Committed, StagedRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spotify_hist.store.database import Connection

USER = 1
# Everything that is a function of the set of records, but the fields only kept on demand.
DERIVED = (
    "play_records", "plays", "kept_plays", "tracks", "artists", "albums", "track_links",
)  # fmt: skip

Table = list[tuple[str | None, ...]]


def look(connection: Connection) -> None:
    """Make the views that questions stand on, of a history as it is now, unmerged."""
    everything = Scope.everything(USER, datetime(2026, 1, 1, tzinfo=UTC), is_raw=True)
    scope.make(connection, everything, wants_estimates=False)


class History:
    """One connection for many examples: opening a database costs more than most of them."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("set timezone = 'UTC'")
        migrate.upgrade(self.connection)
        self.look()

    @contextmanager
    def empty(self) -> Iterator[History]:
        """This history, empty again afterwards."""
        self.connection.begin()
        try:
            yield self
        finally:
            self.connection.rollback()

    def add(self, rows: Sequence[StagedRow], user_id: int = USER) -> Committed:
        """Commit a batch."""
        records.create_stage(self.connection)
        records.stage(self.connection, rows)
        records.key_stage(self.connection, user_id)
        return records.commit(self.connection, user_id)

    def add_records(self, *told: Record) -> Committed:
        """Commit the rows of one export or page."""
        return self.add([StagedRow(1, at, "export", record) for at, record in enumerate(told)])

    def rebuild_everything(self, user_id: int = USER) -> None:
        """Make all plays anew, as if every instant had changed."""
        self.connection.execute(
            "create or replace temp table touched as "
            "select distinct played_at, source from play_records where user_id = ?",
            [user_id],
        )
        reconcile.prepare(self.connection)
        reconcile.rebuild(self.connection, user_id, "touched")

    def remove(self, those: str, user_id: int = USER) -> None:
        """Take the records that a condition names away, and rebuild around them."""
        self.connection.execute(
            "create or replace temp table touched as "
            f"select played_at, source from play_records where {those}"
        )
        self.connection.execute(f"delete from play_records where {those}")
        self.connection.execute(
            "delete from plays where play_id not in (select play_id from play_records)"
        )
        if self.count("touched"):
            reconcile.rebuild(self.connection, user_id, "touched")

    def table(self, name: str) -> Table:
        """All rows of a table as text, in a fixed order."""
        if name == "kept_plays":
            self.look()
        rows: Table = self.connection.execute(
            f"select columns(*)::varchar from {name} order by all"
        ).fetchall()
        return rows

    def derived(self) -> dict[str, Table]:
        """What must be the same whatever way the same records came."""
        return {name: self.table(name) for name in DERIVED}

    def look(self) -> None:
        """Make the views that questions stand on, of the history as it is now, unmerged."""
        look(self.connection)

    def count(self, name: str) -> int:
        """Rows of a table."""
        return len(self.table(name))

    def sources(self) -> list[tuple[str, ...]]:
        """The sources of each play, sorted."""
        rows = self.connection.execute("select sources from plays").fetchall()
        return sorted(tuple(sources) for (sources,) in rows)

    def told(self) -> list[Told]:
        """Every record as the reference wants it."""
        names = ", ".join(
            "epoch_ms(played_at) as played_at_ms" if name == "played_at_ms" else name
            for name in Record._fields
        )
        rows = self.connection.execute(
            f"select {names}, nth, record_id::varchar, head_id::varchar from play_records"
        ).fetchall()
        return [Told(Record(*row[:-3]), *row[-3:]) for row in rows]

    def play_rows(self) -> list[tuple[frozenset[str], int, int | None, str, tuple[str, ...]]]:
        """Each play with the ids of its records."""
        rows = self.connection.execute(
            "select list(record_id::varchar), epoch_ms(any_value(plays.played_at)), "
            "any_value(plays.ms_played), any_value(plays.kind), any_value(plays.sources) "
            "from plays left join play_records using (play_id) group by plays.play_id"
        ).fetchall()
        return [
            (frozenset(ids), at, ms, kind, tuple(sources)) for ids, at, ms, kind, sources in rows
        ]
