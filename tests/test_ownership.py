"""Whose the files are: after one run as root, and a key that others can read."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_kit import Done, process
from conftest import NOW
from household import Household, household
from test_vault import KEY, make_token

from spotify_hist import ownership, warn
from spotify_hist import settings as settings_module
from spotify_hist.collect.turns import turn
from spotify_hist.errors import BadInput, RateLimited, VaultError
from spotify_hist.private_files import open_private
from spotify_hist.sources.spotify.files import Folder
from spotify_hist.sources.spotify.limits import Limits
from spotify_hist.sources.spotify.vault import Vault, stem_of, vault_of

if TYPE_CHECKING:
    from collections.abc import Iterator

UID, GID = 1234, 4321
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A home of somebody else's, as root finds it; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "theirs"
        path.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(path, UID, GID)
        yield path


def owners(folder: Path) -> dict[str, tuple[int, int]]:
    """Whose everything below a folder is, where it is not the one's it should be."""
    found = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {
        name: (each.st_uid, each.st_gid)
        for name, each in found.items()
        if (each.st_uid, each.st_gid) != (UID, GID)
    }


def as_them(*arguments: str, **variables: str) -> Done:
    """Run a command as whoever the home belongs to."""
    code = f"import os; os.setgroups([]); os.setgid({GID}); os.setuid({UID})\n"
    code += "import sys; from spotify_hist.faces.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def living(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Household]:
    """Somebody's home with a login, in a sandbox."""
    with household(theirs / "home", "anna") as home:
        (token,) = home.vault.tokens()
        home.vault.save(replace(token, authorized_at=time.time(), expires_at=0.0))
        for name, value in {**home.environment, "NO_PROXY": "*"}.items():
            monkeypatch.setenv(name, value)
        yield home


# Root in somebody's home ---------------------------------------------------------------------


@needs_root
def test_everything_that_root_makes_in_a_home_is_its_owners(living: Household) -> None:
    """`sudo spotify-hist sync` once, and the owner's own timer goes on."""
    theirs = living.settings.data_dir.parent
    assert owners(theirs) == {}
    assert process("sync").code == 0
    assert process("users", "pause", "anna").code == 0
    assert process("users", "resume", "anna").code == 0
    assert process("auth", "rotate-key").code == 0
    for form in ("csv", "parquet", "listenbrainz"):
        assert process("export", str(theirs / form), "--format", form).code == 0
    assert owners(theirs) == {}
    living.sandbox.expire_access_tokens()
    done = as_them("sync")
    if "No module named" in done.err or "Permission denied: '/" in done.err:
        pytest.skip("this Python cannot be run by others")
    assert done.code == 0, done.err
    assert owners(theirs) == {}


@needs_root
def test_a_file_that_root_had_left_is_given_back_when_it_is_replaced(theirs: Path) -> None:
    """Token, key and lock alike; what belongs to a third person stays theirs."""
    vault = Vault(theirs / "vault", None)
    vault.save(make_token())
    names = [f"{stem_of('acc-1')}.token", f"{stem_of('acc-1')}.lock", "key", "key.lock"]
    for name in names:
        os.chown(theirs / "vault" / name, 0, 0)
    vault.save(make_token())
    vault.rotate_key()
    assert owners(theirs) == {}
    token = theirs / "vault" / names[0]
    os.chown(token, UID + 1, GID + 1)
    vault.save(make_token(refresh_token="refresh-1"))
    assert owners(theirs) == {f"vault/{names[0]}": (UID + 1, GID + 1)}


@needs_root
def test_limits_and_turns_are_the_owners(theirs: Path) -> None:
    """Every file of ours that root makes."""
    Limits(theirs / "limits", "client").remember(
        "plays", RateLimited("Wait.", not_before_s=NOW.timestamp() + 60), NOW.timestamp()
    )
    settings = settings_module.load(theirs / "home", {})
    with turn(settings, "poll"):
        pass
    assert owners(theirs) == {}


@needs_root
def test_a_file_with_a_second_name_is_not_given_away(theirs: Path, tmp_path: Path) -> None:
    """It may be a system's file that somebody linked into their home."""
    secret = tmp_path / "secret"
    secret.write_text("of root")
    os.link(secret, theirs / "key.lock")
    (theirs / "link.lock").symlink_to(secret)
    for name in ("key.lock", "link.lock"):
        os.close(open_private(theirs / name, os.O_RDWR))
        ownership.give_path(theirs / name)
    assert secret.stat().st_uid == 0


def test_nobody_but_root_gives_anything_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls are not even made."""
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is given away")

    monkeypatch.setattr(os, "chown", refuse)
    monkeypatch.setattr(os, "fchown", refuse)
    Folder(tmp_path / "vault", "logins").replace("x", b"")
    ownership.give_path(tmp_path / "vault" / "x")
    assert (tmp_path / "vault" / "x").read_bytes() == b""


def test_the_mode_of_what_is_replaced_stays_the_owners_alone(tmp_path: Path) -> None:
    """Whatever it was: a token is nobody else's."""
    folder = Folder(tmp_path, "logins")
    folder.replace("x", b"1")
    (tmp_path / "x").chmod(0o640)
    folder.replace("x", b"2")
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600


# Errors name the file ------------------------------------------------------------------------


@needs_root
def test_a_file_of_root_is_named_with_the_command_that_gives_it_back(living: Household) -> None:
    """Not the folder, which is the owner's."""
    vault = living.settings.vault
    (token,) = vault.glob("*.token")
    history = living.settings.database
    for path in (token, vault / "key", history, living.settings.spool / ".poll.turn"):
        if path.name == ".poll.turn":
            assert process("poll").code == 0
        before = path.stat()
        os.chown(path, 0, 0)
        path.chmod(0o600)
        done = as_them("poll")
        if "No module named" in done.err:
            pytest.skip("this Python cannot be run by others")
        assert done.code == 3, done.err
        assert f"{path}" in done.err
        assert f"sudo chown {UID} {path}" in done.err
        assert "Traceback" not in done.err
        os.chown(path, before.st_uid, before.st_gid)


def test_what_a_killed_run_of_root_left_half_written_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be opened, but removed: the folder is ours."""
    folder = Folder(tmp_path, "logins")
    (tmp_path / "x.tmp").write_bytes(b"half")
    inode = (tmp_path / "x.tmp").stat().st_ino
    (tmp_path / "keep").hardlink_to(tmp_path / "x.tmp")
    folder.replace("x", b"whole")
    assert (tmp_path / "x").stat().st_ino != inode
    assert (tmp_path / "keep").read_bytes() == b"half"


@pytest.mark.parametrize("act", ["read", "replace"])
def test_what_stands_in_the_place_of_a_file_is_named(tmp_path: Path, act: str) -> None:
    """A folder of that name, by its path."""
    folder = Folder(tmp_path / "vault", "the Spotify logins")
    (tmp_path / "vault" / "x").mkdir(parents=True)
    with pytest.raises(VaultError, match=f"{tmp_path}/vault/x, of the Spotify logins"):
        folder.read("x") if act == "read" else folder.replace("x", b"")


def test_a_folder_that_cannot_be_made_is_named_itself(tmp_path: Path) -> None:
    """And not a file in it that is not there yet."""
    (tmp_path / "home").write_text("")
    folder = Folder(tmp_path / "home" / "vault", "the Spotify logins")
    with pytest.raises(VaultError, match="The directory of the Spotify logins"):
        folder.replace("x", b"")


@needs_root
def test_a_turn_of_somebody_else_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`users` and `poll` alike."""
    settings = settings_module.load(tmp_path, {})
    with turn(settings, "poll"):
        pass
    os.chown(tmp_path / "spool" / ".poll.turn", UID, GID)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BadInput) as caught, turn(settings, "poll"):
        pass
    assert f"sudo chown root {tmp_path}/spool/.poll.turn" in caught.value.hint


# A key that others can read ------------------------------------------------------------------


@pytest.fixture
def warnings() -> list[str]:
    """What is warned of."""
    heard: list[str] = []
    warn.listen(heard.append)
    return heard


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o622])
def test_a_key_file_that_others_can_read_is_refused_with_the_command(
    tmp_path: Path, mode: int
) -> None:
    """Run, it mends it."""
    vault = Vault(tmp_path / "a vault", None)
    vault.save(make_token())
    key = tmp_path / "a vault" / "key"
    key.chmod(mode)
    with pytest.raises(VaultError, match="can be read by others") as caught:
        vault.load("acc-1")
    command = f"chmod 600 '{key}'"
    assert command in caught.value.hint
    assert key.read_text().strip() not in caught.value.message + caught.value.hint
    with pytest.raises(VaultError, match="can be read by others"):
        vault.save(make_token())
    subprocess.run(command, shell=True, check=True)
    assert vault.load("acc-1") == make_token()


def test_the_commands_refuse_it_in_one_line(
    living: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3, and nothing is asked of Spotify."""
    key = living.settings.vault / "key"
    key.chmod(0o644)
    asked = len(living.sandbox.requests)
    for command in (("poll",), ("auth", "status")):
        done = process(*command)
        assert done.code == 3, done.err
        assert f"chmod 600 {key}" in done.err
        assert len(done.err.splitlines()) == 1
    assert len(living.sandbox.requests) == asked
    key.chmod(0o600)
    assert process("poll").code == 0


def test_a_key_that_is_linked_here_from_elsewhere_is_warned_of_alone(
    tmp_path: Path, warnings: list[str]
) -> None:
    """A secret that a container mounts is a link to a file whose mode is not ours to choose."""
    vault = Vault(tmp_path / "vault", None)
    vault.save(make_token())
    key = tmp_path / "vault" / "key"
    key.rename(tmp_path / "secret")
    key.symlink_to(tmp_path / "secret")
    (tmp_path / "secret").chmod(0o444)
    assert [vault.load("acc-1") for _ in range(2)] == [make_token()] * 2
    (said,) = warnings
    assert str(key) in said


def test_where_files_have_no_modes_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    """On some disks everything is 0777 and stays so (FAT, drives of Windows)."""
    vault = Vault(tmp_path / "vault", None)
    vault.save(make_token())
    (tmp_path / "vault" / "key").chmod(0o777)
    monkeypatch.setattr(ownership, "_has_modes", lambda _: False)
    assert vault.load("acc-1") == make_token()
    assert len(warnings) == 1


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o444, 0o644])
@pytest.mark.parametrize("origin", ["SPOTIFY_HIST_TOKEN_KEY_FILE", "CREDENTIALS_DIRECTORY"])
def test_a_key_that_the_system_hands_over_may_have_any_mode(
    tmp_path: Path, mode: int, origin: str
) -> None:
    """systemd and containers choose it."""
    path = tmp_path / "secrets" / "token_key"
    path.parent.mkdir()
    path.write_text(KEY)
    path.chmod(mode)
    value = path if origin.endswith("_FILE") else path.parent
    settings = settings_module.load(tmp_path / "home", {origin: str(value)})
    vault = vault_of(settings)
    vault.save(make_token())
    assert Vault(settings.vault, KEY).load("acc-1") == make_token()


def test_a_key_in_a_config_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """For what needs it: other commands read the same file."""
    config = tmp_path / "config.toml"
    config.write_text(f'token_key = "{KEY}"\n')
    config.chmod(0o644)
    settings = settings_module.load(tmp_path, {})
    with pytest.raises(VaultError, match="can be read by others") as caught:
        vault_of(settings)
    assert f"chmod 600 {config}" in caught.value.hint
    config.chmod(0o600)
    vault_of(settings).save(make_token())
    config.chmod(0o644)
    vault_of(settings_module.load(tmp_path, {"SPOTIFY_HIST_TOKEN_KEY": KEY}))
