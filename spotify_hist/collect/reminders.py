"""Owns that the coming end of a login stands in the log, once for each day it is warned of.

Never decides when to warn; `logins` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.errors import SpotifyHistError
from spotify_hist.store import journal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from spotify_hist.store.database import Database


def remember(database: Database, now: datetime, job: str, texts: Sequence[str]) -> set[str]:
    """Those of the warnings that are said for the first time; they are in the log now.

    A warning names the days left, so that each is new once a day. Where the history cannot be
    read or written, all count as new.
    """
    if not database.exists():
        return set(texts)
    try:
        with database.read() as connection:
            new = [
                text
                for text in texts
                if not journal.entries(connection, level="warning", text=text, limit=1)
            ]
        if new:
            with database.write(job) as connection:
                journal.write(
                    connection, now, [journal.Entry("warning", job, text) for text in new]
                )
    except SpotifyHistError:
        return set(texts)
    return set(new)
