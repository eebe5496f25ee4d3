"""Owns the access token of one account: taken from the vault, renewed when its time is over.

Never calls the Web API; it asks Spotify's login for nothing but the renewal.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from spotify_hist.errors import LoginNeeded, Temporary, VaultError
from spotify_hist.sources.spotify.vault import how_to_log_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.http import Http
    from spotify_hist.sources.spotify.vault import Token, Vault

_SAVES = 3
_MARGIN_S = 60.0  # an access token with less left is renewed first


class Access:
    """The right of one account to call. `clock` gives epoch seconds."""

    def __init__(
        self,
        settings: Settings,
        vault: Vault,
        account_id: str,
        clock: Callable[[], float],
        http: Http,
    ) -> None:
        self._settings = settings
        self._vault = vault
        self._account_id = account_id
        self._clock = clock
        self._http = http

    def login(self) -> Token:
        """The stored login. Raises LoginNeeded where there is none, or it has ended."""
        token = self._vault.load(self._account_id)
        if token is not None:
            return token
        ended = self._vault.ending(self._account_id)
        if ended is not None:
            raise LoginNeeded(ended.reason, hint=how_to_log_in(ended.account))
        raise LoginNeeded("There is no Spotify login for this listener.")

    def token(self, refused: str | None = None) -> str:
        """An access token with more than a minute left and other than the `refused` one.

        A login that Spotify refuses is tried once a day (FACTS 2.4); in between nothing is asked.
        Raises LoginNeeded, SettingsError, Offline, RateLimited and the vault's errors.
        """
        login = self._triable()
        if self._is_good(login, refused):
            return login.access_token
        with self._vault.lock(self._account_id):
            # Read again: whoever held the lock may just have renewed it, or been refused.
            login = self._triable()
            if not self._is_good(login, refused):
                login = self._renew(login)
            return login.access_token

    def _triable(self) -> Token:
        """The stored login, unless Spotify refused it less than a day ago."""
        login = self.login()
        if not login.may_be_tried(self._clock()):
            raise login.refusal()
        return login

    def _is_good(self, login: Token, refused: str | None) -> bool:
        return login.access_token != refused and login.expires_at - self._clock() > _MARGIN_S

    def _renew(self, login: Token) -> Token:
        """The renewed login, already on disk (FACTS 2.5); the caller holds the vault's lock."""
        # Once an hour: the other runs need not pay for its import.
        from spotify_hist.sources.spotify import oauth

        # A full or read-only disk must show now, not after Spotify has replaced the old token.
        self._vault.save(login)
        try:
            grant = oauth.refresh(
                self._http,
                self._settings.text("accounts_url") or "",
                login,
                secret_of(self._settings, login.client_id),
                self._clock(),
            )
        except LoginNeeded as error:
            raise self._refused(login, error) from None
        renewed = replace(
            login.as_of(self._clock()),
            access_token=grant.access_token,
            refresh_token=grant.refresh_token,
            expires_at=grant.expires_at,
            scopes=grant.scopes,
            refused_at=None,
            tried_at=None,
        )
        self._keep(renewed)
        return renewed

    def _refused(self, login: Token, error: LoginNeeded) -> LoginNeeded:
        """Spotify answered `invalid_grant`: the token is kept until its six months are over
        (FACTS 2.4), then forgotten.

        Where that cannot be noted now, the next run is told the same by Spotify.
        """
        now = self._clock()
        if login.ends_at <= now:
            error.hint = how_to_log_in(login.account)
            with suppress(Temporary, VaultError):
                self._vault.end(login, now, error.message)
            return error
        refused = login.as_refused(now)
        with suppress(Temporary, VaultError):
            self._vault.save(refused)
        return refused.refusal()

    def _keep(self, login: Token) -> None:
        """Save what cannot be had a second time: the old refresh token may be dead already."""
        for tries_left in reversed(range(_SAVES)):
            try:
                self._vault.save(login)
            except (Temporary, VaultError):
                if not tries_left:
                    raise
            else:
                return


def secret_of(settings: Settings, client_id: str) -> str | None:
    """The client secret, if it is the one of the app that a login belongs to."""
    return settings.text("client_secret") if settings.text("client_id") == client_id else None
