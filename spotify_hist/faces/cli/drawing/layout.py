"""Owns columns of text on a terminal: how wide each is, and which give way where room is short.

Never knows what the columns mean, but for the order in which they can be missed.

Neither a number nor an instant is ever cut. Where room is short, headings stand on several lines;
then columns that can be missed give way in the order of `SPARE` (a URI first, the bar last), then
other numbers and instants from the right; then names are cut, the longest first, with an ellipsis.
Only a listing's last column is wrapped.
"""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from spotify_hist.faces.cli.drawing.voice import width_of
from spotify_hist.faces.cli.words import cell, heading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from spotify_hist.analytics.answers import Column
    from spotify_hist.faces.cli.drawing.voice import Voice

BAR = ""  # the name of a column of bars: no answer and no list has a column without one
SPARE = (
    "uri",
    "sources",
    "album",
    "last_played_at",
    "first_played_at",
    "tracks",
    "ms_played",
    "listened_ms",
    BAR,
)
_GAP = "  "
_BAR_WIDTH, _SHORT_BAR_WIDTH = 20, 10
# Below this a name says too little: a column that can be missed goes first.
_NAME_WIDTH = 14
# And below this nothing: any number or instant goes first.
_SHORT_NAME_WIDTH = 6
_TEXT_WIDTH = 32


@dataclass(slots=True)
class Drawn:
    """A column ready to be laid out; `is_fixed` where a cut cell would say something wrong."""

    name: str
    heading: str
    cells: list[str]
    width: int
    is_right: bool = False
    is_fixed: bool = True
    shares: Sequence[float] = ()  # of a column of bars: their lengths, -1 to 1


def columns_of(
    columns: Sequence[Column],
    rows: Sequence[Sequence[object]],
    bar: str | None,
    zone: ZoneInfo,
    voice: Voice,
) -> list[Drawn]:
    """Each column at its full width; beside the column named `bar`, one of bars."""
    found = []
    for index, column in enumerate(columns):
        title = heading(column.name)
        cells = [voice.say(cell(column, row[index], zone)) for row in rows]
        found.append(
            Drawn(
                column.name,
                title,
                cells,
                max(map(width_of, chain([title], cells))),
                is_right=column.type in {"integer", "number"},
                is_fixed=column.type not in {"text", "list"} or column.name.endswith("uri"),
            )
        )
        if column.name == bar:
            values = [_number(row[index]) for row in rows]
            most = max(map(abs, values))
            shares = [value / most if most > 0 else 0.0 for value in values]
            found.append(Drawn(BAR, "", [], _BAR_WIDTH, shares=shares))
    return found


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def make_fit(
    columns: list[Drawn], room: int, spare: Sequence[str], kept: Sequence[str]
) -> list[Drawn]:
    """Bring `columns` to at most `room` characters a line; the columns taken out for that.

    Those named in `kept` are what the rows are about, and the last to go.
    """
    left_out: list[Drawn] = []

    def take_out(column: Drawn) -> None:
        columns.remove(column)
        left_out.append(column)

    if _least(columns, _NAME_WIDTH) > room:
        for column in columns:
            if column.is_fixed and column.name != BAR:
                words = column.heading.split() or [""]
                column.width = max(map(width_of, [*column.cells, *words]))
    for name in spare:
        spared = next((column for column in columns if column.name == name), None)
        is_spared = spared is not None and (name == BAR or name not in kept)
        if is_spared and spared is not None and _least(columns, _NAME_WIDTH) > room:
            take_out(spared)
        for bar in columns:
            if bar.name == BAR and _least(columns, _NAME_WIDTH) > room:
                bar.width = _SHORT_BAR_WIDTH
    for column in reversed(columns[1:]):
        is_short = _least(columns, _SHORT_NAME_WIDTH) > room
        if is_short and column.is_fixed and column.name not in kept:
            take_out(column)
    while len(columns) > 1 and _least(columns, 2) > room:
        take_out(columns[-1])
    names = [column for column in columns if not column.is_fixed]
    while names and _least(columns, None) > room:
        max(names, key=lambda column: column.width).width -= 1
    return left_out


def _least(columns: Sequence[Drawn], name_width: int | None) -> int:
    """The length of a line whose names are cut to `name_width` where they are longer."""
    widths = (
        column.width if column.is_fixed or name_width is None else min(column.width, name_width)
        for column in columns
    )
    return sum(widths) + len(_GAP) * (len(columns) - 1)


def table(columns: Sequence[Drawn], voice: Voice, *, is_styled: bool) -> Iterator[str]:
    """The headings and a line for each row; NO_COLOR leaves only the bold type of the headings."""
    yield from _bold(_titles(columns, voice), is_styled=is_styled)
    yield from _body(columns, voice, is_coloured=is_styled and not os.environ.get("NO_COLOR"))


def _bold(lines: Sequence[str], *, is_styled: bool) -> Iterator[str]:
    for line in lines:
        yield f"\x1b[1m{line.rstrip()}\x1b[0m" if is_styled else line.rstrip()


def _titles(columns: Sequence[Drawn], voice: Voice) -> list[str]:
    """The headings; those of more words than their column is wide stand on several lines."""
    folds = [
        textwrap.wrap(each.heading, each.width, break_long_words=False, break_on_hyphens=False)
        for each in columns
    ]
    most = max(map(len, folds), default=1) or 1
    return [
        _GAP.join(
            voice.fit(words[at - most] if at >= most - len(words) else "", column.width,
                      is_right=column.is_right)
            for words, column in zip(folds, columns, strict=True)
        )
        for at in range(most)
    ]  # fmt: skip


def _body(columns: Sequence[Drawn], voice: Voice, *, is_coloured: bool) -> Iterator[str]:
    for column in columns:
        if column.name == BAR:
            bars = (voice.bar(share, column.width) for share in column.shares)
            padded = [bar + " " * (column.width - len(bar)) for bar in bars]
            column.cells = [f"\x1b[36m{bar}\x1b[0m" if is_coloured else bar for bar in padded]
        else:
            column.cells = [
                voice.fit(text, column.width, is_right=column.is_right) for text in column.cells
            ]
    for cells in zip(*(column.cells for column in columns), strict=True):
        yield _GAP.join(cells)


def listing(
    columns: list[Drawn], room: int, spare: Sequence[str], voice: Voice, *, is_styled: bool
) -> tuple[Iterator[str], list[Drawn]]:
    """The table whose last column is wrapped under its heading, and the columns left out."""
    last = columns.pop()
    wanted = min(last.width, _TEXT_WIDTH) + len(_GAP)
    left_out = make_fit(columns, room - wanted, spare, [])
    last.width = max(room - _least(columns, None) - len(_GAP), 1)
    return _wrapped(columns, last, voice, is_styled=is_styled), left_out


def _wrapped(
    columns: Sequence[Drawn], last: Drawn, voice: Voice, *, is_styled: bool
) -> Iterator[str]:
    """The table of `columns`, with the texts of `last` beside it, as many lines as they need."""
    indent = " " * _least(columns, None)
    *above, lowest = _titles(columns, voice)
    titles = [*above, _GAP.join([lowest.ljust(len(indent)), last.heading])]
    yield from _bold(titles, is_styled=is_styled)
    lines = _body(columns, voice, is_coloured=False)
    for line, text in zip(lines, last.cells, strict=True):
        first, *more = folded(text, last.width) or [""]
        yield line + _GAP + first
        yield from (indent + _GAP + each for each in more)


def folded(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells; wide characters count as the two that they take."""
    if width_of(text) <= width:
        return [text] if text else []
    if text.isascii():
        return textwrap.wrap(text, width, break_on_hyphens=False)
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if width_of(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for char in word:
            if width_of(lines[-1] + char) > width and lines[-1]:
                lines.append("")
            lines[-1] += char
    return lines
