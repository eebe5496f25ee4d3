"""Owns HTTP to Spotify: retries, waits, and what each failure means for the person.

Never logs, and never puts a token, code, secret or verifier into an error or a repr.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import secrets
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Self

import httpx

from spotify_hist import __version__
from spotify_hist.errors import Forbidden, Offline, RateLimited, SettingsError, SpotifyHistError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

_QUOTA = b"QUOTA_EXCEEDED"
# Failures that happen before a request is on its way.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_LONGEST_WAIT_S = 31 * 86_400.0
_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 8.0
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9_\-+/=.~%]{20,}")
_DASHBOARD = "https://developer.spotify.com/dashboard"
_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer: any status that another try would not change."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Setback:
    """A failed attempt: the error if it was the last one, and the wait Spotify asks for."""

    error: SpotifyHistError
    asked_wait_s: float | None = None
    is_final: bool = False


class Http:
    """One HTTP client with the program's patience. Times are seconds.

    A request is tried again up to `retries` times, and waits altogether no longer than
    `max_wait_s` on Spotify's asking (FACTS 4.2). `clock` gives epoch seconds.
    """

    def __init__(
        self,
        timeout_s: float,
        retries: int,
        max_wait_s: float,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._timeout_s = timeout_s
        self._retries = retries
        self._max_wait_s = max_wait_s
        self._sleep = sleep
        self._clock = clock
        for name in ("httpx", "httpcore"):
            # They log addresses at INFO and headers at DEBUG; neither belongs in our logs.
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = _client(timeout_s, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def get(
        self, url: str, params: Mapping[str, str | int] | None = None, token: str | None = None
    ) -> Answer:
        """The answer to a GET with the bearer `token`, whatever its status except these.

        Raises Offline (no connection, or 5xx to the end), RateLimited (429; FACTS 4.1) and
        Forbidden (403, with the remedy; FACTS 4.4).
        """
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        request = self._request("GET", url, params=params, headers=headers)
        answer = self._send(request, is_repeatable=True)
        if answer.status == 403:
            raise _forbidden(answer.body, token)
        return answer

    def post_form(
        self, url: str, form: Mapping[str, str], basic: tuple[str, str] | None = None
    ) -> Answer:
        """The answer to a posted form, whatever its status except 429 and 5xx.

        `basic` is (user, password). Raises Offline and RateLimited.

        The form may spend something that works only once: a login code, or a refresh token that
        Spotify replaces (FACTS 2.5). It is sent again if it never left, or if an answer came
        that grants nothing. It is not sent again if the connection broke without an answer: the
        first one may still be at work, and of two at once the later could be taken for the
        reuse of a spent token, which ends the login. The next run finds out in peace.
        """
        headers = {}
        if basic is not None:
            pair = base64.b64encode(":".join(basic).encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        request = self._request("POST", url, headers=headers, data=form)
        return self._send(request, is_repeatable=False)

    def _request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str | int] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        request: httpx.Request | None
        try:
            request = self._client.build_request(
                method, url, params=params, headers=headers, data=data
            )
        except httpx.InvalidURL:
            request = None
        if request is None or request.url.scheme not in {"http", "https"} or not request.url.host:
            raise SettingsError(
                "The address of Spotify in the settings is not a web address.",
                hint="Check SPOTIFY_HIST_API_URL and SPOTIFY_HIST_ACCOUNTS_URL, or unset them.",
            )
        return request

    def _send(self, request: httpx.Request, *, is_repeatable: bool) -> Answer:
        waited_s, attempt = 0.0, 0
        while True:
            outcome = self._attempt(request, is_repeatable=is_repeatable)
            if isinstance(outcome, Answer):
                return outcome
            asked_s = outcome.asked_wait_s or 0.0
            if (
                outcome.is_final
                or attempt >= self._retries
                or waited_s + asked_s > self._max_wait_s
            ):
                # Raised out here so that no httpx error, which knows the request and its
                # headers, hangs on ours as its context.
                raise outcome.error
            waited_s += asked_s
            self._sleep(asked_s or _backoff(attempt))
            attempt += 1

    def _attempt(self, request: httpx.Request, *, is_repeatable: bool) -> Answer | _Setback:
        try:
            response = self._client.send(request)
        except httpx.RequestError as error:
            return _Setback(
                Offline(
                    f"Spotify cannot be reached ({self._describe(error)}).",
                    hint="Check the internet connection and try again; "
                    "anything captured is safe in the spool.",
                ),
                is_final=not (is_repeatable or isinstance(error, _UNSENT)),
            )
        if response.status_code == 429:
            return self._rate_limited(response)
        if response.status_code >= 500:
            return _Setback(
                Offline(f"Spotify has trouble of its own (HTTP {response.status_code})."),
                asked_wait_s=retry_after_s(response.headers.get("Retry-After"), self._clock()),
            )
        return Answer(response.status_code, response.content)

    def _rate_limited(self, response: httpx.Response) -> _Setback:
        if _QUOTA in response.content:
            error = RateLimited(
                "The request quota of your Spotify app's owner is used up (QUOTA_EXCEEDED).",
                hint="Spotify does not say when it is filled up again; try again in some hours.",
            )
            return _Setback(error, is_final=True)
        now = self._clock()
        wait_s = retry_after_s(response.headers.get("Retry-After"), now)
        if wait_s is None:
            return _Setback(RateLimited("Spotify asks for fewer requests for a while."))
        error = RateLimited(
            f"Spotify asks to wait {_duration(wait_s)} before the next request.",
            not_before_s=now + wait_s,
        )
        return _Setback(error, asked_wait_s=wait_s)

    def _describe(self, error: httpx.RequestError) -> str:
        """What happened, in words; an exception's own text only where it was never sent."""
        if isinstance(error, httpx.TimeoutException):
            return f"no answer within {self._timeout_s:g} s"
        if isinstance(error, httpx.ProxyError):
            return "the proxy cannot be used"
        if isinstance(error, httpx.ConnectError):
            return str(error) or "no connection"
        return "the connection broke off"


def _client(timeout_s: float, transport: httpx.BaseTransport | None) -> httpx.Client:
    try:
        client = httpx.Client(
            timeout=timeout_s,
            transport=transport,
            headers={"User-Agent": f"spotify-hist/{__version__}", "Accept": "application/json"},
        )
    except (ImportError, ValueError, OSError):  # their text may hold a proxy's password
        raise SettingsError(
            "The proxy or certificate settings of this system cannot be used.",
            hint="Check the variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and SSL_CERT_FILE.",
        ) from None
    # One client serves several listeners: a cookie of one must not travel with another.
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


def json_object(answer: Answer) -> dict[str, object]:
    """The JSON object in the body. Raises Offline for anything else, a cut-off body included."""
    value = _json(answer.body)
    if not isinstance(value, dict):
        raise Offline(
            f"Spotify answered something that is not JSON (HTTP {answer.status}).",
            hint="A proxy or a Wi-Fi sign-in page may be in between; try again later.",
        )
    return value


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header: a number, or an HTTP date against `now`.

    None if it is absent, malformed or beyond a month (FACTS 4.1). Never negative, never raises.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        wait_s = float(text)
    else:
        try:
            wait_s = max(0.0, parsedate_to_datetime(text).timestamp() - now)
        except (ValueError, TypeError, IndexError, OverflowError, OSError):
            return None
    return wait_s if wait_s <= _LONGEST_WAIT_S else None


def _backoff(attempt: int) -> float:
    """Seconds before the next try: doubling, with jitter so that many clients spread out."""
    return min(_LONGEST_BACKOFF_S, _BACKOFF_S * 2.0 ** min(attempt, 10)) * _random.uniform(0.5, 1.0)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _json(body: bytes) -> object:
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value


def _forbidden(body: bytes, token: str | None) -> Forbidden:
    """Spotify's refusal with its own remedy (FACTS 4.4)."""
    text = body.decode("utf-8", "replace").casefold()
    if "not registered" in text:
        return Forbidden(
            "This Spotify account is not on the list of users of your Spotify app.",
            hint=f"At {_DASHBOARD} open the app, add the account's e-mail under User Management, "
            "then run 'spotify-hist auth login'.",
        )
    if "premium" in text:
        return Forbidden(
            "The owner of the Spotify app has no active Premium subscription.",
            hint="Renew Premium for the account that owns the app, or set SPOTIFY_HIST_CLIENT_ID "
            "to an app whose owner has it and run 'spotify-hist auth login'.",
        )
    if "scope" in text:
        return Forbidden(
            "The login does not cover this: a permission is missing.",
            hint="Run 'spotify-hist auth login' again and agree to what is asked.",
        )
    said = _said(body, token)
    return Forbidden(
        "Spotify refuses this request (HTTP 403)" + (f": {said}" if said else "."),
        hint=f"Check your app at {_DASHBOARD}, then run 'spotify-hist auth login'.",
    )


def _said(body: bytes, token: str | None) -> str:
    """Spotify's own words, short, on one line, without anything that may be a secret."""
    answer = _json(body)
    error = answer.get("error") if isinstance(answer, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    text = message if isinstance(message, str) else ""
    if token:
        text = text.replace(token, "…")
    text = _TOKEN_LIKE.sub("…", " ".join(text.split()))
    return "".join(letter for letter in text if letter.isprintable())[:200]
