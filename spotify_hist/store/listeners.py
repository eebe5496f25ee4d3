"""Owns the listeners: who they are, which one is meant, who a Spotify account belongs to.

Never touches records or plays.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from spotify_hist.errors import SpotifyHistError, UsageError
from spotify_hist.model import LOCAL_LISTENER, Account, Listener
from spotify_hist.store import sql
from spotify_hist.store.database import instant
from spotify_hist.store.kept_open import once

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from spotify_hist.store.database import Connection, Database

_NAME = re.compile(r"[\w.-]{1,64}")

Row = tuple[int, str, str | None, str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Standing:
    """A listener and what the history holds of them. `first` and `newest` are ends of plays."""

    listener: Listener
    paused_at: datetime | None
    plays: int
    first: datetime | None
    newest: datetime | None


def listeners(connection: Connection) -> list[Listener]:
    """All listeners, oldest first."""
    return once(connection, "listeners", partial(_look, connection))


def _look(connection: Connection) -> list[Listener]:
    rows: list[Row] = connection.execute(_step("listeners")).fetchall()
    return [Listener(*row) for row in rows]


def names_by_account(database: Database) -> dict[str | None, str]:
    """Listener names as `names_of` gives them; none where the history cannot be read right now."""
    if not database.exists():
        return {}
    try:
        with database.read() as connection:
            return names_of(listeners(connection))
    except SpotifyHistError:
        return {}


def names_of(known: Iterable[Listener]) -> dict[str | None, str]:
    """Listener names by account id, and by Spotify id where that is one listener's alone.

    Spotify does not tell both with every answer (FACTS 1.4).
    """
    everyone = list(known)
    spotify_ids = [each.spotify_id for each in everyone]
    aliases: dict[str | None, str] = {
        each.spotify_id: each.name
        for each in everyone
        if each.spotify_id is not None and spotify_ids.count(each.spotify_id) == 1
    }
    return aliases | {each.account_id: each.name for each in everyone}


def whose(known: Iterable[Listener], account: Account | None) -> Listener | None:
    """The listener among `known` whose account it is, by whichever id is known of both."""
    if account is None:
        return None
    found = [each for each in known if each.account and each.account.is_same_as(account)]
    exact = [each for each in found if each.account_id == account.account_id]
    return next(iter(exact or found), None)


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
    _check_name(wanted)
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
    found = whose(known, account)
    if found is not None:
        return _with_ids(connection, found, account)
    if len(known) == 1 and known[0].account_id is None:
        row: Row | None = connection.execute(
            _step("attach_account"), {"user_id": known[0].user_id, **_account_fields(account)}
        ).fetchone()
        if row is None:
            raise LookupError("the listener vanished inside a transaction")
        return Listener(*row)
    name = _free_name(account, {listener.name for listener in known})
    return _add(connection, name, account, now)


def _with_ids(connection: Connection, listener: Listener, account: Account) -> Listener:
    """The listener with the ids that are known of their account by now."""
    known = listener.account
    better = account if known is None else known.with_ids_of(account)
    if known is None or (better.account_id, better.spotify_id) == (
        known.account_id,
        known.spotify_id,
    ):
        return listener
    row: Row | None = connection.execute(
        _step("attach_account"), {"user_id": listener.user_id, **_account_fields(better)}
    ).fetchone()
    if row is None:
        raise LookupError("the listener vanished inside a transaction")
    return Listener(*row)


def overview(connection: Connection) -> list[Standing]:
    """Every listener with what the history holds of them, oldest listener first."""
    rows = connection.execute(_step("overview")).fetchall()
    return [
        Standing(Listener(*row[:6]), _instant(row[6]), row[7], _instant(row[8]), _instant(row[9]))
        for row in rows
    ]


def polled(connection: Connection) -> dict[int, datetime]:
    """When each listener was last polled, by user id."""
    return {
        user_id: instant(checked_us)
        for user_id, checked_us in connection.execute(_step("polled")).fetchall()
    }


def paused(connection: Connection) -> set[int]:
    """The ids of the listeners for whom nothing is to be collected now."""
    return {user_id for (user_id,) in connection.execute(_step("paused")).fetchall()}


def pause(connection: Connection, listener: Listener, now: datetime) -> None:
    """Collect nothing for a listener from now on; one who is paused stays so since then."""
    connection.execute(_step("pause"), {"user_id": listener.user_id, "now": now})


def resume(connection: Connection, listener: Listener) -> None:
    """Collect for a listener again."""
    connection.execute(_step("resume"), {"user_id": listener.user_id})


def set_timezone(connection: Connection, listener: Listener, zone: str | None) -> None:
    """Give a listener an IANA time zone of their own, or with None take it away."""
    connection.execute(_step("set_timezone"), {"user_id": listener.user_id, "zone": zone})


def rename(connection: Connection, name: str, new_name: str) -> None:
    """Call a listener by another name.

    Raises UsageError for an unknown listener, a name that is taken and one that cannot be a name.
    """
    listener = find_listener(connection, name)
    _check_name(new_name)
    if listener is None or any(each.name == new_name for each in listeners(connection)):
        raise UsageError(
            f"There is a listener called '{new_name}' already.",
            hint="See 'spotify-hist users list'.",
        )
    connection.execute(_step("rename"), {"user_id": listener.user_id, "name": new_name})


def _instant(epoch_us: int | None) -> datetime | None:
    return None if epoch_us is None else instant(epoch_us)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be the name of a listener.",
            hint="Use up to 64 letters, digits, dots, dashes and underscores.",
        )


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


def _step(name: str) -> str:
    return sql.load("listeners")[name]
