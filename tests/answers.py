"""Answers made by hand, and the ways of collecting how they are written."""

from __future__ import annotations

import io
import re
import sys
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from spotify_hist.analytics.answers import Answer, Column
from spotify_hist.faces.cli.output import Format, Output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STYLE = re.compile("\x1b\\[[0-9;]*m")
COLOUR = re.compile("\x1b\\[[0-9;]*[34][0-9]m")

RECENT_COLUMNS = {
    "played_at": "timestamp",
    "ms_played": "integer",
    "kind": "text",
    "track": "text",
    "artist": "text",
    "album": "text",
    "uri": "text",
    "sources": "list",
}
TOP_COLUMNS = {
    "rank": "integer",
    "artist": "text",
    "plays": "integer",
    "listened_ms": "integer",
    "tracks": "integer",
    "last_played_at": "timestamp",
}
URI = "spotify:track:4uLU6hMCjMI75M1A2tKUQC"


def answer(
    query: str,
    columns: dict[str, str],
    rows: list[tuple[object, ...]],
    *,
    truncated: bool = False,
    notes: tuple[str, ...] = (),
    params: Mapping[str, object] | None = None,
) -> Answer:
    """An answer without a history."""
    described = tuple(Column(name, kind) for name, kind in columns.items())
    return Answer(query, {"user": "me", **(params or {})}, described, rows, truncated, notes)


def recent(*names: tuple[str | None, str | None, str | None]) -> Answer:
    """`recent` with these tracks, artists and albums."""
    return answer(
        "recent",
        RECENT_COLUMNS,
        [
            ("2024-07-01T23:30:00.500Z", 45_000, "track", *name, URI, ["api", "extended"])
            for name in names
        ],
    )


TOP = answer(
    "top-artists",
    TOP_COLUMNS,
    [
        (1, "The Bitter Pilots", 1_234, 90_840_000, 16, "2024-07-01T23:30:00.000Z"),
        (2, "東京事変", 617, 2_220_000, 28, "2024-06-30T09:05:00.000Z"),
        (3, "Godspeed You! Black Emperor and Friends", 80, 45_000, 3, "2024-01-01T00:00:00.000Z"),
        (4, "Zoë Ångström", 1, 0, 1, "2023-12-31T12:00:00.000Z"),
    ],
    truncated=True,
    notes=("At least: plays are missing.",),
)
RECENT = answer(
    "recent",
    RECENT_COLUMNS,
    [
        (
            "2024-07-01T23:30:00.500Z",
            None,
            "track",
            "Jóga | Live",
            "Björk",
            "Homogenic",
            URI,
            ["api", "extended"],
        ),
        (
            "2024-07-01T20:00:00.000Z",
            7_620_000,
            "episode",
            "Folge 1: Ein sehr langer Titel",
            "Ein Podcast",
            "Ein Podcast",
            "spotify:episode:1CNQ9jz1LZEzyPjd4aB3sH",
            ["extended"],
        ),
        (
            "2024-07-01T19:00:00.000Z",
            185_000,
            "track",
            "\x1b[31m***Flawless\x1b[0m",
            "Who\nElse",
            None,
            None,
            ["account"],
        ),
        ("2024-07-01T18:00:00.000Z", 999, "unknown", None, None, None, None, ["extended"]),
    ],
)
TASTE = answer(
    "taste-summary",
    {"section": "text", "rank": "integer", "name": "text", "value": "number", "unit": "text"},
    [
        ("totals", 1, "plays", 12_345.0, "plays"),
        ("totals", 2, "listened time", 702.13, "hours"),
        ("top tracks", 1, "A Song With a Rather Long Name (Remastered) - Artist", 272.0, "plays"),
        ("concentration", 1, "the ten most played artists", 0.5353, "share"),
        ("concentration", 2, "times each track came round", 8.0, "plays per track"),
    ],
)
HEATMAP = answer(
    "heatmap",
    {"weekday": "integer", "hour": "integer", "plays": "integer", "listened_ms": "integer"},
    [
        (day, hour, max(0, 9 * day - abs(hour - 17) * day) * (hour % 2), 0)
        for day in range(1, 8)
        for hour in range(24)
    ],
)
TIMELINE = answer(
    "timeline",
    {
        "starts_on": "date",
        "plays": "integer",
        "listened_ms": "integer",
        "tracks": "integer",
        "artists": "integer",
        "new_artists": "integer",
    },
    [
        (f"{2023 + month // 12}-{month % 12 + 1:02}-01", plays, plays * 180_000, plays, 9, month)
        for month, plays in enumerate((12, 40, 95, 210, 340, 333, 0, 180, 90, 44, 61, 1_005, 8))
        if month != 8
    ],
)
CALENDAR = answer(
    "calendar",
    {"date": "date", "weekday": "integer", "plays": "integer", "listened_ms": "integer"},
    [
        (day.isoformat(), day.isoweekday(), day.day * (day.toordinal() % 4), 0)
        for day in (date(2023, 11, 20) + timedelta(days=days) for days in range(120))
    ],
)
COMPARE = answer(
    "compare",
    {
        "rank_now": "integer",
        "rank_before": "integer",
        "rank_change": "integer",
        "name": "text",
        "plays_now": "integer",
        "plays_before": "integer",
        "plays_delta": "integer",
        "listened_now_ms": "integer",
        "listened_before_ms": "integer",
    },
    [
        (1, 3, 2, "The Bitter Pilots", 120, 20, 100, 21_600_000, 3_600_000),
        (2, 1, -1, "東京事変", 60, 110, -50, 10_800_000, 19_800_000),
        (3, None, None, "Zoë Ångström", 5, 0, 5, 900_000, 0),
        (4, 2, -2, "Same as Ever", 4, 4, 0, 720_000, 720_000),
    ],
)
ANSWERS = {
    "recent": RECENT,
    "top-artists": TOP,
    "taste-summary": TASTE,
    "heatmap": HEATMAP,
    "timeline": TIMELINE,
    "calendar": CALENDAR,
    "compare": COMPARE,
}


class Terminal(io.StringIO):
    """A stdout that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class File(io.StringIO):
    """A stdout that is none."""

    encoding = "utf-8"


@contextmanager
def stdout(stream: io.StringIO) -> Iterator[io.StringIO]:
    """Collect what is written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", File())
        yield stream


def written(given_answer: Answer, form: Format, stream: io.StringIO | None = None) -> str:
    """An answer as `Output` writes it to a file or to `stream`."""
    with stdout(stream or File()) as collected:
        Output(quiet=True).answer(given_answer, form, "Europe/Berlin")
        return collected.getvalue()
