"""Owns the token vault: one encrypted 0600 file an account, and the lock that orders refreshes.

Never talks to Spotify and never reads the environment; the key comes in as a parameter.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import json
import math
import os
import re
import threading
import time
from calendar import monthrange
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spotify_hist.errors import SettingsError, StorageFull, Temporary, VaultError
from spotify_hist.model import Account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography.fernet import Fernet

LOCK_WAIT_S = 30.0
_LOCK_POLL_S = 0.05
_GRANT_MONTHS = 6
_DAY_S = 86_400
_KEY_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}=")
# What file systems answer that have no way to sync a directory.
_NO_DIRECTORY_SYNC = {errno.EINVAL, errno.ENOTSUP}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Token:
    """What Spotify granted for one account. Grain: one account; all times epoch seconds.

    `expires_at` is the end of the access token; `authorized_at` the instant the person agreed,
    which refreshing does not move (FACTS 2.3). `client_id` is the app the grant belongs to.
    """

    account: Account
    client_id: str
    refresh_token: str = field(repr=False)
    access_token: str = field(repr=False)
    expires_at: float
    authorized_at: float
    scopes: tuple[str, ...]

    @property
    def ends_at(self) -> float:
        """Epoch second at which the refresh token dies: six calendar months, UTC (FACTS 2.3).

        A day that the sixth month lacks becomes its last day (31 August -> 28 or 29 February),
        so that the program warns rather a day early than a day late.
        """
        start = datetime.fromtimestamp(self.authorized_at, UTC)
        months = start.month - 1 + _GRANT_MONTHS
        year, month = start.year + months // 12, months % 12 + 1
        day = min(start.day, monthrange(year, month)[1])
        return start.replace(year=year, month=month, day=day).timestamp()

    def days_left(self, now: float) -> int:
        """Whole days from `now` (epoch seconds) to `ends_at`, rounded down.

        0 on the last day, negative once the login has ended.
        """
        return math.floor((self.ends_at - now) / _DAY_S)


class Vault:
    """The tokens of this installation, each in a file of its own under `directory`.

    The key is `key`, else the generated file `key` in the directory. Raises SettingsError at
    once if `key` is given and is no Fernet key.
    """

    def __init__(self, directory: Path, key: str | None) -> None:
        self._directory = directory
        self._given_key = None if key is None else _checked_key(key)
        self._locked = threading.local()

    def tokens(self) -> list[Token]:
        """Every stored token, ordered by account id; [] where there is no vault yet.

        Raises VaultError naming the file if one of them cannot be read. To serve the others all
        the same, `load` each known account.
        """
        with self._trouble():
            try:
                paths = [path for path in self._directory.iterdir() if path.suffix == ".token"]
            except FileNotFoundError:
                return []
        found = [self._open(path) for path in paths]
        return sorted(
            (token for token in found if token is not None),
            key=lambda token: token.account.account_id,
        )

    def load(self, account_id: str) -> Token | None:
        """The token of one account, or None. Raises VaultError for a wrong key or damage."""
        return self._open(self._path(account_id, "token"))

    def save(self, token: Token) -> None:
        """Put `token` in place of the account's old one, on disk before this returns.

        A crash at any instant leaves either the old token or the new one. Raises StorageFull,
        VaultError, or Temporary where another process keeps the account's lock.
        """
        account_id = token.account.account_id
        with self.lock(account_id):
            sealed = self._cipher(create=True).encrypt(_to_json(token))
            self._replace(self._path(account_id, "token"), sealed)

    def forget(self, account_id: str) -> None:
        """Remove the account's token; nothing happens where there is none."""
        with self.lock(account_id), self._trouble():
            with suppress(FileNotFoundError):
                self._path(account_id, "token").unlink()
            _sync_directory(self._directory)

    @contextmanager
    def lock(self, account_id: str, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """Be the only one, of all processes and threads, to change this account's token.

        Re-entrant within a thread. Raises Temporary when another keeps it for `wait_s` seconds.
        """
        held: set[str] = self._locked.__dict__.setdefault("accounts", set())
        if account_id in held:
            yield
            return
        with self._flock(self._path(account_id, "lock"), wait_s):
            held.add(account_id)
            try:
                yield
            finally:
                held.discard(account_id)

    def _path(self, account_id: str, suffix: str) -> Path:
        """The account's file. Hashed, since an id from outside must never shape a path."""
        name = hashlib.sha256(account_id.encode("utf-8", "surrogatepass")).hexdigest()
        return self._directory / f"{name}.{suffix}"

    @contextmanager
    def _flock(self, path: Path, wait_s: float) -> Iterator[None]:
        with self._trouble():
            self._prepare()
            # The lock has a file of its own that is never removed: a lock on a file that gets
            # replaced or deleted would guard nothing.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._acquire(descriptor, wait_s)
            yield
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        while True:
            with self._trouble():
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass
                else:
                    return
            if time.monotonic() >= deadline:
                raise Temporary(
                    "Another spotify-hist process is renewing this Spotify login.",
                    hint="Try again in a minute.",
                )
            time.sleep(_LOCK_POLL_S)

    def _prepare(self) -> None:
        """The directory exists and is the owner's alone, whatever the umask."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._directory.stat().st_mode & 0o077:
            self._directory.chmod(0o700)

    def _replace(self, path: Path, data: bytes) -> None:
        """Write `data` to `path` in one step; the caller holds the lock that guards `path`."""
        temporary = path.with_suffix(".tmp")
        with self._trouble():
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
                with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
                    os.fchmod(file.fileno(), 0o600)
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
            _sync_directory(self._directory)

    def _open(self, path: Path) -> Token | None:
        sealed = self._read(path)
        if sealed is None:
            return None
        from cryptography.fernet import InvalidToken

        cipher = self._cipher(create=False)
        try:
            token = _from_json(cipher.decrypt(sealed))
        except InvalidToken:
            token = None
        if token is None or self._path(token.account.account_id, "token") != path:
            raise VaultError(
                f"The stored Spotify login {path} cannot be read: it is damaged, or it was "
                "written with another key.",
                hint="Restore the key (SPOTIFY_HIST_TOKEN_KEY or the file 'key' beside it), "
                "or log in again with 'spotify-hist auth login'.",
            )
        return token

    def _cipher(self, *, create: bool) -> Fernet:
        from cryptography.fernet import Fernet

        return Fernet(self._given_key or self._file_key(create=create))

    def _file_key(self, *, create: bool) -> str:
        path = self._directory / "key"
        text = self._read(path)
        if text is None and create:
            # Of several processes one makes the key; the rename shows it to the others whole.
            with self._flock(self._directory / "key.lock", LOCK_WAIT_S):
                text = self._read(path)
                if text is None:
                    text = base64.urlsafe_b64encode(os.urandom(32))
                    self._replace(path, text)
        key = (text or b"").strip().decode("ascii", "replace")
        if not _KEY_SHAPE.fullmatch(key):
            problem = "is missing" if text is None else "is damaged"
            raise VaultError(
                f"The key of the stored Spotify logins {problem}: {path}",
                hint="Restore that file or set SPOTIFY_HIST_TOKEN_KEY; if the key is lost, "
                f"remove {self._directory} and run 'spotify-hist auth login'.",
            )
        return key

    def _read(self, path: Path) -> bytes | None:
        with self._trouble():
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        """Say what the system's errors mean for the person."""
        try:
            yield
        except OSError as error:
            why = error.strerror or type(error).__name__
            if error.errno in _FULL:
                raise StorageFull(
                    f"No space is left for the Spotify login in {self._directory}."
                ) from None
            raise VaultError(
                f"The directory of the Spotify logins, {self._directory}, cannot be used: {why}.",
                hint="Make it a directory that belongs to you and can be written.",
            ) from None


def _checked_key(key: str) -> str:
    key = key.strip()
    if not _KEY_SHAPE.fullmatch(key):
        raise SettingsError(
            "SPOTIFY_HIST_TOKEN_KEY is not a Fernet key (32 bytes in URL-safe base64).",
            hint="Make one with: openssl rand -base64 32 | tr '+/' '-_'",
        )
    return key


def _to_json(token: Token) -> bytes:
    account = token.account
    plain = {
        "version": 1,
        "account_id": account.account_id,
        "spotify_id": account.spotify_id,
        "display_name": account.display_name,
        "client_id": token.client_id,
        "refresh_token": token.refresh_token,
        "access_token": token.access_token,
        "expires_at": token.expires_at,
        "authorized_at": token.authorized_at,
        "scopes": token.scopes,
    }
    return json.dumps(plain).encode()


def _from_json(data: bytes) -> Token | None:
    """The token, or None if the content is not one of ours."""
    try:
        plain = json.loads(data)
        return Token(
            account=Account(plain["account_id"], plain["spotify_id"], plain["display_name"]),
            client_id=plain["client_id"],
            refresh_token=plain["refresh_token"],
            access_token=plain["access_token"],
            expires_at=float(plain["expires_at"]),
            authorized_at=float(plain["authorized_at"]),
            scopes=tuple(plain["scopes"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _sync_directory(directory: Path) -> None:
    """Make a rename or removal in `directory` outlast a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_SYNC:
            raise
    finally:
        os.close(descriptor)
