"""Owns the token vault: one encrypted 0600 file an account, and the lock that orders refreshes.

Never talks to Spotify and never reads the environment; the key comes in as a parameter.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spotify_hist.errors import StorageFull, VaultError
from spotify_hist.model import Account
from spotify_hist.ownership import exposure_of, how_to_make_private
from spotify_hist.sources.spotify.files import Folder
from spotify_hist.sources.spotify.keys import LOCK_WAIT_S, Keys, new_key, opened
from spotify_hist.sources.spotify.token import Ended, Token, how_to_log_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from spotify_hist.settings import Settings

__all__ = [
    "Ended", "Rotation", "Token", "Unreadable", "Vault", "how_to_log_in", "stem_of", "vault_of",
]  # fmt: skip

_BUSY = "Another spotify-hist process is renewing this Spotify login."


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A token file that cannot be opened: `stem` is what `stem_of` gives for its account id."""

    stem: str
    error: VaultError


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a change of the key did.

    `resealed` counts the tokens that are now sealed with the new key and were not before;
    `unreadable` are the stems of those that no key opened, left as they are. `is_given`: the keys
    come from the settings, of which `needless` are needed no more. `removed_file`: they have
    taken the place of the key file, which is gone.
    """

    resealed: int = 0
    unreadable: tuple[str, ...] = ()
    is_given: bool = False
    needless: int = 0
    removed_file: bool = False


class Vault:
    """The tokens of this installation, each in a file of its own under `directory`.

    The keys are `key` (one or more, newest first), else the generated file `key` in the
    directory. Raises SettingsError at once if `key` is given and holds no Fernet key.

    Locks, always taken in this order: the account's, by whoever changes its login; the key lock,
    shared by whoever replaces a token file and alone by whoever changes the keys.
    """

    def __init__(self, directory: Path, key: str | None) -> None:
        self._folder = Folder(directory, "the Spotify logins")
        self._keys = Keys(self._folder, key)
        self._locked = threading.local()

    def tokens(self) -> list[Token]:
        """Every token that can be read, ordered by account id; [] where there is no vault yet.

        What cannot be read is told by `unreadable`. Raises VaultError if the directory cannot.
        """
        found, _ = self._survey()
        return found

    def unreadable(self) -> list[Unreadable]:
        """The token files that cannot be read, and why; [] where all is well."""
        _, broken = self._survey()
        return broken

    def ended(self) -> list[Ended]:
        """The logins that Spotify has ended and that nobody has renewed, by account id."""
        found = []
        for name in self._folder.names(".ended"):
            stem = name.removesuffix(".ended")
            marker = self._ended(stem)
            if marker is not None and not self._folder.exists(f"{stem}.token"):
                found.append(marker)
        return sorted(found, key=lambda each: each.account.account_id)

    def load(self, account_id: str) -> Token | None:
        """The token of one account, or None. Raises VaultError for a wrong key or damage."""
        return self._open(stem_of(account_id))

    def ending(self, account_id: str) -> Ended | None:
        """How the account's login ended, or None where it did not, or was renewed."""
        stem = stem_of(account_id)
        return None if self._folder.exists(f"{stem}.token") else self._ended(stem)

    def save(self, token: Token) -> None:
        """Put `token` in place of the account's old one, on disk before this returns.

        A crash at any instant leaves either the old token or the new one. Raises StorageFull,
        VaultError, or Temporary where another process keeps the account's lock.
        """
        stem = stem_of(token.account.account_id)
        with self._lock(stem, LOCK_WAIT_S):
            self._keys.make()
            with self._keys.lock(shared=True):
                sealed = self._keys.sealing().encrypt(token.to_json())
                self._folder.replace(f"{stem}.token", sealed)
            # After the token: a kill in between leaves both, and the token counts.
            self._folder.remove(f"{stem}.ended")

    def log_in(self, token: Token) -> Token:
        """Keep a new login in place of every other one of the same account; it as it was kept.

        Spotify does not tell both ids of an account with every answer (FACTS 1.4): the best of
        what is known is kept. Raises as `save` does.
        """
        others = self._same_as(token.account)
        account = token.account
        for other in others:
            account = account.with_ids_of(other)
        token = replace(token, account=account)
        self.save(token)
        # After the new one: a kill in between leaves two of one account, of which one is used.
        for stem in self._stems_of(account, others) - {stem_of(account.account_id)}:
            self.forget_file(stem)
        return token

    def _same_as(self, account: Account) -> list[Account]:
        """The accounts of the vault that are this one, under whatever id."""
        everyone = [token.account for token in self.tokens()]
        everyone += [ended.account for ended in self.ended()]
        return [each for each in everyone if each.is_same_as(account)]

    def _stems_of(self, account: Account, others: Iterable[Account]) -> set[str]:
        """The files an account may have: those of `others`, and one that nobody can read."""
        found = {stem_of(each.account_id) for each in (account, *others)}
        if account.spotify_id is not None:
            stem = stem_of(account.spotify_id)
            found |= {each.stem for each in self.unreadable() if each.stem == stem}
        return found

    def end(self, token: Token, now: float, reason: str) -> None:
        """Forget a token that Spotify no longer accepts, but not that there was a login."""
        stem = stem_of(token.account.account_id)
        marker = Ended(token.account, now, reason).to_json()
        with self._lock(stem, LOCK_WAIT_S), self._keys.lock(shared=True):
            # Before the token goes: no kill may leave neither.
            self._folder.replace(f"{stem}.ended", marker)
            self._folder.remove(f"{stem}.token")

    def forget(self, account_id: str, spotify_id: str | None = None) -> None:
        """Remove the account's login and every trace of it; no error where there is none.

        With `spotify_id` also what is kept of the same account under that.
        """
        account = Account(account_id, spotify_id, None)
        for stem in sorted(self._stems_of(account, self._same_as(account))):
            self.forget_file(stem)

    def forget_file(self, stem: str) -> None:
        """As `forget`, for a file whose account is not known."""
        with self._lock(stem, LOCK_WAIT_S), self._keys.lock(shared=True):
            self._folder.remove(f"{stem}.token", f"{stem}.ended")

    def rotate_key(self) -> Rotation:
        """Seal every token with a new key: a generated one, or the first of the given ones.

        At every instant each token can be opened with a key that is in force, so a kill loses
        nothing and the next call goes on. Raises StorageFull, VaultError or Temporary.
        """
        with self._keys.lock():
            if self._keys.given:
                return self._rotate_to_given()
            # A lost key is an error here: a new one would open none of the tokens.
            old = self._keys.in_file() if self._keys.has_file() or self._stems() else ()
            new = new_key()
            self._keys.write(new, *old)
            resealed, broken = self._reseal()
            self._keys.write(new)
            return Rotation(resealed, broken)

    def _rotate_to_given(self) -> Rotation:
        resealed, broken = self._reseal()
        # Where it may still open what nothing else does, the key file stays.
        removed_file = self._keys.has_file() and not broken
        if removed_file:
            self._keys.remove_file()
        needless = len(self._keys.given) - 1
        return Rotation(resealed, broken, True, needless, removed_file)

    @contextmanager
    def lock(self, account_id: str, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """Be the only one, of all processes and threads, to change this account's token.

        Re-entrant within a thread. Raises Temporary when another keeps it for `wait_s` seconds.
        """
        with self._lock(stem_of(account_id), wait_s):
            yield

    @contextmanager
    def _lock(self, stem: str, wait_s: float) -> Iterator[None]:
        held: set[str] = self._locked.__dict__.setdefault("stems", set())
        if stem in held:
            yield
            return
        with self._folder.lock(f"{stem}.lock", wait_s, _BUSY):
            held.add(stem)
            try:
                yield
            finally:
                held.discard(stem)

    def _survey(self) -> tuple[list[Token], list[Unreadable]]:
        found: list[Token] = []
        broken: list[Unreadable] = []
        for stem in self._stems():
            try:
                token = self._open(stem)
            except VaultError as error:
                broken.append(Unreadable(stem, error))
            else:
                found += [token] if token is not None else []
        return sorted(found, key=lambda token: token.account.account_id), broken

    def _stems(self) -> list[str]:
        return [name.removesuffix(".token") for name in self._folder.names(".token")]

    def _open(self, stem: str) -> Token | None:
        try:
            return self._unseal(stem)
        except VaultError as error:
            first = error
        # The keys may have changed between the reading of the token and that of the key.
        with ExitStack() as stack:
            try:
                stack.enter_context(self._keys.lock(shared=True))
            except (VaultError, StorageFull):  # a folder that can only be read: no one rotates it
                raise first from None
            return self._unseal(stem)

    def _unseal(self, stem: str) -> Token | None:
        sealed = self._folder.read(f"{stem}.token")
        if sealed is None:
            return None
        plain = opened(self._keys.opening(), sealed)
        token = None if plain is None else Token.from_json(plain)
        if token is None or stem_of(token.account.account_id) != stem:
            path = self._folder.directory / f"{stem}.token"
            raise VaultError(
                f"The stored Spotify login {path} cannot be read: it is damaged, or it was "
                "written with another key.",
                hint="Restore the key (SPOTIFY_HIST_TOKEN_KEY or the file 'key' beside it), "
                "or log in again with 'spotify-hist auth login'.",
            )
        return token

    def _reseal(self) -> tuple[int, tuple[str, ...]]:
        """Seal with the newest key what an older one sealed; the caller holds the key lock alone.

        How many were, and the stems of those that no key opens.
        """
        resealed, broken = 0, []
        newest, keys = self._keys.sealing(), self._keys.opening()
        for stem in self._stems():
            sealed = self._folder.read(f"{stem}.token")
            if sealed is None:
                continue
            plain = opened(keys, sealed)
            if plain is None:
                broken.append(stem)
            elif opened(newest, sealed) is None:
                self._folder.replace(f"{stem}.token", newest.encrypt(plain))
                resealed += 1
        return resealed, tuple(broken)

    def _ended(self, stem: str) -> Ended | None:
        marker = Ended.from_json(self._folder.read(f"{stem}.ended") or b"")
        return marker if marker and stem_of(marker.account.account_id) == stem else None


def vault_of(settings: Settings) -> Vault:
    """The vault of these settings.

    Raises SettingsError for a key that is none, VaultError for one in a config.toml that others
    can read. How a secret file or a variable is kept is not ours to choose.
    """
    config = settings.config_file
    if settings.origins.get("token_key") == str(config) and exposure_of(config) == "mendable":
        raise VaultError(
            f"{config}, which holds the key of the Spotify logins, can be read by others.",
            hint=f"Make it yours alone: {how_to_make_private(config)}",
        )
    return Vault(settings.vault, settings.text("token_key"))


def stem_of(account_id: str) -> str:
    """The name of the account's files. Hashed: an id from outside must never shape a path."""
    return hashlib.sha256(account_id.encode("utf-8", "surrogatepass")).hexdigest()
