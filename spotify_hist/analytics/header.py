"""Owns the header of a question's `.sql` file: its grammar and its parsing.

Never runs SQL and never reads a file.

    -- name: top-artists
    -- summary: One sentence.
    -- grain: one row per artist
    -- chart: bar artist plays            (optional)
    -- core: yes                         (optional: an assistant is shown it without asking for all)
    -- scope: household                  (optional: it looks at the plays of all listeners)
    -- uses: plays limit offset           (shared parameters; `plays` and `period` are several)
    -- default: days 30                   (optional: the period where none is asked for)
    -- param limit: integer = 20 [1..1000]  Rows to return.
    -- param kind: text = all {track|all}  What was played.
    -- param artist: artist required  Whose. (artist, track and album are bound as the id meant)
    -- column artist: Who is meant.
    -- example: --days 90
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from spotify_hist.analytics.params import BUNDLES, SHARED, Param, ParamType, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE = re.compile(r"^-- (?P<key>[a-z]+)(?: (?P<name>[a-z_]+))?: (?P<value>.+)$")
_PARAM = re.compile(
    r"^(?P<type>integer|text|boolean|day|artist|track|album)"
    r"(?P<required> required)?"
    r"(?: = (?P<default>\S+))?"
    r"(?: \[(?P<minimum>-?\d+)\.\.(?P<maximum>-?\d+)\])?"
    r"(?: \{(?P<choices>[^}]+)\})?"
    r"  (?P<help>.+)$"
)

_SINGLE = {"name", "summary", "grain", "chart", "core", "scope", "uses", "default", "example"}
# Columns that each form of a chart is drawn from.
_CHARTS = {"bar": 2, "heatmap": 3, "line": 2, "calendar": 2}


@dataclass(frozen=True, slots=True)
class Chart:
    """How a question's answer is drawn: `bar LABEL VALUE`, `heatmap ROW COLUMN VALUE`,
    `line X VALUE` or `calendar DATE VALUE`."""

    form: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """One question of the catalogue, as its file defines it."""

    name: str
    summary: str
    grain: str
    chart: Chart | None
    params: tuple[Param, ...]
    columns: Mapping[str, str] = field(hash=False)  # name -> meaning
    example: str
    sql: str
    # Whether it looks at the plays of every listener, not of one.
    is_household: bool = False
    # Whether it is one of the few that an assistant is shown first.
    is_core: bool = False
    # A parameter of the period and its value, where none is given; of all time where there is none.
    default_period: tuple[str, Value] | None = None

    @property
    def statement(self) -> str:
        """The SQL without the header."""
        lines = self.sql.splitlines()
        first = next(at for at, line in enumerate(lines) if not line.startswith("--"))
        return "\n".join(lines[first:])

    @property
    def has_period(self) -> bool:
        return any(param.name == "since" for param in self.params)


def parse(text: str, origin: str) -> Query:
    """The question of one `.sql` file; ValueError names the file and line that is wrong."""
    single: dict[str, str] = {}
    own: dict[str, Param] = {}
    columns: dict[str, str] = {}
    shared: list[Param] = []
    chart: Chart | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("--"):
            break
        place = f"{origin}:{number}"
        match = _LINE.match(line)
        if match is None:
            raise ValueError(f"{place}: not a header line: {line}")
        key, name, value = match["key"], match["name"], match["value"]
        if name in (own if key == "param" else columns) or (name is None and key in single):
            raise ValueError(f"{place}: said twice: {line}")
        if key == "param" and name:
            own[name] = _param(name, value, place)
        elif key == "column" and name:
            columns[name] = value
        elif name is None and key in _SINGLE:
            single[key] = value
            shared = _shared(value, place) if key == "uses" else shared
            chart = _chart(value, place) if key == "chart" else chart
        else:
            raise ValueError(f"{place}: unknown header: {line}")
    missing = {"name", "summary", "grain", "uses"} - set(single)
    if missing:
        raise ValueError(f"{origin}: header lacks {', '.join(sorted(missing))}")
    if single.get("scope", "household") != "household":
        raise ValueError(f"{origin}: not a scope: {single['scope']}")
    if single.get("core", "yes") != "yes":
        raise ValueError(f"{origin}: core is 'yes' or left out: {single['core']}")
    params = {param.name: own.pop(param.name, param) for param in shared} | own
    return Query(
        name=single["name"],
        summary=single["summary"],
        grain=single["grain"],
        chart=chart,
        params=tuple(params.values()),
        columns=columns,
        example=single.get("example", ""),
        sql=text,
        is_household="scope" in single,
        is_core="core" in single,
        default_period=_default_period(single.get("default"), params, origin),
    )


def _chart(text: str, origin: str) -> Chart:
    form, *columns = text.split()
    if _CHARTS.get(form) != len(columns):
        raise ValueError(f"{origin}: not a chart: {text}")
    return Chart(form, tuple(columns))


def _default_period(
    text: str | None, params: Mapping[str, Param], origin: str
) -> tuple[str, Value] | None:
    if text is None:
        return None
    name, _, value = text.partition(" ")
    if name not in BUNDLES["period"] or name not in params or not value:
        raise ValueError(f"{origin}: not a default period: {text}")
    is_number = params[name].type == "integer" and value.isdecimal()
    return name, params[name].check(int(value) if is_number else value)


def _shared(text: str, origin: str) -> list[Param]:
    found = []
    for name in text.split():
        for each in BUNDLES.get(name, (name,)):
            if each not in SHARED:
                raise ValueError(f"{origin}: unknown shared parameter {each}")
            found.append(SHARED[each])
    return found


def _param(name: str, text: str, origin: str) -> Param:
    match = _PARAM.match(text)
    if match is None:
        raise ValueError(f"{origin}: not a parameter: {text}")
    kind: ParamType = match["type"]  # type: ignore[assignment]  # the pattern allows no other
    base = SHARED.get(name, Param(name, kind, ""))
    default: Value = match["default"]
    if default is not None and kind == "integer":
        default = int(default)
    elif default is not None and kind == "boolean":
        default = default == "true"
    return replace(
        base,
        type=kind,
        help=match["help"],
        default=default,
        minimum=int(match["minimum"]) if match["minimum"] else base.minimum,
        maximum=int(match["maximum"]) if match["maximum"] else base.maximum,
        choices=tuple(match["choices"].split("|")) if match["choices"] else base.choices,
        is_required=match["required"] is not None,
    )
