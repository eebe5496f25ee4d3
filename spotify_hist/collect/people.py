"""Owns whom a collecting command is for: the logins, joined with the listeners of the history.

Never calls Spotify and never changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.collect.logins import LoginState, login_states
from spotify_hist.errors import LoginNeeded, SpotifyHistError, UsageError
from spotify_hist.store import checkpoints, listeners

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.database import Database


@dataclass(frozen=True, slots=True)
class Person:
    """A login, whether its listener is paused, and what is remembered of their backfill.

    `is_known` is false where the history cannot be read right now: then the rest is a guess.
    """

    login: LoginState
    is_paused: bool
    backfill: Mapping[str, object]
    is_known: bool


def people(database: Database, vault: Vault, now: datetime, user: str | None) -> list[Person]:
    """Everyone who has or had a login, or `user` alone.

    A history that cannot be read is no reason not to collect: then nobody is known to be paused.
    Raises LoginNeeded where nobody is logged in, or `user` is not; UsageError for a listener
    nobody knows.
    """
    known: dict[str | None, tuple[int, str]] = {}
    paused: set[int] = set()
    states: dict[int, dict[str, object]] = {}
    is_known = True
    if database.exists():
        try:
            with database.read() as connection:
                found = listeners.listeners(connection)
                known = {each.account_id: (each.user_id, each.name) for each in found}
                paused = set(listeners.paused(connection))
                states = checkpoints.states(connection, "backfill")
                if user is not None and user not in {each.name for each in found}:
                    listeners.find_listener(connection, user)
        except UsageError:
            raise
        except SpotifyHistError:
            is_known = False  # the spool keeps what is fetched; committing it tells what is wrong
    names = {key: name for key, (_, name) in known.items()}
    logins = login_states(vault, names, now)
    if user is not None:
        logins = [each for each in logins if each.user == user]
    if not logins:
        whom = "No listener is" if user is None else f"The listener '{user}' is not"
        raise LoginNeeded(f"{whom} logged in to Spotify.")
    everyone = []
    for login in logins:
        account_id = None if login.account is None else login.account.account_id
        user_id, _ = known.get(account_id, (0, ""))
        everyone.append(Person(login, user_id in paused, states.get(user_id, {}), is_known))
    return everyone
