"""The sandbox logs people in, fails on demand and can be steered, all over real HTTP."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from spotify_hist.sandbox import faults
from spotify_hist.sandbox.accounts import REFRESH_LIFETIME
from spotify_hist.sandbox.app import (
    Reply,
    authorize_url,
    items_of,
    log_in,
    recently_played,
    refresh,
    request,
)
from spotify_hist.sandbox.browser import PageRefused, agree, cancel, visit
from spotify_hist.sandbox.life import Life, live
from spotify_hist.sandbox.recent import CALM
from spotify_hist.sandbox.server import Sandbox

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 2, 10, 12, tzinfo=UTC)
RECENT = "/v1/me/player/recently-played"


@pytest.fixture(scope="module")
def life() -> Life:
    """Two months of one listener."""
    return live(7, start=START, end=END)


@pytest.fixture
def sandbox(life: Life) -> Iterator[Sandbox]:
    """A running sandbox in the middle of that life."""
    with Sandbox(life, now=NOW) as running:
        yield running


@pytest.fixture
def calm(life: Life) -> Iterator[Sandbox]:
    """The same without the API's irregularities."""
    with Sandbox(life, now=NOW, quirks=CALM) as running:
        yield running


def _token(sandbox: Sandbox, account: str | None = None) -> str:
    return str(log_in(sandbox.url, account=account)["access_token"])


def _query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_a_person_logs_in_and_the_account_is_told(sandbox: Sandbox) -> None:
    """The whole PKCE dance over HTTP gives tokens that open /v1/me."""
    tokens = log_in(sandbox.url)
    assert tokens["expires_in"] == 3600
    assert tokens["scope"] == "user-read-recently-played"
    me = request(f"{sandbox.url}/v1/me", token=str(tokens["access_token"])).json
    assert len(str(me["account_id"])) == 22
    assert me["id"] == "listener"
    assert not {"email", "country", "product", "followers"} & set(me)


def test_a_code_is_good_once(sandbox: Sandbox) -> None:
    """The second exchange of a code is an invalid_grant."""
    verifier = secrets.token_urlsafe(48)
    code = _query_of(agree(authorize_url(sandbox.url, verifier=verifier)))["code"]
    first = _exchange(sandbox, code, verifier)
    second = _exchange(sandbox, code, verifier)
    assert (first.status, second.status) == (200, 400)
    assert second.json["error"] == "invalid_grant"


def test_a_wrong_verifier_is_refused_and_spends_the_code(sandbox: Sandbox) -> None:
    """PKCE is really checked."""
    verifier = secrets.token_urlsafe(48)
    code = _query_of(agree(authorize_url(sandbox.url, verifier=verifier)))["code"]
    wrong = _exchange(sandbox, code, "x" * 64)
    assert wrong.json["error_description"] == "code_verifier was incorrect"
    assert _exchange(sandbox, code, verifier).status == 400


def _exchange(sandbox: Sandbox, code: str, verifier: str) -> Reply:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": "http://127.0.0.1:9/callback",
        "client_id": "sandbox-client",
        "code_verifier": verifier,
    }
    return request(f"{sandbox.url}/api/token", form=form)


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://localhost:9/callback",
        "https://127.0.0.1:9/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://user@127.0.0.1:9/callback",
        "http://127.0.0.1:99999/callback",
        "ftp://[::1]/callback",
        "",
    ],
)
def test_only_loopback_addresses_are_redirected_to(sandbox: Sandbox, redirect_uri: str) -> None:
    """FACTS 2.2: `localhost` and everything else meets Spotify's error page."""
    with pytest.raises(PageRefused, match="INVALID_CLIENT: Invalid redirect URI"):
        agree(authorize_url(sandbox.url, verifier="v" * 64, redirect_uri=redirect_uri))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "[::1]:1234"])
def test_a_loopback_redirect_carries_code_and_state(sandbox: Sandbox, host: str) -> None:
    """Any port will do, and `state` comes back unchanged."""
    page = authorize_url(
        sandbox.url, verifier="v" * 64, redirect_uri=f"http://{host}/cb", state="a b&c"
    )
    back = agree(page)
    assert back.startswith(f"http://{host}/cb?")
    assert _query_of(back)["state"] == "a b&c"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_id": "other"}, "INVALID_CLIENT: Invalid client"),
        ({"response_type": "token"}, "response_type must be code"),
        ({"code_challenge_method": "plain"}, "code_challenge_method must be S256"),
        ({"code_challenge": "short"}, "code_challenge must be"),
    ],
)
def test_a_faulty_authorisation_request_never_reaches_the_app(
    sandbox: Sandbox, changes: dict[str, str], words: str
) -> None:
    """Its error is a page for the person, not a redirect."""
    assert request(authorize_url(sandbox.url, verifier="v" * 64)).status == 200
    query = _query_of(authorize_url(sandbox.url, verifier="v" * 64)) | changes
    refused = request(f"{sandbox.url}/authorize?{urlencode(query)}")
    assert refused.status == 400
    assert words in refused.text


def test_cancelling_sends_the_person_back_with_access_denied(sandbox: Sandbox) -> None:
    """Cancel is an answer too."""
    back = _query_of(cancel(authorize_url(sandbox.url, verifier="v" * 64, state="s")))
    assert back == {"error": "access_denied", "state": "s"}


def test_the_consent_page_escapes_what_it_is_given(sandbox: Sandbox) -> None:
    """A scope is text, never markup."""
    page = request(authorize_url(sandbox.url, verifier="v" * 64, scope="<script>x</script>"))
    assert "<script>" not in page.text


def test_visiting_follows_a_redirect_to_its_listener(sandbox: Sandbox) -> None:
    """`visit` fetches the address as a browser would."""
    assert "Agree as listener" in visit(authorize_url(sandbox.url, verifier="v" * 64))


def test_every_third_refresh_rotates_and_kills_the_old_token(sandbox: Sandbox) -> None:
    """FACTS 2.5: most answers have no refresh token; one that has it ends the old one."""
    token = str(log_in(sandbox.url)["refresh_token"])
    answers = [refresh(sandbox.url, token).json for _ in range(3)]
    assert ["refresh_token" in answer for answer in answers] == [False, False, True]
    dead = refresh(sandbox.url, token)
    assert dead.status == 400
    assert dead.json == {"error": "invalid_grant", "error_description": "Refresh token revoked"}
    assert refresh(sandbox.url, str(answers[2]["refresh_token"])).status == 200


def test_a_login_ends_after_six_months_however_often_it_is_refreshed(sandbox: Sandbox) -> None:
    """FACTS 2.3: rotation does not lengthen it."""
    sandbox.rotate_every = 1
    token = str(log_in(sandbox.url)["refresh_token"])
    sandbox.advance(NOW + REFRESH_LIFETIME - timedelta(seconds=1))
    token = str(refresh(sandbox.url, token).json["refresh_token"])
    sandbox.advance(NOW + REFRESH_LIFETIME)
    ended = refresh(sandbox.url, token).json
    assert ended["error_description"] == "Refresh token expired"


def test_revoking_ends_every_token_of_that_account_only(life: Life) -> None:
    """The person's "remove access" reaches access and refresh tokens at once."""
    with Sandbox(lives={"anna": life, "ben": life}, now=NOW) as sandbox:
        anna, ben = log_in(sandbox.url, account="anna"), log_in(sandbox.url, account="ben")
        sandbox.revoke("anna")
        me = f"{sandbox.url}/v1/me"
        assert request(me, token=str(anna["access_token"])).status == 401
        revoked = refresh(sandbox.url, str(anna["refresh_token"]))
        assert revoked.json["error_description"] == "Refresh token revoked"
        assert request(me, token=str(ben["access_token"])).json["id"] == "ben"


def test_two_listeners_have_their_own_histories(life: Life) -> None:
    """The token decides whose plays are told; the tracks are the same ones."""
    other = live(8, start=START, end=END)
    with Sandbox(lives={"anna": life, "ben": other}, now=NOW) as sandbox:
        anna = items_of(recently_played(sandbox.url, _token(sandbox, "anna"), limit=50))
        ben = items_of(recently_played(sandbox.url, _token(sandbox, "ben"), limit=50))
    assert {item["played_at"] for item in anna}.isdisjoint(item["played_at"] for item in ben)
    assert life.catalogue is other.catalogue


def test_a_secret_client_may_use_basic_authentication(life: Life) -> None:
    """With a secret configured, PKCE is optional and Basic credentials are checked."""
    with Sandbox(life, now=NOW, client_secret="s3cret") as sandbox:
        token = str(log_in(sandbox.url)["refresh_token"])
        form = {"grant_type": "refresh_token", "refresh_token": token}
        statuses = [
            request(
                f"{sandbox.url}/api/token",
                form=form,
                headers={"Authorization": f"Basic {b64encode(pair).decode()}"},
            ).status
            for pair in (b"sandbox-client:s3cret", b"sandbox-client:wrong")
        ]
    assert statuses == [200, 400]


def test_an_expired_or_unknown_token_is_a_json_401(sandbox: Sandbox) -> None:
    """Each with Spotify's words."""
    token = _token(sandbox)
    sandbox.expire_access_tokens()
    messages = [
        cast(Mapping[str, str], request(f"{sandbox.url}/v1/me", token=given).json["error"])[
            "message"
        ]
        for given in (token, "nonsense", None)
    ]
    assert messages == ["The access token expired", "Invalid access token", "No token provided"]


def test_without_the_scope_the_history_stays_closed(sandbox: Sandbox) -> None:
    """FACTS 4.4: insufficient scope is a 403 with that text."""
    token = str(log_in(sandbox.url, scope="user-read-private")["access_token"])
    reply = recently_played(sandbox.url, token)
    assert reply.status == 403
    assert faults.INSUFFICIENT_SCOPE in reply.text


def test_a_failure_comes_as_often_as_asked_and_only_there(sandbox: Sandbox) -> None:
    """Twice 503 on the player; /v1/me stays well."""
    token = _token(sandbox)
    sandbox.fail("/v1/me/player", 503, times=2)
    assert request(f"{sandbox.url}/v1/me", token=token).status == 200
    assert [recently_played(sandbox.url, token).status for _ in range(3)] == [503, 503, 200]


def test_a_failure_can_wait_for_a_later_request(sandbox: Sandbox) -> None:
    """`skip` lets the first ones pass: the third page fails."""
    token = _token(sandbox)
    sandbox.fail(RECENT, 502, skip=2)
    assert [recently_played(sandbox.url, token).status for _ in range(4)] == [200, 200, 502, 200]


def test_a_rate_limit_is_plain_text_with_retry_after(sandbox: Sandbox) -> None:
    """FACTS 4.1: not every 429 is JSON."""
    token = _token(sandbox)
    sandbox.fail(RECENT, 429, headers={"Retry-After": "79892"})
    reply = recently_played(sandbox.url, token)
    assert (reply.status, reply.headers["Retry-After"]) == (429, "79892")
    assert reply.headers["Content-Type"].startswith("text/plain")
    sandbox.fail(RECENT, 429, body=faults.QUOTA_EXCEEDED)
    error = cast(Mapping[str, str], recently_played(sandbox.url, token).json["error"])
    assert error["reason"] == "QUOTA_EXCEEDED"


def test_an_answer_can_be_broken_cut_short_or_missing(sandbox: Sandbox) -> None:
    """Bytes that are no JSON, fewer bytes than promised, and no answer at all."""
    token = _token(sandbox)
    sandbox.fail(RECENT, 200, body=b'{"items": [')
    assert recently_played(sandbox.url, token).text == '{"items": ['
    sandbox.fail(RECENT, 200, body=b'{"items": [', truncated=True)
    with pytest.raises((HTTPException, OSError)):
        recently_played(sandbox.url, token)
    sandbox.fail(RECENT, 0)
    with pytest.raises((HTTPException, OSError)):
        recently_played(sandbox.url, token)
    assert recently_played(sandbox.url, token).status == 200


def test_requests_are_logged_with_path_and_query(sandbox: Sandbox) -> None:
    """For assertions on what a client asked; control calls leave no trace."""
    token = _token(sandbox)
    sandbox.requests.clear()
    recently_played(sandbox.url, token, limit=50)
    request(f"{sandbox.url}/_sandbox/requests")
    (seen,) = sandbox.requests
    assert (seen.method, seen.path, dict(seen.query)) == ("GET", RECENT, {"limit": "50"})


def test_time_only_moves_forward_and_brings_new_plays(calm: Sandbox) -> None:
    """`advance` is how a test lets the listener live on."""
    token = _token(calm)
    before = items_of(recently_played(calm.url, token, limit=1))
    calm.advance(NOW + timedelta(days=2))
    later = items_of(recently_played(calm.url, token, limit=1))
    assert later[0]["played_at"] > before[0]["played_at"]
    with pytest.raises(ValueError, match="is before"):
        calm.advance(NOW)


def test_another_process_can_steer_it_over_http(sandbox: Sandbox, life: Life) -> None:
    """Advance, fail, revoke and the truth are all there as endpoints."""
    base = f"{sandbox.url}/_sandbox"
    tokens = log_in(sandbox.url)
    token = str(tokens["access_token"])
    later = NOW + timedelta(days=1)
    assert request(f"{base}/advance", body={"to": later.isoformat()}).status == 200
    assert sandbox.now == later
    told = cast(list[dict[str, object]], request(f"{base}/truth").json["plays"])
    assert len(told) == len(life.until(later))
    assert told[-1]["ms_played"] == life.until(later)[-1].ms_played
    request(f"{base}/fail", body={"path": "/v1/me", "status": 500})
    assert request(f"{sandbox.url}/v1/me", token=token).status == 500
    for is_denied, status in ((True, 400), (False, 200)):
        request(f"{base}/deny-renewals", body={"on": is_denied})
        assert refresh(sandbox.url, str(tokens["refresh_token"])).status == status
    request(f"{base}/revoke", body={"account": "listener"})
    assert refresh(sandbox.url, str(tokens["refresh_token"])).status == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("advance", {"to": "2026-02-11T00:00:00"}),
        ("advance", {"to": "2020-01-01T00:00:00Z"}),
        ("advance", {}),
        ("advance", []),
        ("fail", {"status": 500}),
        ("revoke", {"account": "nobody"}),
        ("deny-renewals", {}),
    ],
)
def test_senseless_control_calls_are_refused(sandbox: Sandbox, path: str, body: object) -> None:
    """A mistake in a test script shows at once."""
    assert request(f"{sandbox.url}/_sandbox/{path}", body=body).status == 400


def test_it_closes_although_a_client_keeps_its_connection(life: Life) -> None:
    """No thread is left waiting and the port is free again."""
    sandbox = Sandbox(life, now=NOW).start()
    port = urlsplit(sandbox.url).port
    assert port is not None
    client = HTTPConnection("127.0.0.1", port, timeout=5)
    client.request("GET", "/v1/me")
    assert client.getresponse().read()
    sandbox.close()
    client.close()
    with Sandbox(life, now=NOW, port=port) as again:
        assert request(f"{again.url}/v1/me").status == 401


def test_the_command_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """One JSON line, exports where asked, and a clean end on SIGTERM."""
    command = [sys.executable, "-m", "spotify_hist.sandbox", "--seed", "3", "--days", "12"]
    command += ["--exports", str(tmp_path), "--now", "2026-02-10T12:00:00+00:00"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = json.loads(process.stdout.readline())
        assert line["client_id"] == "sandbox-client"
        assert Path(line["exports"]["extended"]).is_file()
        assert log_in(line["url"])["token_type"] == "Bearer"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == b""
