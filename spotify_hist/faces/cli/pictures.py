"""Owns `--chart`: which file a picture may become, and writing it in one step.

Never asks a question; what is drawn is `charts`.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from spotify_hist.analytics import catalogue
from spotify_hist.disk import FULL, sync_directory
from spotify_hist.errors import BadInput, SpotifyHistError, StorageFull, UsageError
from spotify_hist.ownership import take_over
from spotify_hist.private_files import open_private

if TYPE_CHECKING:
    from spotify_hist.analytics.answers import Answer
    from spotify_hist.analytics.header import Query

ENDINGS = (".svg", ".html")


def place(question: Query, file: str) -> Path:
    """Where the picture of a question is to be written, links followed.

    Raises UsageError where the question has no chart or the ending is none of `ENDINGS`, BadInput
    where `file` cannot be a new file and is not a regular one.
    """
    if question.chart is None:
        drawn = ", ".join(each.name for each in catalogue.all_queries() if each.chart is not None)
        raise UsageError(f"{question.name} has no chart.", hint=f"Questions with one: {drawn}.")
    path = Path(file)
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"--chart cannot write '{file}'.", hint="Name a file that ends in .svg or .html."
        )
    try:
        path = path.resolve()
        if path.exists() and not path.is_file():
            raise BadInput(
                f"{file} is no regular file and stays as it is.", hint="Name another file."
            )
        if not path.parent.is_dir():
            raise BadInput(
                f"There is no directory {path.parent}.", hint="Make it, or name another file."
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise _refused(file, error) from error
    return path


def write(answer: Answer, timezone: str, path: Path) -> None:
    """Draw the answer and put the picture in place of `path` in one step.

    Raises StorageFull where the disk is full, else BadInput where the system refuses.
    """
    from spotify_hist.faces.cli.charts import page, picture

    draw = picture.svg if path.suffix.lower() == ".svg" else page.html
    drawn = draw(answer, timezone)
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            _write_new(temporary, drawn, path)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    except OSError as error:
        raise _refused(str(path), error) from error


def _write_new(temporary: Path, data: bytes, old: Path) -> None:
    """A new file with `data`, on disk: its owner's alone, or as readable as `old` is, which the
    person may show others on purpose."""
    with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_EXCL), "wb") as file:
        with suppress(FileNotFoundError):
            os.fchmod(file.fileno(), old.stat().st_mode & 0o777)
        take_over(file.fileno(), old)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _refused(file: str, error: Exception) -> SpotifyHistError:
    if isinstance(error, OSError) and error.errno in FULL:
        return StorageFull("There is no space left for the picture.")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return BadInput(
        f"The picture cannot be written to {file}: {reason}.",
        hint="Name a file in a directory that you may write to.",
    )
