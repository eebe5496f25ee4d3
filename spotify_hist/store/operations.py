"""Owns listeners, checkpoints, gaps and the accounts of jobs and imports.

Never touches records or plays.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.errors import SpotifyHistError, UsageError
from spotify_hist.model import LOCAL_LISTENER, Account, Listener
from spotify_hist.store import sql
from spotify_hist.store.database import Connection, instant, integers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from spotify_hist.store.database import Database

_NAME = re.compile(r"[\w.-]{1,64}")

Row = tuple[int, str, str | None, str | None, str | None]


def listeners(connection: Connection) -> list[Listener]:
    """All listeners, oldest first."""
    rows: list[Row] = connection.execute(_step("listeners")).fetchall()
    return [Listener(*row) for row in rows]


def names_by_account(database: Database) -> dict[str | None, str]:
    """Listener names by account id; none where the history cannot be read right now."""
    if not database.exists():
        return {}
    try:
        with database.read() as connection:
            return {each.account_id: each.name for each in listeners(connection)}
    except SpotifyHistError:
        return {}


def find_listener(
    connection: Connection, name: str | None, default: str | None = None
) -> Listener | None:
    """The listener meant: `name`, else `default`, else the only one; None where there is none.

    Raises UsageError for an unknown name, and where several listeners leave it open.
    """
    known = listeners(connection)
    wanted = name or default
    if wanted is not None:
        for listener in known:
            if listener.name == wanted:
                return listener
        raise UsageError(
            f"There is no listener called '{wanted}'.",
            hint=f"Known listeners: {', '.join(each.name for each in known) or 'none yet'}.",
        )
    if len(known) > 1:
        raise UsageError(
            f"Several listeners share this history: {', '.join(each.name for each in known)}.",
            hint="Choose one with --user NAME, or set default_user.",
        )
    return known[0] if known else None


def listener_for_import(
    connection: Connection, name: str | None, default: str | None, now: datetime
) -> Listener:
    """The listener an import is for; one that is named and not known yet is made.

    The first import makes the local listener `me` where no name is given (DESIGN 1).
    """
    known = listeners(connection)
    wanted = name or default or (None if known else LOCAL_LISTENER)
    if wanted is None or any(each.name == wanted for each in known):
        found = find_listener(connection, wanted)
        if found is None:
            raise LookupError("listeners vanished inside a transaction")
        return found
    if not _NAME.fullmatch(wanted):
        raise UsageError(
            f"'{wanted}' cannot be the name of a listener.",
            hint="Use up to 64 letters, digits, dots, dashes and underscores.",
        )
    return _add(connection, wanted, None, now)


def next_user_id(connection: Connection, name: str | None, default: str | None) -> int:
    """The id that `listener_for_import` will answer with."""
    known = listeners(connection)
    wanted = name or default
    if known and (wanted is None or any(each.name == wanted for each in known)):
        found = find_listener(connection, wanted)
        if found is not None:
            return found.user_id
    return max((each.user_id for each in known), default=0) + 1


def listener_for_account(connection: Connection, account: Account, now: datetime) -> Listener:
    """The listener of a Spotify account; the first login takes over the local one (DESIGN 1)."""
    known = listeners(connection)
    for listener in known:
        if listener.account_id == account.account_id:
            return listener
    if len(known) == 1 and known[0].account_id is None:
        row: Row | None = connection.execute(
            _step("attach_account"), {"user_id": known[0].user_id, **_account_fields(account)}
        ).fetchone()
        if row is None:
            raise LookupError("the listener vanished inside a transaction")
        return Listener(*row)
    name = _free_name(account, {listener.name for listener in known})
    return _add(connection, name, account, now)


def _add(connection: Connection, name: str, account: Account | None, now: datetime) -> Listener:
    fields = _account_fields(account)
    row: Row | None = connection.execute(
        _step("add_listener"), {"name": name, "now": now, **fields}
    ).fetchone()
    if row is None:
        raise LookupError("an insert gave no row")
    return Listener(*row)


def _account_fields(account: Account | None) -> dict[str, str | None]:
    return {
        "account_id": account.account_id if account else None,
        "spotify_id": account.spotify_id if account else None,
        "display_name": account.display_name if account else None,
    }


def _free_name(account: Account, taken: set[str]) -> str:
    """A short name to type: from the display name or the id, made unique with a number."""
    text = account.display_name or account.spotify_id or account.account_id
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "listener"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


@dataclass(frozen=True, slots=True)
class Gap:
    """Plays are missing between these two instants (FACTS 3.9)."""

    after: datetime
    before: datetime


@dataclass(frozen=True, slots=True)
class PageState:
    """What a listener's history held before a page was added."""

    newest: datetime | None
    newest_api: datetime | None


def page_state(connection: Connection, user_id: int) -> PageState:
    """What is known of a listener before a page is committed."""
    newest_us, newest_api_us = integers(connection, _step("page_state"), {"user_id": user_id})
    return PageState(
        instant(newest_us) if newest_us else None,
        instant(newest_api_us) if newest_api_us else None,
    )


def page_result(connection: Connection, user_id: int, before: PageState) -> tuple[int, int]:
    """(new, late) of a page just committed: plays the API had not told of, and how many of them
    are older than the newest it had told of (FACTS 3.4)."""
    new, late = integers(
        connection, _step("page_result"), {"user_id": user_id, "newest_api": before.newest_api}
    )
    return new, late


def find_gap(connection: Connection, user_id: int, now: datetime) -> Gap | None:
    """Record the gap before a full page that shares nothing with what was known (FACTS 3.9)."""
    if not integers(connection, _step("page_is_unknown"))[0]:
        return None
    oldest = instant(integers(connection, _step("oldest_of_page"))[0])
    (newest_us,) = integers(
        connection, _step("newest_before"), {"user_id": user_id, "before": oldest}
    )
    if not newest_us:
        return None
    gap = Gap(instant(newest_us), oldest)
    connection.execute(
        _step("add_gap"),
        {"user_id": user_id, "after": gap.after, "before": gap.before, "now": now},
    )
    return gap


def close_gaps(connection: Connection, user_id: int, now: datetime, keyed: str) -> None:
    """Close the gaps that an import of the extended history reaches across."""
    statement = _step("close_gaps").replace("{keyed}", keyed)
    connection.execute(statement, {"user_id": user_id, "now": now})


def open_gaps(
    connection: Connection, *, user_id: object, since: object, until: object
) -> list[Gap]:
    """The stretches of a period in which plays are known to be missing, oldest first."""
    rows = connection.execute(
        _step("open_gaps"), {"user_id": user_id, "since": since, "until": until}
    ).fetchall()
    return [Gap(instant(after_us), instant(before_us)) for after_us, before_us in rows]


def plays_of_unknown_length(
    connection: Connection, *, user_id: object, since: object, until: object
) -> int:
    """How many plays of a period no source tells the listened time of."""
    where = {"user_id": user_id, "since": since, "until": until}
    return integers(connection, _step("unknown_length"), where)[0]


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A row of `import_files` and its rejected rows as (index, reason)."""

    file_id: int
    import_id: int
    user_id: int
    name: str
    package: str
    format: str
    sha256: str
    records: int
    damage: str | None
    rejected: Sequence[tuple[int, str]]


def next_import_ids(connection: Connection) -> tuple[int, int]:
    """(the id of the next import, the last file id given out)."""
    import_id, last_file_id = integers(connection, _step("next_ids"))
    return import_id, last_file_id


def add_file(connection: Connection, file: ImportedFile) -> None:
    """Write the account of one imported file."""
    fields = {name: getattr(file, name) for name in ImportedFile.__slots__}
    fields["rejected"] = len(file.rejected)
    connection.execute(_step("add_file"), fields)
    if file.rejected:
        indexes, reasons = zip(*file.rejected, strict=True)
        connection.execute(
            _step("add_rejected"),
            {"file_id": file.file_id, "indexes": list(indexes), "reasons": list(reasons)},
        )


def add_import(
    connection: Connection,
    import_id: int,
    user_id: int,
    started: datetime,
    finished: datetime,
    counts: Mapping[str, int],
) -> None:
    """Write the account of one import; `counts` are those of its receipt."""
    where = {
        "import_id": import_id,
        "user_id": user_id,
        "started": started,
        "finished": finished,
        **counts,
    }
    connection.execute(_step("add_import"), where)


def set_checkpoint(connection: Connection, user_id: int, job: str, now: datetime) -> None:
    """Remember that a job has seen a listener's history up to its newest play."""
    connection.execute(_step("set_checkpoint"), {"user_id": user_id, "job": job, "now": now})


def add_run(
    connection: Connection,
    job: str,
    user_id: int | None,
    started: datetime,
    finished: datetime,
    status: str,
    stats: Mapping[str, object],
    error: str | None = None,
) -> None:
    """Write the account of one run of a job; `status` is `ok` or `failed`."""
    connection.execute(
        _step("add_run"),
        {
            "job": job,
            "user_id": user_id,
            "started": started,
            "finished": finished,
            "status": status,
            "stats": json.dumps(stats, default=str),
            "error": error,
        },
    )


def _step(name: str) -> str:
    return sql.load("operations")[name]
