"""Owns the benchmarks of `query`: whole processes against bare scripts, and each question alone.

Never measures an answer that is empty.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import duckdb

from spotify_hist import settings as settings_module
from spotify_hist.analytics import catalogue, run
from spotify_hist.store.database import Connection, Database
from spotify_hist.store.kept_open import KeptOpen

from .measure import HERE, Ceiling, Comparison, paired, program, seconds
from .measure import run as run_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spotify_hist.analytics.header import Query

    from .data import Export

DAYS = 90
QUESTION = "top-artists"
LEAST_OUTPUT = 1000
MOST_RATIO = 1.2
MOST_MS, SLOWEST_MS, SLOWEST = 60.0, 250.0, 3
MANY, MOST_SCANS, SPARE_S = 10, 4.0, 0.05
# Nothing is known of these in a history of music that was never enriched, by one who never stops.
MAY_BE_EMPTY = {
    "audio-profile", "completion", "duplicates", "forgotten", "gaps", "rediscoveries",
    "top-audiobooks", "top-contexts", "top-episodes", "top-genres", "top-shows",
}  # fmt: skip


class _Recorder:
    """A connection that notes what is run on it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.told: list[tuple[str, object]] = []

    def execute(self, statement: str, parameters: object = None) -> Any:
        self.told.append((statement, parameters))
        return self._connection.execute(statement, parameters)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


class _Recording(Database):
    """The database, and what the last question ran on it."""

    recorder: _Recorder

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with super().read() as connection:
            self.recorder = _Recorder(connection)
            yield cast("Connection", self.recorder)


def querying(directory: Path, export: Export, runs: int) -> list[Comparison]:
    """`query top-artists --days 90` against scripts that run the same SQL, as a table and JSON."""
    home = directory / "query-home"
    run_process([*program(home), "import", str(export.archive)])
    statements = directory / "statements.json"
    statements.write_text(json.dumps(_statements(home)), encoding="utf-8")
    bare = [sys.executable, str(HERE / "bare_query.py"), str(home / "history.duckdb")]
    bare.append(str(statements))
    ours = [*program(home), "query", QUESTION, "--days", str(DAYS)]
    found = []
    for name, more, bare_more in (
        ("", [], []),
        (" --format json", ["--format", "json"], ["--json"]),
    ):
        for command in ([*ours, *more], [*bare, *bare_more]):
            if len(run_process(command)) < LEAST_OUTPUT:
                raise ValueError(f"too few rows to measure: {command}")
        pairs = paired(
            partial(seconds, [*ours, *more]), partial(seconds, [*bare, *bare_more]), runs
        )
        found.append(Comparison(f"query {QUESTION} --days {DAYS}{name}", *pairs, target=MOST_RATIO))
    return found


def _statements(home: Path) -> list[tuple[str, object]]:
    """The SQL of the question: the views it stands on, and itself."""
    settings = settings_module.load(str(home))
    database = _Recording(settings.database)
    run.answer(database, settings, QUESTION, {"days": DAYS}, now=datetime.now(UTC))
    told = database.recorder.told
    last = next(at for at in reversed(range(len(told))) if "limit" in str(told[at][1]))
    made = [each for each in told[:last] if "create or replace temp" in each[0]]
    return [(text, parameters or {}) for text, parameters in (*made, told[last])]


def questions(directory: Path, export: Export, runs: int) -> list[Ceiling]:
    """Every question over all of the history, in this process on an open file; slowest first."""
    home = directory / "questions-home"
    run_process([*program(home), "import", str(export.archive)])
    settings = settings_module.load(str(home))
    database = KeptOpen(settings.database)
    taken = {
        query.name: _milliseconds(database, settings, query, {}, runs)
        for query in catalogue.all_queries()
    }
    database.close()
    order = sorted(taken, key=lambda name: -taken[name])
    return [
        Ceiling(f"question {name}", [taken[name]], [taken[QUESTION]], most, unit="ms")
        for name, most in zip(
            order, [SLOWEST_MS] * SLOWEST + [MOST_MS] * (len(order) - SLOWEST), strict=True
        )
    ] + [_ten_times(directory, home, runs)]


def _milliseconds(
    database: Database,
    settings: settings_module.Settings,
    query: Query,
    arguments: dict[str, object],
    runs: int,
) -> float:
    given = {**_example(query), **arguments}
    times = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        answer = run.answer(database, settings, query.name, given, now=datetime.now(UTC))
        times.append((time.perf_counter() - started) * 1000)
    if not answer.rows and query.name not in MAY_BE_EMPTY:
        raise ValueError(f"{query.name} answered nothing")
    return statistics.median(times[1:])


def _example(query: Query) -> dict[str, object]:
    """What a question cannot do without: things that the invented listener played."""
    known = {"artist": "Lunar Choir", "track": "Return of December", "album": "Return of December"}
    return {
        param.name: known.get(param.type, "return") for param in query.params if param.is_required
    }


def _ten_times(directory: Path, home: Path, runs: int) -> Ceiling:
    """taste-summary of 90 days in a history ten times as large, against a scan of the same time."""
    large = directory / "ten-times"
    shutil.copytree(home, large)
    with duckdb.connect(str(large / "history.duckdb")) as connection:
        connection.execute("set timezone = 'UTC'")
        for times in range(1, MANY):
            connection.execute(
                "insert into plays by name select * replace ("
                f"played_at - interval {times * 20} year as played_at) "
                "from plays where played_at >= timestamptz '2006-01-01'"
            )
    settings = settings_module.load(str(large))
    database = KeptOpen(settings.database)
    query = catalogue.load("taste-summary")
    ours = _milliseconds(database, settings, query, {"days": DAYS}, runs)
    database.close()
    since = datetime.now(UTC) - timedelta(days=DAYS)
    with duckdb.connect(str(large / "history.duckdb"), read_only=True) as connection:
        times_taken = []
        for _ in range(runs + 1):
            started = time.perf_counter()
            connection.execute(
                "select count(*), sum(ms_played) from plays where played_at >= $since",
                {"since": since},
            ).fetchall()
            times_taken.append(time.perf_counter() - started)
    bare_s = statistics.median(times_taken[1:])
    return Ceiling(
        "taste-summary, ten times the plays",
        [ours],
        [bare_s * 1000],
        (MOST_SCANS * bare_s + SPARE_S) * 1000,
        unit="ms",
    )
