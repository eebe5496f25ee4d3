"""Owns the spool: every API page lies here, on disk, until its rows are committed.

Never reads what a page means and never opens the database.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import NoneType
from typing import TYPE_CHECKING
from uuid import uuid4

from spotify_hist.errors import StorageFull
from spotify_hist.model import Account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VERSION = 1


@dataclass(frozen=True, slots=True)
class SpooledPage:
    """One recently-played answer as it came: whose it is, when it was fetched, the raw body."""

    path: Path
    account: Account
    fetched_at: datetime
    body: str


class Spool:
    """A directory of pages, one fsynced 0600 file each, taken in the order they were fetched."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(self, account: Account, body: bytes, fetched_at: datetime) -> Path:
        """Put a page safely on disk before anything else happens to it (DESIGN 2.1).

        Raises StorageFull where it cannot be written; then nothing was lost that Spotify does
        not still have.
        """
        page = {
            "version": _VERSION,
            "account_id": account.account_id,
            "spotify_id": account.spotify_id,
            "display_name": account.display_name,
            "fetched_at": fetched_at.isoformat(),
            "body": body.decode("utf-8", "replace"),
        }
        name = f"{fetched_at.astimezone(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex}.json"
        final = self._directory / name
        partial = self._directory / f".{name}.partial"
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(page, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(final)
            self._sync_directory()
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise StorageFull(
                f"The page from Spotify cannot be written to {self._directory}: {error.strerror}.",
                hint="Free some space or mend the permissions, then poll again soon.",
            ) from None
        return final

    def pages(self) -> Iterator[SpooledPage]:
        """The pages waiting, oldest first. One that cannot be read is set aside, never dropped."""
        if not self._directory.is_dir():
            return
        for path in sorted(self._directory.glob("[!.]*.json")):
            try:
                page = _read(path)
            except FileNotFoundError:  # another process committed it meanwhile
                continue
            except (OSError, ValueError, LookupError, TypeError, RecursionError):
                self.set_aside(path)
            else:
                yield page

    def remove(self, page: SpooledPage) -> None:
        """Forget a page whose rows are committed."""
        page.path.unlink(missing_ok=True)

    def set_aside(self, path: Path) -> None:
        """Keep a page that cannot be used in `failed/`, out of the way of the others."""
        failed = self._directory / "failed"
        try:
            failed.mkdir(mode=0o700, exist_ok=True)
            path.replace(failed / path.name)
        except FileNotFoundError:  # another process did so meanwhile
            return
        except OSError as error:
            raise StorageFull(
                f"{path} cannot be moved to {failed}: {error.strerror}.",
                hint="Free some space or mend the permissions.",
            ) from None

    def __len__(self) -> int:
        return len(list(self._directory.glob("[!.]*.json"))) if self._directory.is_dir() else 0

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(path: Path) -> SpooledPage:
    """The page in a file; OSError, ValueError and their like where it is none of ours."""
    page = json.loads(path.read_text(encoding="utf-8"))
    account_id, spotify_id, display_name, body = (
        page[key] for key in ("account_id", "spotify_id", "display_name", "body")
    )
    fetched_at = datetime.fromisoformat(page["fetched_at"])
    is_ours = (
        isinstance(account_id, str)
        and isinstance(spotify_id, (str, NoneType))
        and isinstance(display_name, (str, NoneType))
        and isinstance(body, str)
        and fetched_at.tzinfo is not None
    )
    if not is_ours:
        raise TypeError("not a page")
    return SpooledPage(path, Account(account_id, spotify_id, display_name), fetched_at, body)
