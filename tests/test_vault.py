"""The token vault: encryption, permissions, crash safety, and one refresher at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from processes import Child

from spotify_hist import settings as settings_module
from spotify_hist.errors import SettingsError, StorageFull, Temporary, VaultError
from spotify_hist.model import Account
from spotify_hist.sandbox import browser
from spotify_hist.sandbox.life import live
from spotify_hist.sandbox.server import Sandbox
from spotify_hist.sources.spotify import oauth
from spotify_hist.sources.spotify.client import Spotify, login
from spotify_hist.sources.spotify.files import Folder
from spotify_hist.sources.spotify.vault import Ended, Token, Vault, stem_of

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
OTHER_KEY = "MTEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def make_token(account_id: str = "acc-1", refresh_token: str = "refresh-0") -> Token:
    """A token whose access part has long expired."""
    return Token(
        account=Account(account_id, "ada", "Ada"),
        client_id="client",
        refresh_token=refresh_token,
        access_token="access-0",
        expires_at=0.0,
        authorized_at=1_700_000_000.0,
        scopes=("user-read-recently-played",),
    )


def mode(path: Path) -> int:
    """The permission bits of a path."""
    return path.stat().st_mode & 0o777


def epoch(text: str) -> float:
    """Epoch seconds of an ISO instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_saved_token_comes_back_whole(tmp_path: Path) -> None:
    """Every field survives encryption, in this and in another Vault object."""
    token = make_token()
    Vault(tmp_path / "vault", KEY).save(token)
    assert Vault(tmp_path / "vault", KEY).load("acc-1") == token


def test_a_name_that_no_file_can_hold_is_mended_on_the_way_in(tmp_path: Path) -> None:
    """Half an emoji, as JSON may have it: the history could not take it, either."""
    account = Account("acc-1", "ada\udfff", "\ud83d x")
    Vault(tmp_path, KEY).save(replace(make_token(), account=account))
    loaded = Vault(tmp_path, KEY).load("acc-1")
    assert loaded is not None
    assert loaded.account == Account("acc-1", "ada\ufffd", "\ufffd x")


def test_an_empty_vault_has_no_tokens_and_makes_no_directory(tmp_path: Path) -> None:
    """Asking is no reason to create anything."""
    vault = Vault(tmp_path / "vault", None)
    assert (vault.tokens(), vault.load("acc-1")) == ([], None)
    assert not (tmp_path / "vault").exists()


def test_tokens_are_ordered_by_account_id(tmp_path: Path) -> None:
    """The order does not depend on file names."""
    vault = Vault(tmp_path, KEY)
    for name in ("b", "c", "a"):
        vault.save(make_token(name))
    assert [token.account.account_id for token in vault.tokens()] == ["a", "b", "c"]


def test_everything_belongs_to_the_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    """Directory 0700 and files 0600, even if the directory was there with open permissions."""
    directory = tmp_path / "vault"
    directory.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        Vault(directory, None).save(make_token())
    finally:
        os.umask(before)
    assert mode(directory) == 0o700
    names = {path.suffix or path.name for path in directory.iterdir()}
    assert names == {".token", ".lock", "key"}
    assert {mode(path) for path in directory.iterdir()} == {0o600}


def test_neither_file_content_nor_repr_shows_a_token(tmp_path: Path) -> None:
    """Tokens are sealed on disk and hidden in a repr."""
    token = make_token()
    Vault(tmp_path, KEY).save(token)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"refresh-0" not in content
    assert b"access-0" not in content
    assert b"Ada" not in content
    assert "refresh-0" not in repr(token)
    assert "access-0" not in repr(token)


@examples(deadline=None, max_examples=40)
@given(account_id=st.text(max_size=40) | st.sampled_from(["../../x", "/etc/passwd", "a\0b", ".."]))
def test_no_account_id_shapes_a_path(
    account_id: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the id, the vault's files stay in its directory and can be found again."""
    root = tmp_path_factory.mktemp("root")
    vault = Vault(root / "vault", KEY)
    vault.save(make_token(account_id))
    assert [path.name for path in root.iterdir()] == ["vault"]
    assert len(list((root / "vault").glob("*.token"))) == 1
    loaded = vault.load(account_id)
    assert loaded is not None
    assert loaded.account.account_id == account_id


def test_forgetting_removes_one_account_and_is_no_error_twice(tmp_path: Path) -> None:
    """The neighbour's token stays."""
    vault = Vault(tmp_path, KEY)
    vault.save(make_token("a"))
    vault.save(make_token("b"))
    vault.forget("a")
    vault.forget("a")
    assert [token.account.account_id for token in vault.tokens()] == ["b"]


@pytest.mark.parametrize("key", ["", "short", "!" * 44, KEY[:-1], KEY + KEY])
def test_a_key_that_is_no_fernet_key_is_refused_by_the_name_of_its_setting(
    tmp_path: Path, key: str
) -> None:
    """The message names the setting, not the key."""
    with pytest.raises(SettingsError, match="SPOTIFY_HIST_TOKEN_KEY") as caught:
        Vault(tmp_path, key)
    assert caught.value.hint
    assert not key or key not in caught.value.message


def test_a_wrong_key_names_the_remedy(tmp_path: Path) -> None:
    """Nothing but the right key opens a token; the file stays as it is."""
    Vault(tmp_path, KEY).save(make_token())
    with pytest.raises(VaultError) as caught:
        Vault(tmp_path, OTHER_KEY).load("acc-1")
    assert "SPOTIFY_HIST_TOKEN_KEY" in caught.value.hint
    assert "auth login" in caught.value.hint
    assert Vault(tmp_path, KEY).load("acc-1") == make_token()


def test_a_lost_key_file_is_never_silently_replaced_on_reading(tmp_path: Path) -> None:
    """Reading needs the old key; only a new login makes a new one."""
    vault = Vault(tmp_path, None)
    vault.save(make_token())
    (tmp_path / "key").unlink()
    with pytest.raises(VaultError, match="is missing"):
        vault.load("acc-1")
    assert not (tmp_path / "key").exists()
    vault.save(make_token(refresh_token="refresh-new"))
    loaded = vault.load("acc-1")
    assert loaded is not None
    assert loaded.refresh_token == "refresh-new"


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"gAAAAA", "ü".encode()])
def test_a_damaged_token_or_key_file_is_an_error_with_a_remedy(
    tmp_path: Path, damage: bytes
) -> None:
    """Damage is told apart from absence."""
    vault = Vault(tmp_path, None)
    vault.save(make_token())
    (file,) = tmp_path.glob("*.token")
    whole = file.read_bytes()
    file.write_bytes(damage)
    with pytest.raises(VaultError, match="damaged"):
        vault.load("acc-1")
    file.write_bytes(whole)
    (tmp_path / "key").write_bytes(damage)
    with pytest.raises(VaultError, match="damaged"):
        vault.load("acc-1")


def test_a_file_in_the_place_of_the_vault_is_moved_away(tmp_path: Path) -> None:
    """A mode of it would help nobody."""
    (tmp_path / "vault").touch()
    folder = Folder(tmp_path / "vault", "the logins")
    with pytest.raises(VaultError, match="Not a directory") as caught, folder.lock("x", 0, ""):
        pass
    assert "mv " in caught.value.hint
    assert "chmod" not in caught.value.hint


def test_a_damaged_token_stops_nobody_else_and_is_told_apart(tmp_path: Path) -> None:
    """The readable logins go on; the other is named by what can be made of its account id."""
    vault = Vault(tmp_path, KEY)
    vault.save(make_token("a"))
    vault.save(make_token("b"))
    (tmp_path / f"{stem_of('a')}.token").write_bytes(b"gAAAAA")
    assert [token.account.account_id for token in vault.tokens()] == ["b"]
    (broken,) = vault.unreadable()
    assert broken.stem == stem_of("a")
    assert "damaged" in broken.error.message
    vault.forget_file(broken.stem)
    assert vault.unreadable() == []


def test_an_ended_login_is_remembered_without_a_secret_until_the_next_one(tmp_path: Path) -> None:
    """The token is gone; that there was a login, whose, and why it ended stays (FACTS 2.4)."""
    vault, token = Vault(tmp_path, KEY), make_token()
    vault.save(token)
    vault.end(token, 5.0, "It has ended.")
    ended = Ended(token.account, 5.0, "It has ended.")
    assert vault.load("acc-1") is None
    assert (vault.tokens(), vault.ended(), vault.ending("acc-1")) == ([], [ended], ended)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"refresh-0" not in content
    assert b"access-0" not in content
    assert {mode(path) for path in tmp_path.iterdir()} == {0o600}
    vault.save(token)
    assert (vault.tokens(), vault.ended(), vault.ending("acc-1")) == ([token], [], None)
    assert list(tmp_path.glob("*.ended")) == []


def test_logging_out_forgets_an_ended_login_too(tmp_path: Path) -> None:
    """No later run asks that listener to log in again."""
    vault, token = Vault(tmp_path, KEY), make_token()
    vault.save(token)
    vault.end(token, 5.0, "It has ended.")
    vault.forget("acc-1")
    assert (vault.ended(), vault.ending("acc-1")) == ([], None)


@pytest.mark.parametrize("stops_at", ["replace", "remove"])
def test_a_crash_while_a_login_ends_leaves_a_trace_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops_at: str
) -> None:
    """Either the token is still there, to be refused again, or the marker is."""
    vault, token = Vault(tmp_path, KEY), make_token()
    vault.save(token)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Folder, stops_at, crash)
        with pytest.raises(KeyboardInterrupt):
            vault.end(token, 5.0, "It has ended.")
    assert (vault.tokens(), vault.ended()) == ([token], [])
    vault.end(token, 5.0, "It has ended.")
    assert (vault.tokens(), len(vault.ended())) == ([], 1)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"[" * 100_000, b"\xff"])
def test_a_damaged_marker_counts_as_none(tmp_path: Path, content: bytes) -> None:
    """It is a help for the person and must not stop anybody."""
    vault, token = Vault(tmp_path, KEY), make_token()
    vault.save(token)
    vault.end(token, 5.0, "It has ended.")
    (marker,) = tmp_path.glob("*.ended")
    marker.write_bytes(content)
    assert (vault.ended(), vault.ending("acc-1")) == ([], None)


def test_a_token_under_another_accounts_name_is_not_taken(tmp_path: Path) -> None:
    """A file copied over another account's does not log that account in."""
    vault = Vault(tmp_path, KEY)
    vault.save(make_token("a"))
    (a_file,) = tmp_path.glob("*.token")
    sealed = a_file.read_bytes()
    vault.forget("a")
    vault.save(make_token("b"))
    (b_file,) = tmp_path.glob("*.token")
    b_file.write_bytes(sealed)
    with pytest.raises(VaultError):
        vault.load("b")


def test_a_crash_before_the_rename_leaves_the_old_token_and_blocks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old token is intact, and a leftover file does not stop the next save."""
    vault = Vault(tmp_path, KEY)
    vault.save(make_token())
    leftover = next(tmp_path.glob("*.token")).with_suffix(".token.tmp")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        patch.setattr(os, "rename", crash)
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # a killed process tidies nothing
        with pytest.raises(KeyboardInterrupt):
            vault.save(make_token(refresh_token="refresh-lost"))
    assert leftover.exists()
    assert vault.load("acc-1") == make_token()
    leftover.write_bytes(b"x" * 10_000)
    vault.save(make_token(refresh_token="refresh-1"))
    loaded = vault.load("acc-1")
    assert loaded is not None
    assert loaded.refresh_token == "refresh-1"
    assert not leftover.exists()


def test_a_full_disk_keeps_the_old_token_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is the temporary one about space, and no half-written file stays."""
    vault = Vault(tmp_path, KEY)
    vault.save(make_token())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageFull):
            vault.save(make_token(refresh_token="refresh-lost"))
    assert vault.load("acc-1") == make_token()
    assert not list(tmp_path.glob("*.tmp"))


def test_a_vault_that_is_no_directory_is_an_error_not_an_empty_vault(tmp_path: Path) -> None:
    """A file in its place is told, for reading and for writing."""
    (tmp_path / "vault").write_text("")
    vault = Vault(tmp_path / "vault", KEY)
    for act in (vault.tokens, lambda: vault.load("a"), lambda: vault.save(make_token())):
        with pytest.raises(VaultError, match="cannot be used"):
            act()


def test_the_lock_keeps_others_out_until_its_deadline(tmp_path: Path) -> None:
    """A second holder gets a temporary error; another account's lock is free."""
    first, second = Vault(tmp_path, KEY), Vault(tmp_path, KEY)
    with first.lock("a"):
        with pytest.raises(Temporary, match="renewing") as caught, second.lock("a", wait_s=0):
            pass
        assert caught.value.retryable
        with second.lock("b", wait_s=0):
            pass
    with second.lock("a", wait_s=0):
        pass


def test_the_lock_is_reentrant_for_its_holder_only(tmp_path: Path) -> None:
    """Saving under one's own lock works; a thread sharing the Vault still has to wait."""
    vault = Vault(tmp_path, KEY)
    outcomes: list[str] = []

    def other_thread() -> None:
        try:
            with vault.lock("acc-1", wait_s=0):
                outcomes.append("entered")
        except Temporary:
            outcomes.append("kept out")

    with vault.lock("acc-1"):
        vault.save(make_token())
        thread = threading.Thread(target=other_thread)
        thread.start()
        thread.join()
        vault.forget("acc-1")
    assert outcomes == ["kept out"]
    assert vault.tokens() == []


@pytest.mark.parametrize(
    ("authorized", "ends"),
    [
        ("2026-07-23T10:00:00", "2027-01-23T10:00:00"),
        ("2026-08-31T10:00:00", "2027-02-28T10:00:00"),
        ("2027-08-31T10:00:00", "2028-02-29T10:00:00"),
        ("2026-12-31T23:59:59", "2027-06-30T23:59:59"),
    ],
)
def test_a_login_lasts_six_calendar_months(authorized: str, ends: str) -> None:
    """A day that the sixth month lacks becomes that month's last."""
    token = replace(make_token(), authorized_at=epoch(authorized))
    assert token.ends_at == epoch(ends)


def test_days_left_are_whole_days_rounded_down() -> None:
    """30 days before, on the last day, at the end and after it."""
    token = replace(make_token(), authorized_at=epoch("2026-06-01T12:00:00"))
    end = epoch("2026-12-01T12:00:00")
    day = 86_400
    lefts = [token.days_left(now) for now in (end - 30 * day, end - 30 * day + 1, end - 1, end)]
    assert lefts == [30, 29, 0, 0]
    assert token.days_left(end + 1) == -1


def test_listing_an_empty_vault_imports_no_heavy_module(tmp_path: Path) -> None:
    """Start-up of the commands that only look does not pay for cryptography."""
    code = (
        "import sys, pathlib; from spotify_hist.sources.spotify.vault import Vault; "
        "Vault(pathlib.Path(sys.argv[1]), None).tokens(); "
        "print([m for m in ('cryptography', 'httpx', 'pydantic') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


# Real processes ------------------------------------------------------------------------------


@contextmanager
def workers(count: int, code: str, *args: str) -> Iterator[list[subprocess.Popen[str]]]:
    """`count` Python processes that run `code`; each gets its number as the last argument."""
    running: list[subprocess.Popen[str]] = []
    try:
        for number in range(count):
            command = [sys.executable, "-c", code, *args, str(number)]
            pipe = subprocess.PIPE
            running.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def start_together(running: list[subprocess.Popen[str]]) -> list[list[str]]:
    """Wait until all have said a line, let them go at once, and give what each says then."""
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=60)[0].split() for process in running]


SAVE_ONE = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
from test_vault import make_token, Vault
import cryptography.fernet
print("ready", flush=True)
sys.stdin.readline()
vault = Vault(pathlib.Path(sys.argv[2]), None)
vault.save(make_token(sys.argv[3]))
print(len(vault.load(sys.argv[3]).scopes))
"""


def test_processes_that_start_together_agree_on_one_generated_key(tmp_path: Path) -> None:
    """One makes the key, the others read it whole: every token can be read afterwards."""
    directory = tmp_path / "vault"
    with workers(4, SAVE_ONE, str(Path(__file__).parent), str(directory)) as running:
        assert start_together(running) == [["1"]] * 4
    stored = [token.account.account_id for token in Vault(directory, None).tokens()]
    assert stored == ["0", "1", "2", "3"]


SAVE_FOREVER = """
import sys, pathlib, itertools
sys.path.insert(0, sys.argv[1])
from test_vault import make_token, Vault, KEY
vault = Vault(pathlib.Path(sys.argv[2]), KEY)
for number in itertools.count():
    vault.save(make_token("acc-1", f"refresh-{number}"))
    print(number, flush=True)
"""


def test_a_process_killed_while_saving_leaves_a_whole_token_and_no_lock(tmp_path: Path) -> None:
    """After kill -9 the token is the last announced one or the next, and saving goes on."""
    with workers(1, SAVE_FOREVER, str(Path(__file__).parent), str(tmp_path)) as (process,):
        assert process.stdout is not None
        announced = [process.stdout.readline() for _ in range(20)]
        process.kill()
        last = int([*announced, *process.stdout][-1])
    vault = Vault(tmp_path, KEY)
    loaded = vault.load("acc-1")
    assert loaded is not None
    assert loaded.refresh_token in {f"refresh-{last}", f"refresh-{last + 1}"}
    vault.save(make_token())
    assert vault.load("acc-1") == make_token()


REFRESH_FOREVER = """
import sys, time
from spotify_hist import settings
from spotify_hist.sources.spotify.client import Spotify
from spotify_hist.sources.spotify.vault import Vault
import cryptography.fernet
config = settings.load(sys.argv[1])
vault = Vault(config.vault, None)
with Spotify(config, vault, sys.argv[2], time.time) as spotify:
    print("ready", flush=True)
    while sys.stdin.readline():
        print(spotify.me().account_id, flush=True)
"""


def test_eight_processes_refreshing_a_rotating_token_at_once_never_use_a_dead_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call succeeds, nobody refreshes without need, and the last token is the live one."""
    with logged_in(home, monkeypatch, rotate_every=1) as (sandbox, vault, account_id):
        with ExitStack() as stack:
            children = [
                stack.enter_context(Child(REFRESH_FOREVER, home, account_id)) for _ in range(8)
            ]
            assert [child.line() for child in children] == ["ready"] * 8
            # A token of half a minute is renewed before each call, one of an hour once.
            for refreshes, lifetime_s in ((1, 3600), (2, 3600), (10, 30), (18, 30)):
                sandbox.accounts.token_lifetime_s = lifetime_s
                sandbox.expire_access_tokens()
                for child in children:
                    child.go_on()
                assert [child.line() for child in children] == [account_id] * 8
                assert sandbox.accounts.refreshes == refreshes
        assert vault.ended() == []
        with Spotify(settings_module.load(), vault, account_id, time.time) as spotify:
            assert spotify.me().account_id == account_id


DIE_AFTER_SAVING = """
import os, signal, sys, time
from spotify_hist import settings
from spotify_hist.sources.spotify.client import Spotify
from spotify_hist.sources.spotify.vault import Vault

saved = []
real_save = Vault.save

def save(vault, token):
    real_save(vault, token)
    saved.append(token)
    if len({each.refresh_token for each in saved}) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

Vault.save = save
config = settings.load(sys.argv[1])
with Spotify(config, Vault(config.vault, None), sys.argv[2], time.time) as spotify:
    spotify.me()
print("survived")
"""


def test_a_process_killed_between_renewing_a_token_and_using_it_loses_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spotify has ended the old refresh token by then; the new one is on disk (FACTS 2.5)."""
    with logged_in(home, monkeypatch, rotate_every=1) as (sandbox, vault, account_id):
        before = vault.tokens()[0].refresh_token
        sandbox.expire_access_tokens()
        with Child(DIE_AFTER_SAVING, home, account_id) as child:
            code, said, err = child.finish()
        assert (code, said) == (-9, ""), err
        assert vault.tokens()[0].refresh_token != before
        with Spotify(settings_module.load(), vault, account_id, time.time) as spotify:
            assert spotify.me().account_id == account_id
            sandbox.expire_access_tokens()
            assert spotify.me().account_id == account_id
        assert sandbox.accounts.refreshes == 2


@contextmanager
def logged_in(
    home: Path, monkeypatch: pytest.MonkeyPatch, *, rotate_every: int
) -> Iterator[tuple[Sandbox, Vault, str]]:
    """A local Spotify whose listener is logged in, the vault in `home`, and the account's id."""
    now = datetime.now(UTC)
    life = live(3, start=now - timedelta(days=1), end=now)
    with Sandbox(life, now=now, rotate_every=rotate_every) as sandbox:
        monkeypatch.setenv("SPOTIFY_HIST_API_URL", sandbox.url)
        monkeypatch.setenv("SPOTIFY_HIST_ACCOUNTS_URL", sandbox.url)
        monkeypatch.setenv("SPOTIFY_HIST_CLIENT_ID", sandbox.client_id)
        monkeypatch.setenv("NO_PROXY", "*")
        config = settings_module.load(home)
        vault = Vault(config.vault, None)
        attempt = oauth.Login.start(sandbox.url, sandbox.client_id, "http://127.0.0.1:9/callback")
        code = attempt.code_from(browser.agree(attempt.url))
        token = login(config, vault, attempt, code, time.time)
        yield sandbox, vault, token.account.account_id
