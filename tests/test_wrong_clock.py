"""What a clock that was wrong has noted holds nothing up once it is right.

A small computer without a clock of its own starts with any date until the network tells it.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from enriching import SONGS, add, asked, heard, home_of, queue, run
from household import NOW, Household, household

from spotify_hist.collect.details.abilities import Abilities
from spotify_hist.collect.sync import sync
from spotify_hist.collect.watch import import_pending
from spotify_hist.errors import RateLimited
from spotify_hist.sandbox.answers import account_id
from spotify_hist.sources.spotify.answers import retry_after_s, served_at
from spotify_hist.sources.spotify.http import Http
from spotify_hist.sources.spotify.limits import Limits
from spotify_hist.store import journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spotify_hist.collect.sync import Synced

DAYS = (20, -20, 120)
ANNA = account_id("anna")


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Household]:
    """One listener, logged in, nothing collected yet."""
    with household(tmp_path / "home", "anna", http_retries=0, http_max_wait_s=0) as home:
        yield home


def set_clock(home: Household, days: float) -> None:
    """Put the clock forward or back."""
    home.sandbox.now += timedelta(days=days)


def synced(home: Household) -> Synced:
    """What the timer runs, on the simulated clock."""
    return sync(home.settings, home.database, home.vault, home.now, sleep=home.sleep)


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("wait_s", [30, 86_400])
def test_a_wait_noted_by_a_wrong_clock_does_not_silence_polls(
    anna: Household, days: int, wait_s: int
) -> None:
    """Once it is right the next poll asks."""
    set_clock(anna, days)
    anna.sandbox.fail("/v1/me/player", 429, headers={"Retry-After": str(wait_s)})
    (result,) = anna.poll()
    assert isinstance(result.error, RateLimited)
    set_clock(anna, -days)
    (result,) = anna.poll()
    assert result.error is None


@pytest.mark.parametrize("asked_s", [86_400, 100_000, 20 * 86_400])
def test_no_wait_is_longer_than_the_longest_that_spotify_asks_for(
    tmp_path: Path, asked_s: int
) -> None:
    """A day (FACTS 4.1), whatever the header or the moment says."""
    now = 1_790_000_000.0
    busy = httpx.Response(429, headers={"Retry-After": str(asked_s)})
    http = Http(5, 0, 0, transport=httpx.MockTransport(lambda _: busy), clock=lambda: now)
    with http, pytest.raises(RateLimited) as caught:
        http.get("https://api.test")
    assert caught.value.not_before_s == now + 86_400
    limits = Limits(tmp_path, "client")
    limits.remember("plays", RateLimited("Wait.", not_before_s=now + asked_s), now)
    assert limits.not_before("plays", now) == now + 86_400


def test_a_wait_that_was_noted_later_than_now_counts_as_none(tmp_path: Path) -> None:
    """It would silence polls for hours; files of older versions do not say when they were noted."""
    now = 1_790_000_000.0
    limits = Limits(tmp_path, "client")
    limits.remember("plays", RateLimited("Wait.", not_before_s=now + 3_600), now)
    assert limits.not_before("plays", now - 7_200) is None
    assert limits.not_before("plays", now - 1) == now + 3_600
    (file,) = tmp_path.glob("*.json")
    file.write_text(json.dumps({"not_before": now + 3_600}))
    assert limits.not_before("plays", now - 7_200) == now + 3_600


def test_a_date_to_wait_for_is_read_by_the_servers_clock() -> None:
    """Its Date header says what time it is there; without one ours has to do."""
    date, later = "Sun, 01 Nov 2026 12:00:00 GMT", "Sun, 01 Nov 2026 12:10:00 GMT"
    ours = 1_700_000_000.0
    assert retry_after_s(later, served_at(date, ours)) == 600
    assert [served_at(each, ours) for each in (None, "", "yesterday")] == [ours] * 3


@pytest.mark.parametrize("days", DAYS)
def test_an_access_token_noted_by_a_wrong_clock_is_renewed(anna: Household, days: int) -> None:
    """One that seems good for years is refused by Spotify, and then renewed."""
    token = anna.vault.load(ANNA)
    assert token is not None
    expires_at = anna.now().timestamp() + days * 86_400
    anna.vault.save(replace(token, expires_at=expires_at))
    anna.sandbox.expire_access_tokens()
    (result,) = anna.poll()
    assert result.error is None
    renewed = anna.vault.load(ANNA)
    assert renewed is not None
    assert renewed.expires_at == anna.now().timestamp() + 3_600


@pytest.mark.parametrize("days", DAYS)
def test_tidying_goes_on_once_a_day_after_a_clock_was_wrong(anna: Household, days: int) -> None:
    """Neither never again for weeks, nor with every run."""
    set_clock(anna, days)
    synced(anna)
    set_clock(anna, -days)
    for _ in range(3):
        synced(anna)
        anna.pass_time(hours=1)
    with anna.database.read() as connection:
        tidied = journal.runs(connection, job="tidy", limit=50)
    assert len(tidied) == 2


def test_a_backfill_that_a_clock_ahead_cut_short_is_made_again(anna: Household) -> None:
    """It was to reach back to a moment that has not come, and so believed to be there."""
    set_clock(anna, 120)
    (first,) = synced(anna).backfills
    assert first.stopped_by == "max_days"
    set_clock(anna, -120)
    (second,) = synced(anna).backfills
    assert (second.stopped_by, second.is_finished) == ("end", True)
    assert synced(anna).backfills == ()


@pytest.mark.parametrize("status", [404, 500])
@pytest.mark.parametrize("days", DAYS)
def test_questions_that_a_wrong_clock_put_off_are_asked_again(
    tmp_path: Path, days: int, status: int
) -> None:
    """What failed or was not found waits for days, but not for those the clock was ahead."""
    with home_of(tmp_path, "anna", http_retries=0) as home:
        song = SONGS[0]
        add(home, heard((song, 1)))
        set_clock(home, days)
        home.sandbox.fail(f"/v1/tracks/{song.id}", status)
        run(home)
        assert queue(home)["track", song.id] != "done"
        set_clock(home, -days)
        home.pass_time(days=0 if days > 0 else 100)
        run(home)
        assert queue(home)["track", song.id] == "done"
        assert asked(home).count(f"tracks/{song.id}") == 2


@pytest.mark.parametrize("days", DAYS)
def test_an_ability_that_seemed_closed_under_a_wrong_clock_is_tried_again(days: int) -> None:
    """Batches and searches; audio features are closed for good (FACTS 1.1)."""
    now = NOW
    since = now + timedelta(days=days)
    for name in ("several", "several:failing", "search"):
        abilities = Abilities({name: (False, since)}, now)
        is_due = days > 0 or (name.endswith("failing") and days <= -7)
        assert abilities.may(name.partition(":")[0]) is is_due  # type: ignore[arg-type]
    assert not Abilities({"audio_features": (False, since)}, now).may("audio_features")


def test_an_archive_of_the_future_that_is_none_does_not_arrive_for_ever(anna: Household) -> None:
    """It is put aside with its reason, as any other that cannot be read."""
    path = anna.settings.watched / "my_spotify_data.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"PK\x03\x04 and no more")
    ahead = (anna.now() + timedelta(days=20)).timestamp()
    os.utime(path, (ahead, ahead))
    (taken,) = import_pending(anna.settings, anna.database, anna.now)
    assert taken.error is not None


def test_a_poll_that_lies_ahead_is_told_of(anna: Household) -> None:
    """Else nobody would be told for weeks that the timer no longer runs."""
    from spotify_hist.collect import advice
    from spotify_hist.collect.status import look

    set_clock(anna, 20)
    synced(anna)
    set_clock(anna, -20)
    found = look(anna.settings, anna.database, lambda: anna.vault, anna.now())
    steps = advice.next_steps(found, anna.settings, anna.now())
    assert any("lies ahead" in step and "clock" in step for step in steps)
