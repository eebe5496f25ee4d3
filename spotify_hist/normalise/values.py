"""Owns the values that raw rows are made of: instants, durations, text, objects; each checked once.

Never knows a row: which keys there are, and what they mean, stands in the modules of the sources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, cast

from spotify_hist.model import is_unicode, well_formed

Object = Mapping[str, object]

LONGEST_MS: Final = 7 * 86_400_000
LARGEST: Final = 2**63 - 1  # what a database's 64-bit column holds
_EPOCH: Final = datetime.fromisoformat("1970-01-01")
_EARLIEST_S: Final = (datetime.fromisoformat("2006-01-01") - _EPOCH).total_seconds()
_LATEST_S: Final = (datetime.fromisoformat("2100-01-01") - _EPOCH).total_seconds()

_DATE: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_HOUR_MINUTE: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_INSTANT: Final = re.compile(
    rf"({_DATE}T{_HOUR_MINUTE}:[0-5][0-9])(?:\.([0-9]{{1,9}}))?(?:Z|\+00:00)"
)
_OFFSET_INSTANT: Final = re.compile(
    rf"({_DATE})[Tt]({_HOUR_MINUTE}:[0-5][0-9])(?:[.,]([0-9]{{1,9}}))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)"
)
_DIGITS: Final = re.compile("[0-9]{1,15}")
_MINUTE: Final = re.compile(rf"({_DATE} {_HOUR_MINUTE})(?::[0-5][0-9])?")


class MisfitError(Exception):
    """The reason why a row is no record."""


def instant(value: object, key: str) -> int:
    """Epoch milliseconds of an ISO 8601 instant in UTC; no file has ever had another offset."""
    if not isinstance(value, str):
        raise MisfitError(f'no "{key}"' if value is None else f'"{key}" is not a time')
    if len(value) == 20 and value[4::3] == "--T::Z":
        return epoch_ms(value[:-1], key)
    match = _INSTANT.fullmatch(value)
    if match is None:
        raise MisfitError(f'"{key}" is not a time in UTC: {shown(value)}')
    whole, fraction = match.groups()
    return epoch_ms(whole, key) + int((fraction or "0").ljust(3, "0")[:3])


def offset_instant(value: object, key: str) -> int:
    """Epoch milliseconds of an ISO 8601 instant, in UTC or with an offset.

    A time without a zone and a bare number are none: what they are counted from would be a guess.
    """
    match = _OFFSET_INSTANT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return instant(value, key)
    date, time, fraction, sign, hours, minutes = match.groups()
    offset_ms = 60_000 * (60 * int(hours or 0) + int(minutes or 0))
    local_ms = epoch_ms(f"{date}T{time}", key) + int((fraction or "0").ljust(3, "0")[:3])
    return local_ms + offset_ms if sign == "-" else local_ms - offset_ms


def minute(value: object, key: str) -> int:
    """Epoch milliseconds of the minute that "YYYY-MM-DD HH:MM" names in UTC (FACTS 5.1)."""
    if not isinstance(value, str):
        raise MisfitError(f'no "{key}"' if value is None else f'"{key}" is not a time')
    match = _MINUTE.fullmatch(value)
    if match is None:
        raise MisfitError(f'"{key}" is not a time: {shown(value)}')
    return epoch_ms(match[1], key)


def epoch_ms(text: str, key: str) -> int:
    """Epoch milliseconds of ISO 8601 text without a zone, read as UTC; 2006 to 2099."""
    try:
        seconds = (datetime.fromisoformat(text) - _EPOCH).total_seconds()
    except ValueError:
        raise MisfitError(f'"{key}" is not a time: {shown(text)}') from None
    if _EARLIEST_S <= seconds < _LATEST_S:
        return int(seconds) * 1000
    raise MisfitError(f"time out of range: {shown(text)}")


def stamp_ms(value: object, key: str, *, per_second: int = 1) -> int:
    """Epoch milliseconds of a Unix time, a number or its digits; `per_second` 1000 for ms."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if value is None or value == "":
        raise MisfitError(f'no "{key}"')
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MisfitError(f'"{key}" is not a time')
    if _EARLIEST_S * per_second <= value < _LATEST_S * per_second:
        return round(value * 1000) // per_second
    raise MisfitError(f"time out of range: {shown(str(value))}")


def listened(value: object, key: str) -> int:
    """Listened milliseconds, 0 to seven days."""
    if value is None:
        raise MisfitError(f'no "{key}"')
    if type(value) is not int:
        value = whole(value, key)
    if 0 <= value <= LONGEST_MS:
        return value
    raise MisfitError(f'"{key}" is ' + ("negative" if value < 0 else "longer than seven days"))


def whole(value: object, key: str) -> int:
    """`value` as a whole number; true and false, text and fractions are none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise MisfitError(f'"{key}" is not a whole number')
    if -LARGEST <= value <= LARGEST:
        return value
    raise MisfitError(f'"{key}" is out of range')


def duration(value: object) -> int | None:
    """A length that is told and makes sense, else None."""
    return value if type(value) is int and 0 <= value <= LARGEST else None


def texts(values: tuple[object, ...], keys: Sequence[str]) -> Sequence[str | None]:
    """The values of `keys`, each text or None; empty text is left for the caller to drop."""
    for value in values:
        if value is not None and value.__class__ is not str:
            raise MisfitError(f'"{keys[place(value, values)]}" is neither text nor null')
    texts = cast("tuple[str | None, ...]", values)
    # One look at all of them together: practically no row needs more.
    if _is_clean("".join(filter(None, texts))):
        return texts
    return [text and well_formed(text) for text in texts]


def place(value: object, values: Sequence[object]) -> int:
    """Where this very object stands; `index` would take 1 for True and 0 for False."""
    return next(place for place, other in enumerate(values) if other is value)


def clean_text(value: object) -> str | None:
    """Clean non-empty text, or None for anything else."""
    if not isinstance(value, str):
        return None
    return (value if _is_clean(value) else well_formed(value)) or None


def _is_clean(text: str) -> bool:
    return is_unicode(text) and "\0" not in text


def as_object(value: object) -> Object:
    """The object itself; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects_in(value: object) -> list[Object]:
    """The objects in a list; none for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def shown(text: str) -> str:
    """A short printable form of a value from a file, for a message."""
    return ascii(text[:40])[1:-1]
