"""Owns finding the history files in what a person hands over: an archive, a folder or one file.

Never extracts a file by its name and never opens anything of a package that is not history.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Final

from spotify_hist.errors import BadInput
from spotify_hist.sources.exports import formats, lines, opening, reader, zipped
from spotify_hist.sources.exports.broken import BROKEN_ARCHIVE
from spotify_hist.sources.exports.zipped import Caps, Entry, Opener, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Caps", "Inventory", "Member", "inspect"]

_REQUEST: Final = (
    "Ask for your 'Extended streaming history' at https://www.spotify.com/account/privacy/: it is "
    "a request of its own beside 'Account data', and the mail with the link can take 30 days."
)
_TAR_SUFFIXES: Final = (".tar.gz", ".tgz")


@dataclass(frozen=True)
class Member:
    """One history file. `name` is what a person is shown, `size` its unpacked bytes.

    `package` tells exports apart: equal account rows are counted within one package (FACTS 6.2).
    """

    name: str
    package: str
    format: formats.Format
    size: int
    opener: Opener = field(repr=False, compare=False)
    # The SHA-256 of a member of a ZIP as it is packed (`unpack.packed_sha256`); None for others.
    packed_sha256: Callable[[], str | None] = field(default=lambda: None, repr=False, compare=False)

    def open(self) -> BinaryIO:
        """A new stream of the file's bytes for `reader.rows`, to be closed by the caller.

        Raises OSError where the file has gone since. It never gives more than `size` bytes of a
        ZIP's member.
        """
        return self.opener()


@dataclass(frozen=True)
class Inventory:
    """The history files in a fixed order, and the names of the files left unread."""

    members: tuple[Member, ...]
    ignored: tuple[str, ...]


def inspect(path: Path, caps: Caps) -> Inventory:
    """What history `path` holds; files are recognised by name, else by the keys of their rows.

    A path may be a ZIP, a folder, a gzipped tar (Maloja's backup) or a single file.

    Raises BadInput where the path cannot be read, holds no history or exceeds `caps`. Damage
    inside a file shows only while its rows are read (`reader.DamagedFile`).
    """
    search = _Search(caps)
    try:
        if not path.exists():
            raise BadInput(f"{path} does not exist.", hint="Check the path and try again.")
        if path.is_dir():
            search.sort_out(_folder(path, caps), f"{path.resolve()}/")
        elif not path.is_file():
            raise BadInput(f"{path} is neither a file nor a folder.", hint="Check the path.")
        elif zipped.is_zip(path):
            entries = zipped.entries(path.name, _opener(path), caps)
            search.sort_out(entries, f"{path.resolve()}!/")
        elif _is_tar_gz(path):
            search.sort_out(_tarred(path.name, _opener(path), caps), f"{path.resolve()}!/")
        else:
            search.members.append(_single(path))
    except OSError as error:
        raise BadInput(
            f"{error.filename or path} cannot be read: {error.strerror or type(error).__name__}.",
            hint="Check the file and its permissions.",
        ) from None
    members, ignored = search.members, sorted(search.ignored)
    if not members:
        raise _no_history(path, ignored)
    if sum(member.size for member in members) > caps.max_unpacked_bytes:
        raise zipped.too_large(path.name, caps.max_unpacked_bytes, unpacked=True)
    members.sort(key=lambda member: (_natural(member.package), _natural(member.name), member.name))
    return Inventory(tuple(members), tuple(ignored))


def _kept(name: str) -> str:
    """A name as the history can keep it: bytes that are no UTF-8 are written as their numbers."""
    return name.encode("utf-8", "backslashreplace").decode()


class _Search:
    """What has been found so far; archives in an archive or folder are looked into, one deep."""

    def __init__(self, caps: Caps, outer: str = "") -> None:
        self.members: list[Member] = []
        self.ignored: list[str] = []
        self._caps = caps
        self._outer = outer
        self._times = Counter[tuple[str, str]]()

    def sort_out(self, entries: Iterable[Entry], place: str) -> None:
        """Put each entry under `members` or `ignored`; `place` begins the names of packages."""
        for entry in entries:
            path = PurePosixPath(entry.name)
            if path.name.startswith("._") or "__MACOSX" in path.parts:
                continue  # what macOS adds beside each file
            name = shown(self._outer + entry.name)
            if entry.aside is not None:
                self.ignored.append(f"{name} ({entry.aside})")
                continue
            if path.name.lower().endswith((".zip", *_TAR_SUFFIXES)) and not self._outer:
                self._look_into(entry, name, place)
                continue
            try:
                detected = _detect(entry, path)
            except (BadInput, OSError) as error:
                if formats.by_name(path.name):
                    raise
                name += f" ({error})"
                detected = None
            if detected is None:
                self.ignored.append(name)
                continue
            folder = "" if path.parent == PurePosixPath() else f"{path.parent}/"
            package = place + folder + formats.copy_mark(path.name)
            # Two members of one name are two exports: rows that both tell count once.
            self._times[package, name] += 1
            if (nth := self._times[package, name]) > 1:
                package, name = f"{package}#{nth}", f"{name} #{nth}"
            self.members.append(
                Member(
                    name, _kept(package), detected, entry.size, entry.opener, entry.packed_sha256
                )
            )

    def _look_into(self, entry: Entry, name: str, place: str) -> None:
        """Add what an inner archive holds; one that cannot be read is ignored, with the reason."""
        inner = _Search(self._caps, outer=f"{name}/")
        try:
            if entry.problem is not None:
                raise entry.problem
            listing = _tarred if entry.name.lower().endswith(_TAR_SUFFIXES) else zipped.entries
            found = listing(name, entry.container, self._caps)
            inner.sort_out(found, f"{place}{entry.name}!/")
        except (BadInput, OSError) as error:
            self.ignored.append(f"{name} ({error})")
        except BROKEN_ARCHIVE:
            self.ignored.append(f"{name} (damaged)")
        else:
            self.members += inner.members
            self.ignored += inner.ignored


def _detect(entry: Entry, path: PurePosixPath) -> formats.Format | None:
    """The entry's format or None; BadInput for a file that may be history but is barred."""
    if not _is_safe(entry.name):
        return None
    detected = formats.by_name(path.name)
    is_candidate = path.suffix.lower() in formats.SUFFIXES and not formats.is_other(path.name)
    if detected is None and not is_candidate:
        return None
    if entry.problem is not None:
        raise entry.problem
    if detected is not None:
        return detected
    try:
        return opening.detect(entry.opener)
    except reader.DamagedFile:
        return None


def _tarred(label: str, container: Opener, caps: Caps) -> Iterator[Entry]:
    from spotify_hist.sources.exports import tarred

    return tarred.entries(label, container, caps)


def _is_tar_gz(path: Path) -> bool:
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return False
    from spotify_hist.sources.exports import tarred

    return tarred.is_tar_gz(path)


def _folder(root: Path, caps: Caps) -> Iterator[Entry]:
    """The files of a folder and its subfolders; links to folders are not followed.

    Anything but regular files, and what a link or a second name of a file leads to, is put aside.
    """
    whole = root.resolve()
    seen: set[tuple[int, int]] = set()
    count = 0
    for directory, subfolders, names in os.walk(root):
        subfolders.sort()
        for name in sorted(names, key=lambda name: (Path(directory, name).is_symlink(), name)):
            count += 1
            if count > caps.max_members:
                raise BadInput(
                    f"{root} holds more than {caps.max_members:,} files.",
                    hint="Give the folder of the export itself.",
                )
            path = Path(directory, name)
            try:
                status = path.stat()
                is_inside = path.resolve().is_relative_to(whole)
            except (OSError, RuntimeError):
                continue  # a link that leads nowhere is no file
            aside = None
            if not stat.S_ISREG(status.st_mode):
                aside = "not a regular file"
            elif not is_inside:
                aside = "a link that leads out of the folder"
            elif (status.st_dev, status.st_ino) in seen:
                aside = "the same file once more"
            seen.add((status.st_dev, status.st_ino))
            opener = _opener(path)
            listed = path.relative_to(root).as_posix()
            yield Entry(listed, status.st_size, opener, opener, aside=aside)


def _single(path: Path) -> Member:
    """The one history file at `path`; BadInput where it is none."""
    opener = _opener(path)
    not_history = BadInput(f"{path.name} is not listening history.", hint=_REQUEST)
    detected = formats.by_name(path.name)
    if detected is None and formats.is_other(path.name):
        raise not_history
    try:
        if detected is None:
            detected = opening.detect(opener)
        else:
            with opener() as stream:
                next(opening.open_rows(detected, stream), None)
    except reader.DamagedFile as error:
        if detected is None and not _is_like_history(path):
            raise _neither(path) from None
        raise BadInput(
            f"{path.name} holds no readable row: {error.reason}.", hint=zipped.AGAIN
        ) from None
    if detected is None:
        raise not_history if _is_like_history(path) else _neither(path)
    package = f"{path.resolve().parent}/{formats.copy_mark(path.name)}"
    return Member(shown(path.name), _kept(package), detected, path.stat().st_size, opener)


def _is_like_history(path: Path) -> bool:
    """Whether a file's name or its first letter is such that it might hold plays."""
    with path.open("rb") as file:
        start = file.read(4096).removeprefix(lines.BOM).lstrip()
    return path.suffix.lower() in formats.SUFFIXES or start.startswith((b"[", b"{"))


def _neither(path: Path) -> BadInput:
    return BadInput(
        f"{path.name} is not a ZIP, JSON or CSV file.",
        hint="Give the ZIP that Spotify sent, the folder it unpacks to, or one of its files.",
    )


def _opener(path: Path) -> Opener:
    return lambda: path.open("rb")


def _is_safe(name: str) -> bool:
    """Whether a member's path stays inside the archive, although nothing is extracted by it."""
    path = PurePosixPath(name)
    return not (path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name))


def _no_history(path: Path, ignored: list[str]) -> BadInput:
    names = [PurePosixPath(name).name if " (" not in name else name for name in ignored]
    held = "it is empty"
    if names:
        rest = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
        held = "it holds " + ", ".join(names[:3]) + rest
    return BadInput(f"{path.name or path} holds no listening history: {held}.", hint=_REQUEST)


def _natural(text: str) -> list[str | int]:
    """A sort key by which file_2 comes before file_10."""
    return [int(part) if part.isdecimal() else part for part in re.split("([0-9]+)", text.lower())]
