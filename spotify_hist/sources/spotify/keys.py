"""Owns the keys of the token vault: given by the settings or kept in a file, newest first.

Never reads the environment and never touches a token file.
"""

from __future__ import annotations

import base64
import os
import re
from typing import TYPE_CHECKING

from spotify_hist.errors import SettingsError, VaultError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from cryptography.fernet import Fernet, MultiFernet

    from spotify_hist.sources.spotify.files import Folder

KEY_FILE, KEY_LOCK = "key", "key.lock"
LOCK_WAIT_S = 30.0
_KEY_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}=")
_BUSY = "Another spotify-hist process is changing the key of the Spotify logins."


class Keys:
    """The Fernet keys of one vault. What is written is sealed with the newest; any one opens.

    `given` holds one or more keys separated by blanks or commas, newest first. Beside them the
    file `key` may hold some, one a line: without `given` they are the keys, and with `given` they
    still open what was sealed before. Raises SettingsError if `given` holds no Fernet key.
    """

    def __init__(self, folder: Folder, given: str | None) -> None:
        self._folder = folder
        self.given = () if given is None else _checked(given)

    def sealing(self) -> Fernet:
        """What new tokens are sealed with. The caller holds the key lock, and `make` was called."""
        return _ciphers(self.given or self.in_file())[0]

    def opening(self) -> MultiFernet:
        """What opens every token. Raises VaultError where there is no key, or a damaged one."""
        from cryptography.fernet import MultiFernet

        if not self.given:
            return MultiFernet(_ciphers(self.in_file()))
        try:
            older = self.in_file() if self.has_file() else ()
        except VaultError:
            older = ()  # the given keys may do; where they do not, the token says so
        return MultiFernet(_ciphers((*self.given, *older)))

    def make(self) -> None:
        """See to it that there is a key. Not to be called with the key lock held."""
        if self.given or self.has_file():
            return
        # Of several processes one makes the key; the rename shows it to the others whole.
        with self.lock():
            if not self.has_file():
                self.write(new_key())

    def has_file(self) -> bool:
        """Whether there is a key file."""
        return self._folder.exists(KEY_FILE)

    def in_file(self) -> tuple[str, ...]:
        """The keys of the file. Raises VaultError where it is missing, damaged or others' too."""
        text = self._folder.read(KEY_FILE)
        keys = tuple((text or b"").decode("ascii", "replace").split())
        if not keys or not all(_KEY_SHAPE.fullmatch(key) for key in keys):
            problem = "is missing" if text is None else "is damaged"
            raise VaultError(
                f"The key of the stored Spotify logins {problem}: "
                f"{self._folder.directory / KEY_FILE}",
                hint="Restore that file or set SPOTIFY_HIST_TOKEN_KEY; if the key is lost, "
                f"remove {self._folder.directory} and run 'spotify-hist auth login'.",
            )
        self._folder.require_private(KEY_FILE)
        return keys

    def write(self, *keys: str) -> None:
        """Make these the keys of the file; the caller holds the key lock alone."""
        self._folder.replace(KEY_FILE, "\n".join(keys).encode())

    def remove_file(self) -> None:
        """Remove the key file; the caller holds the key lock alone."""
        self._folder.remove(KEY_FILE)

    def lock(self, *, shared: bool = False) -> AbstractContextManager[None]:
        """Whoever replaces a token file shares it; whoever changes the keys holds it alone."""
        return self._folder.lock(KEY_LOCK, LOCK_WAIT_S, _BUSY, shared=shared)


def new_key() -> str:
    """A fresh Fernet key."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def opened(cipher: Fernet | MultiFernet, sealed: bytes) -> bytes | None:
    """What is sealed; None where no key opens it, by whatever cryptography says so."""
    from cryptography import exceptions as ours
    from cryptography.fernet import InvalidToken

    try:
        return cipher.decrypt(sealed)
    except (
        InvalidToken, ours.InvalidKey, ours.InvalidSignature, ours.InvalidTag, ours.InternalError,
        ours.UnsupportedAlgorithm, ours.AlreadyFinalized, ours.AlreadyUpdated,
        ours.NotYetFinalized, TypeError, ValueError, OverflowError,
    ):  # fmt: skip
        return None


def _ciphers(keys: tuple[str, ...]) -> list[Fernet]:
    from cryptography.fernet import Fernet

    return [Fernet(key) for key in keys]


def _checked(given: str) -> tuple[str, ...]:
    keys = tuple(given.replace(",", " ").split())
    if not keys or not all(_KEY_SHAPE.fullmatch(key) for key in keys):
        raise SettingsError(
            "SPOTIFY_HIST_TOKEN_KEY is not a Fernet key (32 bytes in URL-safe base64).",
            hint="Make one with: openssl rand -base64 32 | tr '+/' '-_'. Several keys, newest "
            "first, are separated by commas.",
        )
    return keys
