"""The keys of the vault: several at once, moving from one to the next, and never locked out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from processes import Child
from test_vault import KEY, OTHER_KEY, make_token

from spotify_hist.errors import SettingsError, StorageFull, VaultError
from spotify_hist.sources.spotify.files import Folder
from spotify_hist.sources.spotify.vault import Rotation, Vault, stem_of

THIRD_KEY = "MjEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
NAMES = ["a", "b", "c"]


def filled(directory: Path, key: str | None) -> Vault:
    """A vault with three logins."""
    vault = Vault(directory, key)
    for name in NAMES:
        vault.save(make_token(name))
    return vault


def readable(directory: Path, key: str | None = None) -> list[str]:
    """Whose logins a new process opens."""
    return [token.account.account_id for token in Vault(directory, key).tokens()]


def opens(directory: Path, key: str) -> set[str]:
    """The accounts whose tokens this one key opens."""
    return {
        name
        for name in NAMES
        if (directory / f"{stem_of(name)}.token").exists()
        and _fits(Fernet(key), (directory / f"{stem_of(name)}.token").read_bytes())
    }


def _fits(cipher: Fernet, sealed: bytes) -> bool:
    from cryptography.fernet import InvalidToken

    try:
        cipher.decrypt(sealed)
    except InvalidToken:
        return False
    return True


def test_a_generated_key_is_changed_for_a_new_one(tmp_path: Path) -> None:
    """Every token is sealed anew; the old key opens nothing any more and is gone."""
    vault = filled(tmp_path, None)
    old = (tmp_path / "key").read_text()
    assert vault.rotate_key() == Rotation(resealed=3)
    new = (tmp_path / "key").read_text()
    assert old not in new
    assert opens(tmp_path, old) == set()
    assert opens(tmp_path, new) == set(NAMES)
    assert readable(tmp_path) == NAMES
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_keys_given_by_the_settings_are_tried_in_turn_and_the_first_one_seals(
    tmp_path: Path,
) -> None:
    """A new key in front of the old one opens all; only what is written again changes."""
    filled(tmp_path, OTHER_KEY)
    vault = Vault(tmp_path, f"{KEY}, {OTHER_KEY}\n")
    vault.save(make_token("b", "refresh-1"))
    assert opens(tmp_path, KEY) == {"b"}
    assert readable(tmp_path, f"{KEY} {OTHER_KEY}") == NAMES
    assert readable(tmp_path, KEY) == ["b"]
    assert len(Vault(tmp_path, KEY).unreadable()) == 2


def test_rotating_given_keys_makes_all_but_the_first_needless(tmp_path: Path) -> None:
    """And says so; a second time there is nothing left to do."""
    filled(tmp_path, OTHER_KEY)
    vault = Vault(tmp_path, f"{KEY},{THIRD_KEY},{OTHER_KEY}")
    assert vault.rotate_key() == Rotation(resealed=3, is_given=True, needless=2)
    assert readable(tmp_path, KEY) == NAMES
    assert Vault(tmp_path, KEY).rotate_key() == Rotation(is_given=True)
    assert not (tmp_path / "key").exists()


def test_a_given_key_takes_the_place_of_the_key_file(tmp_path: Path) -> None:
    """What the file's key sealed is opened with it, sealed anew, and the file goes away."""
    filled(tmp_path, None)
    assert readable(tmp_path, KEY) == NAMES
    rotation = Vault(tmp_path, KEY).rotate_key()
    assert rotation == Rotation(resealed=3, is_given=True, removed_file=True)
    assert not (tmp_path / "key").exists()
    assert readable(tmp_path, KEY) == NAMES


def test_a_key_file_stays_while_a_token_cannot_be_opened(tmp_path: Path) -> None:
    """Nothing that might still open it is thrown away."""
    vault = filled(tmp_path, None)
    (tmp_path / f"{stem_of('b')}.token").write_bytes(b"damaged")
    rotation = Vault(tmp_path, KEY).rotate_key()
    assert (rotation.resealed, rotation.unreadable) == (2, (stem_of("b"),))
    assert not rotation.removed_file
    assert (tmp_path / "key").exists()
    assert readable(tmp_path, KEY) == ["a", "c"]
    assert vault.unreadable() != []


def test_a_damaged_key_file_does_not_stop_a_given_key(tmp_path: Path) -> None:
    """It is needed for nothing there."""
    filled(tmp_path, KEY)
    (tmp_path / "key").write_bytes(b"odd")
    assert readable(tmp_path, KEY) == NAMES


def test_a_lost_key_is_no_reason_to_make_one_when_rotating(tmp_path: Path) -> None:
    """A new one would open none of the tokens, and hide that the old one is missing."""
    vault = filled(tmp_path, None)
    (tmp_path / "key").unlink()
    with pytest.raises(VaultError, match="is missing"):
        vault.rotate_key()
    assert not (tmp_path / "key").exists()


def test_rotating_an_empty_vault_is_no_error(tmp_path: Path) -> None:
    """There is nothing to seal."""
    assert Vault(tmp_path / "vault", None).rotate_key() == Rotation()
    assert readable(tmp_path / "vault") == []


@pytest.mark.parametrize("given", ["", " ,", f"{KEY},short", f"{KEY};{OTHER_KEY}"])
def test_each_given_key_must_be_one(tmp_path: Path, given: str) -> None:
    """One bad key among good ones would be found out too late."""
    with pytest.raises(SettingsError, match="SPOTIFY_HIST_TOKEN_KEY"):
        Vault(tmp_path, given)


class Killed(BaseException):
    """What a process that is killed never gets to see."""


# Five replacements and nothing else change the disk: key file, three tokens, key file.
@pytest.mark.parametrize("survived", range(5))
@pytest.mark.parametrize("after_it", [False, True])
def test_a_rotation_killed_at_any_step_leaves_every_login_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int, after_it: bool
) -> None:
    """Readable, writable, and the next rotation brings it to its end."""
    vault = filled(tmp_path, None)
    old = (tmp_path / "key").read_text()
    done: list[str] = []
    replace = os.replace

    def kill(source: str | Path, target: str | Path) -> None:
        if len(done) < survived:
            done.append(str(target))
            replace(source, target)
            return
        if after_it:
            replace(source, target)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", kill)
        patch.setattr(os, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            vault.rotate_key()
    assert readable(tmp_path) == NAMES
    Vault(tmp_path, None).save(make_token("b", "refresh-new"))
    assert readable(tmp_path) == NAMES
    assert Vault(tmp_path, None).rotate_key().unreadable == ()
    new = (tmp_path / "key").read_text()
    assert len(new.split()) == 1
    assert (opens(tmp_path, new), opens(tmp_path, old)) == (set(NAMES), set())


@pytest.mark.parametrize("survived", range(5))
def test_a_disk_that_fills_up_while_rotating_locks_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    """The error is the temporary one, and everything still opens."""
    vault = filled(tmp_path, None)
    synced: list[int] = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) > 2 * survived:  # each replacement syncs the file and its directory
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageFull):
            vault.rotate_key()
    assert readable(tmp_path) == NAMES
    assert not list(tmp_path.glob("*.tmp"))


def test_a_key_that_changes_while_a_token_is_read_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token was read under the old key, and the key when it was the new one already."""
    vault = filled(tmp_path, None)
    rotated: list[Rotation] = []
    read = Folder.read

    def read_and_rotate(folder: Folder, name: str) -> bytes | None:
        content = read(folder, name)
        if name.endswith(".token") and not rotated:
            rotated.append(Rotation())
            Vault(tmp_path, None).rotate_key()
        return content

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "read", read_and_rotate)
        loaded = vault.load("a")
    assert loaded == make_token("a")


def test_a_vault_that_cannot_be_written_is_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged login is told as such there too, not as trouble with a lock."""
    vault = filled(tmp_path, KEY)
    (tmp_path / f"{stem_of('b')}.token").write_bytes(b"damaged")

    def refuse(*_: object, **__: object) -> None:
        raise VaultError("The directory cannot be used: Read-only file system.")

    monkeypatch.setattr(Folder, "lock", refuse)
    assert [token.account.account_id for token in vault.tokens()] == ["a", "c"]
    assert "damaged" in vault.unreadable()[0].error.message


SAVE_ON_AND_ON = """
import sys, pathlib, itertools
sys.path.insert(0, sys.argv[1])
from test_vault import make_token, Vault
directory, name = pathlib.Path(sys.argv[2]), sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
for number in range(60):
    vault = Vault(directory, None)
    vault.save(make_token(name, f"refresh-{number}"))
    assert vault.load(name).refresh_token == f"refresh-{number}"
    if number % 20 == 7:
        vault.forget(name)
        assert vault.load(name) is None
print("done")
"""

ROTATE_ON_AND_ON = """
import sys, pathlib
from spotify_hist.sources.spotify.vault import Vault
vault = Vault(pathlib.Path(sys.argv[2]), None)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(25):
    assert vault.rotate_key().unreadable == ()
print("done")
"""


def test_keys_change_while_others_log_in_refresh_and_log_out(tmp_path: Path) -> None:
    """Two processes write logins and one changes the key: nobody's token is lost or comes back."""
    directory = tmp_path / "vault"
    tests = Path(__file__).parent
    with (
        Child(SAVE_ON_AND_ON, tests, directory, "a") as first,
        Child(SAVE_ON_AND_ON, tests, directory, "b") as second,
        Child(ROTATE_ON_AND_ON, tests, directory) as rotating,
    ):
        children = (first, second, rotating)
        assert [child.line() for child in children] == ["ready"] * 3
        for child in children:
            child.go_on()
        ends = [child.finish() for child in children]
    assert [(code, said.strip()) for code, said, _ in ends] == [(0, "done")] * 3, ends
    assert readable(directory) == ["a", "b"]
    assert len((directory / "key").read_text().split()) == 1
