"""Owns the benchmark's data: large exports whose last plays are of yesterday or the day before.

Never times anything.
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from spotify_hist.sandbox.large import write_large_extended

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAY = re.compile(r'(?<="ts": ")[0-9-]{10}')
_TS = re.compile(r'"ts": ')


@dataclass(frozen=True, slots=True)
class Export:
    """The same rows twice: as the ZIP a person imports and as unpacked files."""

    archive: Path
    folder: Path
    rows: int


def write_export(directory: Path, rows: int, now: datetime) -> Export:
    """An export of `rows` rows that ends a day or two before `now`."""
    directory.mkdir(parents=True, exist_ok=True)
    generated = directory / "generated.zip"
    write_large_extended(generated, rows)
    export = Export(directory / "my_spotify_data.zip", directory / "unpacked", rows)
    export.folder.mkdir()
    newest = max(date.fromisoformat(day) for text in _texts(generated) for day in _last_day(text))
    shift = (now.date() - timedelta(days=2)) - newest

    @cache
    def moved(day: str) -> str:
        return (date.fromisoformat(day) + shift).isoformat()

    found = 0
    with (
        zipfile.ZipFile(generated) as source,
        zipfile.ZipFile(export.archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as target,
    ):
        for name in source.namelist():
            text = _DAY.sub(lambda day: moved(day[0]), source.read(name).decode())
            found += len(_TS.findall(text))
            target.writestr(name, text)
            (export.folder / Path(name).name).write_text(text, encoding="utf-8")
    generated.unlink()
    if found != rows:
        raise ValueError(f"{found} rows instead of {rows}")
    return export


def write_account(path: Path, rows: int, now: datetime) -> None:
    """An account export of `rows` rows that nothing else tells of, of the days before `now`."""
    plays = [
        {
            "endTime": f"{now - timedelta(hours=number):%Y-%m-%d %H:%M}",
            "artistName": f"Artist {number % 40}",
            "trackName": f"Track {number % 90}",
            "msPlayed": 180_000 + number,
        }
        for number in range(rows)
    ]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "Spotify Account Data/StreamingHistory_music_0.json", json.dumps(plays, indent=2)
        )


def _texts(archive: Path) -> Iterator[str]:
    with zipfile.ZipFile(archive) as source:
        for name in source.namelist():
            yield source.read(name).decode()


def _last_day(text: str) -> list[str]:
    return _DAY.findall(text)[-1:]
