"""Owns which drawing an answer or a listing gets on a terminal or in a pipe.

Never asks a question and never writes; it gives back text.

A pipe gets every column at its full width. On a terminal no line is longer than the terminal;
`Drawing.left_out` tells which columns gave way for that.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from spotify_hist.faces.cli import charted
from spotify_hist.faces.cli.drawing import layout
from spotify_hist.faces.cli.drawing.grid import grid_lines
from spotify_hist.faces.cli.drawing.trend import trend_lines
from spotify_hist.faces.cli.drawing.voice import Voice, width_of
from spotify_hist.faces.cli.drawing.years import calendar_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spotify_hist.analytics.answers import Answer, Column
    from spotify_hist.analytics.header import Chart


class Drawing(NamedTuple):
    """An answer as text, and the headings of the columns that found no room."""

    text: str
    left_out: tuple[str, ...] = ()


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
    if not answer.rows:
        return Drawing("No rows.\n")
    voice = Voice(encoding or sys.stdout.encoding or "ascii")
    room = (width or shutil.get_terminal_size().columns) if is_terminal else None
    chart = charted.chart_of(answer)
    blocks = _blocks(answer, chart, voice, room) if chart else None
    if blocks is not None:
        return _drawing(_folded(blocks, room), [])
    is_barred = chart is not None and chart.form in {"bar", "line"} and is_terminal
    bar = chart.columns[1] if chart and is_barred else None
    columns = layout.columns_of(answer.columns, answer.rows, bar, ZoneInfo(timezone), voice)
    left_out: list[layout.Drawn] = []
    if room is not None:
        kept = ["rank", answer.columns[0].name, *chart.columns] if chart else []
        left_out = layout.make_fit(columns, room, layout.SPARE, kept)
    lines = list(layout.table(columns, voice, is_styled=_is_styled(is_terminal=is_terminal)))
    if room is not None and chart and chart.form == "line":
        series = charted.series(answer, chart, ZoneInfo(timezone))
        trend = trend_lines(series, chart.columns[1], voice, room)
        lines += _folded(trend, room)
    return _drawing(lines, left_out)


def _blocks(answer: Answer, chart: Chart, voice: Voice, room: int | None) -> list[str] | None:
    """An answer that is drawn in blocks and not as a table; None where it is, or has no room."""
    if chart.form == "heatmap":
        return grid_lines(charted.grid(answer, chart), chart.columns[2], voice, room)
    if chart.form == "calendar":
        return calendar_lines(charted.days(answer, chart), chart.columns[1], voice, room)
    return None


def _folded(lines: Iterable[str], room: int | None) -> list[str]:
    """Lines of which those that are too long are several."""
    return [
        part
        for line in lines
        for part in (
            [line] if room is None or width_of(line) <= room else layout.folded(line, room)
        )
    ]


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
    voice = Voice(encoding or sys.stdout.encoding or "ascii")
    drawn = layout.columns_of(columns, rows, None, ZoneInfo(timezone), voice)
    is_styled = _is_styled(is_terminal=is_terminal)
    if not is_terminal:
        return _drawing(layout.table(drawn, voice, is_styled=is_styled), [])
    room = width or shutil.get_terminal_size().columns
    lines, left_out = layout.listing(drawn, room, spare, voice, is_styled=is_styled)
    return _drawing(lines, left_out)


def _is_styled(*, is_terminal: bool) -> bool:
    return is_terminal and os.environ.get("TERM") != "dumb"


def _drawing(lines: Iterable[str], left_out: Sequence[layout.Drawn]) -> Drawing:
    text = "".join(line.rstrip() + "\n" for line in lines)
    return Drawing(text, tuple(each.heading for each in left_out if each.name != layout.BAR))
