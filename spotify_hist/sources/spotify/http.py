"""Owns HTTP to Spotify: deadlines, retries, and the waits Spotify asks for.

Never logs, and never puts a token, code, secret or verifier into an error or a repr.
"""

from __future__ import annotations

import base64
import logging
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Self

import httpx

from spotify_hist import __version__
from spotify_hist.errors import (
    Offline,
    RateLimited,
    SettingsError,
    SpotifyHistError,
    Temporary,
    Unreachable,
)
from spotify_hist.sources.spotify.answers import (
    Answer,
    forbidden,
    quota_error,
    quota_exceeded,
    retry_after_s,
    served_at,
)
from spotify_hist.sources.spotify.limits import LONGEST_S, asked_to_wait
from spotify_hist.sources.spotify.network import NO_ADDRESS, Network, is_usable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

LARGEST_BODY = 16 * 1024 * 1024
# Failures that happen before a request is on its way.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
# All that a request can come to beside an answer: three classes of httpx are no HTTPError, and some
# of what the system, TLS and its resolver raise passes httpx by.
_BROKEN = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    httpx.CookieConflict,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
)
_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 8.0
_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class _Setback:
    """A failed attempt: the error if it was the last one, and the wait Spotify asks for."""

    error: SpotifyHistError
    asked_wait_s: float | None = None
    is_final: bool = False


@dataclass(slots=True)
class _Exchange:
    """One attempt and what has come of it so far, written by a thread of its own."""

    request: httpx.Request
    is_sent: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    error: BaseException | None = None
    is_abandoned: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    def perform(self, client: httpx.Client) -> None:
        """Send, and read until the end, the size limit, or nobody wants it any more."""
        self.request.extensions["trace"] = self._note
        try:
            response = client.send(self.request, stream=True)
            try:
                self.headers, self.status = response.headers, response.status_code
                for chunk in response.iter_bytes():
                    self.body += chunk
                    if self.is_abandoned or self.is_too_large:
                        break
            finally:
                response.close()
        except BaseException as error:  # noqa: BLE001 - raised again where the answer is awaited
            self.error = error
        finally:
            self.done.set()

    @property
    def is_too_large(self) -> bool:
        return len(self.body) > LARGEST_BODY

    def _note(self, event: str, _: object) -> None:
        if event.endswith("send_request_headers.started"):
            self.is_sent = True


_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"
_UNREACHED = "Check the internet connection and try again; anything captured is safe in the spool."
_UNTRUSTED = (
    "Check the clock of this machine, and SSL_CERT_FILE or SSL_CERT_DIR where they are set; a "
    "Wi-Fi sign-in page or a proxy may be in between."
)


class Http:
    """One HTTP client with the program's patience, for one run. Times are seconds.

    An answer is given up where it is not there as a whole after `timeout_s`. A request is tried
    again up to `retries` times, and waits altogether no longer than `max_wait_s` on Spotify's
    asking (FACTS 4.2). `clock` gives epoch seconds; what `sleep` raises ends the call.
    `rate_limits` counts the 429s met so far. After QUOTA_EXCEEDED nothing more is sent.
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
        self.rate_limits = 0
        self._is_quota_spent = False
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
            raise forbidden(answer, token)
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
        except NO_ADDRESS:
            request = None
        if (
            request is None
            or request.url.scheme not in {"http", "https"}
            or not is_usable(request.url)
        ):
            raise SettingsError(
                "The address of Spotify in the settings is not a web address.",
                hint="Check SPOTIFY_HIST_API_URL and SPOTIFY_HIST_ACCOUNTS_URL, or unset them.",
            )
        return request

    def _send(self, request: httpx.Request, *, is_repeatable: bool) -> Answer:
        waited_s, attempt = 0.0, 0
        while not self._is_quota_spent:
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
        raise quota_error()

    def _attempt(self, request: httpx.Request, *, is_repeatable: bool) -> Answer | _Setback:
        exchange = self._perform(request)
        if exchange.status is not None and exchange.status >= 400:
            # What the status and headers say is good even where the body breaks off.
            return self._judge(exchange)
        problem = self._problem(exchange)
        if problem is None:
            return self._judge(exchange)
        is_unsent = isinstance(exchange.error, _UNSENT) or (
            exchange.is_abandoned and not exchange.is_sent
        )
        error = Unreachable(
            f"Spotify cannot be reached ({problem}).",
            hint=_UNTRUSTED if _CERTIFICATE in problem else _UNREACHED,
        )
        return _Setback(error, is_final=not (is_repeatable or is_unsent))

    def _perform(self, request: httpx.Request) -> _Exchange:
        """One attempt, given up after `timeout_s`.

        It runs in a thread, as httpx has a timeout for each read but none for the whole: a
        server that sends a byte now and then would hold a timer's run for ever.
        """
        exchange = _Exchange(request)
        thread = threading.Thread(target=exchange.perform, args=(self._client,), daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise Temporary("The system lets this program start no more threads.") from None
        try:
            exchange.is_abandoned = not exchange.done.wait(self._timeout_s)
        except BaseException:
            exchange.is_abandoned = True
            raise
        if exchange.error is not None and not isinstance(exchange.error, _BROKEN):
            raise exchange.error
        return exchange

    def _judge(self, exchange: _Exchange) -> Answer | _Setback:
        """What an answer that came, at least its head, means."""
        status, body = exchange.status or 0, bytes(exchange.body)
        served = served_at(exchange.headers.get("Date"), self._clock())
        wait_s = retry_after_s(exchange.headers.get("Retry-After"), served)
        if status == 429:
            return self._rate_limited(body, wait_s)
        if status >= 500:
            error = Offline(f"Spotify has trouble of its own (HTTP {status}).")
            return _Setback(error, asked_wait_s=wait_s)
        if exchange.is_too_large:
            error = Offline("Spotify's answer is too large to be one.")
            return _Setback(error, is_final=True)
        return Answer(status, body)

    def _rate_limited(self, body: bytes, wait_s: float | None) -> _Setback:
        self.rate_limits += 1
        if quota_exceeded(body):
            self._is_quota_spent = True
            return _Setback(quota_error(), is_final=True)
        if wait_s is None:
            return _Setback(RateLimited("Spotify asks for fewer requests for a while."))
        now, wait_s = self._clock(), min(wait_s, LONGEST_S)
        return _Setback(asked_to_wait(now + wait_s, now), asked_wait_s=wait_s)

    def _problem(self, exchange: _Exchange) -> str | None:
        """What went wrong with the connection, in words, or None.

        An exception's own text is told only where nothing was sent.
        """
        error = exchange.error
        if exchange.is_abandoned or isinstance(error, httpx.TimeoutException):
            return f"no answer within {self._timeout_s:g} s"
        if isinstance(error, httpx.ProxyError):
            return "the proxy cannot be used"
        if isinstance(error, httpx.ConnectError):
            return str(error) or "no connection"
        return None if error is None else "the connection broke off"


def _client(timeout_s: float, transport: httpx.BaseTransport | None) -> httpx.Client:
    client = httpx.Client(
        timeout=timeout_s,
        transport=transport or Network(),
        trust_env=False,  # it cannot do with part of what the environment says; Network can
        headers={"User-Agent": f"spotify-hist/{__version__}", "Accept": "application/json"},
    )
    # One client serves several listeners: a cookie of one must not travel with another.
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


def _backoff(attempt: int) -> float:
    """Seconds before the next try: doubling, with jitter so that many clients spread out."""
    return min(_LONGEST_BACKOFF_S, _BACKOFF_S * 2.0 ** min(attempt, 10)) * _random.uniform(0.5, 1.0)
