"""`auth` against a local Spotify: logging in and out, what goes wrong, and the vault's key."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from test_vault import KEY, OTHER_KEY, make_token
from test_walk import ask

from spotify_hist.errors import RateLimited
from spotify_hist.faces.cli import attempt
from spotify_hist.faces.cli.main import run
from spotify_hist.sandbox import browser
from spotify_hist.sandbox.life import Life, live
from spotify_hist.sandbox.server import Sandbox
from spotify_hist.sources.spotify.limits import Limits
from spotify_hist.sources.spotify.oauth import LoopbackServer
from spotify_hist.sources.spotify.vault import Vault, stem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Capture = pytest.CaptureFixture[str]
NOW = datetime(2026, 1, 20, 18, tzinfo=UTC)


@pytest.fixture(scope="module")
def lives() -> dict[str, Life]:
    """Ten days of two invented listeners."""
    return {
        name: live(seed, start=NOW - timedelta(days=9), end=NOW + timedelta(days=1))
        for seed, name in enumerate(("anna", "ben"), start=21)
    }


@pytest.fixture
def spotify(
    lives: dict[str, Life], home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Sandbox]]:
    """Makes a local Spotify on the terms asked for, which the settings then point at."""
    made: list[Sandbox] = []

    def make(*, client_secret: str | None = None, unregistered: tuple[str, ...] = ()) -> Sandbox:
        sandbox = Sandbox(
            lives=lives,
            now=NOW,
            rotate_every=1,
            client_secret=client_secret,
            unregistered=unregistered,
        )
        made.append(sandbox.start())
        for name, value in {
            "CLIENT_ID": sandbox.client_id,
            "API_URL": sandbox.url,
            "ACCOUNTS_URL": sandbox.url,
            "HTTP_MAX_WAIT_S": "0.01",
            "HTTP_RETRIES": "0",
        }.items():
            monkeypatch.setenv(f"SPOTIFY_HIST_{name}", value)
        monkeypatch.setenv("NO_PROXY", "*")
        return sandbox

    yield make
    for sandbox in made:
        sandbox.close()


@pytest.fixture
def sandbox(spotify: Callable[..., Sandbox]) -> Sandbox:
    """A local Spotify that has nothing against anybody."""
    return spotify()


@pytest.fixture
def vault(home: Path) -> Vault:
    """The vault as another process sees it."""
    return Vault(home / "vault", None)


class Login(subprocess.Popen[str]):
    """A running `auth login --no-browser`, with options before it, and the link it showed."""

    def __init__(self, *options: str) -> None:
        super().__init__(
            [sys.executable, "-m", "spotify_hist", *options, "auth", "login", "--no-browser"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.stdout is not None
        self.link = self.stdout.readline().strip()

    def finish(self, pasted: str | None = None) -> tuple[int, str]:
        """(exit code, all it said)."""
        out, err = self.communicate(pasted, timeout=60)
        return self.returncode, out + err


def log_in(account: str = "anna") -> str:
    """A login by a pasted address, in a process of its own; what it said."""
    login = Login()
    code, said = login.finish(browser.agree(login.link, account) + "\n")
    assert code == 0, said
    return said


def account_ids(vault: Vault) -> list[str]:
    """Whose tokens can be read."""
    return [token.account.account_id for token in vault.tokens()]


def said_in_one_line(said: str) -> str:
    """The error, which is the last line and the only one of its kind."""
    assert said.count("Error:") == 1
    assert "Traceback" not in said
    return said.splitlines()[-1]


# Logging in ----------------------------------------------------------------------------------


def test_several_listeners_log_in_each_as_themselves(sandbox: Sandbox, capsys: Capture) -> None:
    """Each login is attached to a listener of its own, which is said, and each is polled."""
    said = [log_in("anna"), log_in("ben")]
    code, status, _ = ask(capsys, "auth", "status")
    assert code == 0
    names = [user["user"] for user in status["users"]]
    assert len(set(names)) == 2
    assert all(any(f"(listener '{name}')" in text for text in said) for name in names)
    assert {user["state"] for user in status["users"]} == {"ok"}
    code, polled, _ = ask(capsys, "poll")
    assert code == 0
    assert sorted(user["user"] for user in polled["users"]) == sorted(names)
    assert all(user["new"] > 0 for user in polled["users"])


def test_logging_in_again_renews_and_adds_nobody(
    sandbox: Sandbox, vault: Vault, capsys: Capture
) -> None:
    """One account is one login."""
    log_in()
    before = vault.tokens()[0].refresh_token
    log_in()
    assert len(vault.tokens()) == 1
    assert vault.tokens()[0].refresh_token != before
    assert len(ask(capsys, "auth", "status")[1]["users"]) == 1


def test_another_listeners_name_is_pointed_out(sandbox: Sandbox, capsys: Capture) -> None:
    """Whoever asks for a login as ben and is anna to Spotify should know."""
    log_in("anna")
    login = Login("--user", "ben")
    code, said = login.finish(browser.agree(login.link, "anna") + "\n")
    assert code == 0
    assert "not to 'ben'" in said


def test_declining_stores_nothing(sandbox: Sandbox, home: Path, vault: Vault) -> None:
    """The person said no at Spotify."""
    login = Login()
    browser.visit(browser.cancel(login.link))
    code, said = login.finish()
    assert code == 4
    assert "declined" in said_in_one_line(said)
    assert vault.tokens() == []
    assert not (home / "history.duckdb").exists()


def test_a_pasted_answer_to_another_link_is_refused(sandbox: Sandbox, vault: Vault) -> None:
    """The state is not this attempt's."""
    login = Login()
    address = browser.agree(login.link)
    code, said = login.finish(address.replace("state=", "state=x") + "\n")
    assert code == 4
    assert "not the answer to the link" in said_in_one_line(said)
    assert vault.tokens() == []


def test_a_foreign_call_at_the_login_port_is_passed_over(sandbox: Sandbox, vault: Vault) -> None:
    """Any page in the browser can call the port; the right answer still counts."""
    login = Login()
    address = browser.agree(login.link)
    browser.visit(address.replace("state=", "state=x"))
    browser.visit(address)
    code, said = login.finish()
    assert code == 0
    assert "still waiting" in said
    assert len(vault.tokens()) == 1


def test_a_listener_the_app_may_not_serve_is_not_stored(
    spotify: Callable[..., Sandbox], vault: Vault
) -> None:
    """The login itself succeeds; the first call tells (FACTS 2.6)."""
    spotify(unregistered=("ben",))
    login = Login()
    code, said = login.finish(browser.agree(login.link, "ben") + "\n")
    assert code == 4
    assert "User Management" in said_in_one_line(said)
    assert vault.tokens() == []
    log_in("anna")


def test_a_wrong_client_id_never_comes_back_and_the_note_says_what_to_compare(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spotify shows an error page and redirects to nobody."""
    monkeypatch.setenv("SPOTIFY_HIST_CLIENT_ID", "somebody-elses")
    login = Login()
    with pytest.raises(browser.PageRefused, match="INVALID_CLIENT"):
        browser.agree(login.link)
    assert login.stderr is not None
    note = next(line for line in login.stderr if "INVALID_CLIENT" in line)
    login.send_signal(signal.SIGINT)
    assert login.finish()[0] == 130
    assert "client id" in note
    assert "http://127.0.0.1/callback" in note


def test_a_login_nobody_answers_ends_and_says_what_to_compare(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The same for whoever did not read the note."""
    monkeypatch.setattr(attempt, "_PATIENCE_S", 0.0)
    assert run(["auth", "login", "--no-browser"]) == 4
    error = said_in_one_line(capsys.readouterr().err)
    assert "SPOTIFY_HIST_CLIENT_ID" in error
    assert "redirect URI http://127.0.0.1/callback" in error


def test_a_port_in_use_is_told_with_the_way_out(sandbox: Sandbox, capsys: Capture) -> None:
    """Before any link is shown."""
    with LoopbackServer() as taken:
        port = taken.redirect_uri.split(":")[2].split("/")[0]
        assert run(["auth", "login", "--no-browser", "--port", port]) == 2
    said = capsys.readouterr()
    assert "in use" in said_in_one_line(said.err)
    assert "--port" in said.err
    assert said.out == ""


def test_an_app_with_a_client_secret_logs_in_and_refreshes(
    spotify: Callable[..., Sandbox],
    vault: Vault,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    """The secret goes beside PKCE, and is shown nowhere."""
    sandbox = spotify(client_secret="s3cret-hush")
    monkeypatch.setenv("SPOTIFY_HIST_CLIENT_SECRET", "s3cret-hush")
    said = log_in()
    before = vault.tokens()[0].refresh_token
    sandbox.expire_access_tokens()
    code, _, err = ask(capsys, "poll")
    assert code == 0
    assert vault.tokens()[0].refresh_token != before
    assert "hush" not in said + err


def test_a_wrong_client_secret_is_a_matter_of_settings(
    spotify: Callable[..., Sandbox], vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables are named, the value is not."""
    spotify(client_secret="s3cret")
    monkeypatch.setenv("SPOTIFY_HIST_CLIENT_SECRET", "wrong-hush")
    login = Login()
    code, said = login.finish(browser.agree(login.link) + "\n")
    assert code == 2
    assert "SPOTIFY_HIST_CLIENT_SECRET" in said_in_one_line(said)
    assert "hush" not in said
    assert vault.tokens() == []


def test_no_link_is_shown_while_spotify_wants_no_calls(
    sandbox: Sandbox, home: Path, capsys: Capture
) -> None:
    """The login could not be brought to its end."""
    later = time.time() + 18_730
    error = RateLimited("Wait.", not_before_s=later)
    Limits(home / "limits", sandbox.client_id).remember("plays", error, later - 18_730)
    assert run(["auth", "login", "--no-browser"]) == 5
    said = capsys.readouterr()
    assert "in about 5 h 12 min" in said_in_one_line(said.err)
    assert said.out == ""
    assert sandbox.requests == []


def test_a_long_wait_met_by_one_poll_is_honoured_by_the_next(
    sandbox: Sandbox, capsys: Capture
) -> None:
    """Both end with 5; Spotify hears of the first alone (FACTS 4.2)."""
    log_in()
    sandbox.fail("/v1/me/player", 429, headers={"Retry-After": "18730"})
    code, polled, _ = ask(capsys, "poll")
    assert (code, polled["users"][0]["error"]["code"]) == (5, "rate_limited")
    asked = len(sandbox.requests)
    code, polled, said = ask(capsys, "poll")
    assert (code, polled["users"][0]["error"]["retryable"]) == (5, True)
    assert "in about 5 h 12 min" in said
    assert len(sandbox.requests) == asked


# How logins stand ----------------------------------------------------------------------------


def test_status_tells_each_state_apart(
    sandbox: Sandbox, vault: Vault, home: Path, capsys: Capture
) -> None:
    """Lasting, ending, ended and unreadable; the exit code is that of the login to repeat."""
    day, now = 86_400, time.time()
    fresh = replace(make_token("acc-1"), authorized_at=now)
    vault.save(fresh)
    assert ask(capsys, "auth", "status")[0] == 0
    vault.save(replace(make_token("acc-2"), authorized_at=now - 160 * day))
    code, status, said = ask(capsys, "auth", "status")
    assert (code, said) == (0, "")
    assert [user["state"] for user in status["users"]] == ["ok", "ends soon"]
    assert "auth login" in status["users"][1]["warning"]
    assert run(["auth", "status"]) == 0
    assert "Warning:" in capsys.readouterr().err

    vault.save(make_token("acc-3"))
    (home / "vault" / f"{stem_of('acc-3')}.token").write_bytes(b"damaged")
    code, status, said = ask(capsys, "auth", "status")
    assert code == 3
    assert status["users"][2]["state"] == "unreadable"
    assert status["users"][2]["error"]["code"] == "vault"
    assert "is damaged" in said

    vault.end(fresh, now, "The Spotify login has ended.")
    code, status, said = ask(capsys, "auth", "status")
    assert code == 4
    ended = next(user for user in status["users"] if user["account_id"] == "acc-1")
    assert (ended["state"], ended["days_left"], ended["scopes"]) == ("ended", 0, [])
    assert "log in to Spotify as Ada" in said
    assert set(ended) >= {
        "user", "account_id", "display_name", "state", "days_left", "ends_on", "scopes",
    }  # fmt: skip


def test_status_of_one_listener_leaves_the_others_out(
    sandbox: Sandbox, vault: Vault, capsys: Capture
) -> None:
    """As every command does with --user."""
    log_in("anna")
    vault.end(make_token("acc-9"), 0.0, "It has ended.")
    _, status, _ = ask(capsys, "auth", "status")
    names = {user["state"]: user["user"] for user in status["users"]}
    assert ask(capsys, "--user", names["ok"], "auth", "status")[0] == 0
    assert ask(capsys, "--user", names["ended"], "auth", "status")[0] == 4
    code, _, said = ask(capsys, "--user", "nobody", "auth", "status")
    assert code == 4
    assert "'nobody' is not logged in" in said


def test_a_revoked_login_is_remembered_until_the_listener_logs_in_again(
    sandbox: Sandbox, vault: Vault, capsys: Capture
) -> None:
    """Every run in between ends with 4 and names the listener and the command; the sealed token
    is kept meanwhile, as Spotify may be wrong."""
    log_in("anna")
    (user,) = ask(capsys, "auth", "status")[1]["users"]
    sandbox.revoke("anna")
    for command in (["poll"], ["poll"], ["auth", "status"]):
        code, _, said = ask(capsys, *command)
        assert code == 4
        assert "'spotify-hist auth login'" in said
        assert f"log in to Spotify as {user['display_name']}" in said
        assert "refused" in said
    (kept,) = vault.tokens()
    assert kept.refresh_token not in said
    log_in("anna")
    code, status, _ = ask(capsys, "auth", "status")
    assert (code, [each["state"] for each in status["users"]]) == (0, ["ok"])


# Logging out ---------------------------------------------------------------------------------


def test_logging_out_keeps_the_history(sandbox: Sandbox, home: Path, capsys: Capture) -> None:
    """The token is gone, every play stays, and the way to withdraw the access is told."""
    log_in()
    ask(capsys, "poll")
    _, before, _ = ask(capsys, "query", "recent", "--limit", "100")
    assert run(["auth", "logout"]) == 0
    assert "spotify.com/account/apps" in capsys.readouterr().err
    assert list((home / "vault").glob("*.token")) == []
    code, status, _ = ask(capsys, "auth", "status")
    assert (code, status) == (4, {"users": []})
    assert ask(capsys, "query", "recent", "--limit", "100")[1]["rows"] == before["rows"]
    assert len(before["rows"]) > 0
    assert run(["auth", "logout"]) == 4


def test_with_several_listeners_the_one_to_log_out_must_be_named(
    sandbox: Sandbox, vault: Vault, capsys: Capture
) -> None:
    """The names are in the hint; the other stays logged in."""
    log_in("anna")
    log_in("ben")
    names = [user["user"] for user in ask(capsys, "auth", "status")[1]["users"]]
    assert run(["auth", "logout"]) == 2
    said = capsys.readouterr().err
    assert all(f"'{name}'" in said for name in names)
    assert run(["--user", "nobody", "auth", "logout"]) == 2
    assert len(vault.tokens()) == 2
    assert run(["--user", names[0], "auth", "logout"]) == 0
    (left,) = ask(capsys, "auth", "status")[1]["users"]
    assert left["user"] == names[1]


@pytest.mark.parametrize("kind", ["ended", "unreadable"])
def test_a_login_of_no_use_can_be_logged_out_too(
    sandbox: Sandbox, vault: Vault, home: Path, capsys: Capture, kind: str
) -> None:
    """And is then no more asked for."""
    log_in()
    (token,) = vault.tokens()
    if kind == "ended":
        vault.end(token, 0.0, "It has ended.")
    else:
        (home / "vault" / f"{stem_of(token.account.account_id)}.token").write_bytes(b"")
    (state,) = ask(capsys, "auth", "status")[1]["users"]
    assert state["state"] == kind
    assert run(["--user", state["user"], "auth", "logout"]) == 0
    assert ask(capsys, "auth", "status")[1] == {"users": []}


# The key -------------------------------------------------------------------------------------


def test_polls_go_on_after_the_key_has_changed(
    sandbox: Sandbox, home: Path, capsys: Capture
) -> None:
    """Nobody has to log in again, and the old key is gone."""
    log_in("anna")
    log_in("ben")
    old = (home / "vault" / "key").read_text()
    assert run(["auth", "rotate-key"]) == 0
    said = capsys.readouterr()
    assert "2 logins sealed with the new key" in said.err
    new = (home / "vault" / "key").read_text()
    assert old not in new
    assert new not in said.err + said.out
    sandbox.expire_access_tokens()
    code, polled, _ = ask(capsys, "poll")
    assert (code, len(polled["users"])) == (0, 2)


@pytest.mark.parametrize("survived", range(4))
def test_a_change_of_the_key_that_breaks_off_locks_nobody_out(
    sandbox: Sandbox, vault: Vault, monkeypatch: pytest.MonkeyPatch, survived: int, capsys: Capture
) -> None:
    """Four files are replaced; whichever is the first that is not, everything still opens."""
    log_in("anna")
    vault.save(make_token("acc-2"))
    before = account_ids(vault)
    done: list[object] = []
    real = os.replace

    def stop(source: str, target: str) -> None:
        if len(done) == survived:
            raise KeyboardInterrupt
        done.append(target)
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        assert run(["auth", "rotate-key"]) == 130
    assert account_ids(vault) == before
    assert vault.unreadable() == []
    assert run(["auth", "rotate-key"]) == 0
    assert account_ids(vault) == before


def test_given_keys_are_changed_by_putting_the_new_one_in_front(
    sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """From the key file to a given key, from that to the next, each step told."""
    log_in()
    monkeypatch.setenv("SPOTIFY_HIST_TOKEN_KEY", KEY)
    capsys.readouterr()
    assert run(["auth", "rotate-key"]) == 0
    assert "key file of the vault is not needed any more" in capsys.readouterr().err
    assert not (home / "vault" / "key").exists()
    assert run(["auth", "rotate-key"]) == 0
    assert "put a new key in front" in capsys.readouterr().err
    monkeypatch.setenv("SPOTIFY_HIST_TOKEN_KEY", f"{OTHER_KEY},{KEY}")
    assert run(["auth", "rotate-key"]) == 0
    said = capsys.readouterr().err
    assert "1 login sealed with the new key" in said
    assert "remove the others" in said
    assert KEY not in said
    monkeypatch.setenv("SPOTIFY_HIST_TOKEN_KEY", OTHER_KEY)
    assert ask(capsys, "poll")[0] == 0


def test_a_login_no_key_opens_is_left_as_it_is_and_told(
    sandbox: Sandbox, vault: Vault, home: Path, capsys: Capture
) -> None:
    """Partly done where others were sealed, bad input where none was."""
    vault.save(make_token("acc-1"))
    vault.save(make_token("acc-2"))
    damaged = home / "vault" / f"{stem_of('acc-2')}.token"
    damaged.write_bytes(b"damaged")
    assert run(["auth", "rotate-key"]) == 6
    assert "auth status" in said_in_one_line(capsys.readouterr().err)
    vault.forget("acc-1")
    assert run(["auth", "rotate-key"]) == 3
    assert damaged.read_bytes() == b"damaged"
