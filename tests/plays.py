"""Small hand-made histories: one line a play, committed as `collect` commits them.

Instants are ISO texts, UTC where they name no offset. A play's source decides what it can say:
the API knows no listened time, account data no URI.
"""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import duckdb

from spotify_hist import settings as settings_module
from spotify_hist.analytics import run
from spotify_hist.model import Kind, Record
from spotify_hist.store import listeners, migrate, records
from spotify_hist.store.database import Connection, Database, Room
from spotify_hist.store.records import StagedRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spotify_hist.analytics.header import Query
    from spotify_hist.analytics.run import Answer

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
MINUTE_MS = 60_000

Instant: TypeAlias = str | datetime


def epoch_ms(at: Instant) -> int:
    """Epoch milliseconds of an instant, UTC where it names no offset."""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def extended(
    at: Instant,
    title: str | None = "Song",
    artist: str | None = "Artist",
    ms: int = 200_000,
    *,
    album: str | None = "Album",
    uri: str | None = None,
    kind: Kind = "track",
) -> Record:
    """A row of the extended history; without `uri` one as of 2020 (FACTS 5.3)."""
    return Record("extended", epoch_ms(at), kind, ms, uri, title, artist, album)


def account(
    at: Instant,
    title: str = "Song",
    artist: str = "Artist",
    ms: int = 200_000,
    kind: Kind = "track",
) -> Record:
    """A row of the account data: no URI, and the minute of the end alone (FACTS 5.1)."""
    minute = epoch_ms(at) // MINUTE_MS * MINUTE_MS
    return Record("account", minute, kind, ms, None, title, artist)


def api(
    at: Instant,
    title: str,
    artist: str,
    *,
    uri: str,
    album: str = "Album",
    artist_uri: str | None = None,
) -> Record:
    """An item of recently-played: always a track, never a listened time (FACTS 3.3, 3.8)."""
    return Record(
        "api", epoch_ms(at), "track", None, uri, title, artist, album, artist_uri=artist_uri
    )


def unnamed(at: Instant, ms: int = 5_000) -> Record:
    """A row with no metadata at all (FACTS 5.6)."""
    return extended(at, None, None, ms, album=None, kind="unknown")


class MemoryDatabase(Database):
    """The real schema, in memory: for tests that need many histories or only ever read."""

    def __init__(self) -> None:
        super().__init__(Path("memory"))
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("set timezone = 'UTC'")
        migrate.upgrade(self.connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """The one connection."""
        yield self.connection

    @contextmanager
    def write(
        self, label: str, *, is_small: bool = False, room: Room | None = None
    ) -> Iterator[Connection]:
        """The one connection, in whatever transaction it is."""
        assert label or is_small or room
        yield self.connection

    @contextmanager
    def emptied_afterwards(self) -> Iterator[MemoryDatabase]:
        """This database, as it was before when the block ends."""
        self.connection.begin()
        try:
            yield self
        finally:
            self.connection.rollback()


def add(database: Database, told: Sequence[Record], listener: str = "me") -> None:
    """Commit one batch of records for a listener, who is made where there is none yet."""
    with database.write("test") as connection:
        found = listeners.listener_for_import(connection, listener, None, NOW)
        if told:
            records.create_stage(connection)
            records.stage(connection, (StagedRow(1, at, "p", each) for at, each in enumerate(told)))
            records.key_stage(connection, found.user_id)
            records.commit(connection, found.user_id)


def add_gap(database: Database, after: Instant, before: Instant, *, is_open: bool = True) -> None:
    """A stretch in which plays of the first listener are known to be missing."""
    edges = [datetime.fromtimestamp(epoch_ms(at) / 1000, UTC) for at in (after, before)]
    with database.write("test") as connection:
        connection.execute(
            "insert into coverage_gaps values (1, $after, $before, $now, $closed)",
            {
                "after": edges[0],
                "before": edges[1],
                "now": NOW,
                "closed": None if is_open else NOW,
            },
        )


# What the hand-made histories hold, where an example names something of a real one.
PLAYED = {"artist": "Ann", "track": "Alpha", "album": "One"}


def example_arguments(query: Query) -> dict[str, object]:
    """What a question cannot be asked without: as in its example, but of what `PLAYED` names."""
    words = shlex.split(query.example)
    given = dict(pairwise(words))
    return {
        param.name: PLAYED.get(param.type, given[f"--{param.option}"])
        for param in query.params
        if param.is_required
    }


def ask(database: Database, question: str, **arguments: object) -> Answer:
    """The answer to a question at `NOW`, in UTC where nothing else is said."""
    settings = settings_module.load("/nowhere", {})
    return run.answer(database, settings, question, {"timezone": "UTC"} | arguments, now=NOW)


def rows(database: Database, question: str, **arguments: object) -> list[tuple[object, ...]]:
    """Only the rows of `ask`."""
    return ask(database, question, **arguments).rows


def cells(answer: Answer, *names: str) -> list[tuple[object, ...]]:
    """Some columns of an answer, by name."""
    places = [[column.name for column in answer.columns].index(name) for name in names]
    return [tuple(row[place] for place in places) for row in answer.rows]
