"""HTTP to Spotify and the client on top of it: retries, waits, refusals, renewal, redaction."""

from __future__ import annotations

import json
import logging
import traceback
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from spotify_hist import settings
from spotify_hist.errors import (
    BadInput,
    Forbidden,
    LoginNeeded,
    Offline,
    RateLimited,
    SettingsError,
    SpotifyHistError,
    StorageFull,
)
from spotify_hist.model import Account
from spotify_hist.sources.spotify import oauth
from spotify_hist.sources.spotify.answers import Answer, json_object, retry_after_s
from spotify_hist.sources.spotify.client import Spotify, login
from spotify_hist.sources.spotify.http import Http
from spotify_hist.sources.spotify.models import Me, RecentlyPlayed
from spotify_hist.sources.spotify.vault import Token, Vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_790_000_000.0
API, ACCOUNTS = "https://api.spotify.com", "https://accounts.spotify.com"
URL = f"{API}/v1/thing"
RECENT = f"{API}/v1/me/player/recently-played"
TOKEN_URL = f"{ACCOUNTS}/api/token"
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
FRESH = Token(
    Account("acc", "ada", "Ada"),
    "client",
    "refresh-0",
    "access-0",
    NOW + 3600,
    NOW - 86_400,
    oauth.SCOPES,
)
STALE = replace(FRESH, expires_at=NOW + 60)
OVER = replace(STALE, authorized_at=NOW - 200 * 86_400)


@contextmanager
def patient(retries: int = 3, max_wait_s: float = 60) -> Iterator[tuple[Http, list[float]]]:
    """An Http that notes its waits instead of sleeping."""
    slept: list[float] = []
    with Http(5, retries, max_wait_s, slept.append, clock=lambda: NOW) as http:
        yield http, slept


# Retries and waits ---------------------------------------------------------------------------


@respx.mock
@pytest.mark.parametrize("status", [500, 502, 503, 504, 522])
def test_a_passing_server_error_is_tried_again_with_growing_jittered_waits(status: int) -> None:
    """FACTS 4.3: these are normal now and then."""
    respx.get(URL).side_effect = [httpx.Response(status)] * 3 + [httpx.Response(200, text="{}")]
    with patient() as (http, slept):
        assert http.get(URL).body == b"{}"
    assert len(slept) == 3
    assert all(0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(slept))


@respx.mock
def test_a_lasting_server_error_is_temporary_and_named() -> None:
    """After the last try the status is told."""
    route = respx.get(URL).respond(502)
    with patient(retries=2) as (http, _), pytest.raises(Offline, match="HTTP 502"):
        http.get(URL)
    assert route.call_count == 3


@respx.mock
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "Connection refused"),
        (httpx.ConnectTimeout(""), "no answer within 5 s"),
        (httpx.ReadTimeout(""), "no answer within 5 s"),
        (httpx.RemoteProtocolError("peer closed connection"), "broke off"),
    ],
)
def test_an_unreachable_spotify_is_told_in_plain_words(
    error: httpx.TransportError, words: str
) -> None:
    """The hint is to check the connection."""
    respx.get(URL).side_effect = error
    with patient(retries=1) as (http, slept), pytest.raises(Offline, match=words) as caught:
        http.get(URL)
    assert "connection" in caught.value.hint
    assert len(slept) == 1


@respx.mock
def test_a_short_wait_is_waited_as_asked() -> None:
    """FACTS 4.1: one to four seconds are usual."""
    limited = httpx.Response(429, headers={"Retry-After": "4"}, text="Too many requests")
    respx.get(URL).side_effect = [limited, limited, httpx.Response(200, text="{}")]
    with patient() as (http, slept):
        http.get(URL)
    assert slept == [4.0, 4.0]


@respx.mock
@pytest.mark.parametrize("header", ["61", "48925", "86400"])
def test_a_long_wait_is_left_to_a_later_run(header: str) -> None:
    """FACTS 4.2: a timer's run never sleeps for hours, and says when to come back."""
    route = respx.get(URL).respond(429, headers={"Retry-After": header})
    with patient() as (http, slept), pytest.raises(RateLimited) as caught:
        http.get(URL)
    assert caught.value.not_before_s == NOW + float(header)
    assert (slept, route.call_count) == ([], 1)


@respx.mock
def test_waits_add_up_to_the_limit_of_one_request() -> None:
    """Thirty and thirty are sixty; another thirty is too much."""
    respx.get(URL).respond(429, headers={"Retry-After": "30"})
    with patient(retries=9) as (http, slept), pytest.raises(RateLimited) as caught:
        http.get(URL)
    assert slept == [30.0, 30.0]
    assert caught.value.not_before_s == NOW + 30


@respx.mock
def test_an_http_date_is_understood() -> None:
    """The other form RFC 9110 allows."""
    date = format_datetime(datetime.fromtimestamp(NOW + 3600, UTC), usegmt=True)
    respx.get(URL).respond(429, headers={"Retry-After": date})
    with patient() as (http, _), pytest.raises(RateLimited, match="60 min") as caught:
        http.get(URL)
    assert caught.value.not_before_s == NOW + 3600


@respx.mock
@pytest.mark.parametrize("header", ["", "soon", "-5", "nan", "1e3", "٣", "9" * 30, "99999999"])
def test_a_malformed_wait_is_not_believed(header: str) -> None:
    """FACTS 4.1: it can be malformed; then our own patience counts and no time is invented."""
    respx.get(URL).respond(429, headers=[(b"Retry-After", header.encode())], text="slow down")
    with patient(retries=2) as (http, slept), pytest.raises(RateLimited) as caught:
        http.get(URL)
    assert caught.value.not_before_s is None
    assert len(slept) == 2
    assert all(0 < wait < 2 for wait in slept)


@respx.mock
@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"status": 429, "message": "m", "reason": "QUOTA_EXCEEDED"}}',
        '{"reason": "QUOTA_EXCEEDED"}',
        "QUOTA_EXCEEDED",
    ],
)
def test_an_exceeded_quota_is_final_and_invents_no_time(body: str) -> None:
    """FACTS 1.5: no retry, no reset time, whatever Retry-After says."""
    route = respx.get(URL).respond(429, text=body, headers={"Retry-After": "1"})
    with patient() as (http, slept), pytest.raises(RateLimited, match="quota") as caught:
        http.get(URL)
    assert caught.value.not_before_s is None
    assert (slept, route.call_count) == ([], 1)


@examples(deadline=None)
@given(header=st.none() | st.text() | st.from_regex(r"[0-9 .:,+-]{1,40}") | st.floats().map(str))
def test_any_retry_after_is_a_wait_within_a_month_or_nothing(header: str | None) -> None:
    """Garbage never raises, and never asks for a negative or endless wait."""
    wait = retry_after_s(header, NOW)
    assert wait is None or 0 <= wait <= 31 * 86_400


@examples(deadline=None)
@given(seconds=st.integers(0, 31 * 86_400))
def test_seconds_and_dates_mean_the_same_wait(seconds: int) -> None:
    """Both forms of one instant agree."""
    date = format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)
    assert retry_after_s(f" {seconds} ", NOW) == retry_after_s(date, NOW) == seconds


# What answers mean ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("User not registered in the Developer Dashboard", "list of users", "User Management"),
        (
            "The user is not registered for this application. Please check your settings",
            "list of users",
            "User Management",
        ),
        (
            "Active premium subscription required for the owner of the app.",
            "Premium",
            "Renew Premium",
        ),
        ("Insufficient client scope", "permission", "auth login"),
        ("Something new", "Something new", "dashboard"),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
@respx.mock
def test_each_refusal_comes_with_its_own_remedy(
    text: str, message: str, hint: str, as_json: bool
) -> None:
    """FACTS 4.4, as JSON or as plain text; a 403 is never retried."""
    if text == "Something new" and not as_json:
        message = "HTTP 403"
    body = json.dumps({"error": {"status": 403, "message": text}}) if as_json else text
    route = respx.get(URL).respond(403, text=body)
    with patient() as (http, _), pytest.raises(Forbidden) as caught:
        http.get(URL, token="access-0")
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert route.call_count == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"items": [', b"[]", b"null", b"\xff", b"[" * 100_000, b"9" * 5000],
)
def test_a_body_that_is_no_json_object_is_told_as_such(body: bytes) -> None:
    """A cut-off answer or a sign-in page of a network in between."""
    with pytest.raises(Offline, match="not JSON"):
        json_object(Answer(200, body))


@pytest.mark.parametrize(
    "url",
    [
        "", "api.spotify.com", "ftp://x/y", "http://", "http://[::1", "http://[", "http://exa mple",
        "http://a..b", "http://" + "a" * 64 + ".com", "http://xn--a", "http://h:99999",
        "http://h:0", "http://\0", "http://\ud800", "http://h\u2028", "http://" + "x" * 70_000,
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_a_matter_of_settings(url: str) -> None:
    """The hint names the variables."""
    with patient() as (http, _), pytest.raises(SettingsError) as caught:
        http.get(url)
    assert "SPOTIFY_HIST_API_URL" in caught.value.hint


@respx.mock
def test_no_cookie_travels_from_one_listener_to_the_next() -> None:
    """One connection serves several accounts."""
    route = respx.get(URL).respond(200, text="{}", headers={"Set-Cookie": "sp=1; Path=/"})
    with patient() as (http, _):
        http.get(URL)
        http.get(URL)
    assert "Cookie" not in route.calls[1].request.headers


@respx.mock
def test_the_http_libraries_stay_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Addresses and headers do not reach our logs, even at the finest level."""
    respx.get(URL).respond(200, text="{}")
    with caplog.at_level(logging.DEBUG), patient() as (http, _):
        http.get(URL, token="BQDaccess_that_nobody_may_see")
    assert caplog.records == []


def outcome(text: str, status: int, secret: str) -> httpx.Response | Exception:
    """An answer that throws the secret back at us, or an error that has it in its text."""
    if status == 0:
        return httpx.LocalProtocolError(f"Illegal header value {secret!r}")
    if status == 1:
        return httpx.ReadError(secret)
    body = {"error": {"message": f"{text} {secret}"}, "error_description": secret}
    headers = {"Retry-After": secret}
    return httpx.Response(status, json=body, headers=headers)


SECRETS = st.text("abcXYZ019_-", min_size=8, max_size=80)


@examples(deadline=None)
@given(
    secret=SECRETS,
    text=st.sampled_from(["x", "invalid_grant", "scope", "Bad token:"]),
    status=st.sampled_from([0, 1, 200, 302, 400, 401, 403, 404, 418, 429, 500, 503]),
    as_error_code=st.booleans(),
)
def test_no_error_shows_a_secret_anywhere(
    secret: str, text: str, status: int, as_error_code: bool
) -> None:
    """Neither message, hint, repr, traceback nor any chained error holds what we sent."""

    def answer(_: httpx.Request) -> httpx.Response:
        result = outcome(text, status, secret)
        if isinstance(result, Exception):
            raise result
        if as_error_code and status >= 400:
            return httpx.Response(status, json={"error": secret})
        return result

    token = replace(FRESH, refresh_token=secret, access_token=secret)
    attempt = replace(
        oauth.Login.start(ACCOUNTS, "client", "http://127.0.0.1:1/callback"), verifier=secret
    )
    transport = httpx.MockTransport(answer)
    with Http(5, 1, 60, lambda _: None, transport, clock=lambda: NOW) as http:
        for act in (
            lambda: json_object(http.get(URL, token=secret)),
            lambda: oauth.refresh(http, ACCOUNTS, token, secret, NOW),
            lambda: oauth.exchange(http, attempt, secret, secret, NOW),
        ):
            try:
                act()
            except SpotifyHistError as error:
                seen = "".join(traceback.format_exception(error, chain=True))
                seen += f"{error!r}{error.as_dict()}{error.__context__!r}{error.__cause__!r}"
                assert secret not in seen
        assert secret not in f"{http!r}{token!r}{attempt!r}"


# The client ----------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> settings.Settings:
    """Settings of an empty home."""
    return settings.load(tmp_path, {"SPOTIFY_HIST_CLIENT_ID": "client"})


@pytest.fixture
def vault(config: settings.Settings) -> Vault:
    """Its vault."""
    return Vault(config.vault, KEY)


@contextmanager
def client(config: settings.Settings, vault: Vault) -> Iterator[Spotify]:
    """The API as the stored account sees it, without sleeping."""
    with patient() as (http, _), Spotify(config, vault, "acc", lambda: NOW, http) as spotify:
        yield spotify


def stored(vault: Vault) -> Token:
    """What the vault holds now."""
    token = vault.load("acc")
    assert token is not None
    return token


def grants(*serials: int, rotating: bool = True) -> list[httpx.Response]:
    """Answers of the token endpoint."""
    extra = [{"refresh_token": f"refresh-{serial}"} if rotating else {} for serial in serials]
    return [
        httpx.Response(200, json={"access_token": f"access-{serial}", "expires_in": 3600, **more})
        for serial, more in zip(serials, extra, strict=True)
    ]


@respx.mock
def test_a_page_comes_back_byte_for_byte(config: settings.Settings, vault: Vault) -> None:
    """What is spooled is what Spotify sent."""
    vault.save(FRESH)
    body = b'{"items" : [ null, {"track":{}} ],\n "cursors":null, "future": "\xc3\xa9"}'
    route = respx.get(RECENT).respond(200, content=body)
    with client(config, vault) as spotify:
        assert spotify.recently_played() == body
        spotify.recently_played(limit=10, before=1_700_000_000_123)
    sent = [dict(call.request.url.params) for call in route.calls]
    assert sent == [{"limit": "50"}, {"limit": "10", "before": "1700000000123"}]
    assert route.calls[0].request.headers["Authorization"] == "Bearer access-0"


@respx.mock
@pytest.mark.parametrize("body", ["{}", '{"items": null}', '{"items": {}}', "[]", '{"items": ['])
def test_a_body_that_is_no_page_of_plays_is_temporary(
    config: settings.Settings, vault: Vault, body: str
) -> None:
    """Nothing of the kind may be spooled as a page."""
    vault.save(FRESH)
    respx.get(RECENT).respond(200, text=body)
    with client(config, vault) as spotify, pytest.raises(Offline):
        spotify.recently_played()


@respx.mock
def test_an_access_token_with_a_minute_or_less_is_renewed_first(
    config: settings.Settings, vault: Vault
) -> None:
    """It might end on the way."""
    vault.save(STALE)
    respx.post(TOKEN_URL).side_effect = grants(1)
    route = respx.get(RECENT).respond(200, json={"items": []})
    with client(config, vault) as spotify:
        spotify.recently_played()
    assert route.calls[0].request.headers["Authorization"] == "Bearer access-1"


@respx.mock
def test_the_renewed_token_is_on_disk_before_it_is_used(
    config: settings.Settings, vault: Vault
) -> None:
    """FACTS 2.5: the old one may be dead already; the date of the login does not move."""
    vault.save(STALE)
    respx.post(TOKEN_URL).side_effect = grants(1)
    seen: list[Token] = []

    def page(_: httpx.Request) -> httpx.Response:
        seen.append(stored(vault))
        return httpx.Response(200, json={"items": []})

    respx.get(RECENT).side_effect = page
    with client(config, vault) as spotify:
        spotify.recently_played()
    assert [(token.refresh_token, token.access_token) for token in seen] == [
        ("refresh-1", "access-1")
    ]
    assert seen[0].authorized_at == STALE.authorized_at
    assert seen[0].expires_at == NOW + 3600


@respx.mock
def test_a_refused_token_is_renewed_once_and_the_call_repeated(
    config: settings.Settings, vault: Vault
) -> None:
    """A 401 before the token's time, as after a clock that was wrong."""
    vault.save(FRESH)
    respx.post(TOKEN_URL).side_effect = grants(1, rotating=False)
    respx.get(RECENT).side_effect = [httpx.Response(401), httpx.Response(200, json={"items": []})]
    with client(config, vault) as spotify:
        assert json.loads(spotify.recently_played()) == {"items": []}
    assert (stored(vault).access_token, stored(vault).refresh_token) == ("access-1", "refresh-0")


@respx.mock
def test_a_token_another_process_renewed_meanwhile_is_used_without_a_refresh(
    config: settings.Settings, vault: Vault
) -> None:
    """The refused one is not the stored one any more."""
    vault.save(FRESH)

    def refused(_: httpx.Request) -> httpx.Response:
        vault.save(replace(FRESH, access_token="access-9"))
        return httpx.Response(401)

    respx.get(RECENT, headers={"Authorization": "Bearer access-0"}).side_effect = refused
    good = respx.get(RECENT, headers={"Authorization": "Bearer access-9"})
    good.respond(200, json={"items": []})
    with client(config, vault) as spotify:
        spotify.recently_played()
    assert good.call_count == 1


@respx.mock
def test_a_second_refusal_asks_for_a_login_and_keeps_the_token(
    config: settings.Settings, vault: Vault
) -> None:
    """Only invalid_grant ends a login (FACTS 2.4)."""
    vault.save(FRESH)
    refreshes = respx.post(TOKEN_URL)
    refreshes.side_effect = grants(1)
    respx.get(RECENT).respond(401)
    with client(config, vault) as spotify, pytest.raises(LoginNeeded, match="even after renewing"):
        spotify.recently_played()
    assert refreshes.call_count == 1
    assert stored(vault).refresh_token == "refresh-1"


@respx.mock
def test_a_login_refused_after_its_six_months_is_forgotten_and_the_command_named(
    config: settings.Settings, vault: Vault
) -> None:
    """FACTS 2.4: forget the token, ask for a login, never retry."""
    vault.save(OVER)
    route = respx.post(TOKEN_URL).respond(400, json={"error": "invalid_grant"})
    with client(config, vault) as spotify:
        for _ in range(2):
            with pytest.raises(LoginNeeded, match="has ended") as caught:
                spotify.recently_played()
            assert caught.value.hint == (
                "Run 'spotify-hist auth login' and log in to Spotify as Ada."
            )
    assert vault.tokens() == []
    assert [ended.account for ended in vault.ended()] == [STALE.account]
    assert route.call_count == 1


@respx.mock
def test_an_ended_login_that_cannot_be_noted_is_told_all_the_same(
    config: settings.Settings, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk must not hide that somebody has to log in; the next run is told again."""
    vault.save(OVER)
    respx.post(TOKEN_URL).respond(400, json={"error": "invalid_grant"})

    def full(*_: object) -> None:
        raise StorageFull("No space is left.")

    monkeypatch.setattr(Vault, "end", full)
    with client(config, vault) as spotify, pytest.raises(LoginNeeded, match="has ended"):
        spotify.recently_played()
    assert stored(vault) == OVER


def test_a_listener_who_never_logged_in_is_told_so(config: settings.Settings, vault: Vault) -> None:
    """There is nothing to renew."""
    with client(config, vault) as spotify, pytest.raises(LoginNeeded, match="no Spotify login"):
        spotify.recently_played()


@respx.mock
@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_a_passing_failure_of_the_token_endpoint_keeps_the_token(
    config: settings.Settings, vault: Vault, status: int
) -> None:
    """FACTS 2.4: it is the endpoint's trouble and not the login's."""
    vault.save(STALE)
    respx.post(TOKEN_URL).respond(status)
    with client(config, vault) as spotify, pytest.raises((Offline, RateLimited)):
        spotify.recently_played()
    assert stored(vault) == STALE


@respx.mock
def test_a_full_disk_is_found_out_before_the_old_token_is_spent(
    config: settings.Settings, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotated token that cannot be written down would be lost for good."""
    vault.save(STALE)
    route = respx.post(TOKEN_URL).respond(500)

    def full(_: Vault, __: Token) -> None:
        raise StorageFull("No space is left.")

    monkeypatch.setattr(Vault, "save", full)
    with client(config, vault) as spotify, pytest.raises(StorageFull):
        spotify.recently_played()
    assert route.call_count == 0


@respx.mock
@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_renewed_token_is_not_given_up_at_the_first_trouble_with_the_disk(
    config: settings.Settings, vault: Vault, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    """The old one may be dead: two failures are survived, the third is told."""
    vault.save(STALE)
    respx.post(TOKEN_URL).side_effect = grants(1)
    respx.get(RECENT).respond(200, json={"items": []})
    save, failed = Vault.save, 0

    def fail(where: Vault, token: Token) -> None:
        nonlocal failed
        if token.refresh_token == "refresh-1" and failed < failures:
            failed += 1
            raise StorageFull("No space is left.")
        save(where, token)

    monkeypatch.setattr(Vault, "save", fail)
    with client(config, vault) as spotify:
        if failures < 3:
            spotify.recently_played()
            assert stored(vault).refresh_token == "refresh-1"
        else:
            with pytest.raises(StorageFull):
                spotify.recently_played()


@respx.mock
def test_a_secret_of_another_app_is_not_sent(tmp_path: Path, vault: Vault) -> None:
    """A login belongs to the app that made it, whatever app the settings name now."""
    config = settings.load(
        tmp_path, {"SPOTIFY_HIST_CLIENT_ID": "other", "SPOTIFY_HIST_CLIENT_SECRET": "s3cret"}
    )
    vault.save(STALE)
    route = respx.post(TOKEN_URL)
    route.side_effect = grants(1)
    respx.get(RECENT).respond(200, json={"items": []})
    with client(config, vault) as spotify:
        spotify.recently_played()
    request = route.calls[0].request
    assert parse_qs(request.content.decode())["client_id"] == ["client"]
    assert "Authorization" not in request.headers


@respx.mock
def test_one_thing_by_id_is_the_object_spotify_sent(
    config: settings.Settings, vault: Vault
) -> None:
    """Tracks, artists and albums, one request each (FACTS 1.2)."""
    vault.save(FRESH)
    for kind in ("tracks", "artists", "albums"):
        respx.get(f"{API}/v1/{kind}/id1").respond(200, json={"kind": kind})
    with client(config, vault) as spotify:
        kinds = [get("id1")["kind"] for get in (spotify.track, spotify.artist, spotify.album)]
    assert kinds == ["tracks", "artists", "albums"]


@pytest.mark.parametrize("spotify_id", ["", "..", "../me", "a/b", "a?b=c", "local:0a", "é"])
def test_what_is_no_id_is_unknown_without_asking(
    config: settings.Settings, vault: Vault, spotify_id: str
) -> None:
    """No id leads to another endpoint."""
    vault.save(FRESH)
    with respx.mock, client(config, vault) as spotify, pytest.raises(BadInput) as caught:
        spotify.album(spotify_id)
    assert caught.value.code == "not_found"


@respx.mock
def test_an_unknown_id_is_told_apart_from_trouble(config: settings.Settings, vault: Vault) -> None:
    """FACTS 4.3: "does not exist" may be remembered, a 429 never."""
    vault.save(FRESH)
    respx.get(f"{API}/v1/tracks/x").respond(404)
    with client(config, vault) as spotify, pytest.raises(BadInput) as caught:
        spotify.track("x")
    assert caught.value.code == "not_found"


@pytest.mark.parametrize(
    ("answer", "account"),
    [
        (
            {"account_id": "a", "id": "ada", "display_name": "Ada"},
            Account("a", "ada", "Ada"),
        ),
        ({"id": "ada", "display_name": None, "new": {"x": 1}}, Account("ada", "ada", None)),
        ({"account_id": "a"}, Account("a", None, None)),
        ({"account_id": "", "id": "ada"}, Account("ada", "ada", None)),
        (
            {"id": "a\ud800", "display_name": "\ud83d x\0"},
            Account("a\ufffd", "a\ufffd", "\ufffd x"),
        ),
        ({"account_id": "\0", "id": "ada"}, Account("ada", "ada", None)),
        ({"display_name": "Ada", "id": 5}, None),
    ],
)
def test_an_account_is_keyed_by_account_id_else_by_id(
    answer: dict[str, object], account: Account | None
) -> None:
    """FACTS 1.3 and 1.4: any field may be absent."""
    assert Me.model_validate(answer).account() == account


@pytest.mark.parametrize(
    ("answer", "before"),
    [
        ({"items": [], "next": None, "cursors": None}, None),
        ({"items": []}, None),
        ({"items": [], "cursors": {"before": "170", "after": "180"}, "limit": 50}, "170"),
        ({"items": [], "cursors": "odd", "next": 7}, None),
    ],
)
def test_a_page_is_read_whatever_is_missing_around_its_items(
    answer: dict[str, object], before: str | None
) -> None:
    """FACTS 3.2: past the last play cursors are null."""
    page = RecentlyPlayed.model_validate(answer)
    assert (page.cursors.before if page.cursors else None) == before


def test_a_broken_item_costs_its_neighbours_nothing() -> None:
    """Items are taken as they are; each is judged by itself later."""
    items = [{"track": {"id": "1"}}, None, "odd", {"track": None}]
    assert RecentlyPlayed.model_validate({"items": items}).items == items


# Logging in ----------------------------------------------------------------------------------


def attempt() -> oauth.Login:
    """A login under way."""
    return oauth.Login.start(ACCOUNTS, "client", "http://127.0.0.1:1/callback")


@respx.mock
def test_a_login_ends_with_the_accounts_token_in_the_vault(
    config: settings.Settings, vault: Vault
) -> None:
    """The code is traded, the account asked for with the new token, and both are kept."""
    respx.post(TOKEN_URL).side_effect = grants(1)
    me = respx.get(f"{API}/v1/me").respond(200, json={"account_id": "acc", "id": "ada"})
    with patient() as (http, _):
        token = login(config, vault, attempt(), "code", lambda: NOW, http=http)
    assert me.calls[0].request.headers["Authorization"] == "Bearer access-1"
    assert token == Token(
        Account("acc", "ada", None),
        "client",
        "refresh-1",
        "access-1",
        NOW + 3600,
        NOW,
        oauth.SCOPES,
    )
    assert stored(vault) == token


@respx.mock
@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (403, "User not registered in the Developer Dashboard", Forbidden),
        (401, "no", LoginNeeded),
        (200, "{}", Offline),
        (500, "", Offline),
    ],
)
def test_a_login_the_api_does_not_honour_is_not_stored(
    config: settings.Settings,
    vault: Vault,
    status: int,
    body: str,
    expected: type[SpotifyHistError],
) -> None:
    """FACTS 2.6: only the first call tells whether the app may serve the account."""
    respx.post(TOKEN_URL).side_effect = grants(1)
    respx.get(f"{API}/v1/me").respond(status, text=body)
    with patient() as (http, _), pytest.raises(expected) as caught:
        login(config, vault, attempt(), "code", lambda: NOW, http=http)
    assert caught.value.hint
    assert vault.tokens() == []
