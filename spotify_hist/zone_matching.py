"""Owns the recognition of a time zone that is not named: by its file's content, by a POSIX rule.

Never reads the environment, and never takes a zone whose clocks show anything else now.

A rule such as `CET-1CEST,M3.5.0,M10.5.0/3` or a copied file tells when clocks change, not where
they hang. So a zone is looked for that changes its clocks alike, and where several do, the one that
the time zone database itself lets stand for them (its `zonenow.tab` and `zone1970.tab`).
"""

from __future__ import annotations

import functools
import io
import struct
import zoneinfo
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LARGEST = 65_536  # the largest files of zones have 4,000 bytes
_STEP = timedelta(days=7)  # no zone changes its clocks twice in a week
_HOUR = timedelta(hours=1)
_UTC = "Etc/UTC"
_FIRST_PLAYS = 2006  # nobody's history reaches further back
_LATELY = 2012
_BY_RULE = (2036, 2038)  # years of which only the rule in force tells what clocks will show


def by_name(name: str) -> str | None:
    """The zone of this name in other capitals: file systems differ in whether they care."""
    return next((zone for zone in _names() if zone.lower() == name.lower()), None)


@functools.lru_cache(maxsize=8)
def by_rule(rule: str) -> str | None:
    """The zone that follows a rule of POSIX, has called its time so, and did so longest; None
    where it is no whole rule, or nobody's."""
    wanted = _zone_of_rule(rule)
    if wanted is None:
        return None
    offset = _fixed_offset(wanted)
    if offset is not None and not offset % _HOUR:
        # West of Greenwich is positive in these names, as it is in POSIX.
        fixed = f"Etc/GMT{-offset // _HOUR:+d}" if offset else _UTC
        return fixed if fixed in _names() else None
    # `CET` and `EST5EDT` are zones, too, and claim no place.
    own = (rule.partition(",")[0], _abbreviations(wanted)[0])
    own_zones = [each for each in own if each in _names()]
    if (name := next(_agreeing(wanted, own_zones, _LATELY, _BY_RULE[1]), None)) is not None:
        return name
    ordered = dict.fromkeys([*_table("zonenow.tab"), *_table("zone1970.tab")])
    follow = list(_agreeing(wanted, ordered, *_BY_RULE))
    called = [each for each in follow if _abbreviations(each) == _abbreviations(wanted)]
    follow = called or follow
    for year in (_FIRST_PLAYS, _LATELY):
        if (name := next(_agreeing(wanted, follow, year, _BY_RULE[1]), None)) is not None:
            return name
    return follow[0] if follow else None


def by_file(path: Path, noted: str | None) -> str | None:
    """The zone whose file this is a copy of, or whose clocks have shown the same in all years of
    plays; `noted` before others that do. None where it is no such file, or nobody's."""
    try:
        stat = path.stat()
        return _by_content(str(path), (stat.st_size, stat.st_mtime_ns), noted)
    except (OSError, ValueError):
        return None


@functools.lru_cache(maxsize=8)
def _by_content(path: str, state: tuple[int, int], noted: str | None) -> str | None:
    """`state`: its size, and when it changed, so that it is looked at once only."""
    if state[0] > _LARGEST:
        return None
    data = Path(path).read_bytes()
    wanted = ZoneInfo.from_file(io.BytesIO(data))
    copies = _copies(data)
    if len(copies) == 1:
        return copies[0]
    first = [noted] if noted else []
    ordered = dict.fromkeys([*first, _UTC, *_table("zone1970.tab"), *_names()])
    if copies:
        return next(each for each in ordered if each in copies)
    # Of another release of the database, or written in its other form.
    called = [each for each in ordered if _abbreviations(each) == _abbreviations(wanted)]
    for year in (1900, 1970, _FIRST_PLAYS):
        if (name := next(_agreeing(wanted, called, year, _BY_RULE[1]), None)) is not None:
            return name
    return None


def _copies(data: bytes) -> list[str]:
    """The zones whose files hold just this; their sizes are looked at before their content."""
    for directory in (*map(Path, zoneinfo.TZPATH), _package()):
        found = [name for name in _names() if _is_copy(directory / name, data)]
        if found:
            return found
    return []


def _is_copy(file: Path, data: bytes) -> bool:
    try:
        return file.stat().st_size == len(data) and file.read_bytes() == data
    except OSError:  # a directory that is not there, or lacks this zone
        return False


def _agreeing(wanted: ZoneInfo, names: Iterable[str], first: int, last: int) -> Iterator[str]:
    """Those of the zones, in their order, that show what `wanted` shows until the year `last`."""
    instants = list(_instants(wanted, first, last))
    told = [at.astimezone(wanted).utcoffset() for at in instants]
    for name in names:
        with suppress(KeyError, ValueError, OSError):  # one that this system's database lacks
            zone = ZoneInfo(name)
            shown = (at.astimezone(zone).utcoffset() for at in instants)
            if all(one == other for one, other in zip(shown, told, strict=True)):
                yield name


def _instants(zone: ZoneInfo, first: int, last: int) -> Iterator[datetime]:
    """Instants that tell zones apart, the latest first: one of each week, and those just before
    and after each change of the zone's clocks."""
    at, beginning = datetime(last, 1, 1, tzinfo=UTC), datetime(first, 1, 1, tzinfo=UTC)
    while at > beginning:
        yield at
        before, after = at - _STEP, at
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            while after - before > timedelta(minutes=1):
                middle = before + (after - before) / 2
                if middle.astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset():
                    after = middle
                else:
                    before = middle
            yield before
            yield after
        at -= _STEP


def _zone_of_rule(rule: str) -> ZoneInfo | None:
    """What clocks would show if the rule had always been in force."""
    # The least file of a zone (RFC 9636): no change of the clocks, and a rule for all time.
    header = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4)
    body = struct.pack(">lBB4s", 0, 0, 0, b"LMT\0")
    try:
        footer = b"\n" + rule.encode("ascii") + b"\n"
        return ZoneInfo.from_file(io.BytesIO((header + body) * 2 + footer))
    except ValueError:
        return None


def _fixed_offset(zone: ZoneInfo) -> timedelta | None:
    """The offset of clocks that never change; None where they do."""
    offsets = {at.astimezone(zone).utcoffset() for at in _instants(zone, *_BY_RULE)}
    return offsets.pop() if len(offsets) == 1 else None


def _abbreviations(zone: ZoneInfo | str) -> tuple[str | None, ...]:
    """What a zone calls its time in January and in July; () of one this system's database lacks."""
    try:
        known = zone if isinstance(zone, ZoneInfo) else ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return ()
    halves = (datetime(_BY_RULE[0], month, 15, tzinfo=UTC) for month in (1, 7))
    return tuple(at.astimezone(known).tzname() for at in halves)


def _table(name: str) -> list[str]:
    """The zones in a table of the database, in its order; none where this release has none."""
    with suppress(OSError):
        lines = (_package() / name).read_text(encoding="utf-8").splitlines()
        return [line.split("\t")[2] for line in lines if line and not line.startswith("#")]
    return []


@functools.cache
def _names() -> dict[str, None]:
    """Every zone of the database that comes with the program, in its order."""
    text = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return dict.fromkeys(name for name in text.split() if name != "Factory")


def _package() -> Path:
    return Path(str(resources.files("tzdata").joinpath("zoneinfo")))
