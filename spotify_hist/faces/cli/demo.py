"""Owns `demo`: the whole path, walked against the sandbox, with a count at the end.

Never touches the person's own history: everything lies in a folder of the demo's own.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import click

from spotify_hist.errors import ExitCode, UsageError
from spotify_hist.faces.cli.context import App
from spotify_hist.private_files import make_directory, open_private

if TYPE_CHECKING:
    from spotify_hist.sandbox.life import Life
    from spotify_hist.sandbox.server import Sandbox

_SEED = 7
_LIFE_DAYS = 420
_POLLED_DAYS = 4
_POLL_EVERY = timedelta(hours=6)
_EXPORT_BEFORE_END = timedelta(days=1)
_QUESTIONS = (
    ("top-artists", "--days", "90", "--limit", "8"),
    ("heatmap", "--days", "90"),
    ("taste-summary", "--days", "365"),
    ("recent", "--limit", "6"),
)


@dataclass
class SimulatedApp(App):
    """An App whose clock is the sandbox's."""

    sandbox: Sandbox

    def now(self) -> datetime:
        return self.sandbox.now


@click.command()
@click.option("--serve", is_flag=True, help="Leave serve-tools running on the demo's history.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, help="Port of serve-tools with --serve."
)
@click.pass_obj
def demo(app: App, serve: bool, port: int) -> int:
    """Walk the whole path with an invented listener: no account, no network, under 20 seconds.

    Starts a local stand-in for Spotify, logs in, polls over a few simulated days, imports the
    matching exports and asks four questions.
    """
    from spotify_hist.sandbox.life import live
    from spotify_hist.sandbox.server import Sandbox

    started = time.monotonic()
    home = _home(app)
    end = app.now().replace(minute=0, second=0, microsecond=0)
    life = live(_SEED, start=end - timedelta(days=_LIFE_DAYS), end=end)
    with Sandbox(life, now=end - timedelta(days=_POLLED_DAYS)) as sandbox:
        _configure(home, sandbox)
        simulated = SimulatedApp(str(home), None, app.out, sandbox)
        app.out.line(f"A local stand-in for Spotify is at {sandbox.url}; all files are in {home}")
        _log_in(simulated)
        polled = _poll(simulated, life.end)
        is_right = _import(simulated, life, home, polled)
    _ask(app, home)
    app.out.line()
    app.out.line(f"Done in {time.monotonic() - started:.1f} s. Remove the folder when you like:")
    app.out.line(f"  rm -r {home}")
    if serve:
        _run(app, home, "serve-tools", "--port", str(port))
    return int(ExitCode.OK if is_right else ExitCode.BUG)


def _home(app: App) -> Path:
    """The demo's own folder: a new one, or --home where that holds nothing yet."""
    if app.home is None:
        return Path(tempfile.mkdtemp(prefix="spotify-hist-demo-"))
    home = Path(app.home).expanduser().absolute()
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise UsageError(
            f"{home} is not empty, and the demo must not touch a real history.",
            hint="Leave --home out, or give a folder that does not exist yet.",
        )
    make_directory(home)
    return home


def _configure(home: Path, sandbox: Sandbox) -> None:
    import tomli_w

    config = {
        "client_id": sandbox.client_id,
        "api_url": sandbox.url,
        "accounts_url": sandbox.url,
    }
    with os.fdopen(open_private(home / "config.toml", os.O_WRONLY), "wb") as file:
        file.write(tomli_w.dumps(config).encode())


def _log_in(app: SimulatedApp) -> None:
    from spotify_hist.faces.cli.auth import log_in
    from spotify_hist.sandbox import browser

    def agree(url: str) -> None:
        Thread(target=lambda: browser.visit(browser.agree(url)), daemon=True).start()

    _say(app, "auth login")
    token = log_in(app, agree)
    app.out.line(
        f"  logged in as {token.account.display_name or token.account.account_id} with PKCE; "
        "the token is encrypted in vault/"
    )


def _poll(app: SimulatedApp, end: datetime) -> int:
    """Poll until the simulated present; how many plays the polls caught."""
    from spotify_hist.collect.sync import sync

    _say(app, "sync", f"as the timer runs it, every {_POLL_EVERY.seconds // 3600} simulated hours")
    polls = plays = late = 0
    while app.sandbox.now < end:
        app.sandbox.advance(min(app.sandbox.now + _POLL_EVERY, end))
        for result in sync(app.settings, app.database, app.vault, app.now).users:
            if result.error is not None:
                raise result.error
            polls, plays, late = polls + 1, plays + result.new, late + result.late
    app.out.line(
        f"  {polls} polls over {_POLLED_DAYS} days caught {plays} plays, {late} of them late"
    )
    return plays


def _import(app: SimulatedApp, life: Life, home: Path, polled: int) -> bool:
    """Import both kinds of export and hold the result against the listener's true life."""
    from spotify_hist.collect.imports import import_paths
    from spotify_hist.sandbox.exports import write_exports

    downloaded_at = life.end - _EXPORT_BEFORE_END
    exports = write_exports(
        life, home / "downloads", downloaded_at=downloaded_at, formats=("extended", "account")
    )
    for path in exports.values():
        _say(app, f"import {path}")
        receipt = import_paths(app.settings, app.database, app.now, [path])
        app.out.line(
            f"  {receipt.records:,} rows = {receipt.new:,} new + {receipt.upgraded:,} upgraded + "
            f"{receipt.duplicate:,} duplicate + {receipt.rejected:,} rejected; "
            f"{receipt.plays_added:,} plays added"
        )
    return _count(app, life, downloaded_at, polled)


def _count(app: SimulatedApp, life: Life, downloaded_at: datetime, polled: int) -> bool:
    """Whether the history holds every play of the export and of the polls exactly once."""
    from spotify_hist.analytics.run import answer

    recent = answer(app.database, app.settings, "recent", {"limit": 1_000_000}, now=app.now())
    sources = [row[-1] for row in recent.rows]
    both = sum(1 for each in sources if isinstance(each, list) and {"api", "extended"} <= {*each})
    api_only = sources.count(["api"])
    exported = len(life.until(downloaded_at))
    held = len(recent.rows)
    app.out.line()
    app.out.line(
        f"Counted once: the listener played {exported:,} things up to the export, and the polls "
        f"caught {api_only} more."
    )
    app.out.line(
        f"  {both} of the {polled} polled plays stand in the export too. The history holds "
        f"{held:,} plays."
    )
    is_right = held == exported + api_only
    if not is_right:
        app.out.line(f"  That is {held - exported - api_only:+,} from what it should be.")
    return is_right


def _ask(app: App, home: Path) -> None:
    for question in _QUESTIONS:
        app.out.line()
        app.out.line(f"$ spotify-hist --home {home} query {' '.join(question)}")
        _run(app, home, "query", *question)


def _run(app: App, home: Path, *arguments: str) -> None:
    """Run one command as the person would, on the demo's history."""
    from spotify_hist.faces.cli.main import invoke

    quiet = ["-q"] if app.out.quiet else []
    invoke([*quiet, "--home", str(home), *arguments])


def _say(app: App, command: str, how: str = "") -> None:
    app.out.line()
    app.out.line(f"$ spotify-hist {command}" + (f"   # {how}" if how else ""))
