"""Owns whose a file is that root makes: the owner of the folder, as `sudo` is run now and then.

Never changes anything for anybody but root, and never takes a file from its owner.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

Exposure: TypeAlias = Literal["mendable", "given"]
_OTHERS = 0o077


def give(descriptor: int, directory: Path) -> None:
    """Give a file of root's to the owner of `directory`, which it is in.

    Where that cannot be done (a file system without owners) it stays as it is.
    """
    if os.geteuid() != 0:
        return
    with suppress(OSError):
        found, folder = os.fstat(descriptor), directory.stat()
        if _is_ours_to_give(found, folder):
            os.fchown(descriptor, folder.st_uid, folder.st_gid)


def give_path(path: Path) -> None:
    """The same for a file that must not be opened again: closing it would end its locks."""
    if os.geteuid() != 0:
        return
    with suppress(OSError):
        found, folder = path.lstat(), path.parent.stat()
        if _is_ours_to_give(found, folder):
            os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


def take_over(descriptor: int, old: Path) -> None:
    """Give a new file the owner of the file it is to replace, or else of the folder.

    Raises nothing: where it cannot be done, it belongs to whoever made it.
    """
    try:
        before = old.lstat()
    except OSError:
        give(descriptor, old.parent)
        return
    if os.geteuid() == 0 and stat.S_ISREG(before.st_mode):
        with suppress(OSError):
            os.fchown(descriptor, before.st_uid, before.st_gid)
        # One that an earlier version left to root goes back to whose folder it is.
        give(descriptor, old.parent)


def how_to_take_back(path: Path) -> str:
    """What to do about a file or folder that belongs to somebody else; "" where it is ours."""
    import shlex

    for each in (path, path.parent):
        try:
            uid = each.stat().st_uid
        except OSError:
            continue
        if uid != os.geteuid():
            command = f"sudo chown {_name(os.geteuid())} {shlex.quote(str(each))}"
            return f"{each} belongs to {_name(uid)}: run '{command}'"
    return ""


def exposure_of(path: Path) -> Exposure | None:
    """Whether others can read a file, and whether its mode is ours to mend; None where they cannot.

    The mode is not ours to choose (`given`) where the file was mounted or linked here from
    elsewhere, and on a file system that has none. Raises OSError.
    """
    found = path.lstat()
    if not path.stat().st_mode & _OTHERS:
        return None
    is_elsewhere = stat.S_ISLNK(found.st_mode) or found.st_dev != path.parent.stat().st_dev
    return "given" if is_elsewhere or not _has_modes(path.parent) else "mendable"


def _has_modes(directory: Path) -> bool:
    """Whether the file system heeds the mode of a file; where that cannot be tried, it does."""
    from tempfile import NamedTemporaryFile

    try:
        with NamedTemporaryFile(dir=directory, prefix=".probe-") as probe:
            return not os.fstat(probe.fileno()).st_mode & _OTHERS
    except OSError:
        return True


def how_to_make_private(path: Path) -> str:
    """The command after which nobody else can read a file."""
    import shlex

    quoted = shlex.quote(str(path))
    try:
        is_ours = path.stat().st_uid == os.geteuid()
    except OSError:
        is_ours = True
    if is_ours:
        return f"chmod 600 {quoted}"
    return f"sudo chown {_name(os.geteuid())} {quoted} && chmod 600 {quoted}"


def _name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _is_ours_to_give(found: os.stat_result, folder: os.stat_result) -> bool:
    """Whether it is root's in somebody's folder. A file with a second name may be another's."""
    is_single = stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
    return found.st_uid == 0 and folder.st_uid != 0 and is_single
