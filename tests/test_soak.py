"""Weeks of a timer on a bad line: whatever Spotify ever showed is in the history exactly once.

Polls on a simulated clock against a Spotify with all its quirks: late, shifted and repeated items,
short pages, server errors, waits, broken answers, items that cannot be read, pages in other
encodings, access tokens that end every hour and refresh tokens that change with every second
renewal; and a reader holds the database a third of the time. Twice it is worse: for a day the way
to Spotify leads nowhere (404), and for a day Spotify falsely says that the login has ended. The
system names proxies that are none, as containers do (FACTS 11.12).

Six simulated days, polled every hour, in the normal suite. SPOTIFY_HIST_FULL_SOAK=1 makes
it thirty days, polled every ten minutes; with -rP for the figures.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from time import monotonic
from typing import TYPE_CHECKING

import certifi
import pytest

from spotify_hist import settings as settings_module
from spotify_hist.collect.pages import drain
from spotify_hist.collect.poll import poll
from spotify_hist.collect.spool import Spool
from spotify_hist.errors import DatabaseBusy, LoginNeeded, NeedsPerson, Offline, RateLimited
from spotify_hist.model import Account
from spotify_hist.sandbox.answers import account_id
from spotify_hist.sandbox.app import SCOPE, log_in
from spotify_hist.sandbox.life import live
from spotify_hist.sandbox.server import DEFAULT_ACCOUNT, Sandbox
from spotify_hist.sandbox.terms import Terms
from spotify_hist.sources.spotify.vault import Token, Vault
from spotify_hist.store import coverage, journal
from spotify_hist.store.database import Database
from spotify_hist.store.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

START = datetime(2026, 5, 1, tzinfo=UTC)
# Long enough before for the latest of late arrivals to come in during the first days too.
BEFORE = timedelta(days=12)
IS_FULL = os.environ.get("SPOTIFY_HIST_FULL_SOAK") == "1"
DAYS = 30 if IS_FULL else 6
EVERY = timedelta(minutes=10 if IS_FULL else 60)
TROUBLE_EVERY = 7  # polls
RECENT = "/v1/me/player/recently-played"
EXPECTED = (DatabaseBusy, Offline, RateLimited)
# Two bad days: the address answers 404, and every renewal is falsely told that the login has ended.
LOST = (START + timedelta(days=2), START + timedelta(days=2, hours=26))
REFUSED = (START + timedelta(days=4), START + timedelta(days=4, hours=20))
# A bad day begins with good pages: what one could not read, the next must have a chance to tell.
CALM = timedelta(hours=6)


FALSE_WORD = {"error": "invalid_grant", "error_description": "Refresh token expired"}


def _is_within(moment: datetime, period: tuple[datetime, datetime]) -> bool:
    return period[0] <= moment < period[1]


def _spoil(page: bytes) -> bytes:
    """Every third item is told in a way that nobody can read."""
    told = json.loads(page)
    for number, item in enumerate(told["items"][::3]):
        match number % 4:
            case 0:
                item["played_at"] = 1_777_000_000
            case 1:
                item["played_at"] = item["played_at"].rstrip("Z")
            case 2:
                item["track"] = None
            case _:
                item["played_at"] = "a while ago"
    return json.dumps(told).encode()


def _move(page: bytes) -> bytes:
    """The same instants, told by other clocks."""
    told = json.loads(page)
    for number, item in enumerate(told["items"]):
        zone = timezone(timedelta(minutes=(60, -210, 345)[number % 3]))
        at = datetime.fromisoformat(item["played_at"]).astimezone(zone)
        item["played_at"] = at.isoformat(timespec="milliseconds")
    return json.dumps(told).encode()


def _tear(page: bytes) -> bytes:
    """What an answer is when a proxy cuts it."""
    return page[: len(page) * 2 // 3]


CHANGES: tuple[Callable[[bytes], bytes], ...] = (
    _spoil,
    _move,
    lambda page: b"\xef\xbb\xbf" + page,
    _spoil,
    lambda page: page.decode().encode("utf-16"),
    _tear,
    _spoil,
    lambda page: page.replace(b'"name"', b'"name\xff"', 1),
)


@dataclass
class Figures:
    """What the soak went through."""

    days: int
    polls: int = 0
    busy: int = 0
    offline: int = 0
    rate_limited: int = 0
    refreshes: int = 0
    needs_person: int = 0
    login_needed: int = 0
    unreadable: int = 0
    server_errors: int = 0
    too_many_requests: int = 0
    shown: int = 0
    timestamps: int = 0
    most_pages_waiting: int = 0


class Soak:
    """A timer that polls one listener, and all that gets in its way."""

    def __init__(self, home: Path) -> None:
        self.rng = Random("soak")
        end = START + timedelta(days=DAYS)
        self.life = live(11, start=START - BEFORE, end=end + timedelta(days=1), plays_per_day=60)
        self.end = end
        self.sandbox = Sandbox(self.life, now=START, rotate_every=2, simulated_time=True)
        self.settings = settings_module.load(
            home,
            {
                "SPOTIFY_HIST_CLIENT_ID": self.sandbox.client_id,
                "SPOTIFY_HIST_API_URL": self.sandbox.url,
                "SPOTIFY_HIST_ACCOUNTS_URL": self.sandbox.url,
            },
        )
        self.database = Database(self.settings.database, wait_s=0.0)
        self.vault = Vault(self.settings.vault, None)
        self.spool = Spool(self.settings.spool)
        self.figures = Figures(DAYS)
        self._reader = ExitStack()
        self._polls_until_change = 0
        self._is_held = True

    def run(self) -> None:
        """Log in, poll to the end, then drain once in peace."""
        with self.sandbox, self._reader:
            self._log_in()
            self.sandbox.terms = Terms(server_errors=0.01)
            due = START
            while due < self.end:
                self.sandbox.advance(max(due, self.sandbox.now))
                self._let_readers_come_and_go()
                if _is_within(due, LOST):
                    self.sandbox.fail(RECENT, 404, times=9)
                elif _is_within(due, REFUSED):
                    self.sandbox.expire_access_tokens()
                    self.sandbox.fail("/api/token", 400, times=9, body=FALSE_WORD)
                elif not any(
                    _is_within(due, (start - CALM, start)) for start, _ in (LOST, REFUSED)
                ):
                    self._disturb()
                is_after = _is_within(due, (LOST[0], LOST[1] + CALM))
                self._poll(is_lost=is_after, is_refused=due >= REFUSED[0])
                if _is_within(due, LOST) or _is_within(due, REFUSED):
                    self.sandbox.faults.clear()
                due += EVERY
        assert all(outcome.fetched for outcome in drain(self.spool, self.database, self.now))
        self.figures.refreshes = self.sandbox.accounts.refreshes
        statuses = self.sandbox.statuses
        self.figures.server_errors = sum(n for status, n in statuses.items() if status >= 500)
        self.figures.too_many_requests = statuses[429]

    def now(self) -> datetime:
        """The simulated present."""
        return self.sandbox.now

    def _wait(self, seconds: float) -> None:
        self.sandbox.advance(self.sandbox.now + timedelta(seconds=seconds))

    def _log_in(self) -> None:
        granted = log_in(self.sandbox.url)
        now = self.now().timestamp()
        self.vault.save(
            Token(
                account=Account(account_id(DEFAULT_ACCOUNT), DEFAULT_ACCOUNT, "Listener"),
                client_id=self.sandbox.client_id,
                refresh_token=str(granted["refresh_token"]),
                access_token=str(granted["access_token"]),
                expires_at=now + 3600,
                authorized_at=now,
                scopes=(SCOPE,),
            )
        )

    def _let_readers_come_and_go(self) -> None:
        """Hold the gate as a reader in another process does, for a third of all polls."""
        if self._polls_until_change == 0:
            self._is_held = not self._is_held
            self._polls_until_change = self.rng.randint(1, 3 if self._is_held else 7)
            self._reader.close()
            if self._is_held:
                self._reader.enter_context(Gate(self.settings.database).reading(monotonic()))
        self._polls_until_change -= 1

    def _disturb(self) -> None:
        """Now and then something else than a server error is wrong with Spotify, each in turn."""
        turn, is_due = divmod(self.figures.polls, TROUBLE_EVERY)
        if is_due != TROUBLE_EVERY - 1:
            return
        rng, fail = self.rng, self.sandbox.fail
        match turn % 10:
            case 0:  # a short wait that is waited for
                fail(RECENT, 429, headers={"Retry-After": str(rng.randint(1, 4))})
            case 1:  # more of them than are waited for
                fail(RECENT, 429, headers={"Retry-After": str(rng.randint(1, 4))}, times=5)
            case 2:  # one for the next runs to respect
                fail(RECENT, 429, headers={"Retry-After": str(rng.randint(100, 3_000))})
            case 3:
                fail(RECENT, 429, headers={"Retry-After": "soon"}, times=rng.randint(1, 5))
            case 4:
                fail(RECENT, 0, times=4)
            case 5:
                fail(RECENT, 200, body=b'{"items": [', truncated=rng.random() < 0.5)
            case 6:
                self.sandbox.expire_access_tokens()
                fail("/api/token", 503, times=rng.randint(1, 5))
            case 7:
                self.sandbox.expire_access_tokens()
                fail("/api/token", 429, headers={"Retry-After": "2"})
            case _:
                self.sandbox.change(RECENT, CHANGES[turn // 10 * 2 % len(CHANGES) + turn % 2])

    def _poll(self, *, is_lost: bool, is_refused: bool) -> None:
        self.figures.polls += 1
        (result,) = poll(self.settings, self.database, self.vault, self.now, sleep=self._wait)
        error = result.error
        if isinstance(error, NeedsPerson):
            assert is_lost, repr(error)
            self.figures.needs_person += 1
            error = error.cause
        if isinstance(error, LoginNeeded):
            assert is_refused, repr(error)
            self.figures.login_needed += 1
            return
        assert error is None or isinstance(error, EXPECTED), repr(error)
        assert isinstance(error, DatabaseBusy) <= self._is_held
        self.figures.busy += isinstance(error, DatabaseBusy)
        self.figures.offline += isinstance(error, Offline)
        self.figures.rate_limited += isinstance(error, RateLimited)
        waiting = len(self.spool)
        self.figures.most_pages_waiting = max(self.figures.most_pages_waiting, waiting)
        assert self._is_held or waiting == 0, "a free database takes every page that waits"


@pytest.fixture
def quick_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is spent on reading certificates that a local Spotify does not have."""
    bundle = Path(certifi.where()).read_text(encoding="utf-8")
    first = bundle[bundle.index("-----BEGIN") :].partition("-----END CERTIFICATE-----")
    path = tmp_path / "one.pem"
    path.write_text("".join(first[:2]) + "\n", encoding="utf-8")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


def test_every_play_ever_shown_is_there_exactly_once(
    tmp_path: Path, quick_tls: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late, shifted and repeated showings of one play are one, nothing else has come in, and the
    job runs account for it."""
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1,::1/128,[::1],fd07:b51a:cc66:0::/64")
    monkeypatch.setenv("HTTP_PROXY", "http://[::1")
    soak = Soak(tmp_path / "home")
    soak.run()

    told = _shown(soak)
    with soak.database.read() as connection:
        held = connection.execute("select track_id, epoch_ms(played_at) from plays").fetchall()
        gaps = coverage.open_gaps(connection, 1)
        runs = journal.runs(connection, job="poll", limit=1_000_000)
    found = Counter(told.get((str(ident), int(at_ms))) for ident, at_ms in held)
    assert found == Counter(dict.fromkeys(told.values(), 1))
    assert all(_is_of_a_bad_day(gap) for gap in gaps), "all other polls shared plays"
    assert len(soak.spool) == 0
    _check_runs(soak, runs, len(found))
    _check_troubles(soak, told)
    sys.stdout.write(json.dumps(asdict(soak.figures)) + "\n")


def _is_of_a_bad_day(gap: coverage.Gap) -> bool:
    """Whether a gap begins before the end of one of the two days on which nothing came in."""
    return any(start - CALM < gap.before and gap.after < end for start, end in (LOST, REFUSED))


def _shown(soak: Soak) -> dict[tuple[str, int], int]:
    """Which play each (track id, timestamp) that Spotify told stands for."""
    told: dict[tuple[str, int], int] = {}
    for number, instants in soak.sandbox.shown().items():
        track = soak.life.plays[number].track
        assert track is not None
        for at_ms in instants:
            assert told.setdefault((track.id, at_ms), number) == number
    soak.figures.timestamps = len(told)
    soak.figures.shown = len(set(told.values()))
    return told


def _check_runs(soak: Soak, runs: Sequence[journal.Run], plays: int) -> None:
    """Each page is one good run, and together they tell of as many plays as there are."""
    figures = soak.figures
    good = [run for run in runs if run.status == "ok"]
    failed = [run for run in runs if run.status == "failed"]
    assert len(good) + len(failed) == len(runs) == len({run.run_id for run in runs})
    assert all(START <= run.started_at <= run.finished_at <= soak.now() for run in runs)
    assert all(run.user_id == 1 and run.error is None for run in good)
    assert all(run.error for run in failed)
    in_vain = figures.offline + figures.rate_limited + figures.login_needed
    assert len(good) == figures.polls - in_vain
    assert sum(int(str(run.stats["new"])) for run in good) == plays
    figures.unreadable = sum(int(str(run.stats["rejected"])) for run in good)


def _check_troubles(soak: Soak, told: Mapping[tuple[str, int], int]) -> None:
    """A soak on a good line would prove nothing."""
    figures = soak.figures
    assert figures.polls == timedelta(days=DAYS) // EVERY
    assert figures.polls * 0.15 < figures.busy < figures.polls * 0.45
    assert figures.most_pages_waiting > 1
    assert figures.refreshes > (DAYS - 2) * 14
    assert figures.server_errors > 0
    assert figures.too_many_requests > 0
    assert figures.offline > 0
    assert figures.rate_limited > 1
    assert figures.needs_person > 1, "a day without any page is told as one"
    assert figures.login_needed > 1
    assert figures.unreadable > 10
    assert figures.timestamps > figures.shown, "some plays were shown with two timestamps"
    assert figures.shown > 30 * DAYS
    assert any(soak.life.plays[number].late_by_s > 3_600 for number in told.values())
