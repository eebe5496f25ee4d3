"""Owns the merge of a batch of any size: it is committed part by part, so that memory stays small.

Never opens a transaction; all parts are of the caller's one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from spotify_hist.store import records, sql
from spotify_hist.store.database import Connection, instant, integers
from spotify_hist.store.records import Committed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROWS = 10 * 122_880  # of a part: ten times as many as DuckDB keeps together
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_END = datetime(9999, 1, 1, tzinfo=UTC)


def merge(
    connection: Connection,
    user_id: int,
    keyed: str,
    on_part: Callable[[Committed], None],
) -> Committed:
    """Insert the records of table `keyed` that are not known yet and rebuild their plays.

    What `records.commit` does, in parts of the time the rows are of; `on_part` is called after
    each, while the tables that a commit leaves still tell of it.
    """
    part = sql.load("records")["part"].replace("{keyed}", keyed)
    whole = Committed(0, 0, 0, 0, 0)
    for first, end in pairwise((_BEGINNING, *_starts(connection, keyed), _END)):
        connection.execute(
            part.replace("{first}", first.isoformat()).replace("{end}", end.isoformat())
        )
        committed = records.commit(connection, user_id, "part", is_large=True)
        on_part(committed)
        whole = whole.plus(committed)
    return whole


def _starts(connection: Connection, keyed: str) -> Iterator[datetime]:
    """Where the parts but the first begin, oldest first: after the longest pause of a day, which
    no rule reaches across. Plays come out the same wherever that is; only of the counts one record
    might else change from new to upgraded."""
    if integers(connection, f"select count(*) from {keyed}")[0] <= _ROWS:  # noqa: S608 - our own
        return
    step = {name: text.replace("{keyed}", keyed) for name, text in sql.load("records").items()}
    rows = 0
    for day_us, count in connection.execute(step["days"]).fetchall():
        rows += count
        if rows > _ROWS:
            (start_us,) = integers(connection, step["part_start"], {"day": instant(day_us)})
            # A day with a single instant has no pause: it begins the part itself.
            yield instant(start_us or day_us)
            rows = count
