"""A login that Spotify refuses, rightly or not: kept, tried once a day, forgotten at its end.

FACTS 2.4: an outage has once answered `invalid_grant` to logins that had not ended.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cli_kit import process
from household import Household, household
from processes import Child

from spotify_hist.collect.logins import login_states, warning
from spotify_hist.errors import LoginNeeded, Offline, RateLimited, StorageFull
from spotify_hist.sandbox.answers import account_id
from spotify_hist.sources.spotify.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spotify_hist.errors import SpotifyHistError
    from spotify_hist.sources.spotify.vault import Token

ANNA = account_id("anna")


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Household]:
    """One listener, whose access token has run out while Spotify denies every renewal."""
    with household(tmp_path / "home", "anna", http_retries=0) as home:
        expire(home)
        home.sandbox.accounts.denies_renewals = True
        yield home


def expire(home: Household) -> None:
    """The access token's time is over, by our clock and by Spotify's."""
    home.sandbox.expire_access_tokens()
    home.vault.save(replace(stored(home), expires_at=0.0))


def stored(home: Household) -> Token:
    """The login in the vault."""
    token = home.vault.load(ANNA)
    assert token is not None
    return token


def polled(home: Household) -> SpotifyHistError | None:
    """What one poll says of the listener."""
    (result,) = home.poll()
    return result.error


def tries(home: Household) -> int:
    """How often the token endpoint was asked since the login."""
    return len(home.calls("/api/token")) - 1


def test_the_sealed_token_is_kept_and_a_login_asked_for(anna: Household) -> None:
    """The error says since when, until when it is tried, and what to run."""
    before = stored(anna).refresh_token
    error = polled(anna)
    assert isinstance(error, LoginNeeded)
    assert "refused this login since 2026-05-10 20:00 UTC" in error.message
    assert "once a day until 2026-11-10" in error.message
    assert error.hint == "Run 'spotify-hist auth login' and log in to Spotify as Anna."
    kept = stored(anna)
    assert (kept.refresh_token, kept.access_token) == (before, "")
    assert anna.vault.ended() == []
    content = b"".join(path.read_bytes() for path in anna.settings.vault.iterdir())
    assert before.encode() not in content


def test_within_a_day_nothing_is_asked_of_spotify_and_every_poll_says_the_same(
    anna: Household,
) -> None:
    """A timer every ten minutes makes one call to the token endpoint a day."""
    first = polled(anna)
    asked = len(anna.sandbox.requests)
    for _ in range(23):
        anna.pass_time(hours=1)
        error = polled(anna)
        assert isinstance(error, LoginNeeded)
        assert first is not None
        assert error.message == first.message
    assert len(anna.sandbox.requests) == asked
    anna.pass_time(hours=1)
    assert isinstance(polled(anna), LoginNeeded)
    assert tries(anna) == 2


def test_once_spotify_takes_it_again_the_login_is_well_by_itself(anna: Household) -> None:
    """The next daily try renews it, and its plays come in with the same poll."""
    polled(anna)
    anna.pass_time(days=1)
    anna.sandbox.accounts.denies_renewals = False
    (result,) = anna.poll()
    assert result.error is None
    assert result.new > 0
    token = stored(anna)
    assert (token.refused_at, token.tried_at) == (None, None)
    (state,) = login_states(anna.vault, {}, anna.now())
    assert (state.state, state.error, state.refused_at) == ("ok", None, None)


@pytest.mark.parametrize("account", ["2026-03-31T12:00", "2026-01-01T00:00"])
def test_it_is_tried_until_its_six_months_are_over_and_then_forgotten(
    anna: Household, account: str
) -> None:
    """What stays is a marker without a secret; Spotify is asked no more."""
    begun = datetime.fromisoformat(account).replace(tzinfo=UTC)
    anna.vault.save(replace(stored(anna), authorized_at=begun.timestamp()))
    end = datetime.fromtimestamp(stored(anna).ends_at, UTC)
    days = 0
    while anna.now() < end:
        assert isinstance(polled(anna), LoginNeeded)
        assert anna.vault.load(ANNA) is not None
        days += 1
        assert tries(anna) == days
        anna.pass_time(days=1)
    assert isinstance(polled(anna), LoginNeeded)
    assert anna.vault.load(ANNA) is None
    (ended,) = anna.vault.ended()
    assert "six months" in ended.reason
    asked = len(anna.sandbox.requests)
    anna.pass_time(days=40)
    assert isinstance(polled(anna), LoginNeeded)
    assert len(anna.sandbox.requests) == asked


def test_the_end_of_the_six_months_need_not_wait_for_the_next_day(anna: Household) -> None:
    """A login refused an hour before its end is forgotten an hour later."""
    begun = anna.now() + timedelta(hours=1) - timedelta(days=181)
    anna.vault.save(replace(stored(anna), authorized_at=begun.timestamp()))
    polled(anna)
    assert anna.vault.load(ANNA) is not None
    (state,) = login_states(anna.vault, {}, anna.now())
    assert state.next_try_at == state.ends_at
    anna.pass_time(hours=1)
    polled(anna)
    assert anna.vault.load(ANNA) is None


@pytest.mark.parametrize(
    ("status", "expected"), [(429, RateLimited), (500, Offline), (503, Offline), (0, Offline)]
)
def test_a_try_that_came_to_nothing_is_made_again_by_the_next_poll(
    anna: Household, status: int, expected: type[SpotifyHistError]
) -> None:
    """Trouble of the endpoint is neither a refusal nor the try of that day."""
    polled(anna)
    anna.pass_time(days=1)
    before = stored(anna)
    anna.sandbox.fail("/api/token", status)
    assert isinstance(polled(anna), expected)
    assert stored(anna) == before
    anna.sandbox.accounts.denies_renewals = False
    anna.pass_time(minutes=10)
    assert polled(anna) is None


@pytest.mark.parametrize("hours", [20 * 24, -20 * 24])
def test_a_clock_that_was_wrong_holds_up_no_try(anna: Household, hours: float) -> None:
    """Neither one that was weeks ahead nor one that was weeks behind when it was refused."""
    right = anna.now()
    anna.sandbox.now = right + timedelta(hours=hours)
    polled(anna)
    assert tries(anna) == 1
    anna.sandbox.now = right
    anna.sandbox.accounts.denies_renewals = False
    assert polled(anna) is None


def test_a_refusal_noted_by_a_clock_that_was_ahead_is_put_right(anna: Household) -> None:
    """Nobody is told of a refusal in the future, nor of an end that comes too late."""
    right = anna.now()
    anna.sandbox.now = right + timedelta(days=300)
    anna.vault.save(replace(stored(anna), authorized_at=anna.now().timestamp()))
    polled(anna)
    anna.sandbox.now = right
    polled(anna)
    assert stored(anna).refused_at == right.timestamp()
    assert stored(anna).authorized_at == right.timestamp()


def test_a_login_made_by_a_clock_that_was_ahead_ends_when_it_does(anna: Household) -> None:
    """The first renewal by the right clock notes that nobody can have agreed later than now."""
    anna.sandbox.accounts.denies_renewals = False
    ahead = anna.now() + timedelta(days=7_000)
    anna.vault.save(replace(stored(anna), authorized_at=ahead.timestamp()))
    assert polled(anna) is None
    assert stored(anna).authorized_at == anna.now().timestamp()


def test_a_refusal_that_cannot_be_noted_is_told_all_the_same(
    anna: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up just then must not hide that somebody has to log in."""
    real = Vault.save

    def full(vault: Vault, token: Token) -> None:
        if token.refused_at is not None:
            raise StorageFull("No space is left.")
        real(vault, token)

    monkeypatch.setattr(Vault, "save", full)
    assert isinstance(polled(anna), LoginNeeded)
    assert stored(anna).refused_at is None


def test_a_new_login_takes_its_place_at_once(anna: Household) -> None:
    """Nothing is left of the refusal."""
    polled(anna)
    anna.log_in("anna")
    assert polled(anna) is None
    assert stored(anna).refused_at is None


def test_a_logout_forgets_it_at_once(anna: Household) -> None:
    """Nobody is asked to log in again."""
    polled(anna)
    anna.vault.forget(ANNA)
    assert (anna.vault.load(ANNA), anna.vault.ended()) == (None, [])
    with pytest.raises(LoginNeeded, match="No listener is logged in"):
        anna.poll()


def test_a_refused_login_stops_nobody_else(tmp_path: Path) -> None:
    """And neither the others' backfill nor their polls wait for it."""
    with household(tmp_path / "home", "anna", "bob") as home:
        home.vault.save(replace(stored(home), expires_at=0.0))
        home.sandbox.accounts.denies_renewals = True
        errors = {each.account_id: each.error for each in home.poll()}
        assert isinstance(errors[ANNA], LoginNeeded)
        assert errors[account_id("bob")] is None
        filled = {each.account_id: each.error for each in home.backfill()}
        assert isinstance(filled[ANNA], LoginNeeded)
        assert filled[account_id("bob")] is None
        assert len(home.calls("/api/token")) == 3


def test_a_state_says_since_when_and_when_it_is_tried_again(anna: Household) -> None:
    """And no warning of the end stands beside the error."""
    at = anna.now()
    polled(anna)
    anna.pass_time(hours=5)
    (state,) = login_states(anna.vault, {ANNA: "countess"}, anna.now())
    assert (state.user, state.state, state.is_due, state.is_useless) == (
        "countess", "refused", False, True,
    )  # fmt: skip
    assert (state.refused_at, state.next_try_at) == (at, at + timedelta(days=1))
    assert state.error is not None
    assert warning(state) is None
    anna.pass_time(hours=19)
    (state,) = login_states(anna.vault, {}, anna.now())
    assert (state.is_due, state.is_useless) == (True, False)


# Real processes ------------------------------------------------------------------------------

ASK = """
import sys, time
from spotify_hist import settings
from spotify_hist.errors import LoginNeeded
from spotify_hist.sources.spotify.client import Spotify
from spotify_hist.sources.spotify.vault import Vault
config = settings.load(sys.argv[1])
with Spotify(config, Vault(config.vault, None), sys.argv[2], time.time) as spotify:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print(spotify.me().account_id, flush=True)
    except LoginNeeded as error:
        print(error.code, flush=True)
"""


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Household]:
    """The same on the real clock, for processes."""
    with household(tmp_path / "home", "anna") as home:
        now = datetime.now(UTC).timestamp()
        home.vault.save(replace(stored(home), authorized_at=now, expires_at=0.0))
        home.sandbox.expire_access_tokens()
        home.sandbox.accounts.denies_renewals = True
        for name, value in {**home.environment, "NO_PROXY": "*"}.items():
            monkeypatch.setenv(name, value)
        yield home


def test_of_processes_that_start_together_one_tries_for_all(real: Household) -> None:
    """The others find out from the vault that the day's try was made."""
    home = real.settings.vault.parent
    with ExitStack() as stack:
        children = [stack.enter_context(Child(ASK, home, ANNA)) for _ in range(3)]
        assert [child.line() for child in children] == ["ready"] * 3
        for child in children:
            child.go_on()
        assert [child.line() for child in children] == ["login_needed"] * 3
    assert tries(real) == 1


def test_the_commands_tell_of_it_until_it_is_well_again(real: Household) -> None:
    """Exit code 4 without a call in between, and 0 by itself once Spotify has come round."""
    secret = stored(real).refresh_token
    for command in (("poll",), ("poll",), ("sync",), ("auth", "status")):
        done = process(*command)
        assert done.code == 4, done.err
        assert "Spotify has refused this login since" in done.err
        assert "tried once a day" in done.err
        assert secret not in done.out + done.err
    assert tries(real) == 1
    (user,) = process("auth", "status", "--format", "json").json()["users"]
    assert (user["state"], user["error"]["code"]) == ("refused", "login_needed")
    assert user["refused_at"] < user["next_try_at"]
    status = process("status", "--format", "json")
    (listener,) = status.json()["listeners"]
    assert (listener["login"], listener["login_refused_at"]) == ("refused", user["refused_at"])
    assert "tried once a day" in " ".join(status.json()["next_steps"])
    assert "refused" in process("status").out

    real.sandbox.accounts.denies_renewals = False
    assert process("poll").code == 4
    token = stored(real)
    assert token.tried_at is not None
    real.vault.save(replace(token, tried_at=token.tried_at - 86_400))
    done = process("poll", "--format", "json")
    assert (done.code, json.loads(done.out)["users"][0]["error"]) == (0, None)
    assert process("auth", "status").code == 0
