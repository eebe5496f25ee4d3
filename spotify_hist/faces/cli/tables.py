"""Owns how rows look as a table: columns with bars, long texts, and the week as a grid of blocks.

Never asks a question and never writes; it gives back text.

A pipe gets every column at its full width. On a terminal no line is longer than the terminal, and
neither a number nor an instant is ever cut: where room is short, columns that can be missed give
way in the order of `_SPARE` (a URI first, the bar last), and then names are cut, the longest first,
with an ellipsis. `Drawing.left_out` tells what gave way. Only a listing's last column is wrapped.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from rich.cells import cell_len, set_cell_size

from spotify_hist.faces.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from spotify_hist.analytics.run import Answer, Column

_EIGHTHS = " ▏▎▍▌▋▊▉"
_SHADES = " ·░▒▓█"
_ASCII_SHADES = " .:+*#"
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LISTENED = {"ms_played", "listened_ms"}
_GAP = "  "
_BAR = "bar"
_BAR_WIDTH, _SHORT_BAR_WIDTH = 20, 10
# Below this a name says too little: a column that can be missed goes first.
_NAME_WIDTH = 14
_TEXT_WIDTH = 32
_SPARE = ("uri", "sources", "album", "last_played_at", "tracks", "ms_played", "listened_ms", _BAR)
_WEEK_WIDTH = 62  # of the week with two characters an hour


class Drawing(NamedTuple):
    """An answer as text, and the headings of the columns that found no room."""

    text: str
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class _Drawn:
    """A column ready to be laid out; `is_fixed` where a cut cell would say something wrong."""

    name: str
    heading: str
    cells: list[str]
    width: int
    is_right: bool = False
    is_fixed: bool = True
    shares: Sequence[float] = ()  # of a column of bars: their lengths, 0 to 1


def draw(
    answer: Answer,
    timezone: str,
    *,
    is_terminal: bool,
    width: int | None = None,
    encoding: str | None = None,
) -> Drawing:
    """The answer as text, its instants in `timezone`.

    `width` is that of the terminal, `encoding` that of stdout; both are asked for where not given.
    What the encoding cannot say becomes a question mark, and bars are drawn with '#'.
    """
    from spotify_hist.analytics import catalogue

    if not answer.rows:
        return Drawing("No rows.\n")
    voice = _Voice(encoding or sys.stdout.encoding or "ascii")
    room = (width or shutil.get_terminal_size().columns) if is_terminal else None
    chart = catalogue.load(answer.query).chart
    left_out: list[_Drawn] = []
    if chart and chart.form == "heatmap":
        lines = _week(answer, chart.columns, voice, room)
    else:
        bar = chart.columns[1] if chart and chart.form == "bar" and is_terminal else None
        columns = _columns(answer.columns, answer.rows, bar, ZoneInfo(timezone), voice)
        if room is not None:
            left_out = _make_fit(columns, room, _SPARE)
        lines = _table(columns, voice, is_styled=_is_styled(is_terminal=is_terminal))
    return _drawing(lines, left_out)


def draw_listing(
    columns: Sequence[Column],
    rows: Sequence[Sequence[object]],
    timezone: str,
    *,
    is_terminal: bool,
    spare: Sequence[str] = (),
    width: int | None = None,
    encoding: str | None = None,
) -> Drawing:
    """Rows that are no answer of the catalogue, as text, their instants in `timezone`.

    A column of type `word` is a short text that is never cut. The last column may be of any
    length: on a terminal it is wrapped under its heading. Columns named in `spare` give way first
    where room is short, in that order.
    """
    voice = _Voice(encoding or sys.stdout.encoding or "ascii")
    drawn = _columns(columns, rows, None, ZoneInfo(timezone), voice)
    is_styled = _is_styled(is_terminal=is_terminal)
    if not is_terminal:
        return _drawing(_table(drawn, voice, is_styled=is_styled), [])
    room = width or shutil.get_terminal_size().columns
    last = drawn.pop()
    wanted = min(last.width, _TEXT_WIDTH) + len(_GAP)
    left_out = _make_fit(drawn, room - wanted, spare)
    last.width = max(room - _least(drawn, None) - len(_GAP), 1)
    return _drawing(_wrapped(drawn, last, voice, is_styled=is_styled), left_out)


def _wrapped(
    columns: Sequence[_Drawn], last: _Drawn, voice: _Voice, *, is_styled: bool
) -> Iterator[str]:
    """The table of `columns`, with the texts of `last` beside it, as many lines as they need."""
    heading, *lines = _table(columns, voice, is_styled=False)
    indent = " " * _least(columns, None)
    heading = _GAP.join([heading.ljust(len(indent)), last.heading]).rstrip()
    yield f"\x1b[1m{heading}\x1b[0m" if is_styled else heading
    for line, text in zip(lines, last.cells, strict=True):
        first, *more = _folded(text, last.width) or [""]
        yield line + _GAP + first
        yield from (indent + _GAP + each for each in more)


def _folded(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells; wide characters count as the two that they take."""
    if text.isascii():
        return textwrap.wrap(text, width, break_on_hyphens=False)
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if _width(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for char in word:
            if _width(lines[-1] + char) > width and lines[-1]:
                lines.append("")
            lines[-1] += char
    return lines


def _is_styled(*, is_terminal: bool) -> bool:
    return is_terminal and os.environ.get("TERM") != "dumb"


def _drawing(lines: Iterable[str], left_out: Sequence[_Drawn]) -> Drawing:
    text = "".join(line.rstrip() + "\n" for line in lines)
    return Drawing(text, tuple(column.heading for column in left_out if column.name != _BAR))


class _Voice:
    """What the encoding of stdout can say."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self.has_blocks = self._can_say(_EIGHTHS + _SHADES + "…")
        self.ellipsis = "…" if self.has_blocks else "~"

    def _can_say(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def say(self, text: str) -> str:
        """`text` on one line, with a question mark for each character that cannot be said."""
        text = printable(text)
        if text.isascii() or self._can_say(text):
            return text
        return "".join(char if self._can_say(char) else "?" for char in text)


def _columns(
    columns: Sequence[Column],
    rows: Sequence[Sequence[object]],
    bar: str | None,
    zone: ZoneInfo,
    voice: _Voice,
) -> list[_Drawn]:
    found = []
    for index, column in enumerate(columns):
        heading = _heading(column.name)
        cells = [voice.say(_cell(column, row[index], zone)) for row in rows]
        found.append(
            _Drawn(
                column.name,
                heading,
                cells,
                max(map(_width, chain([heading], cells))),
                is_right=column.type in {"integer", "number"},
                is_fixed=column.type not in {"text", "list"} or column.name == "uri",
            )
        )
        if column.name == bar:
            values = [_number(row[index]) for row in rows]
            most = max(values)
            shares = [value / most if most > 0 else 0.0 for value in values]
            found.append(_Drawn(_BAR, "", [], _BAR_WIDTH, shares=shares))
    return found


def _make_fit(columns: list[_Drawn], room: int, spare: Sequence[str]) -> list[_Drawn]:
    """Bring `columns` to at most `room` characters a line; the columns taken out for that."""
    left_out: list[_Drawn] = []

    def take_out(column: _Drawn) -> None:
        columns.remove(column)
        left_out.append(column)

    for name in spare:
        spared = next((column for column in columns if column.name == name), None)
        if _least(columns, _NAME_WIDTH) > room and spared is not None:
            take_out(spared)
        for bar in columns:
            if bar.name == _BAR and _least(columns, _NAME_WIDTH) > room:
                bar.width = _SHORT_BAR_WIDTH
    while len(columns) > 1 and _least(columns, 2) > room:
        take_out(columns[-1])
    names = [column for column in columns if not column.is_fixed]
    while names and _least(columns, None) > room:
        max(names, key=lambda column: column.width).width -= 1
    return left_out


def _least(columns: Sequence[_Drawn], name_width: int | None) -> int:
    """The length of a line whose names are cut to `name_width` where they are longer."""
    widths = (
        column.width if column.is_fixed or name_width is None else min(column.width, name_width)
        for column in columns
    )
    return sum(widths) + len(_GAP) * (len(columns) - 1)


def _table(columns: Sequence[_Drawn], voice: _Voice, *, is_styled: bool) -> Iterator[str]:
    """The headings and a line for each row; NO_COLOR leaves only the bold type of the headings."""
    heading = _GAP.join(_fit(column.heading, column, voice) for column in columns).rstrip()
    yield f"\x1b[1m{heading}\x1b[0m" if is_styled else heading
    is_coloured = is_styled and not os.environ.get("NO_COLOR")
    for column in columns:
        if column.name == _BAR:
            bars = (_bar(share, column.width, voice) for share in column.shares)
            padded = [bar + " " * (column.width - len(bar)) for bar in bars]
            column.cells = [f"\x1b[36m{bar}\x1b[0m" if is_coloured else bar for bar in padded]
        else:
            column.cells = [_fit(cell, column, voice) for cell in column.cells]
    for cells in zip(*(column.cells for column in columns), strict=True):
        yield _GAP.join(cells)


def _fit(text: str, column: _Drawn, voice: _Voice) -> str:
    """`text` padded or cut to the width of its column, in cells of the terminal."""
    width = _width(text)
    if width > column.width:
        return set_cell_size(text, column.width - 1) + voice.ellipsis
    padding = " " * (column.width - width)
    return padding + text if column.is_right else text + padding


def _width(text: str) -> int:
    """How many cells of a terminal `text` takes: wide characters take two."""
    return len(text) if text.isascii() else cell_len(text)


def _heading(name: str) -> str:
    name = "listened" if name in _LISTENED else name.removesuffix("_at")
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
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:,}" if isinstance(value, int) else str(value)


def duration(ms: int) -> str:
    """Milliseconds as a person says them: 45 s, 3:05, 2 h 07 min."""
    seconds = ms // 1000
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02}"
    return f"{seconds // 3600:,} h {seconds % 3600 // 60:02} min"


def _bar(share: float, width: int, voice: _Voice) -> str:
    if share <= 0:
        return ""
    if not voice.has_blocks:
        return "#" * max(1, round(share * width))
    whole, rest = divmod(max(1, round(share * width * 8)), 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def _week(answer: Answer, columns: Sequence[str], voice: _Voice, room: int | None) -> Iterator[str]:
    """Weekdays down, hours across, shaded from nothing to the busiest hour."""
    names = [column.name for column in answer.columns]
    row_at, column_at, value_at = (names.index(name) for name in columns)
    values = {
        (int(_number(row[row_at])), int(_number(row[column_at]))): _number(row[value_at])
        for row in answer.rows
    }
    most = max(values.values())
    shades = _SHADES if voice.has_blocks else _ASCII_SHADES
    across = 1 if room is not None and room < _WEEK_WIDTH else 2
    yield "     " + "".join(f"{hour:<{3 * across}}" for hour in range(0, 24, 3))
    for weekday, name in enumerate(_WEEKDAYS, 1):
        day = [values.get((weekday, hour), 0) for hour in range(24)]
        cells = "".join(_shade(value, most, shades) * across for value in day)
        yield f"{name}  {cells}  {sum(day):>7,.0f}"
    unit = columns[2]
    if most:
        busiest, hour = max(values, key=lambda key: (values[key], -key[0], -key[1]))
        yield f"Busiest: {_WEEKDAYS[busiest - 1]} {hour:02}:00 with {most:,.0f} {unit}"
    else:
        yield f"No {unit} in this period."


def _shade(value: float, most: float, shades: str) -> str:
    if value <= 0:
        return shades[0]
    return shades[1 + min(int(value / most * (len(shades) - 1)), len(shades) - 2)]


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
