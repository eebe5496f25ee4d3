"""Owns the form of a page on disk: what is written of it, and what counts as one.

Never decides where a page lies, nor what it means.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import NoneType
from typing import TYPE_CHECKING

from spotify_hist.collect.bodies import READER, Unreadable
from spotify_hist.disk import sync_directory
from spotify_hist.model import Account
from spotify_hist.private_files import open_private

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_VERSION = 1
# What every file begins with that this reader has set aside.
_OURS = json.dumps({"version": _VERSION, "reader": READER}).removesuffix("}").encode() + b","
# What reading a file that is none of ours may raise, beside OSError.
NO_PAGE_FILE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class SpooledPage:
    """One recently-played answer as it came: whose it is, when it was fetched, the raw body.

    A page of a backfill says which plays were asked for: those from `until_ms` to before
    `before_ms`, epoch milliseconds. `is_again`: it, or what is left of it, was set aside before.
    """

    path: Path
    account: Account
    fetched_at: datetime
    body: bytes
    before_ms: int | None = None
    until_ms: int | None = None
    is_again: bool = False

    @property
    def job(self) -> str:
        """The job that fetched it: `poll` or `backfill`."""
        return "poll" if self.before_ms is None else "backfill"


def waiting(page: SpooledPage) -> dict[str, object]:
    """What is written of a page that waits. Bytes that are no UTF-8 become lone surrogates."""
    return _head() | _origin(page) | {"body": page.body.decode("utf-8", "surrogateescape")}


def unread(page: SpooledPage, items: Sequence[Unreadable]) -> dict[str, object]:
    """What is written of the items of a page that this reader cannot read."""
    told = [{"reason": item.reason, "text": item.text} for item in items]
    return _head(is_set_aside=True) | _origin(page) | {"unreadable": told}


def set_aside(path: Path, reason: str) -> dict[str, object]:
    """What is written of a whole page that is set aside. Raises OSError or as `NO_PAGE_FILE`."""
    read(path)
    known: Mapping[str, object] = json.loads(path.read_text(encoding="utf-8"))
    head = _head(is_set_aside=True) | {"reason": reason}
    return head | {key: value for key, value in known.items() if key not in head}


def of_account(path: Path, account: Account) -> dict[str, object]:
    """What is written of a file that is to be another account's. Raises OSError."""
    known: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return known | _account_fields(account)


def _account_fields(account: Account) -> dict[str, object]:
    return {
        "account_id": account.account_id,
        "spotify_id": account.spotify_id,
        "display_name": account.display_name,
    }


def _head(*, is_set_aside: bool = False) -> dict[str, object]:
    return {"version": _VERSION, "reader": READER} if is_set_aside else {"version": _VERSION}


def _origin(page: SpooledPage) -> dict[str, object]:
    told = _account_fields(page.account) | {"fetched_at": page.fetched_at.isoformat()}
    if page.before_ms is not None:
        told |= {"before_ms": page.before_ms, "until_ms": page.until_ms}
    return told


def write(final: Path, page: Mapping[str, object], *, tag: str = "") -> None:
    """Write a page under another name, locked, and give it its own once it is on disk.

    `tag` keeps the other name apart from that of another process which writes the same page.
    Raises OSError.
    """
    partial = final.with_name(f".{final.name}{tag}.partial")
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
        sync_directory(final.parent)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def read(path: Path) -> SpooledPage:
    """The page in a file; OSError or one of `NO_PAGE_FILE` where it is none of ours."""
    page = json.loads(path.read_text(encoding="utf-8"))
    account_id, spotify_id, display_name = (
        page[key] for key in ("account_id", "spotify_id", "display_name")
    )
    body = _body_of(unreadable_in(page)) if "unreadable" in page else page["body"]
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
    raw = body.encode("utf-8", "surrogateescape")
    return SpooledPage(path, account, fetched_at, raw, before_ms, until_ms)


def unreadable_in(page: Mapping[str, object]) -> list[Unreadable]:
    """The items in a file of such. Raises as `NO_PAGE_FILE` says."""
    items = page["unreadable"]
    if not isinstance(items, list):
        raise TypeError("not a list")
    return [Unreadable(str(item["reason"]), str(item["text"])) for item in items]


def _body_of(items: Sequence[Unreadable]) -> str:
    return '{"items": [' + ",\n".join(item.text for item in items) + "]}"


def is_page(path: Path) -> bool:
    """Whether a whole page is in the file. Raises OSError where it cannot be read."""
    try:
        read(path)
    except NO_PAGE_FILE:
        return False
    return True


def account_of(path: Path) -> Account | None:
    """Whose page is in a file, damaged in other fields or not; None where it cannot be told."""
    try:
        page = json.loads(path.read_text(encoding="utf-8"))
        account_id, spotify_id = page["account_id"], page.get("spotify_id")
    except (OSError, *NO_PAGE_FILE):
        return None
    if not isinstance(account_id, str):
        return None
    return Account(account_id, spotify_id if isinstance(spotify_id, str) else None, None)


def is_set_aside_by_us(path: Path) -> bool:
    """Whether this very reader has tried the file. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_OURS)) == _OURS
