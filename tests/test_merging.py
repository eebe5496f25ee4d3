"""Merging part by part: the same history as in one go, wherever the parts begin."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from memory_history import DERIVED, USER, History
from universe import Unit, rows_of, universes

from spotify_hist.store import merging, records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotify_hist.store.records import Committed, StagedRow

FEW = examples(max_examples=max(5, examples().max_examples // 5))


@pytest.fixture(scope="module")
def shared() -> History:
    """One connection for the whole module."""
    return History()


def merged(history: History, rows: Sequence[StagedRow], part_rows: int) -> tuple[Committed, int]:
    """What merging a batch in parts of about so many rows did, and in how many parts."""
    connection = history.connection
    records.create_stage(connection)
    records.stage(connection, rows)
    records.key_stage(connection, USER)
    connection.execute("create or replace temp table all_keyed as select * from keyed")
    parts: list[Committed] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "_ROWS", part_rows)
        whole = merging.merge(connection, USER, "all_keyed", parts.append)
    for name in ("records", "fresh", "new", "upgraded", "plays_added"):
        assert getattr(whole, name) == sum(getattr(part, name) for part in parts), name
    return whole, len(parts)


@FEW
@given(
    units=universes(plays=12, stretches=20),
    known=universes(plays=4, stretches=20),
    part_rows=st.integers(1, 8),
)
def test_parts_make_the_history_that_one_commit_makes(
    shared: History, units: list[Unit], known: list[Unit], part_rows: int
) -> None:
    """Whatever is known already, and however small the parts are."""
    with shared.empty() as history:
        history.add(rows_of(known))
        plays = history.count("plays")
        done = history.add(rows_of(units))
        at_once = history.derived()
    with shared.empty() as history:
        history.add(rows_of(known))
        whole, _ = merged(history, rows_of(units), part_rows)
        assert (whole.records, whole.fresh) == (done.records, done.fresh)
        assert whole.plays_added == done.plays_added == history.count("plays") - plays
        in_parts = history.derived()
    for name in DERIVED:
        assert in_parts[name] == at_once[name], name


@FEW
@given(units=universes(plays=10, stretches=20))
def test_a_second_merge_of_the_same_rows_changes_nothing(
    shared: History, units: list[Unit]
) -> None:
    """All rows are duplicates then."""
    with shared.empty() as history:
        first, _ = merged(history, rows_of(units), 3)
        before = history.derived()
        again, _ = merged(history, rows_of(units), 3)
        assert (again.records, again.fresh, again.plays_added) == (first.records, 0, 0)
        assert history.derived() == before


def test_parts_begin_after_pauses_and_hold_every_row_once(shared: History) -> None:
    """Rows of many days make several parts, and none is lost between two of them."""
    day_ms = 86_400_000
    with shared.empty() as history:
        from universe import SONG, extended

        told = [
            extended(SONG, 1_700_000_000_000 + day * day_ms + minute * 240_000, 200_000)
            for day in range(6)
            for minute in range(5)
        ]
        rows = [records.StagedRow(1, at, "export", each) for at, each in enumerate(told)]
        whole, parts = merged(history, rows, 10)
        assert (whole.new, whole.records) == (30, 30)
        assert parts == 3
        days = history.connection.execute(
            "select date_trunc('day', played_at)::date::varchar, count(*) from plays group by 1"
        ).fetchall()
        assert Counter(dict(days)).total() == 30
