"""Owns local time as SQL: what the clocks of a zone showed at an instant; zones of countries.

Never reads the database. DuckDB could convert instants itself, but takes four times as long for
it, and does not know every zone that Python does.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(2005, 12, 1, tzinfo=UTC)  # Spotify's first plays are of 2006
_YEARS_AHEAD = 2
_YEARS_KNOWN = 20
_STEP = timedelta(days=7)  # no zone changes its clocks twice in a week


def local_time(zone: ZoneInfo, now: datetime, *, at: str = "played_at") -> str:
    """An SQL expression of the local timestamp in `zone` of the instant `at`, up to two years on.

    The zone's offsets stand in it, chosen by halving, so that an instant is compared a few times.
    """
    end = now + timedelta(days=366 * _YEARS_AHEAD)
    offset = _chosen(_offsets(zone, end.replace(day=1, hour=0, minute=0, second=0, microsecond=0)))
    return f"make_timestamp(epoch_us({at}) + ({offset.replace('{at}', at)}))"


def days_left_out(zone: ZoneInfo, now: datetime) -> tuple[date, ...]:
    """The days that never were in a zone, as it moved across the date line (Samoa, end of 2011)."""
    end = now + timedelta(days=366 * _YEARS_AHEAD)
    offsets = _offsets(zone, end.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    found: list[date] = []
    for (_, before), (at, after) in pairwise(offsets):
        last = (_EPOCH + timedelta(microseconds=at + before - 1)).date()
        following = (_EPOCH + timedelta(microseconds=at + after)).date()
        found += [last + timedelta(days=nth) for nth in range(1, (following - last).days)]
    return tuple(found)


@lru_cache(maxsize=32)
def _offsets(zone: ZoneInfo, end: datetime) -> tuple[tuple[int, int], ...]:
    """(epoch microseconds from when on, offset in microseconds), oldest first."""
    offset = _offset(zone, _FIRST)
    found = [(0, offset)]
    moment = _FIRST
    while moment < end:
        following = moment + _STEP
        if _offset(zone, following) != offset:
            change = _change(zone, moment, following)
            offset = _offset(zone, following)
            found.append(((change - _EPOCH) // timedelta(microseconds=1), offset))
        moment = following
    return tuple(found)


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second at which the clocks change between two instants."""
    old = _offset(zone, before)
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle <= before:
            break
        before, after = (middle, after) if _offset(zone, middle) == old else (before, middle)
    return after


def _offset(zone: ZoneInfo, moment: datetime) -> int:
    offset = moment.astimezone(zone).utcoffset() or timedelta(0)
    return offset // timedelta(microseconds=1)


def _chosen(offsets: Sequence[tuple[int, int]]) -> str:
    """Nested comparisons that end at the offset in force."""
    if len(offsets) == 1:
        return str(offsets[0][1])
    middle = len(offsets) // 2
    early, late = _chosen(offsets[:middle]), _chosen(offsets[middle:])
    # Whole seconds, as a timestamp is compared with an integer.
    return f"case when epoch_us({{at}}) < {offsets[middle][0]} then {early} else {late} end"


@cache
def country_zones() -> Mapping[str, str]:
    """The time zone of each country (ISO 3166 code) whose clocks have all shown the same time since
    there was Spotify, by the tz database."""
    zones: defaultdict[str, list[str]] = defaultdict(list)
    table = resources.files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            zones[country].append(zone)
    return {country: found[0] for country, found in zones.items() if _are_alike(found)}


def _are_alike(names: Sequence[str]) -> bool:
    one, *others = map(ZoneInfo, names)
    moments = [_FIRST + _STEP * week for week in range(52 * _YEARS_KNOWN)]
    return all(
        _offset(one, moment) == _offset(other, moment) for other in others for moment in moments
    )
