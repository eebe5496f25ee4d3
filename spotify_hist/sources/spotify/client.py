"""Owns the calls to Spotify's Web API for one account, and the end of a login.

Never interprets a play and never touches the database.
"""

from __future__ import annotations

import re
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Literal, Self, cast

from spotify_hist.errors import (
    BadInput,
    LoginNeeded,
    Offline,
    RateLimited,
    Unavailable,
)
from spotify_hist.sources.recent_pages import read_page
from spotify_hist.sources.spotify.access import Access, secret_of
from spotify_hist.sources.spotify.answers import Answer, NotOffered, json_object, said
from spotify_hist.sources.spotify.http import Http
from spotify_hist.sources.spotify.limits import Limits
from spotify_hist.sources.spotify.vault import Token, how_to_log_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from spotify_hist.model import Account
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify import oauth
    from spotify_hist.sources.spotify.limits import Lane
    from spotify_hist.sources.spotify.vault import Vault

Kind = Literal["tracks", "artists", "albums"]
# How many ids the batch endpoints take at once (FACTS 1.6).
Sort = Literal["track", "artist", "album"]
Span = Literal["short_term", "medium_term", "long_term"]
MOST_AT_ONCE: Mapping[Kind, int] = {"tracks": 50, "artists": 50, "albums": 20}
_ID = re.compile(r"[A-Za-z0-9]{1,64}")
_INVALID_ID = re.compile(r"\binvalid\b.*\bid\b", re.IGNORECASE)
_NOT_IN_QUOTES = re.compile(r'["\\\x00-\x1f\x7f\s]+')
_LONGEST_NAME = 100  # of a name in a search; Spotify takes 250 characters altogether


def http_for(
    settings: Settings, clock: Callable[[], float], sleep: Callable[[float], None] = time.sleep
) -> Http:
    """An Http with the patience of the settings; to be closed by the caller."""
    return Http(
        settings.number("http.timeout_s"),
        int(settings.number("http.retries")),
        settings.number("http.max_wait_s"),
        sleep,
        clock=clock,
    )


class Spotify:
    """The Web API as one account sees it. A context manager; give `http` to share connections.

    Every call raises LoginNeeded (no login, or it has ended), Forbidden with the remedy,
    Offline, RateLimited, VaultError or SettingsError. `clock` gives epoch seconds; `sleep` waits
    (a given `http` has its own), and what it raises ends the call.

    While Spotify wants no calls in this `lane`, a call raises RateLimited without a request, and
    a long wait that Spotify asks for is noted for the runs to come (FACTS 4.2).
    """

    def __init__(
        self,
        settings: Settings,
        vault: Vault,
        account_id: str,
        clock: Callable[[], float],
        http: Http | None = None,
        *,
        lane: Lane = "plays",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._lane = lane
        self._own_http = http_for(settings, clock, sleep) if http is None else None
        self._http = http or cast("Http", self._own_http)
        self._access = Access(settings, vault, account_id, clock, self._http)

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

    @property
    def rate_limits(self) -> int:
        """How often Spotify has answered 429 on these connections."""
        return self._http.rate_limits

    def recently_played(self, limit: int = 50, before: int | None = None) -> bytes:
        """The raw body of one page, newest play first, in which at least the items are to be found.

        `limit` is 1 to 50; `before` is epoch milliseconds: only plays that ended earlier. There
        is no `after`, since it would lose the plays that appear late (FACTS 3.4).
        """
        params = {"limit": limit} if before is None else {"limit": limit, "before": before}
        answer = self._ask("/v1/me/player/recently-played", params)
        if read_page(answer.body) is None:
            json_object(answer)
            raise Offline(
                f"Spotify answered something that is not a page of plays (HTTP {answer.status})."
            )
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

    def audio_features(self, track_id: str) -> dict[str, object]:
        """The audio features of a track.

        Raises BadInput `not_found` for a track that has none, and Unavailable where the app may
        not ask for them (FACTS 1.1).
        """
        try:
            return self._one("audio-features", track_id)
        except NotOffered:
            raise Unavailable("Spotify does not offer audio features to this app.") from None

    def several(self, kind: Kind, ids: Sequence[str]) -> list[dict[str, object] | None]:
        """What Spotify tells of each id, in the order given; None for one it does not know.

        One request for `MOST_AT_ONCE` ids. Raises Unavailable where the app has the batch
        endpoint no more (FACTS 1.2, 1.6).
        """
        asked = [each for each in dict.fromkeys(ids) if _ID.fullmatch(each)]
        most = MOST_AT_ONCE[kind]
        found: dict[str, dict[str, object] | None] = {}
        for start in range(0, len(asked), most):
            found.update(self._batch(kind, asked[start : start + most]))
        return [found.get(each) for each in ids]

    def search_tracks(self, title: str, artist: str, limit: int = 10) -> list[dict[str, object]]:
        """The tracks Spotify finds by title and artist, best first; [] without a title.

        `limit` is 1 to 10 for new apps (FACTS 1.2). Raises Unavailable where the app may not
        search.
        """
        words = [("track", _quotable(title)), ("artist", _quotable(artist))]
        if not words[0][1]:
            return []
        query = " ".join(f'{field}:"{name}"' for field, name in words if name)
        return self.search(query, "track", limit)

    def search(self, query: str, sort: Sort, limit: int = 10) -> list[dict[str, object]]:
        """What Spotify finds of one sort, best first. `limit` is 1 to 10 for new apps (FACTS 1.2).

        Raises Unavailable where the app may not search.
        """
        try:
            answer = self._ask("/v1/search", {"q": query, "type": sort, "limit": limit})
        except NotOffered:
            raise Unavailable("Spotify does not let this app search.") from None
        return _items(json_object(_expect_ok(answer)).get(f"{sort}s"))

    def top(
        self, kind: Literal["artists", "tracks"], span: Span, limit: int = 20
    ) -> list[dict[str, object]]:
        """Spotify's own ranking for this account, of about 4 weeks, 6 months or a year.

        `limit` is 1 to 50. Needs the scope `user-top-read`.
        """
        answer = self._ask(f"/v1/me/top/{kind}", {"time_range": span, "limit": limit})
        return _items(json_object(_expect_ok(answer)))

    def currently_playing(self) -> dict[str, object] | None:
        """What the account plays at this moment, None where nothing does.

        Needs the scope `user-read-currently-playing`.
        """
        answer = self._ask("/v1/me/player/currently-playing", {"additional_types": "track,episode"})
        return None if answer.status == 204 else json_object(_expect_ok(answer))

    def _one(self, kind: str, spotify_id: str) -> dict[str, object]:
        # An id comes out of an answer or a file and must not lead to another endpoint.
        if not _ID.fullmatch(spotify_id):
            raise _unknown_id()
        return json_object(_expect_ok(self._ask(f"/v1/{kind}/{spotify_id}")))

    def _batch(self, kind: Kind, ids: list[str]) -> dict[str, dict[str, object] | None]:
        try:
            answer = self._ask(f"/v1/{kind}", {"ids": ",".join(ids)})
        except NotOffered:
            answer = None
        if answer is None or answer.status == 404:
            raise Unavailable(f"Spotify offers this app no list of {kind} any more.")
        if _calls_id_invalid(answer):
            # One bad id spoils the batch: halve until it stands alone.
            if len(ids) == 1:
                return {ids[0]: None}
            middle = len(ids) // 2
            return {**self._batch(kind, ids[:middle]), **self._batch(kind, ids[middle:])}
        things = json_object(_expect_ok(answer)).get(kind)
        if not isinstance(things, list) or len(things) != len(ids):
            raise Offline(f"Spotify answered something that is not the list of {kind} asked for.")
        return {
            each: thing if isinstance(thing, dict) else None
            for each, thing in zip(ids, things, strict=True)
        }

    def _ask(self, path: str, params: Mapping[str, str | int] | None = None) -> Answer:
        """The answer, neither 401 nor 403. Nothing is sent while Spotify wants no calls."""
        limits = Limits(self._settings.limits, self._access.login().client_id)
        limits.check(self._lane, self._clock())
        try:
            return self._answer(path, params)
        except RateLimited as error:
            limits.remember(self._lane, error, self._clock())
            raise

    def _answer(self, path: str, params: Mapping[str, str | int] | None) -> Answer:
        """A refused access token is renewed once, then the person must log in."""
        url = _api(self._settings, path)
        token = self._access.token()
        answer = self._http.get(url, params, token)
        if answer.status == 401:
            token = self._access.token(refused=token)
            answer = self._http.get(url, params, token)
        if answer.status == 401:
            raise LoginNeeded(
                "Spotify refuses this login, even after renewing it.",
                hint=how_to_log_in(self._access.login().account),
            )
        return answer


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
    from spotify_hist.sources.spotify.oauth import exchange

    now = clock()
    limits = Limits(settings.limits, login.client_id)
    limits.check("plays", now)
    with http_for(settings, clock) if http is None else nullcontext(http) as web:
        try:
            grant = exchange(web, login, code, secret_of(settings, login.client_id), now)
            answer = web.get(_api(settings, "/v1/me"), token=grant.access_token)
        except RateLimited as error:
            limits.remember("plays", error, clock())
            raise
    if answer.status == 401:
        raise LoginNeeded(
            "Spotify gave a login and then refused it.",
            hint="Check that the app is not disabled at https://developer.spotify.com/dashboard, "
            "then run 'spotify-hist auth login' again.",
        )
    token = Token(
        account=_account(answer),
        client_id=login.client_id,
        refresh_token=grant.refresh_token,
        access_token=grant.access_token,
        expires_at=grant.expires_at,
        authorized_at=now,
        scopes=grant.scopes,
    )
    return vault.log_in(token)


def _api(settings: Settings, path: str) -> str:
    return (settings.text("api_url") or "").rstrip("/") + path


def _account(answer: Answer) -> Account:
    from spotify_hist.sources.spotify.models import Me

    account = Me.model_validate(json_object(_expect_ok(answer))).account()
    if account is None:
        raise Offline("Spotify's answer does not say whose account this is.")
    return account


def _quotable(name: str) -> str:
    """`name` as it may stand between the quotes of a search: it can neither end nor escape them."""
    return _NOT_IN_QUOTES.sub(" ", name).strip()[:_LONGEST_NAME].rstrip()


def _calls_id_invalid(answer: Answer) -> bool:
    return answer.status == 400 and _INVALID_ID.search(said(answer)) is not None


def _expect_ok(answer: Answer) -> Answer:
    if answer.status == 404 or _calls_id_invalid(answer):
        raise _unknown_id()
    if answer.status != 200:
        raise Offline(f"Spotify did not answer as expected (HTTP {answer.status}).")
    return answer


def _items(page: object) -> list[dict[str, object]]:
    items = page.get("items") if isinstance(page, dict) else None
    if not isinstance(items, list):
        raise Offline("Spotify answered something that is not the list asked for.")
    return [item for item in items if isinstance(item, dict)]


def _unknown_id() -> BadInput:
    return BadInput("Spotify knows nothing by this id.", code="not_found", hint="Check the id.")
