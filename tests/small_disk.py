"""A disk with little room, and commands whose files may not grow: real ones, for real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Runs the command of argv[2:] where no file may grow beyond argv[1] bytes.
LIMITED = """
import resource, sys
limit = int(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from spotify_hist.faces.cli.main import main
sys.argv = ["spotify-hist", *sys.argv[2:]]
main()
"""


class Said(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


def command(home: Path, limit: int, *arguments: str | Path) -> Said:
    """Run a command in a process of its own, with a limit on the size of files or 0 for none."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *map(str, arguments)],
        env={**os.environ, "SPOTIFY_HIST_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@contextmanager
def small_disk(directory: Path, kilobytes: int) -> Iterator[None]:
    """A disk of that size at `directory`; the test is skipped where none can be mounted."""
    directory.mkdir()
    mount = shutil.which("mount")
    if sys.platform != "linux" or mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk, and only on Linux")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def resize(directory: Path, kilobytes: int) -> None:
    """Give a small disk another size."""
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(directory)], check=True)
