"""Small exports for the tests: ZIPs, caps, and the files that go into them."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

from spotify_hist.sources.exports.archive import Caps, Inventory, Member
from spotify_hist.sources.exports.reader import rows

if TYPE_CHECKING:
    from pathlib import Path

CAPS = Caps(max_zip_bytes=10_000_000, max_unpacked_bytes=20_000_000, max_ratio=200, max_members=200)
EXTENDED = json.dumps([{"ts": "2023-05-06T10:20:30Z", "ms_played": 1000}]).encode()
ACCOUNT = json.dumps(
    [{"endTime": "2023-05-06 10:20", "artistName": "A", "trackName": "T", "msPlayed": 1}]
).encode()
# Not JSON, so that any attempt to read it would show.
PRIVATE = b"\xff never to be opened"


def make_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A ZIP of `files` at `path`."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def names(inventory: Inventory) -> list[str]:
    """The members' names in order."""
    return [member.name for member in inventory.members]


def read(member: Member) -> list[object]:
    """Every row of a member."""
    with member.open() as stream:
        return [row for _, row in rows(stream)]


def caps(**changes: int) -> Caps:
    """The usual caps with some changed."""
    return Caps(**{**vars(CAPS), **changes})
