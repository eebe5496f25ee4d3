"""Owns what a foreign statement may be: one SELECT that does not ask where files lie.

Never runs it, and is no wall: what a query can reach, `walls` decides. DuckDB resolves the path of
the file it opens, and tells it to whoever asks. `without_paths.sql` puts tables without paths in
the place of its own, and what would go around those is refused here.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import duckdb

from spotify_hist.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.store.database import Connection

ALONE: Final = "A query sees the history alone: no files, no network, no settings."

# What tells the path of the open file: always, or by its full name only.
_TELLS_PATHS: Final = frozenset(("pragma_database_list", "pragma_storage_info"))
_REPLACED: Final = frozenset(
    ("duckdb_databases", "duckdb_settings", "import_files", "job_runs", "logs")
)
_TELLS_A_SETTING: Final = "current_setting"
_HARMLESS: Final = re.compile(
    r"timezone|calendar|threads|memory_limit|max_memory|schema", re.IGNORECASE
)
# What runs a text as SQL. A serialized statement cannot be looked into.
_RUNS_TEXT: Final = frozenset(("query", "query_table"))
_RUNS_SERIALIZED: Final = "json_execute_serialized_sql"
_SUSPECTS: Final = (*_TELLS_PATHS, *_REPLACED, _TELLS_A_SETTING, "query", _RUNS_SERIALIZED)
_DEEPEST: Final = 5


def check(connection: Connection, text: str) -> None:
    """UsageError where the text is anything but one SELECT (FACTS 9.5) that may be asked."""
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
    _refuse_paths(connection, text, 0)


def hide_paths(connection: Connection) -> None:
    """Put what tells no path in the place of what would, for unqualified names."""
    text = resources.files(__package__).joinpath("without_paths.sql").read_text(encoding="utf-8")
    connection.execute(text)


def _refuse_paths(connection: Connection, text: str, depth: int) -> None:
    """UsageError where the statement names what tells paths, by its parsed form."""
    # Names cannot be written in any other way; most statements need not be taken apart.
    if not any(name in text.lower() for name in _SUSPECTS):
        return
    if depth > _DEEPEST:
        raise _not_allowed("query() within query() within query()")
    row = connection.execute("select json_serialize_sql($sql::varchar)", {"sql": text}).fetchone()
    try:
        parsed = json.loads(str(row[0])) if row else {"error": True}
    except RecursionError:
        raise UsageError("The SQL is nested too deep.", code="sql") from None
    if parsed["error"]:
        raise _not_allowed("what DuckDB cannot take apart")
    for node in _nodes(parsed):
        names = {str(node.get(key)).lower() for key in ("function_name", "table_name")}
        path = _path(node)
        names.update(path)
        refused = {*_TELLS_PATHS, _RUNS_SERIALIZED, *(_REPLACED if len(path) > 1 else ())}
        if found := names & refused:
            raise _not_allowed(min(found))
        if _TELLS_A_SETTING in names and not _is_harmless(node):
            raise _not_allowed(_TELLS_A_SETTING)
        if names & _RUNS_TEXT and "arguments" in node:
            for inner in _literals(node):
                _refuse_paths(connection, _statement(inner, names), depth + 1)


def _statement(literal: str, names: set[str]) -> str:
    if "query" in names:
        return literal
    return 'from "{}"'.format(literal.replace('"', '""'))


def _is_harmless(node: dict[str, Any]) -> bool:
    return all(_HARMLESS.search(name) for name in _literals(node))


def _literals(node: dict[str, Any]) -> list[str]:
    """The arguments of a function, where they are texts as they stand; else UsageError."""
    found = []
    for argument in node.get("arguments", ()):
        literal = argument.get("expression", {}).get("literal")
        if not isinstance(literal, dict) or literal.get("kind") != "STRING":
            raise _not_allowed(f"{node.get('function_name')}() of anything but a text")
        found.append(str(literal["text"]))
    return found


def _path(node: dict[str, Any]) -> list[str]:
    name = node.get("qualified_name")
    path = name.get("path") if isinstance(name, dict) else None
    return [str(part).lower() for part in path or ()]


def _nodes(value: object) -> Iterator[dict[str, Any]]:
    """Every object within a JSON value; not by recursion, as SQL is nested as deep as one likes."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            yield each
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)


def _not_allowed(what: str) -> UsageError:
    return UsageError(f"That is not allowed here: {what}.", hint=ALONE, code="sql")
