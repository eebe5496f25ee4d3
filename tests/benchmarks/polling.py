"""Owns the comparison of `poll` with a script that asks and inserts, by CPU time and memory.

Never counts what the stand-in for Spotify does: it runs in a process of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from spotify_hist.model import Account
from spotify_hist.sandbox.answers import account_id
from spotify_hist.sandbox.app import SCOPE, items_of, log_in, recently_played
from spotify_hist.sandbox.server import DEFAULT_ACCOUNT, DEFAULT_CLIENT_ID
from spotify_hist.sources.spotify.vault import Token, Vault

from .measure import HERE, Ceiling, Comparison, Usage, paired, program, run, usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .data import Export

MOST_RATIO = 1.3
MOST_MB = 130.0


class Spotify(NamedTuple):
    """The stand-in, and an access token of its one listener."""

    url: str
    token: str


def polling(directory: Path, export: Export, runs: int) -> tuple[Comparison, Ceiling]:
    """One listener's `poll` of 50 new plays into a history of all the rows of `export`."""
    master, home = directory / "poll-master", directory / "poll-home"
    run([*program(master), "import", str(export.archive)])
    bare_master, bare_copy = directory / "recent-master.duckdb", directory / "recent.duckdb"
    shutil.copyfile(master / "history.duckdb", bare_master)
    with duckdb.connect(str(bare_master)) as connection:
        connection.execute(
            "create table recent (played_at timestamptz, uri varchar, title varchar, "
            "artist varchar, album varchar, duration_ms bigint)"
        )
    with _spotify() as spotify:
        _log_in(master, spotify)
        where = {
            "SPOTIFY_HIST_CLIENT_ID": DEFAULT_CLIENT_ID,
            "SPOTIFY_HIST_API_URL": spotify.url,
            "SPOTIFY_HIST_ACCOUNTS_URL": spotify.url,
        }
        poll = [*program(home), "poll"]
        script = str(HERE / "bare_poll.py")

        def ours() -> Usage:
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(master, home)
            return usage(poll, where)

        def bare() -> Usage:
            shutil.copyfile(bare_master, bare_copy)
            command = [sys.executable, script, str(bare_copy), spotify.url]
            return usage(command, {"TOKEN": spotify.token})

        taken, bare_taken = paired(ours, bare, runs)
        _check(poll, where, home)
    return (
        Comparison(
            "poll of 50 new plays, CPU",
            [each.cpu_s for each in taken],
            [each.cpu_s for each in bare_taken],
            MOST_RATIO,
        ),
        Ceiling(
            "poll of 50 new plays, memory",
            [each.rss_mb for each in taken],
            [each.rss_mb for each in bare_taken],
            MOST_MB,
        ),
    )


@contextmanager
def _spotify() -> Iterator[Spotify]:
    command = [sys.executable, "-m", "spotify_hist.sandbox", "--days", "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            token = str(log_in(url)["access_token"])
            if len(items_of(recently_played(url, token, limit=50))) < 40:
                raise ValueError("too few plays to measure with")
            yield Spotify(url, token)
        finally:
            process.terminate()


def _log_in(home: Path, spotify: Spotify) -> None:
    """A login with an access token that is good for the whole benchmark."""
    granted = log_in(spotify.url)
    now = time.time()
    Vault(home / "vault", None).save(
        Token(
            account=Account(account_id(DEFAULT_ACCOUNT), DEFAULT_ACCOUNT, "Listener"),
            client_id=DEFAULT_CLIENT_ID,
            refresh_token=str(granted["refresh_token"]),
            access_token=str(granted["access_token"]),
            expires_at=now + 3600,
            authorized_at=now,
            scopes=(SCOPE,),
        )
    )


def _check(poll: list[str], where: dict[str, str], home: Path) -> None:
    """Refuse to have measured polls that brought nothing; the last one's home is still there."""
    with duckdb.connect(str(home / "history.duckdb"), read_only=True) as connection:
        found = connection.execute("select count(*) from plays where 'api' in sources").fetchall()
    if found[0][0] < 30:
        raise ValueError(f"the polls brought {found[0][0]} plays")
    again = json.loads(run([*poll, "--format", "json"], where))["users"][0]
    if again["error"] or again["new"]:
        raise ValueError(f"a second poll of the same page said {again}")
