"""What every answer keeps to: one listener, pages, order, and honest notes."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from known_history import ALPHA, two_listeners
from plays import (
    NOW,
    MemoryDatabase,
    add,
    add_gap,
    api,
    ask,
    cells,
    epoch_ms,
    example_arguments,
    extended,
    rows,
)

from spotify_hist import settings as settings_module
from spotify_hist.analytics import catalogue, lookup, run
from spotify_hist.errors import UsageError
from spotify_hist.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALL: dict[str, object] = {
    "kind": "all", "min_ms": 0, "several": "all", "limit": 1000, "offset": 0,
}  # fmt: skip

FIRST_FRAME = {
    "recent", "top-artists", "top-tracks", "heatmap", "taste-summary", "coverage", "duplicates",
}  # fmt: skip


@pytest.fixture(scope="module")
def history() -> Iterator[MemoryDatabase]:
    """Two listeners; `me` has played everything of `MINE`."""
    database = two_listeners()
    yield database
    database.connection.close()


@pytest.fixture(scope="module")
def empty() -> Iterator[MemoryDatabase]:
    """A database that each test gives its own history."""
    database = MemoryDatabase()
    yield database
    database.connection.close()


def test_another_listener_s_plays_never_show(history: MemoryDatabase) -> None:
    """Each listener's answers are as if they were alone; without a name the question is refused."""
    for name in ("top-artists", "top-tracks", "heatmap", "coverage"):
        answer = ask(history, name, user="other")
        assert answer.params["user"] == "other"
        assert sum(plays for (plays,) in cells(answer, "plays") if isinstance(plays, int)) == 24
    recent = ask(history, "recent", user="other", limit=100)
    assert cells(recent, "artist", "sources") == [("Ann", ["extended"])] * 24
    with pytest.raises(UsageError, match="me, other") as caught:
        ask(history, "recent")
    assert "--user" in caught.value.hint


def test_the_default_listener_is_meant_where_none_is_named(history: MemoryDatabase) -> None:
    """DESIGN 1: --user, else default_user, else the only listener."""
    settings = settings_module.load("/nowhere", {"SPOTIFY_HIST_DEFAULT_USER": "other"})
    answer = run.answer(history, settings, "recent", {}, now=NOW)
    assert answer.params["user"] == "other"
    named = run.answer(history, settings, "recent", {"user": "me"}, now=NOW)
    assert named.params["user"] == "me"


@pytest.mark.parametrize("name", catalogue.names())
def test_the_whole_calendar_is_a_period_too(name: str, history: MemoryDatabase) -> None:
    """The ends of time change nothing, and are told in the answer."""
    needed = example_arguments(catalogue.load(name))
    answer = ask(history, name, user="me", since="0001-01-02", until="9999-12-31", **needed)
    all_time = {"since": "2006"} if catalogue.load(name).default_period else {}
    assert answer.rows == rows(history, name, user="me", **all_time, **needed)
    assert answer.params["since"] == "0001-01-02T00:00:00.000Z"
    assert answer.params["until"] == "9999-12-31T00:00:00.000Z"
    assert ask(history, name, user="me", days=36_500, **needed).rows == answer.rows


@pytest.mark.parametrize("name", ["recent", "top-artists", "top-tracks", "coverage", "duplicates"])
def test_pages_put_together_are_the_whole_list(name: str, history: MemoryDatabase) -> None:
    """`offset` leaves out just the rows before; `truncated` is true until the last page."""
    whole = rows(history, name, user="me")
    paged: list[tuple[object, ...]] = []
    for offset in range(0, len(whole), 2):
        answer = ask(history, name, user="me", limit=2, offset=offset)
        paged += answer.rows
        assert answer.truncated == (offset + 2 < len(whole))
    assert paged == whole
    assert not ask(history, name, user="me", limit=len(whole)).truncated
    assert ask(history, name, user="me", limit=len(whole) - 1).truncated
    beyond = ask(history, name, user="me", offset=len(whole))
    assert (beyond.rows, beyond.truncated) == ([], False)


@pytest.mark.parametrize("name", catalogue.names())
def test_the_answer_keeps_the_order_of_the_question_s_own_sql(
    name: str, history: MemoryDatabase, tmp_path: Path
) -> None:
    """Turning instants into text around the SQL moves no row."""
    query = catalogue.load(name)
    needed = example_arguments(query)
    answer = ask(
        history,
        name,
        user="me",
        **needed,
        **{
            each: value
            for each, value in ALL.items()
            if each in {param.name for param in query.params}
        },
    )
    values = {param.name: param.default for param in query.params} | ALL | needed
    values |= lookup.found(
        history.connection, query, {each: str(value) for each, value in needed.items()}
    )[0]
    values |= {"since": None, "until": None, "timezone": "UTC", "user_id": 1, "now": NOW}
    bound = {each: values.get(each) for each in run.sql_parameters(query)}
    path = tmp_path / "raw.csv"
    history.connection.execute(f"copy (\n{query.sql}\n) to '{path}' (header)", bound)
    changed = {"timestamp", "list", "boolean"}  # written in another way
    plain = [column.name for column in answer.columns if column.type not in changed]
    with path.open(newline="", encoding="utf-8") as file:
        raw = [tuple(row[name] for name in plain) for row in csv.DictReader(file)]
    assert raw == [
        tuple("" if cell is None else str(cell) for cell in row) for row in cells(answer, *plain)
    ]
    assert len(raw) > 2 or name not in FIRST_FRAME  # others may need more than there is


def test_at_least_is_said_only_where_an_open_gap_lies_in_the_period(empty: MemoryDatabase) -> None:
    """The note names the first gap and how many more there are; a period beside them has none."""
    with empty.emptied_afterwards():
        add(empty, [extended("2024-06-15T10:00")])
        add_gap(empty, "2024-02-01T10:00", "2024-02-03T10:00")
        add_gap(empty, "2024-05-01T10:00", "2024-05-03T10:00")
        add_gap(empty, "2024-07-01T10:00", "2024-07-03T10:00", is_open=False)

        def note(**period: object) -> str:
            return " ".join(ask(empty, "top-artists", **period).notes)

        assert note().startswith(
            "At least: plays are missing between 2024-02-01T10:00:00.000Z and "
            "2024-02-03T10:00:00.000Z, and in 1 more stretch"
        )
        assert "more stretch" not in note(since="2024-03")
        assert note(since="2024-02-02", until="2024-02-03").startswith("At least")
        assert note(since="2024-06") == ""
        assert note(until="2024-02-01T10:00Z") == ""
        assert note(since="2024-02-03T10:00Z", until="2024-05") == ""


def test_plays_of_unknown_length_are_noted_where_listened_time_is_shown(
    history: MemoryDatabase, empty: MemoryDatabase
) -> None:
    """Only polls leave it out, so that a question of episodes alone needs no such note."""
    note = ask(history, "top-artists", user="me").notes
    assert len(note) == 1
    assert note[0].startswith("1 play has no listened time")
    assert ask(history, "top-artists", user="me", year=2023).notes == ()
    assert ask(history, "top-artists", user="me", kind="episode").notes == ()
    assert ask(history, "coverage", user="me").notes == ()
    assert ask(history, "top-artists", user="other").notes == ()
    with empty.emptied_afterwards():
        days = (f"2024-01-0{day}T10:00" for day in (1, 2))
        add(empty, [api(day, "Alpha", "Ann", uri=ALPHA) for day in days])
        assert ask(empty, "heatmap").notes[0].startswith("2 plays have no listened time")


def test_a_play_that_only_another_service_noted_counts_like_one_of_the_polls(
    empty: MemoryDatabase,
) -> None:
    """Without a listened time it counts, and the answer says that none is known."""
    with empty.emptied_afterwards():
        instants = (epoch_ms(f"2024-01-0{day}T10:00") for day in (1, 2))
        told = [Record("lastfm", at, "track", None, None, "Alpha", "Ann") for at in instants]
        add(empty, [*told, extended("2024-01-02T10:03", "Alpha", "Ann")])
        artists = ask(empty, "top-artists")
        assert cells(artists, "artist", "plays", "listened_ms") == [("Ann", 2, 200_000)]
        assert artists.notes[0].startswith("1 play has no listened time: only polls or other")
        months = ask(empty, "coverage")
        assert cells(months, "plays", "extended", "api", "services") == [(2, 1, 0, 2)]
        recent = ask(empty, "recent")
        assert cells(recent, "sources") == [(["extended", "lastfm"],), (["lastfm"],)]


def test_a_play_that_ends_at_midnight_belongs_to_the_day_that_begins(empty: MemoryDatabase) -> None:
    """Periods are half-open in every question that counts a single play: one at a border is in one
    of two neighbours."""

    def count(question: str, **period: object) -> int:
        answer = ask(empty, question, timezone="Europe/Berlin", **period)
        if question == "recent":
            return len(answer.rows)
        if question == "duplicates":
            return len(rows(empty, question, several="all", timezone="Europe/Berlin", **period))
        if question == "taste-summary":
            return int(float(str(answer.rows[0][3])))
        if all(column.name != "plays" for column in answer.columns):
            return 0
        return sum(plays for (plays,) in cells(answer, "plays") if isinstance(plays, int))

    with empty.emptied_afterwards():
        add(empty, [extended("2024-12-31T23:00:00")])
        counting = {
            query.name
            for query in catalogue.all_queries()
            if query.has_period
            and not any(param.is_required for param in query.params)
            and count(query.name) == 1
        }
        assert counting >= FIRST_FRAME
        for question in sorted(counting):
            assert count(question, year=2024) == 0
            assert count(question, year=2025) == 1
            assert count(question, until="2025-01-01") == 0
            assert count(question, since="2025-01-01", until="2025-01-02") == 1
