"""Owns whom a collecting command is for: the logins, joined with the listeners of the history.

Never calls Spotify and never changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.collect.logins import LoginState, login_states
from spotify_hist.collect.pauses import may_be_paused, paused
from spotify_hist.errors import LoginNeeded, SpotifyHistError, UsageError
from spotify_hist.store import checkpoints, listeners

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spotify_hist.model import Listener
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.database import Database


@dataclass(frozen=True, slots=True)
class Person:
    """A login, whether its listener is paused, and what is remembered of their backfill.

    `is_known` is false where the history was not read: then the rest is a guess.
    """

    login: LoginState
    is_paused: bool
    backfill: Mapping[str, object]
    is_known: bool


def people(
    settings: Settings,
    database: Database,
    vault: Vault,
    now: datetime,
    user: str | None,
    *,
    with_backfill: bool = True,
) -> list[Person]:
    """Everyone who has or had a login, or `user` alone; `with_backfill` what is known of theirs.

    A history that cannot be read is no reason not to collect: then nobody is known to be paused.
    Raises LoginNeeded where nobody is logged in, or `user` is not; UsageError for a listener
    nobody knows.
    """
    everyone = None
    if user is None and not with_backfill and not may_be_paused(settings):
        everyone = _people_all_well(vault, now)
    if everyone is None:
        everyone = _known_people(settings, database, vault, now, user)
    if not everyone:
        whom = "No listener is" if user is None else f"The listener '{user}' is not"
        raise LoginNeeded(f"{whom} logged in to Spotify.")
    return everyone


def _people_all_well(vault: Vault, now: datetime) -> list[Person] | None:
    """Most polls: nothing in the history would change what they do. None where it would."""
    logins = login_states(vault, {}, now)
    if not all(login.state == "ok" for login in logins):
        return None
    return [Person(login, is_paused=False, backfill={}, is_known=False) for login in logins]


def _known_people(
    settings: Settings, database: Database, vault: Vault, now: datetime, user: str | None
) -> list[Person]:
    found: list[Listener] = []
    asleep: set[int] = set()
    states: dict[int, dict[str, object]] = {}
    is_known = True
    if database.exists():
        try:
            with database.read() as connection:
                found = listeners.listeners(connection)
                asleep = paused(settings, connection)
                states = checkpoints.states(connection, "backfill")
                if user is not None and user not in {each.name for each in found}:
                    listeners.find_listener(connection, user)
        except UsageError:
            raise
        except SpotifyHistError:
            is_known = False  # the spool keeps what is fetched; committing it tells what is wrong
    everyone = []
    for login in login_states(vault, listeners.names_of(found), now):
        listener = listeners.whose(found, login.account)
        user_id = 0 if listener is None else listener.user_id
        if user is None or login.user == user:
            state = states.get(user_id, {})
            everyone.append(Person(login, user_id in asleep, state, is_known))
    return everyone
