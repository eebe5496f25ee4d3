"""Owns how a value of any DuckDB type is said in JSON: what the SQL casts, what Python then does.

Never runs SQL. What JSON has a form for keeps it: whole numbers of any length, numbers, booleans,
texts, lists, and objects for structs and maps (keys as text). Decimals are numbers; instants are
ISO 8601 in UTC with Z, timestamps without a zone and dates ISO 8601; a blob is its bytes in hex;
all else (times, intervals, UUIDs, bits, enums, JSON, unions, tuples) is the text DuckDB writes.
Not-a-number, infinities and times beyond the years 0001 to 9999 have no form and become null.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple, cast

from spotify_hist.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckdb.sqltypes import DuckDBPyType

    Convert = Callable[[object], object]

_DEEPEST = 20
_WHOLE = {
    "tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger",
    "ubigint", "uhugeint",
}  # fmt: skip
_LOCAL = {"timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"}
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(\+00)?")


class Said(NamedTuple):
    """How a type is said: the type of an answer's column, what SQL casts to, what is left to do."""

    type: str
    cast: str
    convert: Convert | None


class Sayer:
    """Says values; `lost` counts those that have no form in JSON."""

    def __init__(self) -> None:
        self.lost = 0

    def said(self, kind: DuckDBPyType, depth: int = 0) -> Said:
        """How a type is said; UsageError where it is nested deeper than anybody can read."""
        if depth > _DEEPEST:
            raise UsageError(
                f"A column is nested deeper than {_DEEPEST} levels.",
                hint="Select what is inside it, or cast it to varchar.",
                code="sql",
            )
        name = kind.id
        if name in {"list", "array"}:
            return self._list(kind, depth)
        if name == "struct" and kind.children:
            return self._struct(kind, depth)
        if name == "map":
            return self._map(kind, depth)
        if name == "decimal":
            scale = dict(kind.children)["scale"]
            return Said("integer", "hugeint", None) if not scale else self._number()
        simple = {
            "boolean": Said("boolean", "boolean", None),
            "blob": Said("text", "blob", _hex),
            "date": Said("date", "varchar", self._date),
            "timestamp with time zone": Said("timestamp", "varchar", self._instant),
        }
        simple |= dict.fromkeys(_WHOLE, Said("integer", "hugeint", None))
        simple |= dict.fromkeys(_LOCAL, Said("local_timestamp", "varchar", self._instant))
        simple |= dict.fromkeys(("float", "double"), self._number())
        if name == "uhugeint":
            return Said("integer", "uhugeint", None)
        return simple.get(name, Said("text", "varchar", None))

    def _list(self, kind: DuckDBPyType, depth: int) -> Said:
        inner = self.said(dict(_children(kind))["child"], depth + 1)
        convert = inner.convert

        def converted(value: object) -> object:
            values = value if isinstance(value, (list, tuple)) else []
            return [_unless_null(convert, each) for each in values]

        return Said("list", f"{inner.cast}[]", converted)

    def _struct(self, kind: DuckDBPyType, depth: int) -> Said:
        fields = {name: self.said(inner, depth + 1) for name, inner in _children(kind)}
        inside = ", ".join(f"{_quoted(name)} {inner.cast}" for name, inner in fields.items())

        def converted(value: object) -> object:
            values = value if isinstance(value, dict) else {}
            return {
                name: _unless_null(inner.convert, values[name]) for name, inner in fields.items()
            }

        return Said("object", f"struct({inside})", converted)

    def _map(self, kind: DuckDBPyType, depth: int) -> Said:
        parts = dict(_children(kind))
        key, inner = self.said(parts["key"], depth + 1), self.said(parts["value"], depth + 1)
        of_key = key.convert if key.cast == "varchar" else None

        def converted(value: object) -> object:
            values = value if isinstance(value, dict) else {}
            return {
                str(_unless_null(of_key, name) or name): _unless_null(inner.convert, each)
                for name, each in values.items()
            }

        return Said("object", f"map(varchar, {inner.cast})", converted)

    def _number(self) -> Said:
        return Said("number", "double", self._finite)

    def _finite(self, value: object) -> object:
        if isinstance(value, float) and math.isfinite(value):
            return value
        self.lost += 1
        return None

    def _date(self, value: object) -> object:
        if _DATE.fullmatch(str(value)):
            return value
        self.lost += 1
        return None

    def _instant(self, value: object) -> object:
        """`2024-07-01 23:30:00.5+00` as `2024-07-01T23:30:00.500Z`."""
        found = _TIME.fullmatch(str(value))
        if found is None:
            self.lost += 1
            return None
        day, time, fraction, zone = found.groups()
        digits = fraction or ""
        return (
            f"{day}T{time}.{digits.ljust(-(-len(digits) // 3) * 3 or 3, '0')}{'Z' if zone else ''}"
        )


def _unless_null(convert: Convert | None, value: object) -> object:
    return value if convert is None or value is None else convert(value)


def _children(kind: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """The parts of a nested type that are types themselves."""
    return [(name, cast("DuckDBPyType", each)) for name, each in kind.children]


def _hex(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
