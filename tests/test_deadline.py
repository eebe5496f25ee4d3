"""A question ends at its deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from spotify_hist.analytics.run import _deadline
from spotify_hist.errors import Temporary

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database in memory."""
    connection = duckdb.connect(":memory:")
    yield connection
    connection.close()


def test_a_question_is_interrupted_at_its_deadline(connection: duckdb.DuckDBPyConnection) -> None:
    """The thread that asked is free again, and is told what to do."""
    endless = "select count(*) from range(1e9::bigint) a, range(1e9::bigint) b"

    with pytest.raises(Temporary, match=r"longer than 0\.05 s"), _deadline(connection, 0.05):
        connection.execute(endless).fetchall()

    assert connection.execute("select 1").fetchall() == [(1,)]


def test_a_question_within_its_deadline_is_answered(connection: duckdb.DuckDBPyConnection) -> None:
    """The timer leaves nothing behind."""
    with _deadline(connection, 60):
        assert connection.execute("select 1").fetchall() == [(1,)]
