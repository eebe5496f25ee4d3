"""Until when Spotify wants no calls: noted by one run, honoured by the next, lane by lane."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from test_spotify_http import API, FRESH, KEY, NOW, RECENT, STALE, TOKEN_URL

from spotify_hist import settings
from spotify_hist.errors import ExitCode, RateLimited, StorageFull
from spotify_hist.sources.spotify import oauth
from spotify_hist.sources.spotify.client import Spotify, login
from spotify_hist.sources.spotify.files import Folder
from spotify_hist.sources.spotify.http import Http
from spotify_hist.sources.spotify.limits import Lane, Limits, asked_to_wait, duration
from spotify_hist.sources.spotify.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400.0
LANES: tuple[Lane, ...] = ("plays", "details")


def limited(not_before_s: float | None) -> RateLimited:
    """A refusal with this moment."""
    return RateLimited("Wait.", hint="Later.", not_before_s=not_before_s)


def moments(directory: Path, now: float = NOW, client_id: str = "client") -> list[float | None]:
    """What a new process is told, for both lanes."""
    return [Limits(directory, client_id).not_before(lane, now) for lane in LANES]


def test_a_wait_met_with_plays_is_for_both_lanes(tmp_path: Path) -> None:
    """Spotify limits an app as a whole (FACTS 1.5)."""
    Limits(tmp_path, "client").remember("plays", limited(NOW + 100), NOW)
    assert moments(tmp_path) == [NOW + 100, NOW + 100]


def test_a_wait_met_with_details_leaves_the_plays_alone(tmp_path: Path) -> None:
    """Plays that are not asked for in time are lost; details can wait."""
    limits = Limits(tmp_path, "client")
    limits.remember("details", limited(NOW + 100), NOW)
    assert moments(tmp_path) == [None, NOW + 100]
    limits.remember("plays", limited(NOW + 50), NOW)
    assert moments(tmp_path) == [NOW + 50, NOW + 100]


def test_a_wait_ends_when_its_moment_comes(tmp_path: Path) -> None:
    """At the moment itself the call is allowed."""
    Limits(tmp_path, "client").remember("plays", limited(NOW + 100), NOW)
    assert moments(tmp_path, NOW + 99.9) == [NOW + 100] * 2
    assert moments(tmp_path, NOW + 100) == [None, None]


def test_the_later_of_two_moments_stays(tmp_path: Path) -> None:
    """Whichever process notes its own last."""
    limits = Limits(tmp_path, "client")
    for moment in (NOW + 500, NOW + 100):
        limits.remember("plays", limited(moment), NOW)
    assert moments(tmp_path)[0] == NOW + 500
    limits.remember("plays", limited(NOW + 800), NOW)
    assert moments(tmp_path)[0] == NOW + 800


def test_each_app_has_its_own_limit(tmp_path: Path) -> None:
    """And no id shapes a path or is shown by a file's name."""
    for client_id in ("client", "../../other", ""):
        Limits(tmp_path / "limits", client_id).remember("plays", limited(NOW + 100), NOW)
    assert moments(tmp_path / "limits", client_id="../../other")[0] == NOW + 100
    assert moments(tmp_path / "limits", client_id="third") == [None, None]
    assert [path.name for path in tmp_path.iterdir()] == ["limits"]
    assert not any("client" in path.name for path in (tmp_path / "limits").iterdir())


def test_the_files_belong_to_the_owner_alone(tmp_path: Path) -> None:
    """0600 in 0700."""
    Limits(tmp_path / "limits", "client").remember("plays", limited(NOW + 100), NOW)
    assert (tmp_path / "limits").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "limits").iterdir()} == {0o600}


@pytest.mark.parametrize("moment", [None, NOW, NOW - 1, NOW + 31 * DAY + 1, float("inf")])
def test_what_is_no_moment_ahead_within_a_month_is_not_noted(
    tmp_path: Path, moment: float | None
) -> None:
    """No time is invented, and nothing locks an app out for ever."""
    Limits(tmp_path, "client").remember("plays", limited(moment), NOW)
    assert list(tmp_path.iterdir()) == []


@examples(deadline=None)
@given(
    content=st.binary(max_size=60)
    | st.from_type(object).map(repr).map(str.encode)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["not_before", "noted_at"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_stands_in_the_file_it_is_a_moment_within_a_day_or_none(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A file that is damaged, or written under a clock that was wrong, stops nothing for long."""
    directory = tmp_path_factory.mktemp("limits")
    limits = Limits(directory, "client")
    limits.remember("plays", limited(NOW + 100), NOW)
    (path,) = directory.glob("*.json")
    path.write_bytes(content)
    found = limits.not_before("plays", NOW)
    assert found is None or NOW < found <= NOW + DAY
    limits.remember("plays", limited(NOW + 0.9 * DAY), NOW)
    assert limits.not_before("plays", NOW) == max(found or 0.0, NOW + 0.9 * DAY)


def test_a_limit_that_cannot_be_noted_does_not_hide_that_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person hears of both."""

    def full(*_: object) -> None:
        raise StorageFull("No space is left here.")

    monkeypatch.setattr(Folder, "replace", full)
    error = limited(NOW + 100)
    Limits(tmp_path, "client").remember("plays", error, NOW)
    assert "No space is left here." in error.hint
    assert error.hint.startswith("Later.")


def test_a_folder_that_cannot_be_read_stops_no_call(tmp_path: Path) -> None:
    """Asking once too often is better than never again."""
    (tmp_path / "limits").write_text("a file in its place")
    error = limited(NOW + 100)
    Limits(tmp_path / "limits", "client").remember("plays", error, NOW)
    assert "cannot be used" in error.hint
    assert moments(tmp_path / "limits") == [None, None]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (45, "45 s"),
        (119, "119 s"),
        (3_600, "60 min"),
        (18_720, "5 h 12 min"),
        (86_400, "24 h 0 min"),
        (4 * DAY + 7_200, "4 days 2 h"),
    ],
)
def test_a_wait_is_told_as_a_person_would(seconds: float, words: str) -> None:
    """No more exact than it matters."""
    assert duration(seconds) == words
    assert f"in about {words}." in asked_to_wait(NOW + seconds, NOW).message


# What the client makes of it -----------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> settings.Settings:
    """Settings of an empty home."""
    return settings.load(tmp_path, {"SPOTIFY_HIST_CLIENT_ID": "client"})


@pytest.fixture
def vault(config: settings.Settings) -> Vault:
    """Its vault, with a fresh login."""
    vault = Vault(config.vault, KEY)
    vault.save(FRESH)
    return vault


@contextmanager
def client(
    config: settings.Settings, vault: Vault, lane: Lane = "plays", now: float = NOW
) -> Iterator[Spotify]:
    """The API in one lane at a moment; it never sleeps."""
    with (
        Http(5, 3, 60, lambda _: None, clock=lambda: now) as http,
        Spotify(config, vault, "acc", lambda: now, http, lane=lane) as spotify,
    ):
        yield spotify


LONG = httpx.Response(429, headers={"Retry-After": "18720"}, text="Too many requests")


@respx.mock
def test_a_long_wait_is_honoured_by_the_next_run_without_a_call(
    config: settings.Settings, vault: Vault
) -> None:
    """FACTS 4.2: exit code 5, the time said, and the call made again when it has come."""
    vault.save(replace(FRESH, expires_at=NOW + DAY))
    route = respx.get(RECENT)
    route.side_effect = [LONG, httpx.Response(200, json={"items": []})]
    for now, words in ((NOW, "5 h 12 min"), (NOW + 720, "5 h 0 min"), (NOW + 18_719, "1 s")):
        with client(config, vault, now=now) as spotify, pytest.raises(RateLimited) as caught:
            spotify.recently_played()
        assert f"in about {words}." in caught.value.message
        assert caught.value.not_before_s == NOW + 18_720
        assert caught.value.exit_code == ExitCode.TEMPORARY
    assert route.call_count == 1
    with client(config, vault, now=NOW + 18_720) as spotify:
        spotify.recently_played()
    assert route.call_count == 2


@respx.mock
def test_details_that_are_limited_do_not_stop_the_plays(
    config: settings.Settings, vault: Vault
) -> None:
    """One app, one login, two lanes."""
    track = respx.get(f"{API}/v1/tracks/x").mock(LONG)
    respx.get(RECENT).respond(200, json={"items": []})
    for _ in range(2):
        with client(config, vault, "details") as spotify, pytest.raises(RateLimited):
            spotify.track("x")
    with client(config, vault) as spotify:
        assert json.loads(spotify.recently_played()) == {"items": []}
    assert track.call_count == 1


@respx.mock
def test_plays_that_are_limited_stop_the_details(config: settings.Settings, vault: Vault) -> None:
    """More calls would only make it worse."""
    respx.get(RECENT).mock(LONG)
    track = respx.get(f"{API}/v1/tracks/x").respond(200, json={})
    with client(config, vault) as spotify, pytest.raises(RateLimited):
        spotify.recently_played()
    with client(config, vault, "details") as spotify, pytest.raises(RateLimited):
        spotify.track("x")
    assert track.call_count == 0


@respx.mock
def test_no_token_is_renewed_while_spotify_wants_no_calls(
    config: settings.Settings, vault: Vault
) -> None:
    """A renewal is a call too; and one that is limited is noted as any other."""
    vault.save(STALE)
    renewal = respx.post(TOKEN_URL).mock(LONG)
    for _ in range(2):
        with client(config, vault) as spotify, pytest.raises(RateLimited):
            spotify.recently_played()
    assert renewal.call_count == 1
    assert vault.load("acc") == STALE


@respx.mock
def test_another_app_is_not_stopped(config: settings.Settings, vault: Vault) -> None:
    """The limit belongs to the app that a login was made with."""
    route = respx.get(RECENT)
    route.side_effect = [LONG, httpx.Response(200, json={"items": []})]
    with client(config, vault) as spotify, pytest.raises(RateLimited):
        spotify.recently_played()
    vault.save(replace(FRESH, client_id="other"))
    with client(config, vault) as spotify:
        spotify.recently_played()
    assert route.call_count == 2


@respx.mock
def test_waits_that_were_waited_leave_nothing_behind(
    config: settings.Settings, vault: Vault
) -> None:
    """The usual one to four seconds (FACTS 4.1)."""
    short = httpx.Response(429, headers={"Retry-After": "4"})
    respx.get(RECENT).side_effect = [short, short, httpx.Response(200, json={"items": []})]
    with client(config, vault) as spotify:
        spotify.recently_played()
        assert spotify.rate_limits == 2
    assert not config.limits.exists()


@respx.mock
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(429, text="QUOTA_EXCEEDED", headers={"Retry-After": "18720"}),
        httpx.Response(429, text="slow down"),
        httpx.Response(429, headers={"Retry-After": "soon"}),
        httpx.Response(503, headers={"Retry-After": "18720"}),
    ],
)
def test_no_moment_is_invented(
    config: settings.Settings, vault: Vault, answer: httpx.Response
) -> None:
    """A used-up quota, a wait that cannot be read and trouble of Spotify's leave none behind."""
    respx.get(RECENT).mock(answer)
    with client(config, vault) as spotify, pytest.raises(Exception, match="Spotify") as caught:
        spotify.recently_played()
    assert getattr(caught.value, "not_before_s", None) is None
    assert not config.limits.exists()


@respx.mock
def test_a_login_waits_too_and_notes_what_it_is_told(config: settings.Settings) -> None:
    """It ends with a call of the API; a code is not spent for nothing."""
    vault = Vault(config.vault, KEY)
    attempt = oauth.Login.start("https://accounts.spotify.com", "client", "http://127.0.0.1:1/x")
    granted = {"access_token": "access-1", "refresh_token": "refresh-1"}
    token = respx.post(TOKEN_URL).respond(200, json=granted)
    respx.get(f"{API}/v1/me").mock(LONG)
    with Http(5, 0, 60, lambda _: None, clock=lambda: NOW) as http:
        for _ in range(2):
            with pytest.raises(RateLimited, match="5 h 12 min"):
                login(config, vault, attempt, "code", lambda: NOW, http=http)
    assert token.call_count == 1
    assert vault.tokens() == []
