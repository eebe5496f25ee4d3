"""Owns a home whose listeners are logged in to a sandbox, all on the sandbox's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Self

from spotify_hist import settings as settings_module
from spotify_hist.model import Account
from spotify_hist.sandbox.answers import account_id
from spotify_hist.sandbox.app import SCOPE, log_in
from spotify_hist.sandbox.life import Life, live
from spotify_hist.sandbox.recent import CALM
from spotify_hist.sandbox.server import Sandbox
from spotify_hist.sources.spotify.vault import Token, Vault
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from spotify_hist.collect.backfill import UserBackfill
    from spotify_hist.collect.poll import UserPoll

START = datetime(2026, 5, 1, tzinfo=UTC)
NOW = START + timedelta(days=9, hours=20)


@cache
def life_of(seed: int) -> Life:
    """Twenty days of somebody who listens a lot."""
    return live(seed, start=START, end=START + timedelta(days=20), plays_per_day=60)


class Household:
    """Listeners by account name, a sandbox that knows them, and the home that collects for them.

    Waits of the program let the simulated time pass.
    """

    def __init__(self, home: Path, *names: str, **options: object) -> None:
        self.sandbox = Sandbox(
            lives={name: life_of(seed) for seed, name in enumerate(names, 1)},
            now=NOW,
            quirks=CALM,
        )
        self.environment = {
            "SPOTIFY_HIST_HOME": str(home),
            "SPOTIFY_HIST_CLIENT_ID": self.sandbox.client_id,
            "SPOTIFY_HIST_API_URL": self.sandbox.url,
            "SPOTIFY_HIST_ACCOUNTS_URL": self.sandbox.url,
            **{f"SPOTIFY_HIST_{name.upper()}": str(value) for name, value in options.items()},
        }
        self.settings = settings_module.load(None, self.environment)
        self.database = Database.from_settings(self.settings)
        self.vault = Vault(self.settings.vault, None)
        self.waited: list[float] = []

    def __enter__(self) -> Self:
        self.sandbox.start()
        for name in self.sandbox.lives:
            self.log_in(name)
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.close()

    def now(self) -> datetime:
        """The simulated present."""
        return self.sandbox.now

    def sleep(self, seconds: float) -> None:
        """Let the simulated time pass."""
        self.waited.append(seconds)
        self.sandbox.advance(self.sandbox.now + timedelta(seconds=seconds))

    def pass_time(self, **spans: float) -> None:
        """Let so much time pass."""
        self.sandbox.advance(self.sandbox.now + timedelta(**spans))

    def log_in(self, name: str, authorized_at: datetime | None = None) -> None:
        """Put a login of the account into the vault."""
        granted = log_in(self.sandbox.url, account=name)
        self.vault.save(
            Token(
                account=Account(account_id(name), name, name.title()),
                client_id=self.sandbox.client_id,
                refresh_token=str(granted["refresh_token"]),
                access_token=str(granted["access_token"]),
                expires_at=self.now().timestamp() + 86_400,
                authorized_at=(authorized_at or self.now()).timestamp(),
                scopes=(SCOPE,),
            )
        )

    def poll(self, user: str | None = None) -> list[UserPoll]:
        """One poll on the simulated clock."""
        from spotify_hist.collect.poll import poll

        return poll(self.settings, self.database, self.vault, self.now, user, sleep=self.sleep)

    def backfill(self, user: str | None = None, **limits: int) -> list[UserBackfill]:
        """One backfill on the simulated clock."""
        from spotify_hist.collect.backfill import Limits, backfill

        return backfill(
            self.settings,
            self.database,
            self.vault,
            self.now,
            user,
            limits=Limits(**{"max_days": 30, "max_requests": 200, "max_rate_limits": 3, **limits}),
            sleep=self.sleep,
        )

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """What the history answers."""
        with self.database.read() as connection:
            return connection.execute(statement).fetchall()

    def calls(self, ending: str = "recently-played") -> list[Mapping[str, str]]:
        """The queries of the requests to one address so far."""
        return [each.query for each in self.sandbox.requests if each.path.endswith(ending)]


def household(home: Path, *names: str, **options: object) -> AbstractContextManager[Household]:
    """A household of these accounts; `options` are settings such as `http_retries=0`."""
    return Household(home, *(names or ("anna",)), **options)


def told(household: Household, name: str) -> Iterator[str]:
    """When the plays ended that Spotify shows of an account now, newest first."""
    from spotify_hist.sandbox.app import recently_played

    token = household.vault.load(account_id(name))
    assert token is not None
    page = recently_played(household.sandbox.url, token.access_token, limit=50).json
    items = page["items"]
    assert isinstance(items, list)
    for item in items:
        yield item["played_at"]
