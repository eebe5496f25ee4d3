"""Running the command line, in this process or in one of its own, and what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from spotify_hist.model import Account
from spotify_hist.sources.spotify.vault import Token, Vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Cli: TypeAlias = "Callable[..., Done]"


class Done(NamedTuple):
    """How a run ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """stdout as JSON, which is of any shape."""
        return json.loads(self.out)

    def error(self) -> dict[str, Any]:
        """The error object, which is the last line of stderr."""
        error: dict[str, Any] = json.loads(self.err.splitlines()[-1])["error"]
        assert set(error) == {"code", "message", "hint", "retryable"}
        return error


def process(*arguments: str, **variables: str | None) -> Done:
    """Run a command as a process; a variable of None is taken away."""
    environment = {**os.environ, **{k: v for k, v in variables.items() if v is not None}}
    for name, value in variables.items():
        if value is None:
            environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "spotify_hist", *arguments],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def log_in(home: Path) -> None:
    """A token in the vault, long expired, for an account that never polled."""
    token = Token(
        account=Account("acc-1", "ada", "Ada\x1b[31m"),
        client_id="client",
        refresh_token="refresh-hush",
        access_token="access-hush",
        expires_at=0.0,
        authorized_at=1_700_000_000.0,
        scopes=("user-read-recently-played",),
    )
    Vault(home / "vault", None).save(token)
