"""The login: PKCE, the pasted address, the token endpoint's answers, the loopback server."""

from __future__ import annotations

import base64
import hashlib
import socket
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from spotify_hist.errors import (
    LoginNeeded,
    Offline,
    RateLimited,
    SettingsError,
    SpotifyHistError,
    UsageError,
)
from spotify_hist.model import Account
from spotify_hist.sources.spotify.http import Http
from spotify_hist.sources.spotify.oauth import (
    LIVE_SCOPES,
    SCOPES,
    Login,
    LoopbackServer,
    exchange,
    refresh,
)
from spotify_hist.sources.spotify.vault import Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNTS = "https://accounts.test"
NOW = 1_790_000_000.0
CODE = "AQBcode_that_nobody_may_see"
OLD = "AQCrefresh_that_nobody_may_see"
GRANTED = {
    "access_token": "BQDaccess_that_nobody_may_see",
    "refresh_token": "AQCnew_refresh_that_nobody_may_see",
    "expires_in": 3600,
    "scope": "user-top-read user-read-recently-played",
    "token_type": "Bearer",
}
TOKEN = Token(Account("acc", "ada", "Ada"), "client", OLD, "access-old", 0.0, 5.0, SCOPES)


class Endpoint:
    """A token endpoint that gives the prepared answers in turn and remembers what it got."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """The next answer."""
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def form(self) -> dict[str, str]:
        """The last posted form."""
        return {
            name: values[0] for name, values in parse_qs(self.requests[-1].content.decode()).items()
        }


@pytest.fixture
def http_to() -> Iterator[Callable[[Endpoint], Http]]:
    """Makes an Http that talks to an endpoint, never sleeps, and is closed at the end."""
    made: list[Http] = []

    def make(endpoint: Endpoint) -> Http:
        transport = httpx.MockTransport(endpoint)
        made.append(Http(5, 3, 60, lambda _: None, transport, clock=lambda: NOW))
        return made[-1]

    yield make
    for http in made:
        http.close()


def start() -> Login:
    """A fresh attempt."""
    return Login.start(ACCOUNTS + "/", "client", "http://127.0.0.1:9/callback")


def redirected(login: Login, **answer: str) -> str:
    """The address the browser ends up at; `state` is the right one unless given."""
    return f"{login.redirect_uri}?" + urlencode({"state": login.state, **answer})


def test_the_link_asks_for_a_code_with_pkce_and_least_scope() -> None:
    """The challenge is the S256 of the verifier (RFC 7636), and the verifier is not in the link."""
    login = start()
    parts = urlsplit(login.url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    digest = hashlib.sha256(login.verifier.encode()).digest()
    assert (parts.netloc, parts.path) == ("accounts.test", "/authorize")
    assert query == {
        "response_type": "code",
        "client_id": "client",
        "scope": "user-read-recently-played",
        "redirect_uri": "http://127.0.0.1:9/callback",
        "state": login.state,
        "show_dialog": "true",
        "code_challenge_method": "S256",
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
    }
    assert 43 <= len(login.verifier) <= 128
    assert login.verifier not in login.url
    assert login.verifier not in repr(login)


def test_every_attempt_has_its_own_state_and_verifier() -> None:
    """Two attempts share nothing."""
    first, second = start(), start()
    assert first.state != second.state
    assert first.verifier != second.verifier


def test_extra_scopes_are_asked_for_when_wanted() -> None:
    """Scopes are separated by blanks, as OAuth wants."""
    login = Login.start(ACCOUNTS, "client", "http://127.0.0.1:9/callback", SCOPES + LIVE_SCOPES)
    assert parse_qs(urlsplit(login.url).query)["scope"] == [
        "user-read-recently-played user-read-currently-playing user-top-read"
    ]


@pytest.mark.parametrize(
    "paste",
    [
        lambda url: url,
        lambda url: f"  '{url}'\n",
        lambda url: url[:40] + "\r\n  " + url[40:],
        lambda url: url.partition("?")[2],
        lambda url: "?" + url.partition("?")[2],
        lambda url: url + "#_=_",
        lambda url: f"<{url}>",
    ],
)
def test_the_code_is_found_however_the_address_was_pasted(paste: Callable[[str], str]) -> None:
    """Whole, quoted, wrapped by the terminal, only the query, with a fragment."""
    login = start()
    assert login.code_from(paste(redirected(login, code=CODE))) == CODE


@examples(deadline=None)
@given(text=st.text(max_size=200))
def test_no_text_but_the_answer_to_this_link_gives_a_code(text: str) -> None:
    """Whatever is pasted, it is the person's to try again, never a crash."""
    with pytest.raises(LoginNeeded):
        start().code_from(text)


def test_an_answer_to_another_link_is_refused_in_clear_words() -> None:
    """The state does not match: a forged address, or an older link."""
    login = start()
    for wrong in (redirected(start(), code=CODE), redirected(login, code=CODE, state="")):
        with pytest.raises(LoginNeeded, match="not the answer to the link") as caught:
            login.code_from(wrong)
        assert CODE not in caught.value.message + caught.value.hint


def test_a_doubled_state_is_refused() -> None:
    """An address that carries the parameter twice is not one Spotify made."""
    login = start()
    with pytest.raises(LoginNeeded):
        login.code_from(redirected(login, code=CODE) + f"&state={login.state}")


def test_declining_is_told_as_such() -> None:
    """The person said no."""
    login = start()
    with pytest.raises(LoginNeeded, match="You declined"):
        login.code_from(redirected(login, error="access_denied"))


def test_any_other_refusal_names_spotifys_word_for_it() -> None:
    """Only letters of it get through, so that nothing odd reaches the terminal."""
    login = start()
    with pytest.raises(LoginNeeded, match=r"Spotify refused the login \(server_error31m\)"):
        login.code_from(redirected(login, error="server_error\x1b[31m"))


def test_pasting_the_link_itself_explains_which_address_is_meant() -> None:
    """The commonest slip: the first address and not the last."""
    login = start()
    with pytest.raises(LoginNeeded, match="no login code") as caught:
        login.code_from(login.url)
    assert "after you agreed" in caught.value.hint


def test_the_code_is_traded_with_the_verifier_and_no_secret(
    http_to: Callable[[Endpoint], Http],
) -> None:
    """A public client proves itself by PKCE alone."""
    endpoint, login = Endpoint(httpx.Response(200, json=GRANTED)), start()
    grant = exchange(http_to(endpoint), login, CODE, None, NOW)
    assert str(endpoint.requests[0].url) == f"{ACCOUNTS}/api/token"
    assert endpoint.form == {
        "grant_type": "authorization_code",
        "code": CODE,
        "redirect_uri": login.redirect_uri,
        "client_id": "client",
        "code_verifier": login.verifier,
    }
    assert "Authorization" not in endpoint.requests[0].headers
    assert grant.refresh_token == GRANTED["refresh_token"]
    assert grant.expires_at == NOW + 3600
    assert grant.scopes == ("user-read-recently-played", "user-top-read")
    assert "nobody_may_see" not in repr(grant)


def test_a_client_secret_travels_in_the_header(http_to: Callable[[Endpoint], Http]) -> None:
    """HTTP Basic, as RFC 6749 2.3.1 prefers."""
    endpoint = Endpoint(httpx.Response(200, json=GRANTED))
    exchange(http_to(endpoint), start(), CODE, "s3cret", NOW)
    expected = base64.b64encode(b"client:s3cret").decode()
    assert endpoint.requests[0].headers["Authorization"] == f"Basic {expected}"
    assert "s3cret" not in endpoint.requests[0].content.decode()


def test_a_spent_code_asks_for_a_new_login(http_to: Callable[[Endpoint], Http]) -> None:
    """Codes live for minutes and work once."""
    endpoint = Endpoint(httpx.Response(400, json={"error": "invalid_grant"}))
    with pytest.raises(LoginNeeded, match="no longer accepts this login code"):
        exchange(http_to(endpoint), start(), CODE, None, NOW)


def test_an_unknown_app_is_a_matter_of_settings(http_to: Callable[[Endpoint], Http]) -> None:
    """The message names the variables to compare."""
    endpoint = Endpoint(httpx.Response(400, json={"error": "invalid_client"}))
    with pytest.raises(SettingsError) as caught:
        exchange(http_to(endpoint), start(), CODE, "wrong", NOW)
    assert "SPOTIFY_HIST_CLIENT_ID" in caught.value.hint


@pytest.mark.parametrize("refresh_token", [None, "", "absent"])
def test_a_login_without_a_refresh_token_is_incomplete(
    http_to: Callable[[Endpoint], Http], refresh_token: str | None
) -> None:
    """There would be nothing to go on with after an hour."""
    body = {**GRANTED, "refresh_token": refresh_token}
    if refresh_token == "absent":
        del body["refresh_token"]
    with pytest.raises(Offline, match="incomplete"):
        exchange(http_to(Endpoint(httpx.Response(200, json=body))), start(), CODE, None, NOW)


@pytest.mark.parametrize("answered", [{}, {"refresh_token": None}, {"refresh_token": ""}])
def test_a_refresh_answer_without_a_refresh_token_keeps_the_old_one(
    http_to: Callable[[Endpoint], Http], answered: dict[str, object]
) -> None:
    """FACTS 2.5: absent, null and empty all mean the same; scopes stay, an hour is assumed."""
    body = {"access_token": "access-new", **answered}
    endpoint = Endpoint(httpx.Response(200, json=body))
    grant = refresh(http_to(endpoint), ACCOUNTS + "/", TOKEN, None, NOW)
    assert endpoint.form == {
        "grant_type": "refresh_token",
        "refresh_token": OLD,
        "client_id": "client",
    }
    assert (grant.refresh_token, grant.access_token) == (OLD, "access-new")
    assert (grant.expires_at, grant.scopes) == (NOW + 3600, SCOPES)


def test_a_rotated_refresh_token_is_taken(http_to: Callable[[Endpoint], Http]) -> None:
    """FACTS 2.5: when there is a new one, the old one may be dead."""
    endpoint = Endpoint(httpx.Response(200, json=GRANTED))
    grant = refresh(http_to(endpoint), ACCOUNTS, TOKEN, None, NOW)
    assert grant.refresh_token == GRANTED["refresh_token"]


@pytest.mark.parametrize("status", [400, 401])
def test_invalid_grant_ends_the_login_without_another_try(
    http_to: Callable[[Endpoint], Http], status: int
) -> None:
    """FACTS 2.4: terminal, never retried."""
    body = {"error": "invalid_grant", "error_description": "Refresh token expired"}
    endpoint = Endpoint(httpx.Response(status, json=body))
    with pytest.raises(LoginNeeded, match="has ended"):
        refresh(http_to(endpoint), ACCOUNTS, TOKEN, None, NOW)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("answer", "expected", "tries"),
    [
        (httpx.Response(429, headers={"Retry-After": "7"}), RateLimited, 4),
        (httpx.Response(503, text="busy"), Offline, 4),
        (httpx.ConnectError("refused"), Offline, 4),
        (httpx.ReadTimeout(""), Offline, 1),
        (httpx.RemoteProtocolError(""), Offline, 1),
        (httpx.Response(200, text="<html>sign in to the Wi-Fi</html>"), Offline, 1),
        (httpx.Response(200, json={"access_token": 5}), Offline, 1),
        (httpx.Response(200, json={"access_token": "line\nbreak"}), Offline, 1),
        (httpx.Response(200, json=[]), Offline, 1),
        (httpx.Response(302, headers={"Location": "http://portal.test"}), Offline, 1),
        (httpx.Response(403, text="blocked"), Offline, 1),
        (httpx.Response(400, text="invalid_grant"), Offline, 1),
        (httpx.Response(400, json={"error": {"message": "invalid_grant"}}), Offline, 1),
        (httpx.Response(200, json={"error": "invalid_grant"}), Offline, 1),
    ],
)
def test_anything_but_invalid_grant_is_temporary(
    http_to: Callable[[Endpoint], Http],
    answer: httpx.Response | Exception,
    expected: type[SpotifyHistError],
    tries: int,
) -> None:
    """FACTS 2.4: none of these ends a login; a form that may have arrived goes out once."""
    endpoint = Endpoint(*[answer] * 4)
    with pytest.raises(expected) as caught:
        refresh(http_to(endpoint), ACCOUNTS, TOKEN, None, NOW)
    assert caught.value.retryable
    assert not isinstance(caught.value, LoginNeeded)
    assert len(endpoint.requests) == tries
    assert "nobody_may_see" not in f"{caught.value!r} {caught.value.hint}"


# The loopback server -------------------------------------------------------------------------


def fetch(url: str) -> httpx.Response:
    """What a browser gets, past any proxy of this environment."""
    with httpx.Client(trust_env=False) as client:
        return client.get(url)


def test_the_browsers_arrival_is_handed_over_whole() -> None:
    """The page says what to do, and neither caches nor refers; the URL keeps its query."""
    with LoopbackServer() as server:
        login = Login.start(ACCOUNTS, "client", server.redirect_uri)
        page = fetch(redirected(login, code=CODE))
        arrived = server.wait(5)
    assert arrived is not None
    assert login.code_from(arrived) == CODE
    assert page.status_code == 200
    assert "You can close this tab" in page.text
    assert CODE not in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "Python" not in page.headers["Server"]


@pytest.mark.parametrize(
    "path", ["/favicon.ico", "/", "/callback", "/callback/x?code=1", "/x?code=1"]
)
def test_other_requests_are_not_taken_for_the_answer(path: str) -> None:
    """A browser asks for icons and opens pages ahead."""
    with LoopbackServer() as server:
        base = server.redirect_uri.removesuffix("/callback")
        assert fetch(base + path).status_code == 404
        assert server.wait(0.01) is None


def test_nothing_of_the_request_is_written_anywhere(capfd: pytest.CaptureFixture[str]) -> None:
    """The request line holds the code."""
    with LoopbackServer() as server:
        fetch(f"{server.redirect_uri}?code={CODE}")
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")


def test_the_redirect_uri_is_a_loopback_address_with_the_chosen_port() -> None:
    """FACTS 2.2: `localhost` is refused by Spotify."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with LoopbackServer(port) as server:
        assert server.redirect_uri == f"http://127.0.0.1:{port}/callback"


def test_a_port_in_use_is_a_usage_error_with_a_way_out() -> None:
    """Another program has it."""
    with LoopbackServer() as first:
        port = int(first.redirect_uri.split(":")[2].split("/")[0])
        with pytest.raises(UsageError, match="in use") as caught:
            LoopbackServer(port)
    assert "--port" in caught.value.hint


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_out_of_range_is_a_usage_error(port: int) -> None:
    """Ports are 16 bits."""
    with pytest.raises(UsageError, match="not usable"):
        LoopbackServer(port)
