"""Owns the schema: numbered `.sql` files, one transaction each with a checksum.

Never edits data outside a migration, and never opens the file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import duckdb

from spotify_hist.errors import DamagedDatabase, NewerDatabase


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: `up` and the tested way back `down`."""

    number: int
    name: str
    up: str
    down: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.up.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations this version knows, in order, from `migrations/NNNN_name.sql`."""
    folder = resources.files("spotify_hist.store.migrations")
    found = []
    for entry in folder.iterdir():
        if not entry.name.endswith(".sql") or entry.name.endswith(".down.sql"):
            continue
        stem = entry.name.removesuffix(".sql")
        number, _, name = stem.partition("_")
        down = folder.joinpath(f"{stem}.down.sql").read_text(encoding="utf-8")
        found.append(Migration(int(number), name, entry.read_text(encoding="utf-8"), down))
    return tuple(sorted(found, key=lambda migration: migration.number))


def latest() -> int:
    """The schema version this program writes."""
    return migrations()[-1].number


def version(connection: duckdb.DuckDBPyConnection) -> int:
    """The schema version of an open database; 0 for an empty one.

    Raises NewerDatabase where it was written by a newer program, DamagedDatabase where tables
    are there that are not ours or an applied migration is not the one we know.
    """
    try:
        applied = connection.execute(
            "select version, checksum from schema_migrations order by version"
        ).fetchall()
    except duckdb.CatalogException:
        return _version_without_table(connection)
    except duckdb.BinderException:
        raise DamagedDatabase(
            "The table of migrations in the database is not one of ours."
        ) from None
    known = {migration.number: migration.checksum for migration in migrations()}
    for number, checksum in applied:
        if number not in known:
            raise NewerDatabase(
                f"The database has schema {applied[-1][0]}, newer than this version's {latest()}."
            )
        if known[number] != checksum:
            raise DamagedDatabase(f"Migration {number} of the database is not the one we know.")
    return int(applied[-1][0]) if applied else 0


def _version_without_table(connection: duckdb.DuckDBPyConnection) -> int:
    """0 for an empty database; DamagedDatabase where the tables in it are not ours."""
    tables = connection.execute(
        "select 1 from duckdb_tables() where not internal and not temporary limit 1"
    ).fetchall()
    if tables:
        raise DamagedDatabase(
            "The database file holds tables that spotify-hist did not make.",
            hint="Point SPOTIFY_HIST_HOME at a directory of its own.",
        )
    return 0


def upgrade(connection: duckdb.DuckDBPyConnection) -> None:
    """Apply every migration still missing, each in a transaction of its own."""
    current = version(connection)
    for migration in migrations():
        if migration.number <= current:
            continue
        connection.begin()
        try:
            connection.execute(migration.up)
            connection.execute(
                "insert into schema_migrations values (?, ?, ?, now())",
                [migration.number, migration.name, migration.checksum],
            )
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


def downgrade(connection: duckdb.DuckDBPyConnection, target: int) -> None:
    """Undo migrations above `target`, newest first, each in a transaction of its own."""
    current = version(connection)
    for migration in reversed(migrations()):
        if not target < migration.number <= current:
            continue
        connection.begin()
        try:
            if migration.number > 1:
                connection.execute(
                    "delete from schema_migrations where version = ?", [migration.number]
                )
            connection.execute(migration.down)
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
