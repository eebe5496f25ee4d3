"""Owns the benchmark's data: one large export whose last plays are of yesterday.

Never times anything.
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from spotify_hist.sandbox.large import write_large_extended

_TS = re.compile(r'"ts": "([^"]{20})"')


@dataclass(frozen=True, slots=True)
class Export:
    """The same rows twice: as the ZIP a person imports and as unpacked files."""

    archive: Path
    folder: Path
    rows: int


def write_export(directory: Path, rows: int, now: datetime) -> Export:
    """An export of `rows` rows that ends a day before `now`."""
    generated = directory / "generated.zip"
    write_large_extended(generated, rows)
    export = Export(directory / "my_spotify_data.zip", directory / "unpacked", rows)
    export.folder.mkdir()
    with zipfile.ZipFile(generated) as source:
        members = [(name, source.read(name).decode()) for name in source.namelist()]
    newest = max(_instant(each) for _, text in members for each in _TS.findall(text)[-1:])
    shift = (now - timedelta(days=1)).replace(microsecond=0) - newest
    with zipfile.ZipFile(export.archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as target:
        for name, text in members:
            moved = _TS.sub(lambda found: f'"ts": "{_moved(found[1], shift)}"', text)
            target.writestr(name, moved)
            (export.folder / Path(name).name).write_text(moved, encoding="utf-8")
    generated.unlink()
    _check(export)
    return export


def _check(export: Export) -> None:
    """Refuse to measure with less than what was asked for."""
    found = sum(len(json.loads(path.read_bytes())) for path in export.folder.iterdir())
    if found != export.rows:
        raise ValueError(f"{found} rows instead of {export.rows}")


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _moved(text: str, shift: timedelta) -> str:
    return (_instant(text) + shift).strftime("%Y-%m-%dT%H:%M:%SZ")
