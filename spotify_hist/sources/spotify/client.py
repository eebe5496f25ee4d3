"""Owns the calls to Spotify's Web API for one account, and the renewal of its access token.

Never interprets a play and never touches the database.
"""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Self, cast

from spotify_hist.errors import BadInput, LoginNeeded, Offline
from spotify_hist.sources.spotify import oauth
from spotify_hist.sources.spotify.http import Answer, Http, json_object
from spotify_hist.sources.spotify.models import Me
from spotify_hist.sources.spotify.vault import Token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from spotify_hist.model import Account
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault

_ID = re.compile(r"[A-Za-z0-9]{1,64}")
_MARGIN_S = 60.0  # an access token with less left is renewed first


def http_for(settings: Settings, clock: Callable[[], float]) -> Http:
    """An Http with the patience of the settings; to be closed by the caller."""
    return Http(
        settings.number("http.timeout_s"),
        int(settings.number("http.retries")),
        settings.number("http.max_wait_s"),
        clock=clock,
    )


class Spotify:
    """The Web API as one account sees it. A context manager; give `http` to share connections.

    Every call raises LoginNeeded (no login, or it has ended), Forbidden with the remedy,
    Offline, RateLimited, VaultError or SettingsError. `clock` gives epoch seconds.
    """

    def __init__(
        self,
        settings: Settings,
        vault: Vault,
        account_id: str,
        clock: Callable[[], float],
        http: Http | None = None,
    ) -> None:
        self._settings = settings
        self._vault = vault
        self._account_id = account_id
        self._clock = clock
        self._own_http = http_for(settings, clock) if http is None else None
        self._http = http or cast("Http", self._own_http)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._own_http is not None:
            self._own_http.close()

    def recently_played(self, limit: int = 50, before: int | None = None) -> bytes:
        """The raw body of one page, newest play first: a JSON object with a list `items`.

        `limit` is 1 to 50; `before` is epoch milliseconds: only plays that ended earlier. There
        is no `after`, since it would lose the plays that appear late (FACTS 3.4).
        """
        params = {"limit": limit} if before is None else {"limit": limit, "before": before}
        answer = self._ask("/v1/me/player/recently-played", params)
        if not isinstance(json_object(answer).get("items"), list):
            raise Offline("Spotify answered something that is not a page of plays.")
        return answer.body

    def me(self) -> Account:
        """Whose login this is."""
        return _account(self._ask("/v1/me"))

    def track(self, track_id: str) -> dict[str, object]:
        """The track as Spotify tells it. Raises BadInput `not_found` for an unknown id."""
        return self._one("tracks", track_id)

    def artist(self, artist_id: str) -> dict[str, object]:
        """The artist as Spotify tells it. Raises BadInput `not_found` for an unknown id."""
        return self._one("artists", artist_id)

    def album(self, album_id: str) -> dict[str, object]:
        """The album as Spotify tells it. Raises BadInput `not_found` for an unknown id."""
        return self._one("albums", album_id)

    def _one(self, kind: str, spotify_id: str) -> dict[str, object]:
        # An id comes out of an answer or a file and must not lead to another endpoint.
        if not _ID.fullmatch(spotify_id):
            raise _unknown_id()
        return json_object(self._ask(f"/v1/{kind}/{spotify_id}"))

    def _ask(self, path: str, params: Mapping[str, str | int] | None = None) -> Answer:
        """The body of a 200. A refused access token is renewed once, then the person must."""
        url = _api(self._settings, path)
        token = self._access_token()
        answer = self._http.get(url, params, token)
        if answer.status == 401:
            token = self._access_token(refused=token)
            answer = self._http.get(url, params, token)
        if answer.status == 401:
            raise LoginNeeded("Spotify refuses this login, even after renewing it.")
        return _expect_ok(answer)

    def _access_token(self, refused: str | None = None) -> str:
        """A token with more than a minute left and other than the `refused` one."""
        token = self._vault.load(self._account_id)
        if token is not None and self._is_good(token, refused):
            return token.access_token
        with self._vault.lock(self._account_id):
            # Read again: whoever held the lock may just have renewed it.
            token = self._vault.load(self._account_id)
            if token is None:
                raise LoginNeeded("There is no Spotify login for this listener.")
            if not self._is_good(token, refused):
                token = self._renew(token)
            return token.access_token

    def _is_good(self, token: Token, refused: str | None) -> bool:
        return token.access_token != refused and token.expires_at - self._clock() > _MARGIN_S

    def _renew(self, token: Token) -> Token:
        """The renewed token, already on disk (FACTS 2.5); the caller holds the vault's lock."""
        # A full or read-only disk must show now, not after Spotify has replaced the old token.
        self._vault.save(token)
        try:
            grant = oauth.refresh(
                self._http,
                _accounts(self._settings),
                token,
                _secret(self._settings, token.client_id),
                self._clock(),
            )
        except LoginNeeded as error:
            self._vault.forget(self._account_id)
            name = token.account.display_name or token.account.account_id
            error.hint = f"Run 'spotify-hist auth login' and log in to Spotify as {name}."
            raise
        renewed = replace(
            token,
            access_token=grant.access_token,
            refresh_token=grant.refresh_token,
            expires_at=grant.expires_at,
            scopes=grant.scopes,
        )
        self._vault.save(renewed)
        return renewed


def login(
    settings: Settings,
    vault: Vault,
    login: oauth.Login,
    code: str,
    clock: Callable[[], float],
    *,
    http: Http | None = None,
) -> Token:
    """Finish a login: trade the code, ask whose account it is, and keep the token in the vault.

    A login succeeds even for an account the app may not serve; only the first call tells
    (FACTS 2.6), so nothing is stored before that. Raises LoginNeeded, Forbidden with the remedy,
    Offline, RateLimited, VaultError or SettingsError. `clock` gives epoch seconds.
    """
    now = clock()
    with http_for(settings, clock) if http is None else nullcontext(http) as web:
        grant = oauth.exchange(web, login, code, _secret(settings, login.client_id), now)
        answer = web.get(_api(settings, "/v1/me"), token=grant.access_token)
    if answer.status == 401:
        raise LoginNeeded(
            "Spotify gave a login and then refused it.",
            hint="Check that the app is not disabled at https://developer.spotify.com/dashboard, "
            "then run 'spotify-hist auth login' again.",
        )
    token = Token(
        account=_account(_expect_ok(answer)),
        client_id=login.client_id,
        refresh_token=grant.refresh_token,
        access_token=grant.access_token,
        expires_at=grant.expires_at,
        authorized_at=now,
        scopes=grant.scopes,
    )
    vault.save(token)
    return token


def _api(settings: Settings, path: str) -> str:
    return (settings.text("api_url") or "").rstrip("/") + path


def _accounts(settings: Settings) -> str:
    return settings.text("accounts_url") or ""


def _secret(settings: Settings, client_id: str) -> str | None:
    """The client secret, if it is the one of the app that this login belongs to."""
    return settings.text("client_secret") if settings.text("client_id") == client_id else None


def _account(answer: Answer) -> Account:
    account = Me.model_validate(json_object(answer)).account()
    if account is None:
        raise Offline("Spotify's answer does not say whose account this is.")
    return account


def _expect_ok(answer: Answer) -> Answer:
    if answer.status == 404:
        raise _unknown_id()
    if answer.status != 200:
        raise Offline(f"Spotify did not answer as expected (HTTP {answer.status}).")
    return answer


def _unknown_id() -> BadInput:
    return BadInput("Spotify knows nothing by this id.", code="not_found", hint="Check the id.")
