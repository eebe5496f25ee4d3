"""Owns the accounts of work: runs of jobs, and what was logged.

Never touches records or plays.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from spotify_hist.store import sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spotify_hist.store.database import Connection


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
            "error": error,
        },
    )


def _step(name: str) -> str:
    return sql.load("journal")[name]
