"""Owns the running sandbox: its clock, its listeners, and which answer each request gets.

Never shapes JSON, judges tokens or parses HTTP itself, and never leaves the loopback interface.
"""

from __future__ import annotations

from threading import Event, RLock
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Self

from spotify_hist.sandbox import control, pages
from spotify_hist.sandbox.accounts import Accounts, Refused
from spotify_hist.sandbox.answers import Shapes
from spotify_hist.sandbox.faults import Fault, Faults, api_error, failing_answer
from spotify_hist.sandbox.life import to_ms
from spotify_hist.sandbox.recent import WINDOW, Quirks, RecentPlays
from spotify_hist.sandbox.wire import Answer, Request, Server, json_answer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from types import TracebackType

    from spotify_hist.sandbox.life import Life

DEFAULT_CLIENT_ID = "sandbox-client"
DEFAULT_ACCOUNT = "listener"
RECENT_SCOPE = "user-read-recently-played"
_BATCHES = {"tracks", "artists", "albums"}


class Seen(NamedTuple):
    """One request that was answered, for assertions; the control endpoints are not logged."""

    method: str
    path: str
    query: Mapping[str, str]


class Sandbox:
    """A local Spotify: accounts service and Web API on one port, over one or more lives.

    `now` is the simulated clock (aware) that decides which plays exist; access tokens run by the
    real clock. `lives` maps account names to lives; a single life belongs to `listener`.
    `development_mode` leaves out what new apps are not told (FACTS 1.2, 1.3). Every
    `rotate_every`-th refresh hands out a new refresh token and ends the old one (0: never).

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
        development_mode: bool = True,
        rotate_every: int = 3,
        token_lifetime_s: float = 3600,
        quirks: Quirks | None = None,
    ) -> None:
        if life is not None:
            lives = {DEFAULT_ACCOUNT: life, **(lives or {})}
        if not lives:
            raise ValueError("a sandbox needs at least one life")
        self.lives = MappingProxyType(dict(lives))
        self.client_id = client_id
        self.development_mode = development_mode
        self.requests: list[Seen] = []
        self.faults = Faults()
        self.accounts = Accounts(client_id, client_secret, token_lifetime_s, rotate_every)
        self._recent = {
            name: RecentPlays(own, quirks or Quirks()) for name, own in self.lives.items()
        }
        self._lock = RLock()
        self._closing = Event()
        self.now = now
        self._server = Server(port, self._handle)
        self.url = self._server.url
        self.shapes = Shapes(self.url, full=not development_mode)

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

    def _handle(self, request: Request) -> Answer:
        if request.path.startswith("/_sandbox/"):
            return control.handle(self, request)
        self.requests.append(
            Seen(request.method, request.path, MappingProxyType(dict(request.query)))
        )
        fault = self.faults.take(request.path)
        if fault is not None:
            self._closing.wait(fault.hold_s)
            return fault.answer
        with self._lock:
            if request.path.startswith("/v1/"):
                return self._api(request)
            return self._accounts_service(request)

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
        if request.method != "GET":
            return api_error(404, "Service not found")
        path = request.path.removeprefix("/v1/")
        if path == "me":
            return json_answer(200, self.shapes.me(account))
        if path == "me/player/recently-played":
            if RECENT_SCOPE not in scopes:
                return api_error(403, "Insufficient client scope")
            return self._recently_played(account, request.query)
        kind, _, ident = path.partition("/")
        if kind in _BATCHES and ident:
            return self._one(account, kind, ident)
        if kind in _BATCHES:
            return self._batch(account, kind, request.query)
        if kind in {"audio-features", "audio-analysis", "recommendations"}:
            return api_error(403, "Forbidden")  # closed to new apps (FACTS 1.1)
        return api_error(404, "Service not found")

    def _recently_played(self, account: str, query: Mapping[str, str]) -> Answer:
        if "before" in query and "after" in query:
            return api_error(400, "Only one of 'before' and 'after' may be given")
        limit = query.get("limit", "20")
        if not limit.isdecimal() or not 1 <= int(limit) <= WINDOW:
            return api_error(400, "Invalid limit")
        cursors = [query[name] for name in ("before", "after") if name in query]
        if not all(cursor.isdecimal() for cursor in cursors):
            return api_error(400, "Invalid cursor")
        items = self._recent[account].items(
            to_ms(self.now),
            limit=int(limit),
            before=int(query["before"]) if "before" in query else None,
            after=int(query["after"]) if "after" in query else None,
        )
        return json_answer(200, self.shapes.recently_played(items, query.items()))

    def _one(self, account: str, kind: str, ident: str) -> Answer:
        if len(ident) != 22 or not ident.isalnum():
            return api_error(400, "Invalid base62 id")
        found = self.shapes.lookup(self.lives[account].catalogue, kind, ident)
        return json_answer(200, found) if found else api_error(404, "Resource not found")

    def _batch(self, account: str, kind: str, query: Mapping[str, str]) -> Answer:
        if self.development_mode:
            return api_error(403, "Forbidden")  # gone for apps in development mode (FACTS 1.2)
        ids = query.get("ids", "").split(",")
        if not 1 <= len(ids) <= 50:
            return api_error(400, "Too many ids requested")
        catalogue = self.lives[account].catalogue
        return json_answer(200, {kind: [self.shapes.lookup(catalogue, kind, i) for i in ids]})
