"""The tools that ask Spotify at this moment, against the sandbox over real HTTP."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
import server_kit as kit
from starlette.testclient import TestClient

from spotify_hist.analytics.answers import Answer
from spotify_hist.errors import Forbidden, LoginNeeded, RateLimited, UsageError
from spotify_hist.faces.server import app, courtesy
from spotify_hist.faces.server.guard import Rules
from spotify_hist.faces.server.tools import Tools
from spotify_hist.model import Account
from spotify_hist.sandbox import personal
from spotify_hist.sandbox.answers import account_id
from spotify_hist.sandbox.app import log_in, request
from spotify_hist.sandbox.browser import agree, visit
from spotify_hist.sandbox.life import Life, live, to_ms
from spotify_hist.sandbox.server import DEFAULT_ACCOUNT, Sandbox
from spotify_hist.sources.spotify.limits import Limits
from spotify_hist.sources.spotify.oauth import LIVE_SCOPES, SCOPES
from spotify_hist.sources.spotify.vault import Token, Vault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 3, 1, tzinfo=UTC)
LIVE = {"now_playing", "spotify_search", "spotify_top"}


@pytest.fixture(scope="module")
def life() -> Life:
    """Two months of one listener."""
    return live(7, start=START, end=END)


@pytest.fixture(scope="module")
def listening(life: Life) -> datetime:
    """An instant within a play that Spotify shows."""
    for play in life.plays[len(life.plays) // 2 :]:
        moment = play.ended_at - timedelta(seconds=5)
        if personal.playing(life, to_ms(moment)) is play:
            return moment
    raise AssertionError("nobody ever listens")


@pytest.fixture
def sandbox(life: Life, listening: datetime) -> Iterator[Sandbox]:
    """Spotify, while the listener listens."""
    with Sandbox(life, now=listening) as running:
        yield running


def logged_in(
    home: Path, sandbox: Sandbox, scopes: tuple[str, ...] = SCOPES + LIVE_SCOPES
) -> Tools:
    """The tools of a home with a login of these rights, which goes by the sandbox's clock."""
    granted = log_in(sandbox.url, scope=" ".join(scopes))
    now = sandbox.now
    token = Token(
        account=Account(account_id(DEFAULT_ACCOUNT), DEFAULT_ACCOUNT, "Listener"),
        client_id=sandbox.client_id,
        refresh_token=str(granted["refresh_token"]),
        access_token=str(granted["access_token"]),
        expires_at=now.timestamp() + 3600,
        authorized_at=now.timestamp(),
        scopes=scopes,
    )
    Vault(home / "vault", None).save(token)
    return tools_at(home, sandbox)


def tools_at(home: Path, sandbox: Sandbox) -> Tools:
    """The tools of a home that asks the sandbox."""
    environ = {
        "SPOTIFY_HIST_API_URL": sandbox.url,
        "SPOTIFY_HIST_ACCOUNTS_URL": sandbox.url,
        "SPOTIFY_HIST_CLIENT_ID": sandbox.client_id,
    }
    return Tools(kit.make_settings(home, environ), now=lambda: sandbox.now)


def ask(tools: Tools, name: str, arguments: Mapping[str, object] | None = None) -> Answer:
    """The answer of a live tool, which is a table."""
    told = anyio.run(tools.call, name, dict(arguments or {}))
    assert isinstance(told, Answer)
    return told


def test_what_plays_now_is_told(
    tmp_path: Path, sandbox: Sandbox, life: Life, listening: datetime
) -> None:
    """Title, artists, album, how far, how long."""
    play = personal.playing(life, to_ms(listening))
    assert play is not None
    answer = ask(logged_in(tmp_path, sandbox), "now_playing")
    (told,) = answer.rows
    row = dict(zip((column.name for column in answer.columns), told, strict=True))
    assert row["track"] == play.title
    assert row["uri"] == play.uri
    assert row["is_playing"] is True
    assert row["progress_ms"] == to_ms(listening) - play.started_at_ms


def test_when_nothing_plays_that_is_told(tmp_path: Path, sandbox: Sandbox) -> None:
    """No row, and a note instead of an error."""
    tools = logged_in(tmp_path, sandbox)
    sandbox.advance(END + timedelta(minutes=30))
    answer = ask(tools, "now_playing")
    assert answer.rows == []
    assert answer.notes[0].startswith("Nothing is playing")


@pytest.mark.parametrize("span", ["month", "half-year", "year"])
@pytest.mark.parametrize("kind", ["artists", "tracks"])
def test_spotifys_own_ranking_is_told_in_its_order(
    kind: str, span: str, tmp_path: Path, sandbox: Sandbox, life: Life
) -> None:
    """As many as asked for."""
    terms = {"month": "short_term", "half-year": "medium_term", "year": "long_term"}
    asked = (life, to_ms(sandbox.now), terms[span])
    artists, tracks = personal.top_artists(*asked), personal.top_tracks(*asked)
    expected = [each.name for each in (artists if kind == "artists" else tracks)][:7]
    arguments = {"type": kind, "span": span, "limit": 7}
    answer = ask(logged_in(tmp_path, sandbox), "spotify_top", arguments)
    assert [row[1] for row in answer.rows] == expected
    assert [row[0] for row in answer.rows] == list(range(1, 8))


@pytest.mark.parametrize("kind", ["track", "artist", "album"])
def test_spotifys_catalogue_is_searched(
    kind: str, tmp_path: Path, sandbox: Sandbox, life: Life
) -> None:
    """With the rights that collecting needs, and no more."""
    track = next(play.track for play in life.plays if play.track)
    names = {"track": track.name, "artist": track.artists[0].name, "album": track.album.name}
    arguments = {"text": names[kind], "type": kind}
    answer = ask(logged_in(tmp_path, sandbox, SCOPES), "spotify_search", arguments)
    assert answer.rows
    assert all(str(row[-1]).startswith(f"spotify:{kind}:") for row in answer.rows)


@pytest.mark.parametrize(
    ("name", "scope"),
    [("now_playing", "user-read-currently-playing"), ("spotify_top", "user-top-read")],
)
def test_a_login_without_the_right_is_told_which_login_is_needed(
    name: str, scope: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    """Before Spotify is asked; HTTP answers 409."""
    tools = logged_in(tmp_path, sandbox, SCOPES)
    before = len(sandbox.requests)
    with pytest.raises(Forbidden, match=scope) as caught:
        ask(tools, name)
    assert "spotify-hist auth login --live" in caught.value.hint
    assert len(sandbox.requests) == before
    answer = TestClient(app.build(tools, Rules()), base_url="http://127.0.0.1").post(
        f"/tools/{name}"
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "forbidden")


def test_without_a_login_the_live_tools_are_not_listed(tmp_path: Path, sandbox: Sandbox) -> None:
    """And one that is asked all the same says what to do."""
    tools = tools_at(tmp_path, sandbox)
    assert not LIVE & {tool.name for tool in tools.present()}
    with pytest.raises(LoginNeeded, match="No listener is logged in"):
        ask(tools, "now_playing")
    tools = logged_in(tmp_path, sandbox)
    assert {tool.name for tool in tools.offered()} >= LIVE


def test_the_dotted_names_of_other_programs_mean_the_live_tools(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """Through /tools/call."""
    http = TestClient(app.build(logged_in(tmp_path, sandbox), Rules()), base_url="http://127.0.0.1")
    for name, query in (("spotify.get_top", "spotify-top"), ("spotify.search", "spotify-search")):
        args = {"text": "a"} if name.endswith("search") else {}
        answer = http.post("/tools/call", json={"tool": name, "args": args})
        assert (answer.status_code, answer.json()["query"]) == (200, query)


def test_a_limit_met_by_an_assistant_holds_up_no_collecting(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """It is noted for the live tools alone, without waiting."""
    tools = logged_in(tmp_path, sandbox)
    sandbox.terms = replace(sandbox.terms, rate_limit=1)
    ask(tools, "spotify_search", {"text": "a"})
    with pytest.raises(RateLimited):
        ask(tools, "spotify_search", {"text": "a"})
    limits = Limits(kit.make_settings(tmp_path).limits, sandbox.client_id)
    now = sandbox.now.timestamp()
    assert limits.not_before("live", now) is not None
    assert limits.not_before("plays", now) is None
    assert limits.not_before("details", now) is None


def test_assistants_may_ask_spotify_only_now_and_then(tmp_path: Path, sandbox: Sandbox) -> None:
    """The quota is for collecting plays."""
    tools = logged_in(tmp_path, sandbox)
    for _ in range(courtesy.PER_MINUTE):
        ask(tools, "spotify_search", {"text": "a"})
    before = len(sandbox.requests)
    with pytest.raises(RateLimited, match="within a minute"):
        ask(tools, "spotify_search", {"text": "a"})
    assert len(sandbox.requests) == before


def test_of_several_logins_one_must_be_named(tmp_path: Path, sandbox: Sandbox) -> None:
    """Nobody's plays are told in place of somebody else's."""
    tools = logged_in(tmp_path, sandbox)
    other = Token(
        account=Account("other", "other", "Other"),
        client_id=sandbox.client_id,
        refresh_token="r",
        access_token="a",
        expires_at=0.0,
        authorized_at=sandbox.now.timestamp(),
        scopes=SCOPES + LIVE_SCOPES,
    )
    Vault(tmp_path / "vault", None).save(other)
    with pytest.raises(UsageError, match="Several listeners") as caught:
        ask(tools, "now_playing")
    assert "Listener" in caught.value.hint


@pytest.mark.parametrize(("options", "scopes"), [([], SCOPES), (["--live"], SCOPES + LIVE_SCOPES)])
def test_only_a_login_for_assistants_asks_for_their_rights(
    options: list[str], scopes: tuple[str, ...], tmp_path: Path, sandbox: Sandbox
) -> None:
    """Nobody gives more than they mean to."""
    environ = kit.clean_environment(
        SPOTIFY_HIST_API_URL=sandbox.url,
        SPOTIFY_HIST_ACCOUNTS_URL=sandbox.url,
        SPOTIFY_HIST_CLIENT_ID=sandbox.client_id,
    )
    with subprocess.Popen(
        kit.command(tmp_path, "auth", "login", "--no-browser", *options),
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        visit(agree(process.stdout.readline().strip()))
        assert process.wait(60) == 0
    (token,) = Vault(tmp_path / "vault", None).tokens()
    assert set(token.scopes) == set(scopes)


@pytest.mark.parametrize("path", ["me/player/currently-playing", "me/top/artists", "me/top/tracks"])
def test_the_sandbox_holds_to_the_rights_of_a_login(path: str, sandbox: Sandbox) -> None:
    """As Spotify does: 403 where a right is missing."""
    refused = log_in(sandbox.url, scope=" ".join(SCOPES))
    answer = request(f"{sandbox.url}/v1/{path}", token=str(refused["access_token"]))
    assert answer.status == 403
    granted = log_in(sandbox.url, scope=" ".join(SCOPES + LIVE_SCOPES))
    answer = request(f"{sandbox.url}/v1/{path}", token=str(granted["access_token"]))
    assert answer.status == 200
