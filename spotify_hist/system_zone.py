"""Owns which time zone this system has: TZ, /etc/localtime, /etc/timezone, by name or by content.

Never guesses in silence: where no zone can be told, it says so beside the one it takes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ETC = Path("/etc")
_UTC = "UTC"
_LONGEST_SHOWN = 40
# Files beside the zones: what they hold has no name that another program knows.
_NO_NAMES = frozenset({"localtime", "posixrules", "Factory"})


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone's IANA name, and where it only stands in for the true one, why that is not known."""

    name: str
    doubt: str | None = None

    @property
    def note(self) -> str | None:
        """What to say beside times that are told in it; None where it is the true one."""
        if self.doubt is None:
            return None
        return (
            f"Times are in {self.name}: {self.doubt}. Name your time zone with "
            "SPOTIFY_HIST_TIMEZONE, or as timezone in config.toml, such as Europe/Berlin."
        )


def find(environ: Mapping[str, str] | None = None, etc: Path = _ETC) -> Zone:
    """The zone of TZ, where that is set and can be understood, else the machine's, else UTC."""
    env = os.environ if environ is None else environ
    told = env.get("TZ", "").strip().removeprefix(":")
    if not told or told == "localtime":
        return _of_machine(etc)
    name = _named(told, etc)
    if name is not None:
        return Zone(name)
    shown = ascii(told[:_LONGEST_SHOWN])
    return Zone(_of_machine(etc).name, f"TZ is {shown}, which names no time zone known here")


def is_zone(name: str) -> bool:
    """Whether `name` is an IANA time zone that is known here."""
    from zoneinfo import ZoneInfo

    if name.startswith(("posix/", "right/")) or name in _NO_NAMES:
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _named(told: str, etc: Path) -> str | None:
    """The zone that a value of TZ means: its name, a file that holds it, or a rule of POSIX."""
    name = _bare(_in_path(told) or told)
    if name.startswith("/"):
        return _of_file(Path(name), etc)
    if is_zone(name):
        return name
    from spotify_hist import zone_matching

    return zone_matching.by_name(name) or zone_matching.by_rule(name)


def _of_machine(etc: Path) -> Zone:
    """The zone of /etc/localtime, else of /etc/timezone, which only some systems keep true."""
    local = etc / "localtime"
    if local.exists():
        name = _of_file(local, etc)
        if name is not None:
            return Zone(name)
    noted = _noted(etc)
    if noted is not None:
        return Zone(noted)
    if local.exists():
        return Zone(_UTC, f"the zone in {local} is none that is known here")
    return Zone(_UTC, "this system tells no time zone")


def _of_file(path: Path, etc: Path) -> str | None:
    """The zone that a file holds: by where it truly lies, else by its content."""
    try:
        name = _in_path(str(path.resolve()))
    except (OSError, RuntimeError):  # links in a circle
        return None
    if name is not None and is_zone(_bare(name)):
        return _bare(name)
    from spotify_hist import zone_matching

    return zone_matching.by_file(path, _noted(etc))


def _in_path(path: str) -> str | None:
    """The name of a zone in the path of its file; None where that lies in no such folder."""
    _, found, name = path.partition("/zoneinfo/")
    return name if found else None


def _bare(name: str) -> str:
    """The name without the folder of one of the database's forms."""
    return name.removeprefix("posix/").removeprefix("right/")


def _noted(etc: Path) -> str | None:
    """The zone that /etc/timezone names."""
    try:
        text = (etc / "timezone").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if is_zone(text) else None
