"""Owns what a person hands to an import: paths, standard input, and the history files behind them.

Never reads a row and never touches the history.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from spotify_hist.errors import BadInput, SpotifyHistError
from spotify_hist.sources.exports.archive import Caps, Member, inspect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotify_hist.settings import Settings

STDIN = Path("-")
_STDIN_LABEL = "standard input"
_CHUNK = 1 << 20
_PACKED = (b"PK\3\4", b"PK\5\6", b"\x1f\x8b")  # a ZIP, an empty one, gzip


@dataclass(slots=True)
class Inputs:
    """The history files found, the names of files left unread, and inputs that failed."""

    members: list[Member] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    failed: list[SpotifyHistError] = field(default_factory=list)


def find(
    settings: Settings, paths: Sequence[Path], stdin: BinaryIO | None, directory: Path
) -> Inputs:
    """The history files behind all paths; raises the first failure where there are none.

    `-` is what `stdin` gives: it is written to `directory`, which must outlast the inputs.
    """
    caps = Caps(
        max_zip_bytes=int(settings.number("import.max_zip_mb") * 1_000_000),
        max_unpacked_bytes=int(settings.number("import.max_unpacked_gb") * 1_000_000_000),
        max_ratio=settings.number("import.max_ratio"),
        max_members=int(settings.number("import.max_members")),
    )
    inputs = Inputs()
    given = {path if path == STDIN else path.resolve(): path for path in paths}
    for path in given.values():
        try:
            if path == STDIN:
                inventory = inspect(_received(stdin, directory, caps), caps)
                inputs.members += (_of_stdin(each, directory) for each in inventory.members)
            else:
                inventory = inspect(path, caps)
                inputs.members += inventory.members
        except SpotifyHistError as error:
            inputs.failed.append(error)
        else:
            inputs.ignored += inventory.ignored
    if not inputs.members:
        raise inputs.failed[0]
    return inputs


def _received(stdin: BinaryIO | None, directory: Path, caps: Caps) -> Path:
    """Standard input as a file; BadInput where it is a terminal, empty or too large."""
    if stdin is None or stdin.isatty():
        raise BadInput(
            "Standard input is a terminal, so there is nothing to read.",
            hint="Send a file: 'spotify-hist import - < my_spotify_data.zip'.",
        )
    start = stdin.read(_CHUNK)
    if not start:
        raise BadInput("Standard input is empty.", hint="Send a ZIP or one of its files.")
    is_packed = start.startswith(_PACKED)
    most = caps.max_zip_bytes if is_packed else caps.max_unpacked_bytes
    setting = "import.max_zip_mb" if is_packed else "import.max_unpacked_gb"
    path = directory / _STDIN_LABEL
    size = 0
    with path.open("xb") as file:
        chunk = start
        while chunk:
            size += len(chunk)
            if size > most:
                raise BadInput(
                    f"Standard input is larger than {most / 1e6:,.0f} MB.",
                    hint=f"If it is a real export, raise the setting {setting}.",
                )
            file.write(chunk)
            chunk = stdin.read(_CHUNK)
    return path


def _of_stdin(member: Member, directory: Path) -> Member:
    """A member whose package does not name the directory that standard input was written to."""
    place = str(directory.resolve())
    return replace(member, package=member.package.replace(place, "-", 1))
