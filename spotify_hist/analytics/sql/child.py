"""Owns the process that runs one foreign SELECT: reads the request on stdin, says rows on stdout.

Never writes anything else anywhere, and once the statement is looked at it can open nothing more.

It says one JSON value a line: `{"waiting": …}` while another process has the history,
`{"opened": …}` once it is open, `{"columns": …}`, a list for each row, and `{"end": …}` or, at any
time, `{"error": …}`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from spotify_hist.analytics import notes, periods
from spotify_hist.analytics.scope import Scope
from spotify_hist.analytics.sql import promised, statement, walls
from spotify_hist.analytics.sql.values import Sayer
from spotify_hist.errors import BadInput, NoHistory, SpotifyHistError, UsageError
from spotify_hist.private_files import keep_private
from spotify_hist.store import listeners
from spotify_hist.store.database import Database
from spotify_hist.store.duckdb_errors import OUT_OF_MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spotify_hist.store.database import Connection

    Say = Callable[[object], None]

_AT_ONCE = 500
_AROUND = " from query('"
_SCHEMA = "The views are in docs/schema.md; 'show tables' and 'describe v_plays' list them too."
_LONGEST = 300
_CANDIDATES = " Candidate functions:"


def main() -> None:
    """Answer the one request on stdin."""
    keep_private()
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        request = json.load(sys.stdin)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nowhere, descriptor)
        os.close(nowhere)

        def say(value: object) -> None:
            answers.write(
                json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"
            )

        try:
            _answer(request, say, answers.flush)
        except SpotifyHistError as error:
            say({"error": {"kind": type(error).__name__, **error.as_dict()}})
        except MemoryError:
            say({"error": {"kind": "BadInput", **_no_memory().as_dict()}})
        except Exception:  # noqa: BLE001 - whoever asked tells it as our bug
            say({"bug": traceback.format_exc()})


def _answer(request: Mapping[str, object], say: Say, flush: Callable[[], None]) -> None:

    def tell_wait(holder: str, left_s: float) -> None:
        say({"waiting": [holder, left_s]})
        flush()

    database = Database(Path(str(request["database"])), _float(request["wait_s"]), tell_wait)
    timeout_s, memory_mb = _float(request["timeout_s"]), int(_float(request["memory_mb"]))
    threads = min(4, os.cpu_count() or 1)
    with database.read() as connection:
        listener = listeners.find_listener(
            connection, _text(request["user"]), _text(request["default_user"])
        )
        if listener is None:
            raise NoHistory("The history holds no listener yet.")
        zone = periods.zone(listener.timezone or str(request["timezone"]))
        now = datetime.fromisoformat(str(request["now"]))
        looked_at = Scope(listener.user_id, zone, now, kind="all")
        is_estimating = bool(notes.unknown_lengths(connection, looked_at))
        promised.make(connection, looked_at, wants_estimates=is_estimating)
        statement.hide_paths(connection)
        walls.lock(connection, memory_mb=memory_mb, threads=threads)
        say(
            {
                "opened": {"user": listener.name, "timezone": zone.key},
                "has_own_zone": listener.timezone is not None,
            }
        )
        flush()
        walls.confine(memory_mb=memory_mb, timeout_s=timeout_s, threads=threads)
        try:
            _select(connection, str(request["sql"]), int(_float(request["limit"])), say)
        except duckdb.Error as error:
            raise _translated(error, database.path) from None


def _select(connection: Connection, text: str, limit: int, say: Say) -> None:
    """Say the columns, at most `limit` rows, and the end."""
    statement.check(connection, text)
    # DuckDB itself takes exactly one SELECT here, whatever brackets and comments are in it.
    source = f"query('{text.replace(chr(39), chr(39) * 2)}')"
    described = connection.query(f"select * from {source}")  # noqa: S608 - that is the point
    sayer = Sayer()
    said = [sayer.said(kind) for kind in described.types]
    names = [f"c{at}" for at in range(len(said))]
    selected = ", ".join(
        f"cast({name} as {each.cast})" for name, each in zip(names, said, strict=True)
    )
    say(
        {
            "columns": [
                {"name": name, "type": each.type}
                for name, each in zip(described.columns, said, strict=True)
            ]
        }
    )
    found = connection.execute(
        f"select {selected} from {source} as found ({', '.join(names)}) limit {limit + 1}"  # noqa: S608
    )
    left = limit
    converts = [each.convert for each in said]
    while rows := found.fetchmany(min(_AT_ONCE, left + 1)):
        for row in rows[:left]:
            say(
                [
                    value if convert is None or value is None else convert(value)
                    for value, convert in zip(row, converts, strict=True)
                ]
            )
        if len(rows) > left:
            say({"end": {"truncated": True, "lost": sayer.lost}})
            return
        left -= len(rows)
    say({"end": {"truncated": False, "lost": sayer.lost}})


def _translated(error: duckdb.Error, database: Path) -> SpotifyHistError:
    """DuckDB's refusal in its own words, on one line that names no folder."""
    text = str(error).strip()
    if isinstance(error, duckdb.OutOfMemoryException) or "could not allocate" in text.lower():
        return _no_memory()
    if "max_expression_depth" in text:
        return UsageError("The SQL is nested too deep.", code="sql")
    message, _, place = text.partition("\n\nLINE ")
    line = place.partition(":")[0]
    # The line of a statement that we put around theirs would be one they never wrote.
    where = f" (line {line})" if line.isdigit() and _AROUND not in place else ""
    said = f"{_one_line(message, database)}{where}"
    if isinstance(error, (duckdb.PermissionException, duckdb.IOException, duckdb.HTTPException)):
        return UsageError(f"That is not allowed here: {said}.", hint=statement.ALONE, code="sql")
    if isinstance(error, (duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException)):
        return UsageError(f"The SQL is not understood: {said}.", hint=_SCHEMA, code="sql")
    return UsageError(f"The SQL failed: {said}.", code="sql")


def _one_line(message: str, database: Path) -> str:
    """The message without its kind, without lists of functions, and no longer than can be read."""
    for folder in {database.parent, database.resolve().parent}:
        message = message.replace(f"{folder}{os.sep}", "")
    said = " ".join(message.partition(" Error: ")[2].split()) or " ".join(message.split())
    said = said.partition(_CANDIDATES)[0].rstrip(".")
    return said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"


def _no_memory() -> BadInput:
    return BadInput(
        "There is not memory enough for this query.",
        hint="Ask for less at once, or raise the setting query.sql_memory_mb.",
        code=OUT_OF_MEMORY,
    )


def _float(value: object) -> float:
    return float(str(value))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


if __name__ == "__main__":
    main()
