"""Owns when trouble that should pass has lasted so long that a person is to be told.

Never collects; it judges what a run met.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC
from typing import TYPE_CHECKING

from spotify_hist.collect.logins import login_states
from spotify_hist.collect.outages import Outages
from spotify_hist.collect.spool import Spool
from spotify_hist.errors import (
    AlreadyRunning,
    ExitCode,
    Forbidden,
    NeedsPerson,
    SpotifyHistError,
    Stopped,
    Temporary,
)
from spotify_hist.sources.spotify.limits import duration
from spotify_hist.store import journal, listeners

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from spotify_hist.collect.logins import LoginState
    from spotify_hist.collect.outages import Outage
    from spotify_hist.model import Account
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.database import Database

_LOST = "Plays are being lost meanwhile."
_NOTHING_LOST = "; nothing was lost"
_BY_HAND = (
    "See in a browser whether this machine reaches Spotify, and whether there is a newer "
    "spotify-hist."
)
_STUCK = (
    "It seems to hang: find it with 'ps -ef | grep spotify-hist' and end it; nothing is lost by "
    "that, and the next run goes on."
)


class Judge:
    """Judges one run at one moment, and remembers what it met for the runs to come."""

    def __init__(self, settings: Settings, database: Database, now: datetime) -> None:
        self._settings = settings
        self._database = database
        self._now = now
        self._outages = Outages(settings)

    def failure(self, login: LoginState, error: SpotifyHistError) -> SpotifyHistError:
        """What a listener's error is told as: itself, or NeedsPerson where it has lasted.

        A login that has ended is not counted. What does not pass by itself (an account that the
        app does not know, a client id that is wrong) is told as itself from the first run, and is
        counted for `status`, which would blame the timer else.
        """
        if login.account is None or login.is_useless or not _is_counted(error):
            return error
        account, account_id = login.account, login.account.account_id
        is_stuck = isinstance(error, AlreadyRunning)
        outage = self._outages.failed(
            account_id,
            AlreadyRunning(error.message, hint=_STUCK) if is_stuck else error,
            self._now,
            login.begun_at,
            lambda: last_success(self._settings, self._database, account),
        )
        if not isinstance(error, Temporary) or not self._outages.is_alarming(outage):
            return error
        return needs_person(login.user, outage, self._now, error)

    def failure_of_all(self, vault: Vault, user: str | None, error: Temporary) -> SpotifyHistError:
        """What an error of a whole run is told as; it is every listener's, or that of `user`."""
        # A history that may be in use is not waited for only to tell names.
        names = {} if user is None else listeners.names_by_account(self._database)
        logins: list[LoginState] = []
        with suppress(SpotifyHistError):  # a vault that cannot be read is told of by who needs it
            logins = login_states(vault, names, self._now)
        judged = [self.failure(each, error) for each in logins if user in (None, each.user)]
        alarms = [each for each in judged if isinstance(each, NeedsPerson)]
        return alarms[0] if alarms else error

    def success(self, login: LoginState) -> Outage | None:
        """Forget a listener's outage; what is over, where a person was told of it."""
        if login.account is None:
            return None
        outage = self._outages.over(login.account.account_id, self._now)
        return outage if outage is not None and self._outages.is_alarming(outage) else None

    def log_recoveries(self, texts: Sequence[tuple[str | None, str]]) -> None:
        """Note in the log that listeners, by account id, are collected for again."""
        with suppress(SpotifyHistError), self._database.write("poll") as connection:
            known = {each.account_id: each.user_id for each in listeners.listeners(connection)}
            journal.write(
                connection,
                self._now,
                [
                    journal.Entry("info", "poll", text, known.get(account_id))
                    for account_id, text in texts
                ],
            )


def needs_person(user: str, outage: Outage, now: datetime, cause: SpotifyHistError) -> NeedsPerson:
    """What is said of an outage that has lasted too long."""
    return NeedsPerson(in_words(user, outage, now), hint=next_step(outage), cause=cause)


def in_words(user: str, outage: Outage, now: datetime) -> str:
    """Since when collecting fails for a listener, and why."""
    return (
        f"Collecting for '{user}' has failed since {minute(outage.since)} UTC, "
        f"for {duration((now - outage.since).total_seconds())}: {outage.reason}"
    )


def next_step(outage: Outage) -> str:
    """What to do about an outage, and what it costs."""
    hint = _BY_HAND if outage.hint == Temporary.hint else outage.hint
    if not outage.is_lossy:
        return hint
    # What was fetched may be safe; what passes meanwhile is not.
    return f"{hint.replace(_NOTHING_LOST, '')} {_LOST}"


def recovery(user: str, outage: Outage) -> str:
    """What is said once when collecting works again."""
    return f"Collecting for '{user}' works again; it had failed since {minute(outage.since)} UTC."


def is_success(error: SpotifyHistError | None) -> bool:
    """Whether a listener was collected for: what was fetched is kept, whatever it is worth."""
    return error is None or error.exit_code == ExitCode.PARTIAL


def last_success(settings: Settings, database: Database, account: Account) -> datetime | None:
    """When a listener was last collected for, as far as that can be told without any memory of it:
    their last poll, else, where the history cannot be read, when their oldest waiting page came."""
    try:
        if not database.exists():
            return None
        with database.read() as connection:
            polled = listeners.polled(connection)
            listener = listeners.whose(listeners.listeners(connection), account)
            return None if listener is None else polled.get(listener.user_id)
    except SpotifyHistError:
        pass
    with suppress(SpotifyHistError):
        waiting = (
            page.fetched_at
            for page in Spool(settings.spool).pages()
            if page.account.is_same_as(account)
        )
        return min(waiting, default=None)
    return None


def _is_counted(error: SpotifyHistError) -> bool:
    if isinstance(error, Forbidden):
        return True
    codes = (ExitCode.LOGIN_NEEDED, ExitCode.PARTIAL)
    return error.exit_code not in codes and not isinstance(error, Stopped)


def minute(moment: datetime) -> str:
    """An instant in UTC, to the minute."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
