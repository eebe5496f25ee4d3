"""Owns the accounts of work: runs of jobs, and what was logged.

Never touches records or plays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from spotify_hist.store import sql
from spotify_hist.store.database import instant, integers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from spotify_hist.store.database import Connection

Level = Literal["info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("info", "warning", "error")
MAX_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A message to be logged; `user_id` is the listener it is about, if it is about one."""

    level: Level
    job: str
    message: str
    user_id: int | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """A row of `logs`; `user` is the listener's name."""

    logged_at: datetime
    level: Level
    job: str
    user_id: int | None
    user: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Run:
    """A row of `job_runs`; `user` is the listener's name, `status` ok, failed or running."""

    run_id: int
    job: str
    user_id: int | None
    user: str | None
    started_at: datetime
    finished_at: datetime
    status: str
    stats: Mapping[str, object]
    error: str | None


def add_run(
    connection: Connection,
    job: str,
    user_id: int | None,
    started: datetime,
    finished: datetime,
    status: str,
    stats: Mapping[str, object],
    error: str | None = None,
) -> None:
    """Write the account of one run of a job; `status` is `ok` or `failed`."""
    connection.execute(
        _step("add_run"),
        {
            "job": job,
            "user_id": user_id,
            "started": started,
            "finished": finished,
            "status": status,
            "stats": json.dumps(stats, default=str),
            "error": None if error is None else _one_line(error),
        },
    )


def write(connection: Connection, now: datetime, entries: Iterable[Entry]) -> None:
    """Log messages, in their order; each on one line, of at most `MAX_CHARACTERS`."""
    told = list(entries)
    if not told:
        return
    connection.execute(
        _step("add_logs"),
        {
            "now": now,
            "levels": [entry.level for entry in told],
            "jobs": [entry.job for entry in told],
            "user_ids": [entry.user_id for entry in told],
            "messages": [_one_line(entry.message) for entry in told],
        },
    )


def runs(
    connection: Connection,
    *,
    job: str | None = None,
    user_id: int | None = None,
    failed_only: bool = False,
    limit: int = 20,
) -> list[Run]:
    """The latest runs, newest first; of one job, one listener, or only those that failed."""
    rows = connection.execute(
        _step("runs"),
        {"job": job, "user_id": user_id, "failed_only": failed_only, "limit": limit},
    ).fetchall()
    return [
        Run(
            run_id, name, whose, user, instant(started_us), instant(finished_us), status,
            json.loads(stats), error,
        )
        for run_id, name, whose, user, started_us, finished_us, status, stats, error in rows
    ]  # fmt: skip


def last_begun(connection: Connection, job: str, now: datetime) -> datetime | None:
    """When a job began last, by `now` at the latest: what lies ahead is of a clock that was wrong.

    None where it never did.
    """
    (epoch_us,) = integers(connection, _step("last_begun"), {"job": job, "now": now})
    return instant(epoch_us) if epoch_us else None


def entries(
    connection: Connection,
    *,
    level: Level | None = None,
    user_id: int | None = None,
    text: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> list[Logged]:
    """The latest messages, newest first.

    `level` is the least grave one wanted. `text` is found in upper and lower case, and nothing in
    it has a meaning of its own. Those at `since` are included.
    """
    rows = connection.execute(
        _step("entries"),
        {
            "levels": list(LEVELS if level is None else LEVELS[LEVELS.index(level) :]),
            "user_id": user_id,
            "text": text,
            "since": since,
            "limit": limit,
        },
    ).fetchall()
    return [Logged(instant(logged_us), *rest) for logged_us, *rest in rows]


def purge(connection: Connection, before: datetime) -> int:
    """Delete what was logged, and the runs that finished, before an instant; how many rows."""
    where = {"before": before}
    return sum(integers(connection, _step(name), where)[0] for name in ("purge_logs", "purge_runs"))


def _one_line(message: str) -> str:
    """`message` without line breaks, and with the bytes of an odd file name escaped."""
    line = " ".join(message.split()).encode("utf-8", "backslashreplace").decode()
    return line if len(line) <= MAX_CHARACTERS else line[: MAX_CHARACTERS - 1] + "…"


def _step(name: str) -> str:
    return sql.load("journal")[name]
