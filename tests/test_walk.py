"""The whole path with real HTTP: log in, poll, import, ask; and what happens when it goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import httpx
import pytest

from spotify_hist.faces.cli.main import run
from spotify_hist.sandbox import browser
from spotify_hist.sandbox.exports import write_exports
from spotify_hist.sandbox.life import Life, live
from spotify_hist.sandbox.server import Sandbox
from spotify_hist.store.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 20, 18, tzinfo=UTC)


@pytest.fixture(scope="session")
def life() -> Life:
    """Forty days of an invented listener."""
    return live(11, start=START, end=START + timedelta(days=40))


@pytest.fixture
def sandbox(life: Life) -> Iterator[Sandbox]:
    """A local Spotify in the middle of that life."""
    with Sandbox(life, now=NOW) as server:
        yield server


@pytest.fixture
def environment(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The settings of a home that talks to the sandbox, for this process and for children."""
    ours = {
        "SPOTIFY_HIST_HOME": str(tmp_path / "home"),
        "SPOTIFY_HIST_CLIENT_ID": sandbox.client_id,
        "SPOTIFY_HIST_API_URL": sandbox.url,
        "SPOTIFY_HIST_ACCOUNTS_URL": sandbox.url,
        "SPOTIFY_HIST_DATABASE_WAIT_S": "0.3",
        "SPOTIFY_HIST_HTTP_MAX_WAIT_S": "0.01",
        "SPOTIFY_HIST_HTTP_RETRIES": "0",
    }
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **ours}


class Login(subprocess.Popen[str]):
    """A running `auth login --no-browser` and the link it printed."""

    def __init__(self, environment: dict[str, str]) -> None:
        super().__init__(
            [sys.executable, "-m", "spotify_hist", "auth", "login", "--no-browser"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.stdout is not None
        self.link = self.stdout.readline().strip()

    def finish(self, pasted: str | None = None) -> tuple[int, str]:
        """(exit code, all it said)."""
        out, err = self.communicate(pasted, timeout=30)
        return self.returncode, out + err


@pytest.fixture
def logged_in(environment: dict[str, str]) -> dict[str, str]:
    """The same, with the listener logged in."""
    login = Login(environment)
    code, said = login.finish(browser.agree(login.link) + "\n")
    assert code == 0, said
    return environment


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    """(exit code, the JSON on stdout, stderr) of one command run in this process."""
    capsys.readouterr()
    code = run([*arguments, "--format", "json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


def test_a_pasted_address_logs_in(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The headless way: the link on a line of its own, the redirected address pasted back."""
    login = Login(environment)
    assert login.link.startswith(environment["SPOTIFY_HIST_ACCOUNTS_URL"] + "/authorize?")

    code, said = login.finish(browser.agree(login.link) + "\n")

    assert code == 0, said
    assert "Logged in as" in said
    code, status, _ = ask(capsys, "auth", "status")
    assert code == 0
    assert [user["state"] for user in status["users"]] == ["ok"]
    assert 175 <= status["users"][0]["days_left"] <= 184
    tokens = list((tmp_path / "home" / "vault").glob("*.token"))
    assert [path.stat().st_mode & 0o777 for path in tokens] == [0o600]


def test_the_browser_that_comes_back_logs_in(environment: dict[str, str]) -> None:
    """The ordinary way: the redirect reaches the loopback port."""
    login = Login(environment)

    page = browser.visit(browser.agree(login.link))
    code, said = login.finish()

    assert code == 0, said
    assert "close" in page.lower()


def test_a_listener_who_declines_gets_exit_code_4(environment: dict[str, str]) -> None:
    """Saying no at Spotify is said back, with the next step."""
    login = Login(environment)

    code, said = login.finish(browser.cancel(login.link) + "\n")

    assert code == 4
    assert "Error:" in said


def test_an_address_with_another_state_is_refused(environment: dict[str, str]) -> None:
    """A redirect that answers another link is no login."""
    login = Login(environment)

    code, said = login.finish("http://127.0.0.1:1/callback?code=x&state=other\n")

    assert code == 4
    assert "not the answer to the link" in said


def test_polls_and_imports_together_count_each_play_once(
    logged_in: dict[str, str],
    sandbox: Sandbox,
    life: Life,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Poll, import what overlaps, poll again: the history is the listener's true life."""
    code, first, _ = ask(capsys, "poll")
    assert code == 0
    assert set(first["users"][0]) >= {"user", "fetched", "new", "late", "gap", "error"}
    assert first["users"][0]["new"] > 40
    assert first["users"][0]["gap"] is None
    _, again, _ = ask(capsys, "poll")
    assert again["users"][0]["new"] == 0

    exports = write_exports(life, tmp_path / "exports", downloaded_at=NOW)
    for name in ("account_old", "extended", "account", "endsong"):
        code, receipt, said = ask(capsys, "import", str(exports[name]))
        assert code == 0, said
        counts = (receipt[key] for key in ("new", "upgraded", "duplicate", "rejected"))
        assert receipt["records"] == sum(counts)
    sandbox.advance(NOW + timedelta(hours=10))
    _, last, _ = ask(capsys, "poll")

    _, recent, _ = ask(capsys, "query", "recent", "--limit", "1000000")
    api_only = [row for row in recent["rows"] if row["sources"] == ["api"]]
    assert len(recent["rows"]) - len(api_only) == len(life.until(NOW))
    assert 0 < len(api_only) <= last["users"][0]["new"]
    played = [row["played_at"] for row in recent["rows"]]
    assert played == sorted(played, reverse=True)


def test_a_hole_between_polls_is_said_and_an_export_closes_it(
    logged_in: dict[str, str],
    sandbox: Sandbox,
    life: Life,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A full page that shares nothing with what is known proves a gap (FACTS 3.9)."""
    ask(capsys, "poll")
    sandbox.advance(NOW + timedelta(days=9))

    _, polled, _ = ask(capsys, "poll")

    gap = polled["users"][0]["gap"]
    assert gap is not None
    assert gap["after"] < gap["before"]
    _, answer, _ = ask(capsys, "query", "top-artists")
    assert any(note.startswith("At least") for note in answer["notes"])
    export = write_exports(life, tmp_path / "exports", downloaded_at=sandbox.now)["extended"]
    ask(capsys, "import", str(export))
    _, answer, _ = ask(capsys, "query", "top-artists")
    assert not any(note.startswith("At least") for note in answer["notes"])


def test_a_held_database_keeps_the_page_in_the_spool(
    logged_in: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a poll has fetched survives another program's lock and is committed later."""
    home = tmp_path / "home"
    script = (
        f"import duckdb, sys; c = duckdb.connect({str(home / 'history.duckdb')!r});"
        "print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    code, polled, said = ask(capsys, "poll")

    assert code == 5
    assert polled["users"][0]["error"]["code"] == "database_busy"
    assert str(holder.pid) in said
    assert len(list((home / "spool").glob("*.json"))) == 1
    holder.communicate("")
    code, _, _ = ask(capsys, "sync")
    assert code == 0
    assert list((home / "spool").glob("*.json")) == []
    _, recent, _ = ask(capsys, "query", "recent", "--limit", "100")
    assert len(recent["rows"]) > 40


def test_polls_go_on_while_the_server_answers(
    logged_in: dict[str, str], sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cron's poll and an assistant's question share one file, in processes of their own."""
    patient = {**logged_in, "SPOTIFY_HIST_DATABASE_WAIT_S": "30"}
    server = subprocess.Popen(
        [sys.executable, "-m", "spotify_hist", "serve-tools", "--port", "0"],
        env=patient,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        address = next(word for word in server.stderr.readline().split() if "http://" in word)
        fetched = 0
        for hours in (1, 2, 3):
            sandbox.advance(NOW + timedelta(hours=hours))
            polls = subprocess.Popen(
                [sys.executable, "-m", "spotify_hist", "poll", "--format", "json"],
                env=patient,
                stdout=subprocess.PIPE,
                text=True,
            )
            while polls.poll() is None:
                answer = httpx.post(f"{address}/tools/recent", json={"limit": 1000})
                assert answer.status_code == 200, answer.text
            assert polls.returncode == 0
            fetched += json.loads(polls.communicate()[0])["users"][0]["new"]
        rows = httpx.post(f"{address}/tools/recent", json={"limit": 1000}).json()["rows"]
        assert len(rows) == fetched > 40
    finally:
        server.terminate()
        server.communicate(timeout=20)
    assert server.returncode == 0


def test_an_import_commits_what_waits_in_the_spool_first(
    logged_in: dict[str, str], life: Life, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any collecting command takes in what an earlier one could not (DESIGN 2.1)."""
    home = tmp_path / "home"
    with Gate(home / "history.duckdb").writing(0, "another command"):
        code, _, said = ask(capsys, "poll")
    assert code == 5
    assert "another command" in said
    export = write_exports(life, tmp_path / "exports", downloaded_at=NOW, formats=["account"])

    code, receipt, _ = ask(capsys, "import", str(export["account"]))

    assert code == 0
    assert list((home / "spool").glob("*.json")) == []
    assert receipt["upgraded"] > 40


@pytest.mark.parametrize(
    ("status", "body", "headers", "code", "word"),
    [
        (429, "Too many requests", {"Retry-After": "79892"}, 5, "wait"),
        (503, "upstream", {}, 5, "Spotify"),
        (0, None, {}, 5, "Spotify"),
        (403, {"error": {"status": 403, "message": "Insufficient client scope"}}, {}, 4, "agree"),
        (
            403,
            "User not registered in the Developer Dashboard",
            {},
            4,
            "developer.spotify.com",
        ),
    ],
)
def test_a_refusal_of_spotify_has_its_exit_code_and_next_step(
    logged_in: dict[str, str],
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: Any,
    headers: dict[str, str],
    code: int,
    word: str,
) -> None:
    """Each failure of FACTS 4 ends in a message a person can act on."""
    sandbox.fail("/v1/me/player", status, body=body, headers=headers)

    found, polled, said = ask(capsys, "poll")

    assert found == code
    error = polled["users"][0]["error"]
    assert error["message"]
    assert error["hint"]
    assert word.lower() in said.lower()


def test_a_revoked_login_asks_for_a_new_one(
    logged_in: dict[str, str], sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """After `invalid_grant` the command to run is named."""
    sandbox.revoke()

    code, _, said = ask(capsys, "poll")

    assert code == 4
    assert "auth login" in said
    code, _, said = ask(capsys, "auth", "status")
    assert code == 4


def test_no_secret_reaches_the_database_or_the_output(
    logged_in: dict[str, str],
    sandbox: Sandbox,
    life: Life,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Tokens stay in the vault; addresses and user agents of the exports are dropped."""
    home = tmp_path / "home"
    sandbox.expire_access_tokens()
    ask(capsys, "poll")
    run(["-v", "sync"])
    exports = write_exports(life, tmp_path / "exports", downloaded_at=NOW)
    run(["-v", "import", str(exports["endsong"]), str(exports["extended"])])
    said = capsys.readouterr()
    from spotify_hist.sources.spotify.vault import Vault

    token = Vault(home / "vault", None).tokens()[0]
    with duckdb.connect(str(home / "history.duckdb")) as connection:
        connection.execute("checkpoint")
    stored = (home / "history.duckdb").read_bytes()
    for secret in (token.refresh_token, token.access_token, "203.0.113.", "Mozilla/"):
        assert secret.encode() not in stored
        assert secret not in said.out + said.err


def test_the_demo_walks_the_whole_path_and_leaves_one_folder(tmp_path: Path) -> None:
    """It counts each play once, asks four questions and names what it leaves."""
    home = tmp_path / "demo"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    before = set(tmp_path.iterdir())

    done = subprocess.run(
        [sys.executable, "-m", "spotify_hist", "--home", str(home), "demo"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Counted once" in done.stdout
    assert done.stdout.count("$ spotify-hist --home") == 4
    assert f"rm -r {home}" in done.stdout
    assert set(tmp_path.iterdir()) - before == {home}


def test_the_demo_refuses_a_folder_that_holds_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It must never mix an invented listener into a real history."""
    (tmp_path / "history.duckdb").write_bytes(b"")

    assert run(["--home", str(tmp_path), "demo"]) == 2
    assert "not empty" in capsys.readouterr().err
