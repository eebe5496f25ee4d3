"""What must not depend on any fault: the history and its accounts, read from a home.

Never changes anything there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from spotify_hist.store.database import Connection

Rows = tuple[tuple[object, ...], ...]

EXPORT = "out"  # where in a home an export goes
# What DuckDB takes into the file with the next write, and locks that stay once somebody failed.
_LOG = {"history.duckdb.wal"}
_LOCKS = {"outages/lock"}
# Whoever is not told that an import was done gives the command once more, and has another account
# of nothing but duplicates.
_COUNTED = """
select *, row_number() over (order by import_id) as nth
from import_jobs
where new + upgraded > 0 or undone_at is not null
"""
_REPEATED = """
select *, null as nth
from import_jobs
where new + upgraded = 0 and undone_at is null
"""
_ACCOUNTS = """
select nth, user_id, records, new, upgraded, duplicate, rejected, plays_added, gaps_closed,
    keep_private, undone_at is not null, ignored, failed::varchar
from ({imports})
"""
_FILES = """
select imports.nth, name, package, format, content_sha256, packed_sha256, content_file_id = file_id,
    files.records, files.new, files.upgraded, files.duplicate, files.rejected, damage,
    first_played_at::varchar, last_played_at::varchar,
    (select list(key || ' ' || value order by key) from json_each(files.kinds)),
    (select list(key || ' ' || value order by key) from json_each(files.unknown_keys)),
    (select list(row_index || ' ' || reason order by row_index) from rejected_rows as bad
        where bad.file_id = files.file_id)
from import_files as files
inner join ({imports}) as imports using (import_id)
"""
_SAID = """
select imports.nth, name, row_index, record_id::varchar
from record_rows
inner join import_files using (file_id)
inner join ({imports}) as imports using (import_id)
"""
_PRIVATE = """
select imports.nth, name, record_id::varchar, private
from record_privates
inner join import_files using (file_id)
inner join ({imports}) as imports using (import_id)
"""
# Work and what is noted of it are one transaction.
_UNNOTED = """
select
    (select count(*) from job_runs where job = 'import') - (select count(*) from import_jobs),
    (select count(*) from job_runs where job = 'undo') - (select count(undone_at) from import_jobs)
"""


@dataclass(frozen=True, slots=True)
class State:
    """The history, its accounts but for ids and times, and the names of all files.

    `repeats` are imports that brought nothing, and their files: these need not be there. `log` is
    what DuckDB takes into the file with the next write, `scratch` what imports left behind, and
    `outages` what is remembered of failed runs; `files` are without these.
    """

    users: Rows
    plays: Rows
    records: Rows
    names: Rows
    rows: Rows
    private: Rows
    accounts: Rows
    repeats: Rows
    unnoted: Rows
    checkpoints: Rows
    gaps: Rows
    exported: Rows
    files: Rows
    outages: Rows
    log: Rows
    scratch: Rows


def read(home: Path) -> State:
    """All that counts, read anew."""
    uploads = home / "uploads"
    paths = {
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and uploads not in path.parents
    }
    outages = {path for path in paths if path.startswith("outages/")} - _LOCKS
    left = [path.name for path in uploads.glob("*")]
    with Database(home / "history.duckdb", 20).read() as connection:
        checkpoints = _rows(
            connection,
            "select name, job, newest_played_at::varchar, state"
            " from sync_checkpoints join users using (user_id)",
        )
        return State(
            users=_rows(connection, "select user_id, name, account_id from users"),
            plays=_rows(connection, "select columns(*)::varchar from plays"),
            records=_rows(connection, "select columns(*)::varchar from play_records"),
            names=_names(connection),
            rows=_rows(connection, _SAID, _COUNTED),
            private=_rows(connection, _PRIVATE, _COUNTED),
            accounts=_accounts(connection, _COUNTED),
            repeats=_accounts(connection, _REPEATED),
            unnoted=_rows(connection, _UNNOTED),
            checkpoints=tuple((*row[:3], *_outcome(row[3])) for row in checkpoints),
            gaps=_rows(
                connection,
                "select after_at::varchar, before_at::varchar, closed_at is null,"
                " (select list(distinct import_id is null) from gap_closings as closing"
                " where closing.after_at = gap.after_at and closing.before_at = gap.before_at)"
                " from coverage_gaps as gap",
            ),
            exported=_exported(home / EXPORT),
            files=tuple((path,) for path in sorted(paths - _LOG - _LOCKS - outages)),
            outages=tuple((path,) for path in sorted(outages)),
            log=tuple((path,) for path in paths & _LOG),
            scratch=tuple((path,) for path in left),
        )


def _exported(directory: Path) -> Rows:
    """What an export holds, in files that a person could copy away as they are."""
    lines = tuple(
        (path.name, line)
        for path in sorted(directory.glob("*.ndjson"))
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    copied = directory / "history.duckdb"
    if not copied.exists():
        return lines
    with duckdb.connect(str(copied), read_only=True) as connection:
        return lines + _rows(connection, "select columns(*)::varchar from plays")


def _names(connection: Connection) -> Rows:
    """What was played, and what it is called."""
    tables = ("tracks", "artists", "albums", "told_names", "track_links", "track_artists")
    return tuple(
        (name, *row)
        for name in tables
        for row in _rows(connection, f"select columns(*)::varchar from {name}")
    )


def _accounts(connection: Connection, imports: str) -> Rows:
    return _rows(connection, _ACCOUNTS, imports) + _rows(connection, _FILES, imports)


def _rows(connection: Connection, statement: str, imports: str = "") -> Rows:
    found = connection.execute(statement.replace("{imports}", imports) + " order by all")
    return tuple(tuple(map(_hashable, row)) for row in found.fetchall())


def _hashable(value: object) -> object:
    return repr(value) if isinstance(value, list | dict) else value


def _outcome(state: object) -> tuple[object, object]:
    """Of a job's own memory, what does not hang on the hour it ran."""
    memory = json.loads(state) if isinstance(state, str) else {}
    return memory.get("finished"), memory.get("stopped_by")
