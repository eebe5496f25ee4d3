"""Runs the sandbox in the foreground: `python -m spotify_hist.sandbox`.

Never outlives a SIGTERM or SIGINT, and prints one line only: where it listens.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from spotify_hist.private_files import keep_private
from spotify_hist.sandbox.exports import write_exports
from spotify_hist.sandbox.life import live
from spotify_hist.sandbox.server import DEFAULT_CLIENT_ID, Sandbox


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; returns the exit status."""
    keep_private()
    options = _parser().parse_args(arguments)
    now = options.now or datetime.now(UTC).replace(microsecond=0)
    lives = {
        account: live(
            options.seed + number,
            start=now - timedelta(days=options.days),
            end=now + timedelta(days=options.ahead),
            plays_per_day=options.plays_per_day,
        )
        for number, account in enumerate(options.account or ["listener"])
    }
    line: dict[str, object] = {}
    if options.exports:
        first = next(iter(lives.values()))
        written = write_exports(first, options.exports, downloaded_at=now)
        line["exports"] = {name: str(path) for name, path in written.items()}
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Sandbox(
        lives=lives,
        now=now,
        client_id=options.client_id,
        port=options.port,
        rotate_every=options.rotate_every,
        token_lifetime_s=options.token_lifetime,
        simulated_time=options.simulated_time,
        development_mode=not options.full,
        batch_status=options.batch_status,
        unregistered=options.unregistered,
        owner_has_premium=not options.no_premium,
        rate_limit=options.rate_limit,
        long_limit=options.long_limit,
        server_errors=options.server_errors,
    ) as sandbox:
        line = {"url": sandbox.url, "client_id": sandbox.client_id, "now": now.isoformat(), **line}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m spotify_hist.sandbox",
        description="A local Spotify with invented listeners, for demos and tests.",
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    add("--seed", type=int, default=1, help="which invented listener")
    add("--days", type=float, default=60, help="days of listening before now")
    add(
        "--ahead", type=float, default=30, help="days of listening after now, for /_sandbox/advance"
    )
    add("--plays-per-day", type=float, default=40)
    add("--account", action="append", help="account name; repeat for several listeners")
    add("--client-id", default=DEFAULT_CLIENT_ID)
    add(
        "--now",
        type=_instant,
        help="simulated present, ISO 8601 with offset; default: the real one",
    )
    add("--rotate-every", type=int, default=3, help="refreshes until the refresh token changes")
    add("--token-lifetime", type=float, default=3600, help="seconds an access token lasts")
    add(
        "--simulated-time",
        action="store_true",
        help="let access tokens and rate limits run by the simulated clock too",
    )
    add("--full", action="store_true", help="answer as to an app with extended quota")
    add("--batch-status", type=int, default=403, help="what removed batch endpoints answer")
    add(
        "--unregistered",
        action="append",
        default=[],
        metavar="ACCOUNT",
        help="account that may log in but is refused by every call; repeat for several",
    )
    add("--no-premium", action="store_true", help="the app's owner has no Premium")
    add("--rate-limit", type=int, help="calls served in 30 seconds; more are asked to wait 1-4 s")
    add("--long-limit", type=int, help="calls until the app is asked to wait for hours")
    add("--server-errors", type=float, default=0.0, help="share of requests that meet a 5xx")
    add("--exports", type=Path, help="also write the first listener's export ZIPs here")
    return parser


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("an instant needs a UTC offset, such as +00:00")
    return moment


if __name__ == "__main__":
    sys.exit(main())
