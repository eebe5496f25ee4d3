"""Who may have what: tokens and their scopes, one listener's data, web origins, proxies."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import server_kit as kit
from cli_kit import process
from starlette.testclient import TestClient

from spotify_hist.analytics import catalogue
from spotify_hist.faces.server import app, caller, resources, serving, tools
from spotify_hist.faces.server.access import Keyring
from spotify_hist.faces.server.headers import address_of, network, origin_of
from spotify_hist.faces.server.tokens import TokenFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from spotify_hist.faces.server.guard import Guard
    from spotify_hist.faces.server.tokens import Reach

BASE = "http://127.0.0.1:8765"
ANNA, BEN = "Hyperballad", "Velvet Ghosts"
MCP = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Anna and Ben share a history; they have no artist in common."""
    folder = tmp_path_factory.mktemp("access")
    home = folder / "home"
    for name, plays in (("anna", kit.play), ("ben", _of_ben)):
        path = folder / f"Streaming_History_Audio_{name}.json"
        path.write_text(json.dumps([plays(number) for number in range(40)]), encoding="utf-8")
        arguments = ("--home", str(home), "--user", name, "import", str(path))
        assert process(*arguments).code == 0
    return home


def _of_ben(number: int) -> dict[str, object]:
    return kit.play(number) | {
        "master_metadata_track_name": BEN,
        "master_metadata_album_artist_name": "Benedicta",
        "master_metadata_album_album_name": "Bens Album",
        "spotify_track_uri": f"spotify:track:{99:022d}",
    }


class Door:
    """The app over the shared history, as serve-tools builds it, and its tokens."""

    def __init__(self, home: Path, tokens: Path, host: str, **environ: str) -> None:
        self.now = kit.NOW
        variables = {f"SPOTIFY_HIST_{name}": value for name, value in environ.items()}
        self.settings = kit.make_settings(home, variables)
        self.file = TokenFile(tokens, self._now)
        self.rules = serving._rules(
            kit.make_settings(tokens.parent, variables), host, host, self._now
        )

    def build(self) -> Guard:
        """The app anew, as a restart would make it."""
        return app.build(tools.Tools(self.settings, now=self._now), self.rules)

    def _now(self) -> datetime:
        return self.now

    def token(
        self, listener: str | None = None, reach: Reach = "tools", days: int | None = None
    ) -> dict[str, str]:
        """The header of a new token."""
        end = None if days is None else self.now + timedelta(days=days)
        _, secret = self.file.create("test", reach=reach, listener=listener, expires_at=end)
        return {"authorization": f"Bearer {secret}"}

    @contextmanager
    def client(self, headers: dict[str, str] | None = None) -> Iterator[TestClient]:
        """A caller with these headers; MCP works too."""
        with TestClient(self.build(), base_url=BASE, headers=headers) as client:
            yield client


@pytest.fixture
def door(home: Path, tmp_path: Path) -> Door:
    """On loopback, with no token yet."""
    return Door(home, tmp_path / "tokens", "127.0.0.1")


def rpc(client: TestClient, method: str, **params: object) -> dict[str, Any]:
    """One MCP request over HTTP, and its response."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = client.post("/mcp", json=body, headers=MCP)
    assert answer.status_code == 200, answer.text
    (line,) = [line for line in answer.text.splitlines() if line.startswith("data: {")]
    response: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return response


def test_loopback_is_open_for_the_tools_until_there_is_a_token(door: Door) -> None:
    """Then for nobody without one, and not again when the last one is revoked."""
    with door.client() as client:
        assert client.post("/tools/top_artists", json={"user": "anna"}).status_code == 200
        refused = client.get("/admin/api/tokens")
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "token_needed")
        assert "www-authenticate" in refused.headers
        token = door.token()
        assert client.get("/tools").status_code == 401
        assert client.get("/tools", headers=token).status_code == 200
        door.file.revoke("test")
        assert client.get("/tools", headers=token).json()["error"]["code"] == "wrong_token"
        assert client.get("/tools").status_code == 401
        assert client.get("/healthz").status_code == 200


def test_an_admin_token_alone_leaves_the_tools_of_this_machine_open(door: Door) -> None:
    """Nobody lost anything by it."""
    token = door.token(reach="admin")
    with door.client() as client:
        assert client.get("/tools").status_code == 200
        assert client.get("/tools", headers=token).status_code == 200
        assert client.get("/tools", headers={"authorization": "Bearer x"}).status_code == 401


def test_a_token_ends_without_a_restart(door: Door) -> None:
    """At the instant it was made for."""
    with door.client(door.token(days=1)) as client:
        assert client.get("/tools").status_code == 200
        door.now += timedelta(days=1)
        refused = client.get("/tools")
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "expired_token")


def test_each_token_and_each_address_has_requests_of_its_own(home: Path, tmp_path: Path) -> None:
    """Two tokens of one name are two; 429 says when to come back."""
    door = Door(home, tmp_path / "tokens", "127.0.0.1", SERVER_RATE_PER_MINUTE="2")
    first, second = door.token(), door.token()
    with door.client() as client:
        for headers in (first, second):
            answers = [client.get("/tools/x", headers=headers) for _ in range(3)]
            assert [each.status_code for each in answers] == [405, 405, 429]
            assert 1 <= int(answers[-1].headers["retry-after"]) <= 30
        assert [client.get("/tools/x").status_code for _ in range(3)] == [401, 401, 429]
        assert client.get("/tools/x", headers=first).status_code == 429


@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/api/tokens", "/admin/api/"])
def test_the_administration_opens_for_admin_tokens_alone(
    path: str, home: Path, tmp_path: Path
) -> None:
    """Behind that check nothing is there yet: 404."""
    door = Door(home, tmp_path / "tokens", "127.0.0.1", TOOLS_TOKEN="tools", ADMIN_TOKEN="admin")
    for token, status in (
        ({}, 401),
        ({"authorization": "Bearer tools"}, 403),
        (door.token(), 403),
        (door.token(listener="anna"), 403),
        ({"authorization": "Bearer admin"}, 404),
        (door.token(reach="admin"), 404),
    ):
        with door.client(token) as client:
            assert client.get(path).status_code == status


def test_damaged_tokens_let_nobody_in_who_is_not_named_by_the_settings(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """503 without a path in it; the person finds the path in the log."""
    door = Door(home, tmp_path / "tokens", "127.0.0.1", ADMIN_TOKEN="admin")
    token = door.token()
    (tmp_path / "tokens" / "tokens.json").write_text("{")
    with door.client() as client:
        for headers in ({}, token):
            answer = client.get("/tools", headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "vault")
            assert str(tmp_path) not in answer.text
        assert client.get("/tools", headers={"authorization": "Bearer admin"}).status_code == 200
    assert str(tmp_path) in caplog.text


def test_a_tied_token_sees_its_listener_in_every_question(door: Door) -> None:
    """Whatever is asked, over plain HTTP and over MCP, and `user` need not be given."""
    with door.client(door.token(listener="anna")) as client:
        for name in catalogue.names():
            tool = tools.find(name)
            arguments = kit.arguments_for(tool)
            answer = client.post(f"/tools/{name}", json=arguments)
            query = catalogue.load(name)
            called = rpc(client, "tools/call", name=tool.name, arguments=arguments)["result"]
            if query.is_household:
                assert (answer.status_code, called["isError"]) == (403, True), name
                assert "alone" in answer.json()["error"]["message"]
            else:
                assert answer.status_code == 200, answer.text
                assert answer.json()["params"]["user"] == "anna"
                assert called["structuredContent"]["params"]["user"] == "anna"
            for text in (answer.text, json.dumps(called)):
                assert BEN not in text
                assert "Bened" not in text
                assert '"ben"' not in text


def test_a_tied_token_does_not_learn_what_others_heard(door: Door) -> None:
    """Not even as "Did you mean", or by the difference between unknown and not played."""
    with door.client(door.token(listener="anna")) as client:
        for tool, name, value in (
            ("artist", "artist", "Benedicta"),
            ("artist", "artist", "Benedikta"),
            ("album", "album", "Bens Album"),
            ("track", "track", BEN),
            ("track", "track", f"spotify:track:{99:022d}"),
        ):
            answer = client.post(f"/tools/{tool}", json={name: value})
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (422, "not_found"), answer.text
            assert "Did you mean" not in error["hint"]
        for tool in ("search", "recent", "top_artists", "taste_summary"):
            arguments = {"text": "Ben"} if tool == "search" else {}
            assert "Ben" not in str(client.post(f"/tools/{tool}", json=arguments).json()["rows"])
    with door.client(door.token(listener="ben")) as client:
        assert client.post("/tools/artist", json={"artist": "Benedicta"}).status_code == 200


@pytest.mark.parametrize("user", ["ben", "nobody", "Anna", "", 5, True, ["ben"]])
def test_a_tied_token_may_not_name_another_listener(user: object, door: Door) -> None:
    """403 on both protocols, and no word about who else there is."""
    with door.client(door.token(listener="anna")) as client:
        for path, body in (
            ("/tools/recent", {"user": user}),
            ("/tools/call", {"tool": "history.recent", "args": {"user": user}}),
        ):
            answer = client.post(path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed")
            assert "ben" not in answer.text
        called = rpc(client, "tools/call", name="recent", arguments={"user": user})["result"]
        assert called["isError"] is True
        assert "ben" not in json.dumps(called)
        for own in ("anna", None):
            assert client.post("/tools/recent", json={"user": own}).status_code == 200


def test_a_tied_token_reads_nothing_that_tells_of_everyone(door: Door) -> None:
    """No free SQL, no account of the collecting, no list of listeners; the documents stay."""
    names = {name.replace("-", "_") for name in catalogue.names()}
    with door.client(door.token(listener="anna")) as client:
        for tool in tools.all_tools():
            if tool.name in names:
                continue
            answer = client.post(f"/tools/{tool.name}", json=kit.arguments_for(tool))
            assert answer.status_code == 403, tool.name
            called = rpc(client, "tools/call", name=tool.name, arguments={})
            assert called["result"]["isError"] is True
        for resource in resources.RESOURCES:
            read = rpc(client, "resources/read", uri=resource.uri)
            assert ("error" in read) is resource.uri.endswith("listeners"), resource.uri
            assert "ben" not in json.dumps(read).lower().replace("beneath", "")


def test_a_token_tied_to_somebody_who_is_gone_opens_nothing(door: Door) -> None:
    """And does not tell who is left."""
    with door.client(door.token(listener="carl")) as client:
        answer = client.post("/tools/recent")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed")
        assert "anna" not in answer.text
        assert "ben" not in answer.text


def test_answers_are_not_shared_between_tokens(door: Door) -> None:
    """What was worked out for one listener a moment ago is not what another is told."""
    anna, ben = door.token(listener="anna"), door.token(listener="ben")
    with door.client() as client:
        for _ in range(2):
            for token, user in ((anna, "anna"), (ben, "ben")):
                told = client.post("/tools/top_tracks", headers=token).json()
                assert told["params"]["user"] == user
                assert (BEN in str(told["rows"])) is (user == "ben")


def test_without_a_guard_in_front_the_app_answers_nobody(door: Door) -> None:
    """Who asks is told by the guard; where it did not, nothing is open."""
    with TestClient(door.build()._app, base_url=BASE) as client, pytest.raises(LookupError):
        client.post("/tools/recent", json={"user": "anna"})


@pytest.mark.parametrize("value", [b"Bearer", b"Bearer  ", b"", b"Basic x", b"\xff", b"Bearer a b"])
def test_a_header_that_is_no_token_of_ours_is_never_anybody(value: bytes) -> None:
    """Whatever it holds."""
    keyring = Keyring("tools")
    found = keyring.admit(keyring.caller([(b"authorization", value)]), "/tools")
    assert not isinstance(found, caller.Caller)
    twice = [(b"authorization", b"Bearer tools")] * 2
    assert not isinstance(keyring.admit(keyring.caller(twice), "/tools"), caller.Caller)


def test_cors_is_off_unless_an_origin_is_named(home: Path, tmp_path: Path) -> None:
    """Then that origin gets a preflight and readable answers, without cookies, and no other."""
    page = {"origin": "https://dash.example"}
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "x"}
    with Door(home, tmp_path / "tokens", "127.0.0.1").client() as client:
        assert client.options("/tools/recent", headers=page | ask).status_code == 403
    door = Door(
        home, tmp_path / "tokens", "127.0.0.1", SERVER_CORS_ORIGINS="https://dash.example, http://b"
    )
    with door.client() as client:
        before = client.options("/tools/recent", headers=page | ask)
        assert (before.status_code, before.content) == (204, b"")
        assert before.headers["access-control-allow-origin"] == "https://dash.example"
        assert "authorization" in before.headers["access-control-allow-headers"]
        assert before.headers["access-control-allow-methods"] == "GET, POST"
        asked = client.post("/tools/recent", json={"user": "anna"}, headers=page)
        wrong = client.post("/tools/nothing", headers=page)
        for answer in (before, asked, wrong):
            assert answer.headers["access-control-allow-origin"] == "https://dash.example"
            assert "origin" in answer.headers["vary"]
            assert "access-control-allow-credentials" not in answer.headers
        assert client.options("/tools/recent", headers=ask).status_code == 405
        for origin in ("https://dash.example:444", "http://dash.example", "null", "https://evil"):
            answer = client.options("/tools/recent", headers=ask | {"origin": origin})
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers


def test_a_proxys_name_is_a_host_and_an_origin(home: Path, tmp_path: Path) -> None:
    """Behind it others reach a loopback address, so that a token is asked for."""
    tokens = tmp_path / "tokens"
    name = "music.example,other.example:8443"
    door = Door(home, tokens, "127.0.0.1", SERVER_ALLOWED_HOSTS=name, TOOLS_TOKEN="t")
    token = {"authorization": "Bearer t"}
    with door.client(token) as client:
        for host, origin, status in (
            ("music.example", "https://music.example", 200),
            ("MUSIC.example", "http://music.example", 200),
            ("127.0.0.1:8765", "https://music.example", 200),
            ("other.example:8443", "https://other.example:8443", 200),
            ("other.example", "https://other.example:444", 403),
            ("music.example", "http://music.example:3000", 403),
            ("evil.example", "https://evil.example", 421),
        ):
            answer = client.get("/tools", headers={"host": host, "origin": origin})
            assert answer.status_code == status, (host, origin)
    with door.client() as client:
        assert client.get("/tools").status_code == 401


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "counted"),
    [
        ("10.0.0.1", "1.2.3.4", (), "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", ("10.0.0.0/8",), "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", ("10.0.0.0/8",), "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4, 10.0.0.9", ("10.0.0.0/8",), "1.2.3.4"),
        ("10.0.0.1", "not an address", ("10.0.0.0/8",), "10.0.0.1"),
        ("10.0.0.1", "", ("10.0.0.0/8",), "10.0.0.1"),
        ("9.9.9.9", "1.2.3.4", ("10.0.0.0/8",), "9.9.9.9"),
        ("::ffff:10.0.0.1", "1.2.3.4", ("10.0.0.0/8",), "1.2.3.4"),
        ("::1", "2001:db8:1:2:3:4:5:6", ("::1",), "2001:db8:1:2::/64"),
        ("", "1.2.3.4", ("10.0.0.0/8",), "unknown"),
    ],
)
def test_a_forwarded_address_counts_only_from_a_trusted_proxy(
    peer: str, forwarded: str, proxies: tuple[str, ...], counted: str
) -> None:
    """Anybody can write the header; the last hop that a trusted proxy saw is who asks."""
    trusted = [found for text in proxies if (found := network(text)) is not None]
    headers = [(b"x-forwarded-for", forwarded.encode())]
    assert address_of(peer, headers, trusted) == counted


def test_what_is_no_origin_is_none() -> None:
    """A path, a user, a star or another scheme."""
    for text in ("*", "null", "https://a/b", "https://u@a", "ftp://a", "https://", "a", "//a"):
        assert origin_of(text) is None
    assert origin_of("https://A.example") == ("https", "a.example", 443)
