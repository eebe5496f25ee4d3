"""Owns time along an axis: which steps labels are apart, and the place of each counted in them.

Never draws.

The place of a year is its number, of quarters, months, weeks, days and minutes how many of them
there were before; `offset` is the ordinal of the day at place 0.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# `row` where labels are no dates: each is a step away from the next.
Step = Literal["year", "quarter", "month", "week", "day", "minute", "row"]

_YEAR = re.compile(r"\d{4}")
_QUARTER = re.compile(r"(\d{4})-?Q([1-4])")
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_WEEK = re.compile(r"(\d{4})-?W(\d{2})")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T.+Z")


class Steps(NamedTuple):
    """How far apart labels are, the place of each, and the ordinal of the day at place 0."""

    step: Step
    places: Mapping[str, int]
    offset: int = 0


def steps_of(labels: Sequence[str], asked: str) -> Steps:
    """The steps of these labels; `asked` is the step the question was asked with, if any."""
    if not labels:
        return Steps("row", {})
    if all(map(_YEAR.fullmatch, labels)):
        return Steps("year", {each: int(each) for each in labels})
    if all(map(_QUARTER.fullmatch, labels)):
        return Steps("quarter", {each: int(each[:4]) * 4 + int(each[-1]) - 1 for each in labels})
    if all(map(_MONTH.fullmatch, labels)):
        return _months({each: date.fromisoformat(f"{each}-01") for each in labels}, asked)
    try:
        if all(map(_INSTANT.fullmatch, labels)):
            return Steps("minute", {each: _minute(each) for each in labels}, 1)
        if all(map(_WEEK.fullmatch, labels)):
            return _days(
                {each: date.fromisocalendar(int(each[:4]), int(each[-2:]), 1) for each in labels},
                "week",
            )
        return _days({each: date.fromisoformat(each) for each in labels}, asked)
    except ValueError:
        return Steps("row", {})


def _minute(label: str) -> int:
    """Minutes since the first day there is."""
    since = datetime.fromisoformat(label) - datetime(1, 1, 1, tzinfo=UTC)
    return int(since.total_seconds() // 60)


def _days(days: Mapping[str, date], asked: str) -> Steps:
    """Labels that are days, or the first days of longer steps."""
    is_alone = len(days) == 1
    if asked in {"month", "quarter", "year"} or (
        not is_alone and asked == "" and all(day.day == 1 for day in days.values())
    ):
        return _months(days, asked)
    ordinals = {label: day.toordinal() for label, day in days.items()}
    offsets = {ordinal % 7 for ordinal in ordinals.values()}
    if len(offsets) == 1 and (asked == "week" or (asked == "" and not is_alone)):
        return Steps("week", {label: at // 7 for label, at in ordinals.items()}, offsets.pop())
    return Steps("day", ordinals)


def _months(days: Mapping[str, date], asked: str) -> Steps:
    """Labels that are first days of months, quarters or years."""
    is_yearly = len(days) > 1 and all(day.month == 1 for day in days.values())
    if asked == "year" or (asked == "" and is_yearly):
        return Steps("year", {label: day.year for label, day in days.items()})
    if asked == "quarter":
        return Steps(
            "quarter", {label: day.year * 4 + (day.month - 1) // 3 for label, day in days.items()}
        )
    return Steps("month", {label: day.year * 12 + day.month - 1 for label, day in days.items()})
