"""Owns what is to be known of the logins: whose they are, how long they last, what to do.

Never speaks to Spotify and never opens the database.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from spotify_hist.errors import LoginNeeded, SpotifyHistError
from spotify_hist.model import Account
from spotify_hist.sources.spotify.vault import how_to_log_in, stem_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotify_hist.sources.spotify.vault import Ended, Token, Unreadable, Vault

State = Literal["ok", "ends soon", "refused", "ended", "unreadable"]

SOON_DAYS, URGENT_DAYS = 30, 7


@dataclass(frozen=True, slots=True)
class LoginState:
    """One login of one listener.

    `user` is the listener's name where the history knows the account. `days_left` are whole days,
    never negative. `account` is None, and `user` made of the file's name, only for an unreadable
    login of an account that the history does not know. `stem` is the name of its files in the
    vault, `begun_at` when the person agreed, where that is known. `error` tells why this login is
    of no use now, with the next step. It is None for one whose six months are over by our calendar
    and that Spotify has not ended yet: that one may still be tried, for Spotify decides.

    `refused_at` is since when Spotify has refused a login that is kept (FACTS 2.4), and
    `next_try_at` when it is tried again; `is_due` says that it is time to.
    """

    user: str
    account: Account | None
    state: State
    days_left: int
    ends_at: datetime | None
    scopes: tuple[str, ...]
    error: SpotifyHistError | None
    stem: str = ""
    begun_at: datetime | None = None
    refused_at: datetime | None = None
    next_try_at: datetime | None = None
    is_due: bool = False

    @property
    def is_useless(self) -> bool:
        """Whether nothing is to be asked of Spotify with it now; then `error` says why."""
        return self.error is not None and not self.is_due


def login_states(vault: Vault, names: Mapping[str | None, str], now: datetime) -> list[LoginState]:
    """Every login, ended and unreadable ones included, ordered by the listener's name.

    `names` are listener names as `listeners.names_of` gives them. Raises VaultError where the vault
    as a whole cannot be used.
    """
    states = [_alive(token, names, now) for token in vault.tokens()]
    states += [_ended(marker, names) for marker in vault.ended()]
    states += [_unreadable(each, names) for each in vault.unreadable()]
    return sorted(_distinct(states), key=_order)


def _distinct(states: list[LoginState]) -> list[LoginState]:
    """One login an account: the one that can be used, else the newest.

    An answer without the `account_id` once made two of one (FACTS 1.4).
    """
    found: list[LoginState] = []
    for state in sorted(states, key=_worth, reverse=True):
        account = state.account
        if account is None or not any(
            each.account is not None and each.account.is_same_as(account) for each in found
        ):
            found.append(state)
    return found


def _worth(state: LoginState) -> tuple[bool, float]:
    begun_at = state.begun_at
    return state.error is None, 0.0 if begun_at is None else begun_at.timestamp()


def warning(state: LoginState) -> str | None:
    """What to say of a login in its last 30 days, urgently from its last 7 on (FACTS 2.3).

    None before, and where `error` already says that the listener must log in.
    """
    if state.state == "ok" or state.error is not None or state.ends_at is None:
        return None
    when = state.ends_at.astimezone(UTC).date().isoformat()
    step = how_to_log_in(state.account)
    if state.state == "ended":
        return f"The six months of the Spotify login of '{state.user}' were over on {when}. {step}"
    if state.days_left > URGENT_DAYS:
        return (
            f"The Spotify login of '{state.user}' ends in {state.days_left} days, on {when}. {step}"
        )
    left = {0: "Less than a day", 1: "Only 1 day"}.get(
        state.days_left, f"Only {state.days_left} days"
    )
    return (
        f"{left} left: the Spotify login of '{state.user}' ends on {when}, and no play is "
        f"collected after that. {step}"
    )


def _order(state: LoginState) -> tuple[str, str, str]:
    return state.user, state.account.account_id if state.account else "", state.stem


def _alive(token: Token, names: Mapping[str | None, str], now: datetime) -> LoginState:
    account = token.account
    days = token.days_left(now.timestamp())
    state = LoginState(
        user=_name(names, account),
        account=account,
        state="ended" if days < 0 else "ends soon" if days <= SOON_DAYS else "ok",
        days_left=max(days, 0),
        ends_at=datetime.fromtimestamp(token.ends_at, UTC),
        scopes=token.scopes,
        error=None,
        stem=stem_of(account.account_id),
        begun_at=datetime.fromtimestamp(token.authorized_at, UTC),
    )
    if token.refused_at is None:
        return state
    is_due = token.may_be_tried(now.timestamp())
    return replace(
        state,
        state="refused",
        error=token.refusal(),
        refused_at=datetime.fromtimestamp(token.refused_at, UTC),
        next_try_at=now if is_due else datetime.fromtimestamp(token.next_try_at, UTC),
        is_due=is_due,
    )


def _ended(marker: Ended, names: Mapping[str | None, str]) -> LoginState:
    account = marker.account
    return LoginState(
        user=_name(names, account),
        account=account,
        state="ended",
        days_left=0,
        ends_at=datetime.fromtimestamp(marker.ended_at, UTC),
        scopes=(),
        error=LoginNeeded(marker.reason, hint=how_to_log_in(account)),
        stem=stem_of(account.account_id),
    )


def _unreadable(broken: Unreadable, names: Mapping[str | None, str]) -> LoginState:
    """Whose it is can be told only by the file's name, which is made of the account id."""
    account, user = None, f"unknown-{broken.stem[:8]}"
    for account_id, name in names.items():
        if account_id is not None and stem_of(account_id) == broken.stem:
            account, user = Account(account_id, None, None), name
    return LoginState(user, account, "unreadable", 0, None, (), broken.error, broken.stem)


def _name(names: Mapping[str | None, str], account: Account) -> str:
    found = names.get(account.account_id)
    if found is None and account.spotify_id is not None:
        found = names.get(account.spotify_id)
    return found or _shown(account)


def _shown(account: Account) -> str:
    return account.display_name or account.spotify_id or account.account_id
