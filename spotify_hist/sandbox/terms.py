"""Owns the terms Spotify serves the app on: what it may ask, who is let in, how much is too much.

Never answers a request; `webapi`, `throttle` and `server` act upon these.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_REMOVED_ANSWERS = (403, 404, 429, 503)


@dataclass(frozen=True, slots=True)
class Terms:
    """What one app gets of Spotify; ValueError for what no Spotify would do.

    `development_mode` closes the batches and audio features and leaves fields out (FACTS 1.1 to
    1.3). `batch_status` is how the removed batches answer (FACTS 1.6). `unregistered` accounts can
    log in, and then every call is a 403 (FACTS 2.6); without `owner_has_premium` it is one for
    everybody (FACTS 4.4). `rate_limit` calls of the Web API are served in any 30 seconds;
    `long_limit` of them bring a wait of hours (FACTS 4.1). `server_errors` is the share of
    requests that meet a 5xx (FACTS 4.3).
    """

    development_mode: bool = True
    batch_status: int = 403
    unregistered: frozenset[str] = field(default_factory=frozenset)
    owner_has_premium: bool = True
    rate_limit: int | None = None
    long_limit: int | None = None
    server_errors: float = 0.0

    def __post_init__(self) -> None:
        if self.batch_status not in _REMOVED_ANSWERS:
            raise ValueError(f"batch_status must be one of {_REMOVED_ANSWERS}")
        for limit in (self.rate_limit, self.long_limit):
            if limit is not None and limit < 1:
                raise ValueError("a limit must leave at least one call")
        if not 0 <= self.server_errors <= 1:
            raise ValueError("server_errors must be a share from 0 to 1")

    def changed(self, asked: Mapping[str, object]) -> Terms:
        """These terms with the fields of a JSON object; ValueError for an unknown or odd one."""
        # Any: every reader gives what its own field takes.
        values: dict[str, Any] = {}
        for name, value in asked.items():
            if name not in _READERS:
                raise ValueError(f"there is no term '{name}'")
            try:
                values[name] = _READERS[name](value)
            except TypeError as odd:
                raise ValueError(f"{name} must be {odd}") from None
        return replace(self, **values)

    def as_json(self) -> dict[str, object]:
        """The terms as `changed` takes them."""
        return asdict(self) | {"unregistered": sorted(self.unregistered)}


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a whole number")
    return value


def _limit(value: object) -> int | None:
    return None if value is None else _whole(value)


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("a number")
    return float(value)


def _accounts(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise TypeError("a list of accounts")
    return frozenset(map(str, value))


_READERS: Mapping[str, Callable[[object], object]] = {
    "development_mode": _flag,
    "batch_status": _whole,
    "unregistered": _accounts,
    "owner_has_premium": _flag,
    "rate_limit": _limit,
    "long_limit": _limit,
    "server_errors": _share,
}
