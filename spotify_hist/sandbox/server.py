"""Owns the running sandbox: its clock, its terms, and who gets to ask the Web API at all.

Never shapes JSON, judges tokens or parses HTTP itself, and never leaves the loopback interface.
"""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from threading import Event, RLock
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Self

from spotify_hist.sandbox import control, pages
from spotify_hist.sandbox.accounts import Accounts, Refused
from spotify_hist.sandbox.faults import Fault, Faults, api_error, failing_answer
from spotify_hist.sandbox.life import to_ms
from spotify_hist.sandbox.recent import Quirks
from spotify_hist.sandbox.terms import Terms
from spotify_hist.sandbox.throttle import Throttle
from spotify_hist.sandbox.webapi import WebApi
from spotify_hist.sandbox.wire import Answer, Request, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime
    from types import TracebackType

    from spotify_hist.sandbox.life import Life

DEFAULT_CLIENT_ID = "sandbox-client"
DEFAULT_ACCOUNT = "listener"
_SERVER_ERRORS = (500, 502, 503)


class Seen(NamedTuple):
    """One request that was answered, for assertions; the control endpoints are not logged."""

    method: str
    path: str
    query: Mapping[str, str]


class Sandbox:
    """A local Spotify: accounts service and Web API on one port, over one or more lives.

    `now` is the simulated clock (aware) that decides which plays exist and when logins end; access
    tokens and rate limits run by the real clock, or by the simulated one with `simulated_time`.
    `lives` maps account names to lives; a single life belongs to `listener`. Every
    `rotate_every`-th refresh hands out a new refresh token and ends the old one (0: never). From
    `development_mode` on to `server_errors`: see `Terms`, and `terms` to change them on the way.

    Use as a context manager, or call `start()` and `close()`.
    """

    def __init__(
        self,
        life: Life | None = None,
        *,
        now: datetime,
        lives: Mapping[str, Life] | None = None,
        client_id: str = DEFAULT_CLIENT_ID,
        client_secret: str | None = None,
        port: int = 0,
        rotate_every: int = 3,
        token_lifetime_s: float = 3600,
        simulated_time: bool = False,
        quirks: Quirks | None = None,
        development_mode: bool = True,
        batch_status: int = 403,
        unregistered: Collection[str] = (),
        owner_has_premium: bool = True,
        rate_limit: int | None = None,
        long_limit: int | None = None,
        server_errors: float = 0.0,
    ) -> None:
        if life is not None:
            lives = {DEFAULT_ACCOUNT: life, **(lives or {})}
        if not lives:
            raise ValueError("a sandbox needs at least one life")
        self.lives = MappingProxyType(dict(lives))
        self.client_id = client_id
        self.requests: list[Seen] = []
        self.statuses: Counter[int] = Counter()
        self.faults = Faults()
        self.terms = Terms(
            development_mode=development_mode,
            batch_status=batch_status,
            unregistered=frozenset(unregistered),
            owner_has_premium=owner_has_premium,
            rate_limit=rate_limit,
            long_limit=long_limit,
            server_errors=server_errors,
        )
        self._simulated_time = simulated_time
        self._lock = RLock()
        self._closing = Event()
        self.now = now
        self.accounts = Accounts(
            client_id, client_secret, token_lifetime_s, rotate_every, self._seconds
        )
        self._throttle = Throttle()
        self._trouble = Random("server errors")
        self._server = Server(port, self._handle)
        self.url = self._server.url
        self.api = WebApi(self.url, self.lives, quirks or Quirks())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> Self:
        """Begin to answer; the port is taken from construction on."""
        self._server.start()
        return self

    def close(self) -> None:
        """Stop answering, cut open connections and release the port."""
        self._closing.set()
        self._server.stop()

    @property
    def now(self) -> datetime:
        """The simulated present."""
        with self._lock:
            return self._now

    @now.setter
    def now(self, moment: datetime) -> None:
        if moment.tzinfo is None:
            raise ValueError("the sandbox's clock needs an aware instant")
        with self._lock:
            self._now = moment

    def advance(self, to: datetime) -> None:
        """Let time pass until `to`; raises ValueError if that lies in the past."""
        with self._lock:
            if to < self.now:
                raise ValueError(f"{to.isoformat()} is before {self.now.isoformat()}")
            self.now = to

    @property
    def rotate_every(self) -> int:
        """Every how many refreshes the refresh token changes; 0 for never."""
        return self.accounts.rotate_every

    @rotate_every.setter
    def rotate_every(self, count: int) -> None:
        with self._lock:
            self.accounts.rotate_every = count

    def shown(self, account: str = DEFAULT_ACCOUNT) -> dict[int, frozenset[int]]:
        """Every play that answers of recently-played have told an account of: its index in the
        life's plays, with all timestamps (epoch ms) it was told with."""
        with self._lock:
            return {number: frozenset(at) for number, at in self.api.shown[account].items()}

    def revoke(self, account: str = DEFAULT_ACCOUNT) -> None:
        """End every token of an account, as the person can on Spotify's site."""
        if account not in self.lives:
            raise KeyError(account)
        with self._lock:
            self.accounts.revoke(account)

    def expire_access_tokens(self) -> None:
        """Make every access token an hour old."""
        with self._lock:
            self.accounts.expire_access_tokens()

    def fail(
        self,
        path_prefix: str,
        status: int,
        *,
        times: int = 1,
        skip: int = 0,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | Mapping[str, object] | None = None,
        truncated: bool = False,
        hold_s: float = 0.0,
    ) -> None:
        """Make the next `times` requests under `path_prefix` fail, after `skip` good ones.

        Status 0 cuts the connection; `truncated` promises more bytes than it sends; `hold_s`
        lets the client wait. Bodies as in `faults.failing_answer`, texts of Spotify in `faults`.
        """
        answer = failing_answer(status, headers=headers, body=body, truncated=truncated)
        self.faults.add(Fault(path_prefix, answer, times, skip, hold_s))

    def change(self, path_prefix: str, change: Callable[[bytes], bytes]) -> None:
        """Change the body of the next good answer under `path_prefix` on its way."""
        self.faults.add(Fault(path_prefix, failing_answer(200), 1, change=change))

    def _seconds(self) -> float:
        """The clock of tokens and limits."""
        return to_ms(self.now) / 1000 if self._simulated_time else time.monotonic()

    def _handle(self, request: Request) -> Answer:
        if request.path.startswith("/_sandbox/"):
            return control.handle(self, request)
        self.requests.append(
            Seen(request.method, request.path, MappingProxyType(dict(request.query)))
        )
        fault = self.faults.take(request.path)
        if fault is not None:
            self._closing.wait(fault.hold_s)
        with self._lock:
            answer = (
                self._answer(request) if fault is None else fault.met(lambda: self._answer(request))
            )
            self.statuses[answer.status] += 1
        return answer

    def _answer(self, request: Request) -> Answer:
        is_api = request.path.startswith("/v1/")
        is_for_programs = is_api or request.path == "/api/token"
        if is_for_programs and self._trouble.random() < self.terms.server_errors:
            return failing_answer(self._trouble.choice(_SERVER_ERRORS))
        return self._api(request) if is_api else self._accounts_service(request)

    def _accounts_service(self, request: Request) -> Answer:
        route = (request.method, request.path)
        if route == ("POST", "/api/token"):
            return self.accounts.token(request, self.now)
        if request.method != "GET" or not request.path.startswith("/authorize"):
            return api_error(404, "Service not found")
        query = request.query
        try:
            asked = self.accounts.check_authorize(query)
        except Refused as refused:
            return pages.refusal(str(refused))
        if request.path == "/authorize":
            return pages.consent(query, asked, self.lives)
        if request.path == "/authorize/cancel":
            return pages.back_to_app(asked, {"error": "access_denied"})
        account = query.get("account", "")
        if request.path != "/authorize/agree" or account not in self.lives:
            return api_error(404, "Service not found")
        return pages.back_to_app(asked, {"code": self.accounts.issue_code(asked, account)})

    def _api(self, request: Request) -> Answer:
        try:
            account, scopes = self.accounts.login_of(request.headers.get("authorization"))
        except Refused as refused:
            return api_error(401, str(refused))
        refusal = self._throttle.refusal(self.terms, self._seconds())
        if refusal is not None:
            return refusal
        return self.api.answer(request, account, scopes, self.terms, to_ms(self.now))
