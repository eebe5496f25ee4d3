"""Owns how far each job has come with each listener, so that the next run goes on from there.

Never does the work itself.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from spotify_hist.store import sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spotify_hist.store.database import Connection


def set_checkpoint(
    connection: Connection,
    user_id: int,
    job: str,
    now: datetime,
    state: Mapping[str, object] | None = None,
) -> None:
    """Remember that a job has seen a listener's history up to its newest play, and its `state`."""
    connection.execute(
        _step("set_checkpoint"),
        {
            "user_id": user_id,
            "job": job,
            "now": now,
            "state": None if state is None else json.dumps(state),
        },
    )


def states(connection: Connection, job: str) -> dict[int, dict[str, object]]:
    """What `job` remembers of each listener it has begun with, by user id."""
    rows = connection.execute(_step("states"), {"job": job}).fetchall()
    return {user_id: json.loads(state) for user_id, state in rows}


def _step(name: str) -> str:
    return sql.load("checkpoints")[name]
