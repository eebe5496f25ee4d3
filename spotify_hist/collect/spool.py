"""Owns the spool: every API page lies here, on disk, until its rows are committed.

Never reads what a page means and never opens the database.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import NoneType
from typing import TYPE_CHECKING
from uuid import uuid4

from spotify_hist.disk import FULL, sync_directory
from spotify_hist.errors import BadInput, StorageFull, Temporary
from spotify_hist.model import Account
from spotify_hist.private_files import make_directory, open_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VERSION = 1


@dataclass(frozen=True, slots=True)
class SpooledPage:
    """One recently-played answer as it came: whose it is, when it was fetched, the raw body.

    A page of a backfill says which plays were asked for: those from `until_ms` to before
    `before_ms`, epoch milliseconds.
    """

    path: Path
    account: Account
    fetched_at: datetime
    body: str
    before_ms: int | None = None
    until_ms: int | None = None

    @property
    def job(self) -> str:
        """The job that fetched it: `poll` or `backfill`."""
        return "poll" if self.before_ms is None else "backfill"


class Spool:
    """A directory of pages, one fsynced 0600 file each, taken in the order they were fetched."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(
        self,
        account: Account,
        body: bytes,
        fetched_at: datetime,
        *,
        before_ms: int | None = None,
        until_ms: int | None = None,
    ) -> SpooledPage:
        """Put a page safely on disk before anything else happens to it (DESIGN 2.1).

        Raises StorageFull where there is no space and BadInput where it cannot be written at all;
        then nothing was lost that Spotify does not still have.
        """
        page = {
            "version": _VERSION,
            "account_id": account.account_id,
            "spotify_id": account.spotify_id,
            "display_name": account.display_name,
            "fetched_at": fetched_at.isoformat(),
            "body": body.decode("utf-8", "replace"),
        }
        if before_ms is not None:
            page |= {"before_ms": before_ms, "until_ms": until_ms}
        name = f"{fetched_at.astimezone(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex}.json"
        final = self._directory / name
        try:
            make_directory(self._directory)
            self._write(final, page)
        except OSError as error:
            # What will not pass by itself must be seen as a failure by whoever watches the timer.
            kind, what = (
                (StorageFull, "Free some space")
                if error.errno in FULL
                else (BadInput, "Mend the directory or the disk")
            )
            raise kind(
                f"The page from Spotify cannot be written to {self._directory}: {error.strerror}.",
                hint=f"{what}, then run the same command again soon: Spotify keeps 50 plays.",
            ) from None
        return SpooledPage(final, account, fetched_at, str(page["body"]), before_ms, until_ms)

    def pages(self) -> Iterator[SpooledPage]:
        """The pages waiting, oldest first. One that cannot be read is set aside, never dropped."""
        if not self._directory.is_dir():
            return
        self._take_in_unfinished()
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
        """Forget a page whose rows are committed. Raises Temporary where it cannot be removed."""
        try:
            page.path.unlink(missing_ok=True)
        except OSError as error:
            raise Temporary(
                f"{page.path} is in the history but cannot be removed: {error.strerror}.",
                hint="Mend the permissions or the disk; the next run tries again, and counts "
                "nothing twice.",
            ) from None

    def set_aside(self, path: Path) -> None:
        """Keep a page that cannot be used in `failed/`, out of the way of the others."""
        failed = self._directory / "failed"
        try:
            make_directory(failed)
            path.replace(failed / path.name)
        except FileNotFoundError:  # another process did so meanwhile
            return
        except OSError as error:
            raise StorageFull(
                f"{path} cannot be moved to {failed}: {error.strerror}.",
                hint="Free some space or mend the permissions.",
            ) from None

    def forget(self, account_id: str) -> None:
        """Delete every page of an account, waiting or set aside; what cannot be read stays.

        Raises StorageFull where one cannot be deleted.
        """
        for path in sorted(
            [*self._directory.glob("[!.]*.json"), *self._directory.glob("failed/[!.]*.json")]
        ):
            if _account_id(path) != account_id:
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StorageFull(
                    f"{path} cannot be deleted: {error.strerror}.",
                    hint="Mend the permissions, then remove the listener again.",
                ) from None

    def __len__(self) -> int:
        return len(list(self._directory.glob("[!.]*.json"))) if self._directory.is_dir() else 0

    def _write(self, final: Path, page: object) -> None:
        """Write a page under another name, locked, and give it its own once it is on disk."""
        partial = final.with_name(f".{final.name}.partial")
        try:
            is_written = False
            while not is_written:
                descriptor = open_private(partial, os.O_WRONLY | os.O_EXCL)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    # Before the lock was ours, another process may have taken it for abandoned.
                    if not os.fstat(descriptor).st_nlink:
                        continue
                    json.dump(page, file)
                    file.flush()
                    os.fsync(descriptor)
                    partial.replace(final)
                    is_written = True
            sync_directory(self._directory)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise

    def _take_in_unfinished(self) -> None:
        """Finish the pages whose writers were killed just before the end; drop the torn ones.

        What cannot be done now stays for the next time.
        """
        for partial in self._directory.glob(".*.json.partial"):
            with suppress(OSError), partial.open("rb") as file:
                # Whoever is still writing it holds the lock.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_page(partial):
                    os.fsync(file.fileno())
                    partial.replace(partial.with_name(partial.name[1:].removesuffix(".partial")))
                    sync_directory(self._directory)
                else:
                    partial.unlink(missing_ok=True)


def _account_id(path: Path) -> str | None:
    """Whose page is in a file, damaged in other fields or not; None where it cannot be told."""
    try:
        page = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return page.get("account_id") if isinstance(page, dict) else None


def _is_page(path: Path) -> bool:
    """Whether a whole page is in the file. Raises OSError where it cannot be read."""
    try:
        _read(path)
    except (ValueError, LookupError, TypeError, RecursionError):
        return False
    return True


def _read(path: Path) -> SpooledPage:
    """The page in a file; OSError, ValueError and their like where it is none of ours."""
    page = json.loads(path.read_text(encoding="utf-8"))
    account_id, spotify_id, display_name, body = (
        page[key] for key in ("account_id", "spotify_id", "display_name", "body")
    )
    fetched_at = datetime.fromisoformat(page["fetched_at"])
    before_ms, until_ms = page.get("before_ms"), page.get("until_ms")
    is_ours = (
        isinstance(account_id, str)
        and isinstance(spotify_id, (str, NoneType))
        and isinstance(display_name, (str, NoneType))
        and isinstance(body, str)
        and fetched_at.tzinfo is not None
        and isinstance(before_ms, (int, NoneType))
        and isinstance(until_ms, (int, NoneType))
    )
    if not is_ours:
        raise TypeError("not a page")
    account = Account(account_id, spotify_id, display_name)
    return SpooledPage(path, account, fetched_at, body, before_ms, until_ms)
