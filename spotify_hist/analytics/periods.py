"""Owns the way from a listener's words for time to instants: half-open periods in a time zone.

Never reads a clock; `now` comes in.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from spotify_hist.errors import UsageError
from spotify_hist.system_zone import is_zone

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


_NO_TIME = Period(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC))


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


def earlier(period: Period, tz: ZoneInfo, now: datetime, which: str) -> Period:
    """The period that one is compared with: `previous` is the one of the same length that ends
    where it begins, `year-before` the same days a year earlier.

    Lengths are those of the zone's clocks, and whole months are as many months, so that March goes
    with February. Before a period without a beginning there is none: it is empty.
    """
    try:
        if period.since is None:
            return _NO_TIME
        since = period.since.astimezone(tz).replace(tzinfo=None)
        until = (period.until or now).astimezone(tz).replace(tzinfo=None)
        if since >= until:
            return _NO_TIME
        if which == "year-before":
            return Period(_at(_months_before(since, 12), tz), _at(_months_before(until, 12), tz))
        if since == _month_of(since) and until == _month_of(until):
            months = (until.year - since.year) * 12 + until.month - since.month
            return Period(_at(_months_before(since, months), tz), period.since)
        return Period(_at(since - (until - since), tz), period.since)
    except (ValueError, OverflowError):  # it would begin before the calendar does
        return _NO_TIME


def _months_before(moment: datetime, months: int) -> datetime:
    """The same day and time some months earlier; the last day of a shorter month."""
    years, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    first = moment.replace(year=years, month=month + 1, day=1)
    return first.replace(day=min(moment.day, monthrange(first.year, first.month)[1]))


def _month_of(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _at(local: datetime, tz: ZoneInfo) -> datetime:
    return local.replace(tzinfo=tz).astimezone(UTC)


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
