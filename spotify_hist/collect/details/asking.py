"""Owns the requests of an enrichment: who asks, what each question is, what a run may still spend.

Never decides what is asked, and never touches the database.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from spotify_hist.errors import LoginNeeded, RateLimited, SpotifyHistError
from spotify_hist.sources.spotify.client import MOST_AT_ONCE, Spotify
from spotify_hist.sources.spotify.http import Http
from spotify_hist.sources.spotify.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from spotify_hist.collect.pages import Clock
    from spotify_hist.model import Account
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.answers import Answer
    from spotify_hist.sources.spotify.client import Kind
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.enrich import Entity, Want

KINDS: Mapping[Entity, Kind] = {"track": "tracks", "artist": "artists", "album": "albums"}

_PATIENCE_S = 5.0
_MOST_WAITS = 3


class PurseEmptyError(Exception):
    """The next request would be one too many."""


class Purse:
    """The requests a run may make: `left` altogether, and no more at a time than are put aside.
    `on_payment` is told how many were spent, and how many may be altogether.

    Every request is paid before it is sent, so that what was put aside is never exceeded.
    """

    def __init__(self, on_payment: Callable[[int, int], None]) -> None:
        self.left = 0
        self.spent = 0
        self._aside = 0
        self._on_payment = on_payment

    def fill(self, allowance: int) -> None:
        """Allow so many requests altogether from now on."""
        self.left = max(0, allowance)

    def put_aside(self, most: int) -> int:
        """Allow up to `most` requests from now on; how many."""
        self._aside = min(most, self.left)
        return self._aside

    def pay(self) -> None:
        """One request. Raises PurseEmptyError where none is left of those put aside."""
        if self._aside <= 0:
            raise PurseEmptyError
        self._aside -= 1
        self.left -= 1
        self.spent += 1
        self._on_payment(self.spent, self.spent + self.left)


class _PaidHttp(Http):
    """Http that pays for each request and leaves repeating it to its caller."""

    def __init__(self, settings: Settings, clock: Callable[[], float], purse: Purse) -> None:
        super().__init__(settings.number("http.timeout_s"), 0, 0.0, clock=clock)
        self._purse = purse

    def get(
        self, url: str, params: Mapping[str, str | int] | None = None, token: str | None = None
    ) -> Answer:
        self._purse.pay()
        return super().get(url, params, token)


class Asker:
    """Asks as the first of `accounts`, and once told to `leave` it as the next.

    Everything asked raises what `Spotify` raises, and PurseEmptyError.
    """

    def __init__(
        self,
        settings: Settings,
        vault: Vault,
        accounts: Sequence[Account],
        clock: Clock,
        purse: Purse,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._vault = vault
        self._accounts = list(accounts)
        self._clock = clock
        self._sleep = sleep
        self._waits = 0
        self._http = _PaidHttp(settings, self._now, purse)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    @property
    def client_id(self) -> str | None:
        """The app that the account in use logged in with; None where there is nobody to ask as.

        Raises LoginNeeded or VaultError where none of the accounts can be used.
        """
        while self._accounts:
            try:
                token = self._vault.load(self._accounts[0].account_id)
                if token is None:
                    raise LoginNeeded("The Spotify login is gone.")
            except SpotifyHistError:
                if not self.leave():
                    raise
            else:
                return token.client_id
        return None

    def check(self) -> None:
        """Raises RateLimited while Spotify wants no calls for details."""
        client_id = self.client_id
        if client_id is not None:
            Limits(self._settings.limits, client_id).check("details", self._now())

    def leave(self) -> bool:
        """Ask as the next account from now on; False where there is none."""
        if len(self._accounts) == 1:
            return False
        del self._accounts[0]
        return True

    def one(self, want: Want) -> object:
        """What Spotify tells of one thing: its object, or of a link the list of tracks found."""
        spotify = self._spotify()
        match want.entity:
            case "track":
                return spotify.track(want.id)
            case "artist":
                return spotify.artist(want.id)
            case "album":
                return spotify.album(want.id)
            case "features":
                return spotify.audio_features(want.id)
            case "link":
                return spotify.search_tracks(want.title or "", want.artist or "")

    def several(self, wants: Sequence[Want]) -> list[dict[str, object] | None]:
        """What Spotify tells of several things of one entity; None for what it does not know."""
        return self._spotify().several(KINDS[wants[0].entity], [want.id for want in wants])

    def most_at_once(self, entity: Entity) -> int:
        """How many things of an entity one request may be about; 1 where only one."""
        return MOST_AT_ONCE[KINDS[entity]] if entity in KINDS else 1

    def wait_for(self, error: RateLimited) -> bool:
        """Wait as Spotify asks, where that is a few seconds and not asked all the time; whether."""
        wait_s = (error.not_before_s or 0.0) - self._now()
        if error.not_before_s is None or wait_s > _PATIENCE_S or self._waits >= _MOST_WAITS:
            return False
        self._waits += 1
        self._sleep(max(0.0, wait_s))
        return True

    def _spotify(self) -> Spotify:
        account_id = self._accounts[0].account_id
        return Spotify(
            self._settings, self._vault, account_id, self._now, self._http, lane="details"
        )

    def _now(self) -> float:
        return self._clock().timestamp()
