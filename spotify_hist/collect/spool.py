"""Owns the spool: every API page lies here, on disk, until its rows are committed.

What cannot be read lies in `failed/`, until a newer reader can. Never reads what a page means and
never opens the database.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from spotify_hist.collect import pagefile
from spotify_hist.collect.bodies import Unreadable, reasons
from spotify_hist.collect.pagefile import NO_PAGE_FILE, SpooledPage
from spotify_hist.disk import FULL, sync_directory
from spotify_hist.errors import BadInput, StorageFull, Temporary
from spotify_hist.private_files import make_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from spotify_hist.model import Account

NO_FILE = "it is no page of this program"


class NotSetAside(StorageFull):
    """What cannot be read could not be put into `failed/`; the page stays where it is."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """What lies in `failed/`: files, the items in them that cannot be read, and why.

    `reasons` counts, the most frequent first: items by what is wrong with them, and pages of which
    nothing could be read.
    """

    pages: int = 0
    items: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


class Spool:
    """A directory of pages, one fsynced 0600 file each, taken in the order they were fetched."""

    FAILED = "spool/failed"  # as messages call it

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
        name = f"{fetched_at.astimezone(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex}.json"
        path = self._directory / name
        page = SpooledPage(path, account, fetched_at, body, before_ms, until_ms)
        try:
            make_directory(self._directory)
            pagefile.write(path, pagefile.waiting(page))
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
        return page

    def pages(self) -> Iterator[SpooledPage]:
        """The pages waiting, oldest first. One that cannot be read is set aside, never dropped.

        Raises NotSetAside at the end, where that was not possible.
        """
        if not self._directory.is_dir():
            return
        self._take_in_unfinished()
        problem = None
        for path in sorted(self._directory.glob("[!.]*.json")):
            try:
                page = pagefile.read(path)
            except FileNotFoundError:  # another process committed it meanwhile
                continue
            except (OSError, *NO_PAGE_FILE):
                try:
                    self.set_aside(path, NO_FILE)
                except NotSetAside as error:
                    problem = error
            else:
                yield page
        if problem is not None:
            raise problem

    def again(self) -> Iterator[SpooledPage]:
        """What other readers have set aside, oldest first: pages, and pages of what was left."""
        self._drop_unfinished()
        for path in sorted(self._failed.glob("[!.]*.json")):
            with suppress(OSError, *NO_PAGE_FILE):  # it stays where it is
                if not pagefile.is_set_aside_by_us(path):
                    yield replace(pagefile.read(path), is_again=True)

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

    def set_aside(self, path: Path, reason: str = NO_FILE) -> None:
        """Keep a page that cannot be used in `failed/`, out of the way of the others.

        Raises NotSetAside where it cannot be put there.
        """
        final = self._failed / path.name
        try:
            make_directory(self._failed)
            with suppress(*NO_PAGE_FILE):
                page = pagefile.set_aside(path, reason)
                pagefile.write(final, page, tag=uuid4().hex)
                if final != path:
                    path.unlink(missing_ok=True)
                return
            path.replace(final)
        except FileNotFoundError:  # another process did so meanwhile
            return
        except OSError as error:
            self._set_aside_bare(path, final, error)

    def _set_aside_bare(self, path: Path, final: Path, problem: OSError) -> None:
        """Move a file as it is: that needs no space, and no right to read it."""
        try:
            path.replace(final)
        except FileNotFoundError:
            return
        except OSError:
            raise self._not_set_aside(path, problem) from None

    def keep(self, page: SpooledPage, items: Sequence[Unreadable]) -> list[Unreadable]:
        """Keep items of a page that nobody can read; those of them that were not kept before.

        They are on disk when this returns. The same call for the same page answers the same. Raises
        NotSetAside.
        """
        final = self._failed / page.path.name
        known = self._kept(final)
        if known:  # a run that was killed had come so far
            return known
        others = {
            item.key
            for path in self._failed.glob("[!.]*.json")
            if (account := pagefile.account_of(path)) and account.is_same_as(page.account)
            for item in self._kept(path)
        }
        fresh = list({item.key: item for item in items if item.key not in others}.values())
        if fresh:
            self._write_unread(page, fresh)
        return fresh

    def keep_rest(self, page: SpooledPage, items: Sequence[Unreadable]) -> None:
        """Leave of a page that was set aside what still cannot be read. Raises NotSetAside."""
        if items:
            self._write_unread(page, items)
        else:
            self.remove(page)

    def _write_unread(self, page: SpooledPage, items: Sequence[Unreadable]) -> None:
        try:
            make_directory(self._failed)
            final = self._failed / page.path.name
            pagefile.write(final, pagefile.unread(page, items), tag=uuid4().hex)
        except OSError as error:
            raise self._not_set_aside(page.path, error) from None

    def look_aside(self) -> SetAside:
        """What lies in `failed/`, and why."""
        files = sorted(self._failed.glob("[!.]*.json"))
        items: list[Unreadable] = []
        counts: dict[str, int] = {}
        for path in files:
            kept = self._kept(path)
            items += kept
            if not kept:
                reason = _reason(path)
                counts[reason] = counts.get(reason, 0) + 1
        return SetAside(len(files), len(items), reasons(items) | counts)

    def forget(self, account: Account) -> None:
        """Delete every page of an account, waiting or set aside; what cannot be read stays.

        Raises StorageFull where one cannot be deleted.
        """
        for path in sorted([*self._directory.glob("[!.]*.json"), *self._failed.glob("[!.]*.json")]):
            owner = pagefile.account_of(path)
            if owner is None or not owner.is_same_as(account):
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StorageFull(
                    f"{path} cannot be deleted: {error.strerror}.",
                    hint="Mend the permissions, then remove the listener again.",
                ) from None

    def hand_over(self, account: Account, new: Account) -> None:
        """Let every page of an account, waiting or set aside, be one of another account.

        Raises StorageFull where one cannot be written.
        """
        for path in [*self._directory.glob("[!.]*.json"), *self._failed.glob("[!.]*.json")]:
            owner = pagefile.account_of(path)
            if owner is None or not owner.is_same_as(account):
                continue
            try:
                pagefile.write(path, pagefile.of_account(path, new), tag=uuid4().hex)
            except OSError as error:
                raise StorageFull(
                    f"{path} cannot be written: {error.strerror}.",
                    hint="Free some space or mend the permissions, then do the same again.",
                ) from None

    def __len__(self) -> int:
        return len(list(self._directory.glob("[!.]*.json"))) if self._directory.is_dir() else 0

    def _take_in_unfinished(self) -> None:
        """Finish the pages whose writers were killed just before the end; drop the torn ones.

        What cannot be done now stays for the next time.
        """
        for partial in self._directory.glob(".*.json.partial"):
            with suppress(OSError), partial.open("rb") as file:
                # Whoever is still writing it holds the lock.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if pagefile.is_page(partial):
                    os.fsync(file.fileno())
                    partial.replace(partial.with_name(partial.name[1:].removesuffix(".partial")))
                    sync_directory(self._directory)
                else:
                    partial.unlink(missing_ok=True)

    def _drop_unfinished(self) -> None:
        """Remove what killed writers left in `failed/`: the page it is of waits, or lies there."""
        for partial in self._failed.glob(".*.partial"):
            with suppress(OSError), partial.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                partial.unlink(missing_ok=True)

    @property
    def _failed(self) -> Path:
        return self._directory / "failed"

    def _kept(self, path: Path) -> list[Unreadable]:
        """The unreadable items in a file; none where it is no file of such."""
        with suppress(OSError, *NO_PAGE_FILE):
            return pagefile.unreadable_in(json.loads(path.read_text(encoding="utf-8")))
        return []

    def _not_set_aside(self, path: Path, error: OSError) -> NotSetAside:
        return NotSetAside(
            f"What cannot be read of {path} cannot be kept in {self._failed}: {error.strerror}.",
            hint="Free some space or mend the permissions; until then the page waits.",
        )


def _reason(path: Path) -> str:
    """Why a whole page was set aside."""
    with suppress(OSError, *NO_PAGE_FILE):
        reason = json.loads(path.read_text(encoding="utf-8"))["reason"]
        return reason if isinstance(reason, str) else NO_FILE
    return NO_FILE
