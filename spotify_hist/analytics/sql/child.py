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
from spotify_hist.analytics.sql import promised, walls
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
_ALONE = "A query sees the history alone: no files, no network, no settings."


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
            raise _translated(error) from None


def _select(connection: Connection, text: str, limit: int, say: Say) -> None:
    """Say the columns, at most `limit` rows, and the end."""
    _check(connection, text)
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


def _check(connection: Connection, text: str) -> None:
    """UsageError where the text is anything but one SELECT (FACTS 9.5)."""
    statements = connection.extract_statements(text)
    if len(statements) != 1:
        raise UsageError(
            f"One SELECT is run at a time; here are {len(statements)} statements.",
            hint="Ask them one by one."
            if statements
            else "For example: select count(*) from v_plays",
            code="not_one_select",
        )
    kind = statements[0].type
    if kind is not duckdb.StatementType.SELECT:
        is_pivot = kind is duckdb.StatementType.MULTI
        raise UsageError(
            f"Only a SELECT is run here, and this is {kind.name}.",
            hint="Name the columns of the pivot: pivot … on kind in ('track', 'episode')."
            if is_pivot
            else "Nothing else is possible: a query never changes anything.",
            code="not_one_select",
        )
    if statements[0].named_parameters:
        raise UsageError(
            "The SELECT has parameters, and there are no values for them.",
            hint="Write the values into it.",
            code="not_one_select",
        )


def _translated(error: duckdb.Error) -> SpotifyHistError:
    """DuckDB's refusal in its own words, on one line."""
    text = str(error).strip()
    if isinstance(error, duckdb.OutOfMemoryException) or "could not allocate" in text.lower():
        return _no_memory()
    if "max_expression_depth" in text:
        return UsageError("The SQL is nested too deep.", code="sql")
    message, _, place = text.partition("\n\nLINE ")
    message = " ".join(message.partition(" Error: ")[2].split()).rstrip(".") or message
    line = place.partition(":")[0]
    # The line of a statement that we put around theirs would be one they never wrote.
    where = f" (line {line})" if line.isdigit() and _AROUND not in place else ""
    if isinstance(error, (duckdb.PermissionException, duckdb.IOException, duckdb.HTTPException)):
        return UsageError(f"That is not allowed here: {message}{where}.", hint=_ALONE, code="sql")
    if isinstance(error, (duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException)):
        return UsageError(f"The SQL is not understood: {message}{where}.", hint=_SCHEMA, code="sql")
    return UsageError(f"The SQL failed: {message}{where}.", code="sql")


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
