"""Owns the way from a listener's words for time to instants: half-open periods in a time zone.

Never reads a clock; `now` comes in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from spotify_hist.errors import UsageError
from spotify_hist.settings import is_zone

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMS = (
    "Use a date such as 2024-06-01, a month such as 2024-06, a year such as 2024, today, "
    "yesterday, this-month, last-month, this-year, last-year, or 90d."
)
_YEAR = re.compile(r"[0-9]{4}")
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
_DAYS = re.compile(r"([0-9]{1,5})d")
_LENGTH_OF_DATE = len("2024-06-01")


@dataclass(frozen=True, slots=True)
class Period:
    """Half-open [since, until), both UTC instants; None is open."""

    since: datetime | None
    until: datetime | None


def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name; UsageError where there is none."""
    if not is_zone(name):
        raise UsageError(
            f"There is no time zone called '{name}'.",
            hint="Use an IANA name such as Europe/Berlin, Asia/Kolkata or UTC.",
        )
    return ZoneInfo(name)


def resolve(arguments: Mapping[str, object], tz: ZoneInfo, now: datetime) -> Period:
    """The period of the arguments since, until, days and year; UsageError where they contradict."""
    days, year = arguments.get("days"), arguments.get("year")
    since, until = arguments.get("since"), arguments.get("until")
    given = [
        name
        for name, values in (("since/until", (since, until)), ("days", (days,)), ("year", (year,)))
        if any(value is not None for value in values)
    ]
    if len(given) > 1:
        raise UsageError(
            f"{' and '.join(given)} contradict each other.", hint="Give only one of them."
        )
    if isinstance(days, int):
        return Period(_days_ago(days, tz, now), None)
    if isinstance(year, int):
        return _year(year, tz)
    period = Period(
        None if since is None else _instant(str(since), "since", tz, now),
        None if until is None else _instant(str(until), "until", tz, now),
    )
    if period.since and period.until and period.since >= period.until:
        raise UsageError(
            f"since ({since}) is not before until ({until}) in {tz.key}.",
            hint="until is left out of the period: for one day give until the day after.",
        )
    return period


def midnight(day: date, tz: ZoneInfo) -> datetime:
    """The first instant of a local day, UTC; right on days that have no midnight."""
    return datetime.combine(day, time(), tz).astimezone(UTC)


def _year(year: int, tz: ZoneInfo) -> Period:
    try:
        return Period(midnight(date(year, 1, 1), tz), midnight(date(year + 1, 1, 1), tz))
    except (ValueError, OverflowError):
        raise UsageError(f"{year} is a year beyond the calendar.") from None


def _days_ago(days: int, tz: ZoneInfo, now: datetime) -> datetime:
    """The same local time of day, N days back."""
    try:
        return (now.astimezone(tz) - timedelta(days=days)).astimezone(UTC)
    except OverflowError:
        raise UsageError(f"{days} days is further back than the calendar.") from None


def _instant(text: str, name: str, tz: ZoneInfo, now: datetime) -> datetime:
    today = now.astimezone(tz).date()
    month = today.replace(day=1)
    words = {
        "now": now,
        "today": midnight(today, tz),
        "yesterday": midnight(today - timedelta(days=1), tz),
        "tomorrow": midnight(today + timedelta(days=1), tz),
        "this-month": midnight(month, tz),
        "last-month": midnight((month - timedelta(days=1)).replace(day=1), tz),
        "this-year": midnight(date(today.year, 1, 1), tz),
        "last-year": midnight(date(today.year - 1, 1, 1), tz),
    }
    if text in words:
        return words[text].astimezone(UTC)
    try:
        if _YEAR.fullmatch(text):
            return midnight(date(int(text), 1, 1), tz)
        if found := _MONTH.fullmatch(text):
            return midnight(date(int(found[1]), int(found[2]), 1), tz)
        if found := _DAYS.fullmatch(text):
            return _days_ago(int(found[1]), tz, now)
        if len(text) == _LENGTH_OF_DATE:
            return midnight(date.fromisoformat(text), tz)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=tz)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{name} cannot be '{text}'.", hint=_FORMS) from None
