"""Owns the page around a picture: what it says as text, and its rows as a table.

Never asks a question and never writes; the page needs nothing but itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from spotify_hist.faces.cli.charts import theme
from spotify_hist.faces.cli.charts.picture import picture_of, placed, root, written
from spotify_hist.faces.cli.charts.svg import element
from spotify_hist.faces.cli.words import cell, heading

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from spotify_hist.analytics.answers import Answer

MOST_LISTED = 1_000
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html(answer: Answer, timezone: str) -> bytes:
    """The answer as one HTML page: the plot, and its rows as a table."""
    picture = picture_of(answer, timezone)
    plot = root(picture, picture.plot.height + 8, [placed(picture.plot, 0.0)])
    notes = [element("li", note) for note in picture.notes]
    main = element(
        "main",
        element("h1", picture.title),
        element("p", picture.summary),
        element("p", picture.facts, class_="facts"),
        element("figure", plot),
        *([element("ul", *notes, class_="notes")] if notes else []),
        _table(answer, ZoneInfo(timezone)),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", picture.title),
        element("style", theme.PAGE),
    )
    document = element("html", head, element("body", main), lang="en")
    return b"<!doctype html>\n" + written(document, "html") + b"\n"


def _table(answer: Answer, zone: ZoneInfo) -> Element:
    """The rows for who cannot see the plot, or wants the numbers."""
    numeric = {column.name for column in answer.columns if column.type in {"integer", "number"}}
    kinds = ["num" if column.name in numeric else None for column in answer.columns]
    head = element(
        "tr",
        *(
            element("th", heading(column.name), scope="col", class_=kind)
            for column, kind in zip(answer.columns, kinds, strict=True)
        ),
    )
    body = (
        element(
            "tr",
            *(
                element("td", cell(column, value, zone), class_=kind, dir=None if kind else "auto")
                for column, value, kind in zip(answer.columns, row, kinds, strict=True)
            ),
        )
        for row in answer.rows[:MOST_LISTED]
    )
    rows = len(answer.rows)
    shown = (
        f"the first {MOST_LISTED:,} of {rows:,} rows" if rows > MOST_LISTED else f"{rows:,} rows"
    )
    return element(
        "details",
        element("summary", f"The numbers: {shown}"),
        element("table", element("thead", head), element("tbody", *body)),
    )
