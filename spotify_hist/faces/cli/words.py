"""Owns how one value of an answer is said to a person: headings, counts, shares, times, durations.

Never lays anything out and never writes.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from spotify_hist.faces.cli.text import printable

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from spotify_hist.analytics.answers import Column

Measure = Literal["duration", "share", "label", "count"]

_LISTENED = {"ms_played", "listened_ms"}


def measure(name: str) -> Measure:
    """What the numbers of the column `name` are: milliseconds, shares of 1, names such as years and
    ids, or counts of something."""
    if name.endswith("_ms") or name in _LISTENED:
        return "duration"
    if name == "share" or name.endswith("_share"):
        return "share"
    if name == "year" or name.endswith(("_year", "_id")):
        return "label"
    return "count"


def heading(name: str) -> str:
    """The column `name` as a person reads it; SQL may give it any."""
    if name in _LISTENED:
        return "listened"
    return printable(name).removesuffix("_at").removesuffix("_ms").replace("_", " ")


def cell(column: Column, value: object, zone: ZoneInfo) -> str:
    """A value of a table; '-' for none. Instants are to the minute, in `zone`."""
    if value is None:
        return "-"
    if column.type == "timestamp":
        moment = datetime.fromisoformat(str(value)).astimezone(zone)
        return moment.strftime("%Y-%m-%d %H:%M")
    if column.type == "local_timestamp":
        return str(value).replace("T", " ")
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ("+" if column.name == "sources" else ", ").join(value)
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (int, float)):
        return str(value)
    kind = measure(column.name)
    return duration(int(value)) if kind == "duration" else number(value, column.name)


def number(value: float, name: str) -> str:
    """A number of the column `name`: 1,234, 0.5, 12.5%, or 2 h 07 min."""
    kind = measure(name)
    if kind == "duration":
        return span(value)
    if kind == "share":
        return percent(value)
    if isinstance(value, int):
        return str(value) if kind == "label" else f"{value:,}"
    text = f"{value:,.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def percent(share: float) -> str:
    """A share of 1 to a tenth of a percent; what is there is never said to be nothing."""
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def duration(ms: int) -> str:
    """Milliseconds as a person says them: 45 s, 3:05, 2 h 07 min."""
    if ms < 0:
        return "-" + duration(-ms)
    seconds = ms // 1000
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02}"
    return f"{seconds // 3600:,} h {seconds % 3600 // 60:02} min"


def span(ms: float) -> str:
    """Milliseconds where no column says that they are a time: 45 s, 3 min, 2 h, 2 h 07 min."""
    if ms < 0:
        return "-" + span(-ms)
    if ms < 60_000:
        return f"{round(ms / 1000)} s"
    hours, minutes = divmod(int(ms // 60_000), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours:,} h {minutes:02} min" if minutes else f"{hours:,} h"
