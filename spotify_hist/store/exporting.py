"""Owns everything's way out again: the history as files that other programs, and this one, read.

Never changes the history, and leaves no half-written file.
"""

from __future__ import annotations

import glob
import zipfile
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, get_args
from urllib.parse import quote

from spotify_hist.errors import BadInput, NoHistory
from spotify_hist.model import iso
from spotify_hist.store import identity, listeners, reconcile, removal, rewriting, sql
from spotify_hist.store.database import Database, integers
from spotify_hist.store.duckdb_errors import RAISE_MEMORY, translated
from spotify_hist.store.outbox import Outbox, outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from spotify_hist.model import Listener
    from spotify_hist.store.database import Connection

Form = Literal["parquet", "csv", "ndjson", "listenbrainz", "duckdb"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Shipped:
    """What went out of one listener: `rows` are records, plays or listens, by the format's word.

    `left_out` are plays that the format has no place for, by reason.
    """

    user: str
    rows: dict[str, int]
    files: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Export:
    """The receipt of an export."""

    directory: str
    format: Form
    exported_at: str
    listeners: list[Shipped]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def export(
    database: Database,
    directory: Path,
    form: Form,
    *,
    now: datetime,
    user: str | None = None,
    force: bool = False,
    memory_mb: int = 550,
) -> Export:
    """Write the history of one listener, or of all, to a directory; what went.

    The directory is new or empty, or with `force` that of an earlier export. Raises UsageError for
    another one, NoHistory, BadInput and StorageFull where it cannot be written, and the errors of
    the store.
    """
    with outbox(directory, force=force) as box:
        with translated(box.directory):
            shipped = _ship(database, box, form, user, memory_mb)
        account = Export(str(box.directory), form, iso(now), shipped)
        box.finish(account.as_dict() | {"directory": "."})
    return account


def _ship(
    database: Database, box: Outbox, form: Form, user: str | None, memory_mb: int
) -> list[Shipped]:
    with database.read() as connection, translated(box.directory, RAISE_MEMORY):
        meant = _meant(connection, user)
        if form != "duckdb":
            # Sorting a long history takes more than small machines have: the rest goes to disk.
            connection.execute(f"set memory_limit = '{memory_mb:d}MB'")
            connection.execute(f"set temp_directory = '{_escaped(box.making / 'spill')}'")
            reconcile.prepare(connection)
            identity.use(connection)
            return _WRITERS[form](connection, box, meant)
    return _as_database(database, box, meant)


def _meant(connection: Connection, user: str | None) -> list[Listener]:
    """The listeners whose history goes out: all where none is named."""
    if user is None:
        found = listeners.listeners(connection)
    else:
        one = listeners.find_listener(connection, user)
        found = [one] if one else []
    if not found:
        raise NoHistory("The history holds no listener yet.")
    return found


def _write_records(
    ending: str,
) -> Callable[[Connection, Outbox, list[Listener]], list[Shipped]]:
    """What writes one file of records a listener, which `import` takes back whole."""

    def write(connection: Connection, box: Outbox, meant: list[Listener]) -> list[Shipped]:
        shipped = []
        for listener, name in zip(meant, _file_names(meant), strict=True):
            rows = _step("records", user_id=str(listener.user_id))
            if ending == "ndjson":
                rows = _step("lines", rows=rows)
            file = f"{name}.{ending}"
            _write(connection, rows, ending, box.making / file)
            counts = {"records": _count(connection, "records", listener)}
            shipped.append(Shipped(listener.name, counts, [file]))
        return shipped

    return write


def _write(connection: Connection, rows: str, ending: str, path: Path) -> None:
    """Write the rows of a statement, and see that they can be read back.

    Raises BadInput where what can be read is not what was written.
    """
    file = _escaped(path)
    connection.execute(_step(f"write_{ending}", rows=rows, file=file))
    # DuckDB takes a path to read for a pattern, and a folder may be called like one.
    pattern = glob.escape(str(path)).replace("'", "''")
    written = _sums(connection, _step(f"read_{ending}", file=pattern))
    if written != _sums(connection, rows):
        raise _not_written(path)


def _sums(connection: Connection, rows: str) -> dict[str, object]:
    """What tells rows from any others, whatever their order and that of the columns."""
    found = connection.execute(_step("sums", rows=rows))
    names = [column[0] for column in found.description or ()]
    return dict(zip(names, found.fetchone() or (), strict=True))


def _not_written(path: Path) -> BadInput:
    return BadInput(
        f"What was written to {path} is not what can be read from it.",
        hint="Nothing was left there. Check the disk, then export again.",
    )


def _write_parquet(connection: Connection, box: Outbox, meant: list[Listener]) -> list[Shipped]:
    """Plays with their names, and records, each by listener and year."""
    user_ids = ", ".join(str(each.user_id) for each in meant)
    for name, step in (("plays", "plays"), ("records", "told")):
        rows = _step(step, user_ids=user_ids)
        _write(connection, rows, "parquet", box.making / name)
    return [
        Shipped(
            each.name,
            {name: _count(connection, name, each) for name in ("plays", "records")},
            ["plays", "records"],
        )
        for each in meant
    ]


def _write_listens(connection: Connection, box: Outbox, meant: list[Listener]) -> list[Shipped]:
    """A ZIP a listener, laid out as ListenBrainz' own export, which its importer takes
    (listenbrainz/background/listens_importer/listenbrainz.py of metabrainz/listenbrainz-server)."""
    shipped = []
    for listener, name in zip(meant, _file_names(meant), strict=True):
        where = {"user_id": listener.user_id}
        file = f"listenbrainz_{name}.zip"
        connection.execute(_step("listens"), where)
        count = 0
        with zipfile.ZipFile(box.making / file, "w", zipfile.ZIP_DEFLATED) as package:
            for (year, month), rows in groupby(_fetched(connection), key=lambda row: row[:2]):
                with package.open(f"listens/{year}/{month}.jsonl", "w") as listens:
                    for _, _, listen in rows:
                        listens.write(listen.encode() + b"\n")
                        count += 1
        if _lines_in(box.making / file) != count:
            raise _not_written(box.making / file)
        left_out = dict(connection.execute(_step("left_out"), where).fetchall())
        shipped.append(Shipped(listener.name, {"listens": count}, [file], left_out))
    return shipped


def _lines_in(path: Path) -> int:
    """How many lines the members of a ZIP hold; -1 where one is damaged."""
    with zipfile.ZipFile(path) as package:
        if package.testzip() is not None:
            return -1
        return sum(1 for name in package.namelist() for _ in package.open(name))


def _fetched(connection: Connection) -> Iterator[tuple[str, ...]]:
    while rows := connection.fetchmany(_AT_ONCE):
        yield from rows


def _as_database(database: Database, box: Outbox, meant: list[Listener]) -> list[Shipped]:
    """The file itself, without what only the collecting here needs; it can be a home's again."""
    made = Database(box.making / database.path.name)
    database.copy_to(made.path)
    with made.write("export") as connection:
        names = {each.name for each in meant}
        for listener in listeners.listeners(connection):
            if listener.name not in names:
                removal.remove(connection, listener)
        for statement in filter(None, map(str.strip, _step("empty_operations").split(";"))):
            connection.execute(statement)
        identity.refresh(connection)
        shipped = [
            Shipped(
                each.name,
                {name: _count(connection, name, each) for name in ("plays", "records")},
                [made.path.name],
            )
            for each in meant
        ]
    # Deleted rows stay in the blocks of a file until it is written anew.
    made.rewrite("export")
    for beside in box.making.glob(f"{made.path.name}.*"):
        if beside in rewriting.unsettled_logs(made.path):
            raise _not_written(made.path)
        beside.unlink()
    return shipped


def _file_names(meant: list[Listener]) -> list[str]:
    """A file name for each listener; names that differ in case alone are numbered."""
    names: list[str] = []
    for each in meant:
        name = quote(each.name, safe=" @+-_.").lstrip(".") or "listener"
        taken = {other.lower() for other in names}
        names.append(name if name.lower() not in taken else f"{name} {each.user_id}")
    return names


def _count(connection: Connection, what: str, listener: Listener) -> int:
    return integers(connection, _step(f"count_{what}"), {"user_id": listener.user_id})[0]


def _step(name: str, **filled: str) -> str:
    text = sql.load("exporting")[name]
    for key, value in filled.items():
        text = text.replace(f"{{{key}}}", value.rstrip(";"))
    return text


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")


_WRITERS: Final[dict[str, Callable[[Connection, Outbox, list[Listener]], list[Shipped]]]] = {
    "csv": _write_records("csv"),
    "ndjson": _write_records("ndjson"),
    "parquet": _write_parquet,
    "listenbrainz": _write_listens,
}
