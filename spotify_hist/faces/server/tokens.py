"""Owns the tokens made by `tokens create`: a 0600 file of their hashes beside the history.

Never keeps a token itself, never opens the database, and never decides what a token may reach.

It lives with the server because only the server is opened by these tokens; the command line, one
layer above, makes and revokes them. No web library is imported, so that it costs a command nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal

from spotify_hist.errors import UsageError, VaultError
from spotify_hist.model import iso
from spotify_hist.sources.spotify.files import Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Reach = Literal["tools", "admin"]

# So that a person, and a scanner that looks for leaked secrets, sees what such a text is.
PREFIX = "shist_"
_FILE, _USES, _LOCK = "tokens.json", "used.json", "tokens.lock"
_NAME = re.compile(r"[\w.-]{1,64}")
_ID = re.compile(r"[0-9a-f]{8}")
_WAIT_S = 10.0
_BUSY = "Another spotify-hist process is changing the tokens."


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept. `listener`: the only one whose plays it sees; None for all."""

    token_id: str
    name: str
    reach: Reach
    listener: str | None
    created_at: datetime
    expires_at: datetime | None
    digest: bytes = field(repr=False)
    last_used_on: date | None = None

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and now >= self.expires_at


def digest_of(secret: bytes) -> bytes:
    """What is kept of a token: its SHA-256.

    A slow, salted hash protects what a person thought up, since that can be guessed; the 256 random
    bits of these tokens cannot, and a hash that takes microseconds keeps every request fast.
    """
    return hashlib.sha256(secret).digest()


class TokenFile:
    """The tokens under `directory`. `now` gives the present instant.

    Every method raises VaultError where the file cannot be read or written, StorageFull where no
    space is left.
    """

    def __init__(self, directory: Path, now: Callable[[], datetime]) -> None:
        self._folder = Folder(directory, "the tokens of serve-tools")
        self._path = directory / _FILE
        self.now = now
        self._seen: tuple[int, int, int] | None = None
        self._known: tuple[Token, ...] = ()
        self._uses: dict[str, date] = {}
        self._written: dict[str, date] = {}

    def tokens(self) -> tuple[Token, ...]:
        """Every token, expired ones too, oldest first; read again only where the file changed."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._seen, self._known = None, ()
            return ()
        except OSError as error:
            raise _unusable(self._path, error.strerror or "unreadable") from None
        seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if seen != self._seen:
            # The stat came first: a change in between is noticed the next time.
            self._known, self._seen = self._read(), seen
        return self._known

    def listed(self) -> tuple[Token, ...]:
        """Every token with the day it was last used, as far as servers have noted it."""
        uses = self._read_uses()
        return tuple(replace(each, last_used_on=uses.get(each.token_id)) for each in self.tokens())

    def create(
        self, name: str, *, reach: Reach, listener: str | None, expires_at: datetime | None
    ) -> tuple[Token, str]:
        """A new token and its secret, which nobody can tell again. Raises UsageError."""
        if not _NAME.fullmatch(name) or _ID.fullmatch(name):
            raise UsageError(
                f"A token cannot be for '{name[:80]}'.",
                hint="Use letters, digits, '.', '-' and '_', such as claude-desktop.",
            )
        now = self.now()
        if expires_at is not None and expires_at <= now:
            raise UsageError("The token would have expired already.", hint="Use such as 90d.")
        secret = PREFIX + secrets.token_urlsafe(32)
        with self._folder.lock(_LOCK, _WAIT_S, _BUSY):
            known = self._read()
            taken = {each.token_id for each in known}
            token_id = next(one for one in iter(_new_id, "") if one not in taken)
            made = Token(
                token_id, name, reach, listener, now, expires_at, digest_of(secret.encode())
            )
            self._write((*known, made))
        return made, secret

    def revoke(self, word: str) -> tuple[Token, ...]:
        """Remove the token of this id, or every one of this name; what was removed."""
        return self._remove(lambda each: word in {each.token_id, each.name})

    def revoke_listener(self, listener: str) -> tuple[Token, ...]:
        """Remove every token that is tied to this listener; what was removed."""
        return self._remove(lambda each: each.listener == listener)

    def rename_listener(self, old: str, new: str) -> None:
        """Let tokens that are tied to a listener follow their new name."""
        if any(each.listener == old for each in self.tokens()):
            with self._folder.lock(_LOCK, _WAIT_S, _BUSY):
                self._write(
                    tuple(
                        replace(each, listener=new) if each.listener == old else each
                        for each in self._read()
                    )
                )

    def note_use(self, token: Token) -> None:
        """Remember that the token was used today; `write_uses` keeps it."""
        self._uses[token.token_id] = self.now().astimezone(UTC).date()

    @property
    def has_new_uses(self) -> bool:
        """Whether a token was used on a day that is not written down: once a day for each."""
        return self._uses != self._written

    def write_uses(self) -> None:
        """Write down on which day each token was last used, in a file of its own."""
        uses = dict(self._uses)
        self._written = uses  # also where it fails: not another try with every request
        with self._folder.lock(_LOCK, _WAIT_S, _BUSY):
            known = {each.token_id for each in self._read()}
            both = {**self._read_uses(), **uses}
            told = {token_id: str(day) for token_id, day in both.items() if token_id in known}
            self._folder.replace(_USES, json.dumps(told).encode())

    def _remove(self, is_meant: Callable[[Token], bool]) -> tuple[Token, ...]:
        if not any(map(is_meant, self.tokens())):
            return ()
        with self._folder.lock(_LOCK, _WAIT_S, _BUSY):
            known = self._read()
            gone = tuple(filter(is_meant, known))
            self._write(tuple(each for each in known if each not in gone))
        return gone

    def _read(self) -> tuple[Token, ...]:
        raw = self._folder.read(_FILE)
        if raw is None:
            return ()
        try:
            return tuple(map(_from_json, json.loads(raw)["tokens"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _unusable(self._path, "it is damaged") from None

    def _write(self, tokens: tuple[Token, ...]) -> None:
        data = {"version": 1, "tokens": [_as_json(each) for each in tokens]}
        self._folder.replace(_FILE, json.dumps(data, indent=1).encode())

    def _read_uses(self) -> dict[str, date]:
        """The day of the last use by token id; what cannot be read is no reason to fail."""
        raw = self._folder.read(_USES)
        try:
            told = json.loads(raw or b"{}")
            return {str(key): date.fromisoformat(day) for key, day in told.items()}
        except (ValueError, TypeError, AttributeError, RecursionError):
            return {}


def _new_id() -> str:
    """Eight hexadecimal digits, which no name of a token is."""
    return secrets.token_hex(4)


def _unusable(path: Path, why: str) -> VaultError:
    if path.parent.is_file():
        return VaultError(
            f"The tokens cannot be read: {path.parent} is a file, and no directory.",
            hint="Move it away.",
        )
    return VaultError(
        f"The tokens in {path} cannot be read: {why}.",
        hint="Mend or remove that file, then make the tokens anew with 'tokens create'.",
    )


def _as_json(token: Token) -> dict[str, object]:
    return {
        "id": token.token_id,
        "name": token.name,
        "scope": token.reach,
        "listener": token.listener,
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at) if token.expires_at else None,
        "sha256": token.digest.hex(),
    }


def _from_json(told: Mapping[str, object]) -> Token:
    """Raises KeyError, TypeError or ValueError where it is no token: nothing is guessed here."""
    reach, listener, expires_at = told["scope"], told["listener"], told["expires_at"]
    digest = bytes.fromhex(_text(told["sha256"]))
    if reach not in {"tools", "admin"} or len(digest) != hashlib.sha256().digest_size:
        raise ValueError(reach)
    return Token(
        token_id=_text(told["id"]),
        name=_text(told["name"]),
        reach="admin" if reach == "admin" else "tools",
        listener=None if listener is None else _text(listener),
        created_at=_instant(told["created_at"]),
        expires_at=None if expires_at is None else _instant(expires_at),
        digest=digest,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _instant(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment
