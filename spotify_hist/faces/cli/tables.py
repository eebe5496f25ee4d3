"""Owns how an answer looks on a terminal: tables with bars, and the week as a grid of blocks.

Never asks a question and never writes; it gives back text.
"""

from __future__ import annotations

import io
import sys
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from spotify_hist.faces.cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotify_hist.analytics.run import Answer, Column

_BAR_WIDTH = 20
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SHADES = " ·░▒▓█"
_ASCII_SHADES = " .:+*#"
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_UNBOUNDED = 10_000
_LISTENED = {"ms_played", "listened_ms"}


def draw(answer: Answer, timezone: str, *, is_terminal: bool) -> str:
    """The answer as text: coloured and as wide as the terminal there, plain in a pipe."""
    from spotify_hist.analytics import catalogue

    buffer = io.StringIO()
    console = Console(
        file=buffer,
        force_terminal=is_terminal,
        width=None if is_terminal else _UNBOUNDED,
        highlight=False,
        legacy_windows=False,
    )
    blocks = _can_print(_EIGHTHS + _SHADES)
    chart = catalogue.load(answer.query).chart
    if not answer.rows:
        console.print("No rows.")
    elif chart and chart.form == "heatmap":
        console.print(_week(answer, chart.columns, blocks), soft_wrap=True)
    else:
        bar = chart.columns[1] if chart and chart.form == "bar" and is_terminal else None
        console.print(_table(answer, bar, ZoneInfo(timezone), blocks))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _table(answer: Answer, bar: str | None, zone: ZoneInfo, blocks: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in answer.columns:
        is_number = column.type in {"integer", "number"}
        is_name = column.type == "text"
        table.add_column(
            _heading(column),
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=6 if is_name else None,
            ratio=None,
        )
        if column.name == bar:
            table.add_column("", no_wrap=True, style="cyan")
    names = [column.name for column in answer.columns]
    most = max((_number(row[names.index(bar)]) for row in answer.rows), default=0) if bar else 0
    for row in answer.rows:
        cells: list[Text] = []
        for column, value in zip(answer.columns, row, strict=True):
            cells.append(Text(_cell(column, value, zone)))
            if column.name == bar:
                cells.append(Text(_bar(_number(value), most, blocks)))
        table.add_row(*cells)
    return table


def _heading(column: Column) -> str:
    name = "listened" if column.name in _LISTENED else column.name.removesuffix("_at")
    return name.replace("_", " ")


def _cell(column: Column, value: object, zone: ZoneInfo) -> str:
    if value is None:
        return "-"
    if column.type == "timestamp":
        moment = datetime.fromisoformat(str(value)).astimezone(zone)
        return moment.strftime("%Y-%m-%d %H:%M")
    if column.name in _LISTENED:
        return duration(int(_number(value)))
    if isinstance(value, list):
        return "+".join(map(str, value))
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return printable(str(value))


def duration(ms: int) -> str:
    """Milliseconds as a person says them: 45 s, 3:05, 2 h 07 min."""
    seconds = ms // 1000
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02}"
    return f"{seconds // 3600:,} h {seconds % 3600 // 60:02} min"


def _bar(value: float, most: float, blocks: bool) -> str:
    if most <= 0 or value <= 0:
        return ""
    if not blocks:
        return "#" * max(1, round(value / most * _BAR_WIDTH))
    eighths = max(1, round(value / most * _BAR_WIDTH * 8))
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def _week(answer: Answer, columns: Sequence[str], blocks: bool) -> Text:
    """Weekdays down, hours across, shaded from nothing to the busiest hour."""
    names = [column.name for column in answer.columns]
    row_at, column_at, value_at = (names.index(name) for name in columns)
    values = {
        (int(_number(row[row_at])), int(_number(row[column_at]))): _number(row[value_at])
        for row in answer.rows
    }
    most = max(values.values())
    shades = _SHADES if blocks else _ASCII_SHADES
    lines = ["     " + "".join(f"{hour:<6}" for hour in range(0, 24, 3)).rstrip()]
    for weekday, name in enumerate(_WEEKDAYS, 1):
        cells = "".join(_shade(values.get((weekday, hour), 0), most, shades) for hour in range(24))
        total = sum(values.get((weekday, hour), 0) for hour in range(24))
        lines.append(f"{name}  {cells}  {total:>7,.0f}")
    unit = columns[2]
    if most:
        day, hour = max(values, key=lambda key: (values[key], -key[0], -key[1]))
        lines.append(f"Busiest: {_WEEKDAYS[day - 1]} {hour:02}:00 with {most:,.0f} {unit}")
    else:
        lines.append(f"No {unit} in this period.")
    return Text("\n".join(lines))


def _shade(value: float, most: float, shades: str) -> str:
    if value <= 0:
        return shades[0] * 2
    step = 1 + min(int(value / most * (len(shades) - 1)), len(shades) - 2)
    return shades[step] * 2


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
