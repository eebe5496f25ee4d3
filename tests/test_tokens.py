"""The tokens of serve-tools: made once, kept as hashes, listed, revoked, and tied to a listener."""

from __future__ import annotations

import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import server_kit as kit
from cli_kit import process

from spotify_hist.errors import UsageError, VaultError
from spotify_hist.faces.server.tokens import PREFIX, TokenFile, digest_of

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 11, 1, 12, tzinfo=UTC)


class Clock:
    """The present, which a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path, clock: Clock) -> TokenFile:
    """No tokens yet."""
    return TokenFile(tmp_path / "tokens", clock)


def make(file: TokenFile, name: str = "claude", days: int | None = None) -> str:
    """The id of a new token."""
    end = None if days is None else file.now() + timedelta(days=days)
    return file.create(name, reach="tools", listener=None, expires_at=end)[0].token_id


def test_a_token_is_recognisable_random_and_kept_as_a_hash(file: TokenFile, tmp_path: Path) -> None:
    """256 bits behind a prefix; the file has its SHA-256, and only the owner reads it."""
    made, secret = file.create("claude", reach="tools", listener="anna", expires_at=None)
    _, other = file.create("claude", reach="tools", listener="anna", expires_at=None)
    assert secret != other
    assert secret.startswith(PREFIX)
    assert len(secret.removeprefix(PREFIX)) == 43
    assert made.digest == digest_of(secret.encode())
    for path in (tmp_path / "tokens").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert secret.removeprefix(PREFIX) not in path.read_text(encoding="utf-8")
    assert stat.S_IMODE((tmp_path / "tokens").stat().st_mode) == 0o700
    assert secret not in repr(made)
    assert made.digest.hex() not in repr(made)


def test_what_another_process_makes_or_revokes_is_known_at_once(
    file: TokenFile, tmp_path: Path, clock: Clock
) -> None:
    """A running server reads the file again when it has changed, and only then."""
    other = TokenFile(tmp_path / "tokens", clock)
    assert file.tokens() == ()
    first = make(other)
    known = file.tokens()
    assert [each.token_id for each in known] == [first]
    assert file.tokens() is known
    make(other, "second")
    assert [each.name for each in file.tokens()] == ["claude", "second"]
    other.revoke(first)
    assert [each.name for each in file.tokens()] == ["second"]


def test_an_id_revokes_one_token_and_a_name_all_of_that_name(file: TokenFile) -> None:
    """What is not known revokes nothing."""
    first, second, third = make(file), make(file), make(file, "phone")
    assert [each.token_id for each in file.revoke(first)] == [first]
    make(file)
    assert {each.name for each in file.revoke("claude")} == {"claude"}
    assert second not in {each.token_id for each in file.tokens()}
    assert [each.token_id for each in file.tokens()] == [third]
    assert file.revoke("nobody") == ()


@pytest.mark.parametrize("name", ["", "two words", "a/b", "0a1b2c3d", "x" * 65, "a\n"])
def test_a_name_that_could_be_misread_is_refused(name: str, file: TokenFile) -> None:
    """Names stand in logs, and beside ids in `revoke`."""
    with pytest.raises(UsageError, match="cannot be for"):
        make(file, name)


def test_a_token_ends_at_its_instant(file: TokenFile, clock: Clock) -> None:
    """Half-open like every period."""
    make(file, days=90)
    (token,) = file.tokens()
    assert not token.is_expired(START + timedelta(days=90, seconds=-1))
    assert token.is_expired(START + timedelta(days=90))
    with pytest.raises(UsageError, match="expired already"):
        make(file, days=0)


def test_tokens_follow_a_renamed_listener_and_go_with_a_removed_one(file: TokenFile) -> None:
    """Whoever takes over a name takes over no token."""
    file.create("a", reach="tools", listener="anna", expires_at=None)
    file.create("b", reach="tools", listener="ben", expires_at=None)
    make(file, "c")
    file.rename_listener("anna", "ann")
    assert [each.listener for each in file.tokens()] == ["ann", "ben", None]
    assert [each.name for each in file.revoke_listener("ann")] == ["a"]
    assert [each.name for each in file.tokens()] == ["b", "c"]


def test_the_day_of_the_last_use_is_written_once_a_day(
    file: TokenFile, tmp_path: Path, clock: Clock
) -> None:
    """No write a request, and no change of the file that every request looks at."""
    make(file)
    (token,) = file.tokens()
    writes = 0
    for _ in range(3):
        for _ in range(100):
            file.note_use(token)
            if file.has_new_uses:
                before = (tmp_path / "tokens" / "tokens.json").stat()
                file.write_uses()
                assert (tmp_path / "tokens" / "tokens.json").stat() == before
                writes += 1
        clock.now += timedelta(days=1)
    assert writes == 3
    assert [each.last_used_on for each in file.listed()] == [START.date() + timedelta(days=2)]
    file.revoke("claude")
    file.note_use(token)
    file.write_uses()
    assert json.loads((tmp_path / "tokens" / "used.json").read_bytes()) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"tokens": 5}',
        b'{"tokens": [{}]}',
        (
            b'{"tokens": [{"id": "a", "name": "b", "scope": "all", "listener": null, '
            b'"created_at": "2026-11-01T12:00:00Z", "expires_at": null, "sha256": ""}]}'
        ),
    ],
)
def test_a_damaged_file_is_an_error_and_never_no_tokens(
    content: bytes, file: TokenFile, tmp_path: Path
) -> None:
    """It could mean that nothing is asked for any more."""
    make(file)
    path = tmp_path / "tokens" / "tokens.json"
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(VaultError, match="damaged"):
            file.tokens()
    with pytest.raises(VaultError):
        make(file, "another")
    assert path.read_bytes() == content


def test_a_file_in_the_place_of_their_directory_is_said_to_be_one(
    file: TokenFile, tmp_path: Path
) -> None:
    """Nothing in it could be mended or removed."""
    (tmp_path / "tokens").touch()
    with pytest.raises(VaultError, match="is a file, and no directory"):
        file.tokens()


def test_tokens_made_at_the_same_time_are_all_kept(tmp_path: Path, clock: Clock) -> None:
    """The lock orders those who change the file."""

    def create(number: int) -> None:
        make(TokenFile(tmp_path / "tokens", clock), f"n{number}")

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {each.name for each in TokenFile(tmp_path / "tokens", clock).tokens()}
    assert names == {f"n{number}" for number in range(8)}


def test_the_command_prints_the_token_alone_and_once(home: Path) -> None:
    """So that it can be piped; what there is to say goes to stderr."""
    made = process("tokens", "create", "--for", "claude", "--expires", "90d")
    assert made.code == 0
    secret = made.out.strip()
    assert made.out == f"{secret}\n"
    assert secret.startswith(PREFIX)
    assert secret not in made.err
    assert "asks for a token" in made.err
    listed = process("tokens", "list", "--format", "json")
    (token,) = listed.json()["tokens"]
    assert (token["name"], token["scope"], token["state"]) == ("claude", "tools", "active")
    assert token["listener"] is token["last_used_on"] is None
    assert secret not in listed.out + process("tokens", "list").out
    gone = process("tokens", "revoke", token["id"])
    assert gone.out == f"Revoked {token['id']} for 'claude'.\n"
    assert "No token is left" in gone.err
    assert process("tokens", "list").out.startswith("No tokens yet")


def test_no_token_needs_the_database(home: Path) -> None:
    """They can be revoked while an import holds it, or where it is damaged."""
    home.mkdir()
    (home / "history.duckdb").write_bytes(b"damaged")
    assert process("tokens", "create", "--for", "a").code == 0
    assert process("tokens", "list").code == 0
    assert process("tokens", "revoke", "a").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create",), 2, "--for"),
        (("create", "--for", "two words"), 2, "claude-desktop"),
        (("create", "--for", "a", "--expires", "soon"), 2, "90d"),
        (("create", "--for", "a", "--expires", "0d"), 2, "expired already"),
        (("create", "--for", "a", "--expires", "99999d"), 0, "from now on"),
        (("create", "--for", "a", "--scope", "all"), 2, "--scope"),
        (("create", "--for", "a", "--listener", "x", "--scope", "admin"), 2, "one listener"),
        (("create", "--for", "a", "--listener", "me"), 3, "no listening history"),
        (("revoke", "nobody"), 2, "tokens list"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: tuple[str, ...], code: int, said: str, home: Path
) -> None:
    """One line, and nothing is made."""
    done = process("tokens", *arguments)
    assert done.code == code
    assert said in done.err.lower() or said in done.err
    assert (done.out == "") is (code != 0)


def test_a_token_is_tied_to_a_listener_who_exists(home: Path) -> None:
    """Renaming and removing a listener do not leave it behind."""
    kit.make_history(home)
    assert process("tokens", "create", "--for", "a", "--listener", "anna").code == 2
    assert process("tokens", "create", "--for", "a", "--listener", "me").code == 0
    assert process("--user", "me", "tokens", "create", "--for", "b").code == 0
    assert process("users", "rename", "me", "anna").code == 0
    listed = process("tokens", "list", "--format", "json").json()["tokens"]
    assert [each["listener"] for each in listed] == ["anna", "anna"]
    assert process("users", "remove", "anna", "--yes").code == 0
    assert process("tokens", "list", "--format", "json").json() == {"tokens": []}
