"""Owns the picture of an answer: its plot, what is said above and below it, as SVG.

Never asks a question and never writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from spotify_hist.analytics import catalogue
from spotify_hist.faces.cli import charted
from spotify_hist.faces.cli.charts import bars, grids, lines, theme, years
from spotify_hist.faces.cli.charts.plots import WIDTH, Plot
from spotify_hist.faces.cli.charts.svg import element, stacked, text, wrapped
from spotify_hist.faces.cli.words import heading, measure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from spotify_hist.analytics.answers import Answer
    from spotify_hist.analytics.header import Chart

_MARGIN = 25.0
_LINE = 19.0
_NAMESPACE = "http://www.w3.org/2000/svg"
_LEFT_OUT = {"since", "until", "days", "year", "timezone", "user", "limit", "offset"}


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture says, and its plot."""

    title: str
    summary: str
    facts: str
    plot: Plot
    notes: tuple[str, ...]


def svg(answer: Answer, timezone: str) -> bytes:
    """The answer as one SVG document, its title and notes in it."""
    picture = picture_of(answer, timezone)
    room = WIDTH
    y = _MARGIN + 16
    elements = [text(picture.title, _MARGIN, y, "ink title")]
    above = wrapped(picture.summary, room)
    elements += stacked(above, _MARGIN, y + 24, "ink", _LINE)
    y += 24 + _LINE * len(above)
    facts = wrapped(picture.facts, room)
    elements += stacked(facts, _MARGIN, y, "soft", _LINE)
    y += _LINE * len(facts) + 4
    elements.append(placed(picture.plot, y))
    y += picture.plot.height + 26
    below = [part for note in picture.notes for part in wrapped(note, room)]
    elements += stacked(below, _MARGIN, y, "soft", _LINE)
    y += _LINE * len(below)
    document = root(picture, y + _MARGIN - 14, elements)
    return written(document, "xml") + b"\n"


def written(document: Element, method: Literal["xml", "html"]) -> bytes:
    """A document as UTF-8."""
    data: bytes = ET.tostring(
        document, encoding="utf-8", method=method, xml_declaration=method == "xml"
    )
    return data


def picture_of(answer: Answer, timezone: str) -> Picture:
    """What the picture of an answer says and shows; ValueError where its question has no chart."""
    question = catalogue.load(answer.query)
    chart = charted.chart_of(answer)
    if chart is None:
        raise ValueError(f"{answer.query} has no chart")
    zone = ZoneInfo(timezone)
    plot = _plot(answer, chart, zone)
    more = ("There are more rows than were asked for.",) if answer.truncated else ()
    title = question.name.replace("-", " ").capitalize()
    facts = " · ".join(_facts(answer, zone))
    return Picture(title, question.summary, facts, plot, (*plot.said, *answer.notes, *more))


def _plot(answer: Answer, chart: Chart, zone: ZoneInfo) -> Plot:
    """The plot of the chart's form; a line of text where there is nothing to draw."""
    unit = chart.columns[-1]
    types = {column.name: column.type for column in answer.columns}
    is_whole = types[unit] == "integer" and measure(unit) == "count"
    if chart.form == "heatmap" and (grid := charted.grid(answer, chart)).values:
        return grids.cells(grid, unit, is_whole=is_whole)
    if chart.form == "calendar" and (days := charted.days(answer, chart)):
        return years.years(days, unit, is_whole=is_whole)
    if chart.form == "bar" and (points := charted.labelled(answer, chart, zone)):
        return bars.bars(points, chart.columns[0], unit)
    if chart.form == "line":
        series = charted.series(answer, chart, zone)
        if any(point.value is not None for point in series.points):
            return lines.lines(series, chart.columns[0], unit, is_whole=is_whole)
    return Plot((text("No rows.", 0, 20, "soft"),), 30)


def _facts(answer: Answer, zone: ZoneInfo) -> Iterator[str]:
    """What was asked: the period, the listener, the zone, and what is not as it always is."""
    if "since" in answer.params or "until" in answer.params:
        yield _period(answer, zone)
    for name in ("user", "timezone"):
        if name in answer.params:
            yield str(answer.params[name])
    defaults = {param.name: param.default for param in catalogue.load(answer.query).params}
    for name, value in answer.params.items():
        if name not in _LEFT_OUT and value != defaults.get(name):
            yield heading(name) if value is True else f"{heading(name)} {value}"


def _period(answer: Answer, zone: ZoneInfo) -> str:
    """The half-open period as a person says it: whole days with the last one included."""
    since, until = (_moment(answer.params.get(name), zone) for name in ("since", "until"))
    midnight = time(0)
    if until is not None and until.time() == midnight:
        end = f"{(until - timedelta(days=1)).date()}"
    else:
        end = "" if until is None else f"{until:%Y-%m-%d %H:%M}"
    if since is None:
        return f"up to {end}" if end else "all time"
    start = f"{since.date()}" if since.time() == midnight else f"{since:%Y-%m-%d %H:%M}"
    return f"{start} to {end}" if end else f"since {start}"


def _moment(value: object, zone: ZoneInfo) -> datetime | None:
    return datetime.fromisoformat(str(value)).astimezone(zone) if value else None


def placed(plot: Plot, y: float) -> Element:
    """The plot, `y` pixels below the top of a picture."""
    return element("g", *plot.elements, transform=f"translate({_MARGIN:g} {y:g})")


def root(picture: Picture, height: float, elements: list[Element]) -> Element:
    """The `svg` element: named for screen readers, in both themes, with its back painted."""
    width = WIDTH + 2 * _MARGIN
    return element(
        "svg",
        element("title", picture.title, id="picture-title"),
        element("desc", f"{picture.summary} {picture.facts}", id="picture-about"),
        element("style", theme.SVG),
        element("rect", width=width, height=height, class_="back"),
        *elements,
        xmlns=_NAMESPACE,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_labelledby="picture-title picture-about",
    )
