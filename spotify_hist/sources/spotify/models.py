"""Owns the shapes of Spotify's answers at the edge; every field may be absent (FACTS 1.3).

Never looks into a played item: one broken item must not cost its neighbours, so each is
validated by itself in `normalise`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from spotify_hist.model import Account, well_formed

_ACCESS_TOKEN_S = 3600.0  # FACTS 2.1
_LONGEST_S = 86_400.0


def _text_or_none(value: object) -> str | None:
    return (well_formed(value) or None) if isinstance(value, str) else None


def _lifetime(value: object) -> float:
    """Seconds; the documented hour where the answer says nothing usable.

    A wrong guess costs one extra refresh, a refused login would cost the person.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _LONGEST_S:
        return float(value)
    return _ACCESS_TOKEN_S


OptionalText = Annotated[str | None, BeforeValidator(_text_or_none)]
# Only what fits into a header unchanged: anything else is not a token.
Secret = Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class Me(_Answer):
    """`GET /v1/me`."""

    account_id: OptionalText = None
    id: OptionalText = None
    display_name: OptionalText = None

    def account(self) -> Account | None:
        """The account, keyed by the immutable `account_id`, else by `id` (FACTS 1.4)."""
        key = self.account_id or self.id
        return None if key is None else Account(key, self.id, self.display_name)


class TokenAnswer(_Answer):
    """A granting answer of the token endpoint; `expires_in` in seconds.

    An absent or empty `refresh_token` means that the old one goes on (FACTS 2.5).
    """

    access_token: Secret = Field(repr=False)
    refresh_token: Annotated[Secret | None, BeforeValidator(lambda value: value or None)] = Field(
        default=None, repr=False
    )
    expires_in: Annotated[float, BeforeValidator(_lifetime)] = _ACCESS_TOKEN_S
    scope: OptionalText = None


class Cursors(_Answer):
    """Where the neighbouring pages begin: epoch milliseconds as text."""

    after: OptionalText = None
    before: OptionalText = None


def _cursors_or_none(value: object) -> object:
    return value if isinstance(value, (dict, Cursors)) else None


class RecentlyPlayed(_Answer):
    """A page of `GET /v1/me/player/recently-played`, newest play first (FACTS 3.1).

    `items` are as Spotify sent them. Past the last play `cursors` and `next` are None.
    """

    items: list[object]
    next: OptionalText = None
    cursors: Annotated[Cursors | None, BeforeValidator(_cursors_or_none)] = None
