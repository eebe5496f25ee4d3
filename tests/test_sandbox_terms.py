"""The sandbox serves an app on the terms it is given: whom it lets in, how much, how reliably."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from spotify_hist.sandbox import faults
from spotify_hist.sandbox.app import Reply, items_of, log_in, recently_played, refresh, request
from spotify_hist.sandbox.life import Life, live
from spotify_hist.sandbox.recent import stamp
from spotify_hist.sandbox.server import Sandbox
from spotify_hist.sandbox.terms import Terms

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 2, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def life() -> Life:
    """Two months of one listener."""
    return live(7, start=START, end=END)


@pytest.fixture
def simulated(life: Life) -> Iterator[Sandbox]:
    """A sandbox in the middle of that life whose every clock is the simulated one."""
    with Sandbox(life, now=NOW, simulated_time=True) as running:
        yield running


def _token(sandbox: Sandbox, account: str | None = None) -> str:
    return str(log_in(sandbox.url, account=account)["access_token"])


def _me(sandbox: Sandbox, token: str) -> Reply:
    return request(f"{sandbox.url}/v1/me", token=token)


def _message(reply: Reply) -> str:
    return cast(Mapping[str, str], reply.json["error"])["message"]


def test_an_access_token_can_end_by_the_simulated_clock(simulated: Sandbox) -> None:
    """Its hour passes when the listener's does, and a refresh opens the next one."""
    tokens = log_in(simulated.url)
    simulated.advance(NOW + timedelta(seconds=3599))
    assert _me(simulated, str(tokens["access_token"])).status == 200
    simulated.advance(NOW + timedelta(seconds=3600))
    assert _message(_me(simulated, str(tokens["access_token"]))) == "The access token expired"
    renewed = refresh(simulated.url, str(tokens["refresh_token"])).json
    assert _me(simulated, str(renewed["access_token"])).status == 200


def test_an_access_token_outlives_simulated_days_by_the_real_clock(life: Life) -> None:
    """Without the flag an advance ends no token."""
    with Sandbox(life, now=NOW) as sandbox:
        token = _token(sandbox)
        sandbox.advance(NOW + timedelta(days=3))
        assert _me(sandbox, token).status == 200


def test_an_account_that_is_not_allow_listed_logs_in_and_is_then_refused(life: Life) -> None:
    """FACTS 2.6: only the first call tells; other accounts are served."""
    with Sandbox(lives={"anna": life, "ben": life}, now=NOW, unregistered={"ben"}) as sandbox:
        ben, anna = _token(sandbox, "ben"), _token(sandbox, "anna")
        refused = _me(sandbox, ben)
        assert refused.status == 403
        assert _message(refused) == faults.NOT_REGISTERED_JSON
        assert recently_played(sandbox.url, ben).status == 403
        assert _me(sandbox, anna).status == 200


def test_without_the_owners_premium_nobody_is_served(life: Life) -> None:
    """FACTS 4.4: a 403 with that text, until the owner pays again."""
    with Sandbox(life, now=NOW, owner_has_premium=False) as sandbox:
        token = _token(sandbox)
        assert _message(_me(sandbox, token)) == faults.PREMIUM_REQUIRED
        sandbox.terms = Terms()
        assert _me(sandbox, token).status == 200


def test_more_calls_than_the_rolling_limit_are_asked_to_wait_seconds(simulated: Sandbox) -> None:
    """FACTS 4.1: 1 to 4 s, and the window rolls: what is 30 s old counts no more."""
    token = _token(simulated)
    simulated.terms = Terms(rate_limit=3)
    assert [_me(simulated, token).status for _ in range(4)] == [200, 200, 200, 429]
    assert _me(simulated, token).headers["Retry-After"] == "4"
    simulated.advance(NOW + timedelta(seconds=28))
    assert _me(simulated, token).headers["Retry-After"] == "2"
    simulated.advance(NOW + timedelta(seconds=30))
    assert _me(simulated, token).status == 200


def test_the_limits_are_the_apps_and_not_the_listeners(life: Life) -> None:
    """FACTS 1.5: one listener's calls use up what another could have had; logins are free."""
    with Sandbox(lives={"anna": life, "ben": life}, now=NOW, rate_limit=1) as sandbox:
        anna, ben = _token(sandbox, "anna"), _token(sandbox, "ben")
        assert _me(sandbox, anna).status == 200
        assert _me(sandbox, ben).status == 429
        assert refresh(sandbox.url, str(log_in(sandbox.url)["refresh_token"])).status == 200


def test_too_many_calls_altogether_bring_a_wait_of_hours(simulated: Sandbox) -> None:
    """FACTS 4.1: plain text, 19,056 s first and longer the next time, told truly meanwhile."""
    simulated.terms = Terms(long_limit=2)
    token = _token(simulated)
    replies = [_me(simulated, token) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[2].headers["Retry-After"] == "19056"
    assert replies[2].headers["Content-Type"].startswith("text/plain")
    simulated.advance(NOW + timedelta(seconds=19_000))
    token = _token(simulated)
    assert _me(simulated, token).headers["Retry-After"] == "56"
    simulated.advance(NOW + timedelta(seconds=19_056))
    again = [_me(simulated, token) for _ in range(3)]
    assert [reply.status for reply in again] == [200, 200, 429]
    assert again[2].headers["Retry-After"] == "48925"


@pytest.mark.parametrize("header", ["soon", "", "-5", "1e9", "Wed, 32 Foo 2026 25:00:00 GMT"])
def test_a_retry_after_may_be_no_number_at_all(simulated: Sandbox, header: str) -> None:
    """FACTS 4.1: it is sent as it was given."""
    token = _token(simulated)
    simulated.fail("/v1/me", 429, headers={"Retry-After": header})
    reply = _me(simulated, token)
    assert (reply.status, reply.headers["Retry-After"]) == (429, header)
    assert reply.text == faults.TOO_MANY


@pytest.mark.parametrize("status", [403, 404, 429, 503])
def test_removed_batches_answer_as_they_have_been_seen_to(life: Life, status: int) -> None:
    """FACTS 1.6; the single ids are told all the same."""
    track = next(play.track for play in life.plays if play.track)
    with Sandbox(life, now=NOW, batch_status=status) as sandbox:
        token = _token(sandbox)
        assert request(f"{sandbox.url}/v1/tracks?ids={track.id}", token=token).status == status
        assert request(f"{sandbox.url}/v1/tracks/{track.id}", token=token).status == 200


def test_a_share_of_requests_meets_a_server_error(life: Life) -> None:
    """FACTS 4.3: on any endpoint, the token one included, and never on the person's pages."""
    with Sandbox(life, now=NOW) as sandbox:
        tokens = log_in(sandbox.url)
        sandbox.terms = Terms(server_errors=0.25)
        calls = Counter(_me(sandbox, str(tokens["access_token"])).status for _ in range(200))
        renewals = Counter(
            refresh(sandbox.url, str(tokens["refresh_token"])).status for _ in range(2)
        )
        assert set(calls) == {200, 500, 502, 503}
        assert 20 < 200 - calls[200] < 80
        sandbox.terms = Terms(server_errors=1.0)
        assert refresh(sandbox.url, str(tokens["refresh_token"])).status >= 500
        assert request(f"{sandbox.url}/authorize").status == 400
        assert sandbox.statuses.total() == len(sandbox.requests)
        assert renewals.total() == 2


@pytest.mark.parametrize(
    "asked",
    [{"batch_status": 500}, {"rate_limit": 0}, {"long_limit": -1}, {"server_errors": 1.5}],
)
def test_terms_that_no_spotify_has_are_refused(life: Life, asked: dict[str, object]) -> None:
    """A mistake in a test shows at once."""
    with pytest.raises(ValueError, match="must"):
        Terms().changed(asked)


def test_another_process_can_change_the_terms(simulated: Sandbox) -> None:
    """What is not named stays, and what makes no sense is a 400."""
    base = f"{simulated.url}/_sandbox"
    token = _token(simulated)
    told = request(f"{base}/terms", body={"rate_limit": 1, "unregistered": ["listener"]}).json
    assert (told["rate_limit"], told["unregistered"]) == (1, ["listener"])
    assert told["development_mode"] is True
    assert _me(simulated, token).status == 403
    told = request(f"{base}/terms", body={"rate_limit": None, "unregistered": []}).json
    assert told == request(f"{base}/terms").json
    assert _me(simulated, token).status == 200
    request(f"{base}/terms", body={"development_mode": False, "server_errors": 0})
    assert _me(simulated, token).json["product"] == "premium"
    odd: list[object] = [
        {"rate": 1},
        {"rate_limit": "3"},
        {"rate_limit": True},
        {"owner_has_premium": 1},
        {"unregistered": "listener"},
        {"server_errors": "none"},
        [],
    ]
    assert {request(f"{base}/terms", body=body).status for body in odd} == {400}


def test_another_process_can_set_the_rotation(simulated: Sandbox) -> None:
    """Every refresh may be made to bring a new token, or none."""
    token = str(log_in(simulated.url)["refresh_token"])
    request(f"{simulated.url}/_sandbox/rotate", body={"every": 1})
    assert "refresh_token" in refresh(simulated.url, token).json
    assert request(f"{simulated.url}/_sandbox/rotate", body={"every": "no"}).status == 400


def test_it_knows_which_plays_it_has_shown(simulated: Sandbox, life: Life) -> None:
    """Every item of an answer is a play of the life, and only what was asked for counts."""
    assert simulated.shown() == {}
    items = items_of(recently_played(simulated.url, _token(simulated), limit=7))
    shown = simulated.shown()
    assert {stamp(at)[:19] for ats in shown.values() for at in ats} == {
        item["played_at"][:19] for item in items
    }
    assert all(life.plays[number].delivered_by_api for number in shown)
    told = cast(list[dict[str, object]], request(f"{simulated.url}/_sandbox/shown").json["plays"])
    assert [each["uri"] for each in told] == [life.plays[number].uri for number in sorted(shown)]
    assert all(each["told_as"] for each in told)


def test_a_shift_of_a_timestamp_is_a_second_showing_of_one_play(life: Life) -> None:
    """FACTS 3.6: the truth about it is one play with two timestamps."""
    with Sandbox(life, now=NOW) as sandbox:
        token = _token(sandbox)
        for hour in range(15 * 24):
            sandbox.advance(NOW + timedelta(hours=hour))
            recently_played(sandbox.url, token, limit=50)
        shown = sandbox.shown()
    moved = {number: ats for number, ats in shown.items() if len(ats) > 1}
    assert moved
    for number, ats in moved.items():
        delivery = life.plays[number].delivery
        assert delivery is not None
        assert ats == {delivery.played_at_ms, delivery.played_at_ms + delivery.reissue_shift_ms}


def test_the_command_takes_the_terms(life: Life) -> None:
    """What the constructor takes, the command line does too."""
    command = [sys.executable, "-m", "spotify_hist.sandbox", "--days", "3", "--simulated-time"]
    command += ["--account", "anna", "--account", "ben", "--unregistered", "ben", "--no-premium"]
    command += ["--rate-limit", "9", "--long-limit", "99", "--batch-status", "404"]
    command += ["--server-errors", "0.5", "--full", "--rotate-every", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        told = request(f"{line['url']}/_sandbox/terms").json
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert told == {
        "development_mode": False,
        "batch_status": 404,
        "unregistered": ["ben"],
        "owner_has_premium": False,
        "rate_limit": 9,
        "long_limit": 99,
        "server_errors": 0.5,
    }
