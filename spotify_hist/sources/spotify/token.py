"""Owns what Spotify granted for one account: how long it lasts, and how it is written down.

Never seals anything, never opens a file and never calls Spotify.
"""

from __future__ import annotations

import json
import math
from calendar import monthrange
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from spotify_hist.errors import LoginNeeded
from spotify_hist.model import Account, well_formed

_GRANT_MONTHS = 6
_DAY_S = 86_400
_LAST_INSTANT_S = 253_402_300_799  # the end of the year 9999
# What content that is not ours raises when it is taken apart.
_NOT_OURS = (ValueError, KeyError, TypeError, RecursionError, OverflowError)


@dataclass(frozen=True, slots=True)
class Token:
    """What Spotify granted for one account. Grain: one account; all times epoch seconds.

    `expires_at` is the end of the access token; `authorized_at` the instant the person agreed,
    which refreshing does not move (FACTS 2.3). `client_id` is the app the grant belongs to.

    `refused_at` is since when Spotify has answered `invalid_grant` to the refresh token, None
    where it has not; `tried_at` when it did so last. Spotify has been wrong in it (FACTS 2.4).
    """

    account: Account
    client_id: str
    refresh_token: str = field(repr=False)
    access_token: str = field(repr=False)
    expires_at: float
    authorized_at: float
    scopes: tuple[str, ...]
    refused_at: float | None = None
    tried_at: float | None = None

    @property
    def ends_at(self) -> float:
        """Epoch second at which the refresh token dies: six calendar months, UTC (FACTS 2.3).

        A day that the sixth month lacks becomes its last day (31 August -> 28 or 29 February),
        so that the program warns rather a day early than a day late.
        """
        start = datetime.fromtimestamp(self.authorized_at, UTC)
        months = start.month - 1 + _GRANT_MONTHS
        year, month = start.year + months // 12, months % 12 + 1
        day = min(start.day, monthrange(year, month)[1])
        return start.replace(year=year, month=month, day=day).timestamp()

    def days_left(self, now: float) -> int:
        """Whole days from `now` (epoch seconds) to `ends_at`, rounded down.

        0 on the last day, negative once the login has ended.
        """
        return math.floor((self.ends_at - now) / _DAY_S)

    def may_be_tried(self, now: float) -> bool:
        """Whether the token endpoint may be asked: once a day for a refused login (FACTS 2.4).

        At the end of its six months it is tried once more, so that Spotify has the last word. A
        last try that lies ahead was noted by a clock that was wrong, and holds up nothing.
        """
        if self.refused_at is None or self.tried_at is None:
            return True
        return now < self.tried_at or now >= self.next_try_at

    @property
    def next_try_at(self) -> float:
        """Epoch second from which on a refused login may be tried again."""
        tomorrow = (self.tried_at or 0.0) + _DAY_S
        return min(tomorrow, self.ends_at) if (self.tried_at or 0.0) < self.ends_at else tomorrow

    def as_refused(self, now: float) -> Token:
        """The same after Spotify refused it at `now`; the access token is worth nothing either."""
        return replace(
            self.as_of(now),
            access_token="",
            expires_at=0.0,
            refused_at=now if self.refused_at is None else min(self.refused_at, now),
            tried_at=now,
        )

    def as_of(self, now: float) -> Token:
        """The same, where a clock that was ahead told when the person agreed: `now` at the latest.

        Otherwise the end would come too late for a warning.
        """
        return replace(self, authorized_at=min(self.authorized_at, now))

    def refusal(self) -> LoginNeeded:
        """What a refused login is told as, and how to renew it."""
        since = datetime.fromtimestamp(self.refused_at or 0.0, UTC).strftime("%Y-%m-%d %H:%M UTC")
        end = datetime.fromtimestamp(self.ends_at, UTC).date().isoformat()
        return LoginNeeded(
            f"Spotify has refused this login since {since}: it says that it has ended or was "
            f"revoked. It is kept and tried once a day until {end}, as Spotify may be wrong.",
            hint=how_to_log_in(self.account),
        )

    def to_json(self) -> bytes:
        """The token as it is sealed."""
        plain = {
            "version": 1,
            **_account_fields(self.account),
            "client_id": self.client_id,
            "refresh_token": self.refresh_token,
            "access_token": self.access_token,
            "expires_at": self.expires_at,
            "authorized_at": self.authorized_at,
            "scopes": self.scopes,
            "refused_at": self.refused_at,
            "tried_at": self.tried_at,
        }
        return json.dumps(plain).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Token | None:
        """The token, or None if the content is not one of ours."""
        try:
            plain = json.loads(data)
            return cls(
                account=_account(plain),
                client_id=str(plain["client_id"]),
                refresh_token=str(plain["refresh_token"]),
                access_token=str(plain["access_token"]),
                expires_at=_instant(plain["expires_at"]),
                authorized_at=_instant(plain["authorized_at"]),
                scopes=tuple(plain["scopes"]),
                refused_at=_instant_or_none(plain.get("refused_at")),
                tried_at=_instant_or_none(plain.get("tried_at")),
            )
        except _NOT_OURS:
            return None


@dataclass(frozen=True, slots=True)
class Ended:
    """A login that Spotify has ended, kept until the next one. `ended_at` is epoch seconds."""

    account: Account
    ended_at: float
    reason: str

    def to_json(self) -> bytes:
        """The marker as it is written: there is no secret in it."""
        marker = {
            **_account_fields(self.account),
            "ended_at": self.ended_at,
            "reason": self.reason,
        }
        return json.dumps(marker).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Ended | None:
        """The marker, or None if the content is not one of ours."""
        try:
            plain = json.loads(data)
            return cls(_account(plain), _instant(plain["ended_at"]), str(plain["reason"]))
        except _NOT_OURS:
            return None


def how_to_log_in(account: Account | None) -> str:
    """The command that logs a listener in, and whom to be at Spotify when it asks."""
    if account is None:
        return "Run 'spotify-hist auth login'."
    name = account.display_name or account.spotify_id or account.account_id
    return f"Run 'spotify-hist auth login' and log in to Spotify as {name}."


def _account_fields(account: Account) -> dict[str, str | None]:
    return {
        "account_id": account.account_id,
        "spotify_id": account.spotify_id,
        "display_name": account.display_name,
    }


def _account(plain: dict[str, object]) -> Account:
    names = [plain[name] for name in ("spotify_id", "display_name")]
    spotify_id, display_name = (None if name is None else well_formed(str(name)) for name in names)
    return Account(str(plain["account_id"]), spotify_id, display_name)


def _instant(value: object) -> float:
    """Epoch seconds that a date can be made of. Raises ValueError or TypeError."""
    moment = float(value)  # type: ignore[arg-type] # of whatever type: the error is handled
    if not 0 <= moment <= _LAST_INSTANT_S:  # NaN is not, either
        raise ValueError("no instant")
    return moment


def _instant_or_none(value: object) -> float | None:
    return None if value is None else _instant(value)
