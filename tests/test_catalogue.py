"""The catalogue: every question's header says what its SQL does, and errors say where."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import duckdb
import pytest
from plays import NOW, PLAYED, MemoryDatabase, add, ask, example_arguments, extended

from spotify_hist import settings as settings_module
from spotify_hist.analytics import catalogue, header, run
from spotify_hist.analytics.params import SHARED, ParamType, check_arguments
from spotify_hist.errors import NoHistory, UnknownQuery, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

VOCABULARY = {"integer", "number", "text", "boolean", "date", "timestamp", "list"}
every_question = pytest.mark.parametrize("name", catalogue.names())

GOOD = """\
-- name: some
-- summary: Some plays.
-- grain: one row per play
-- chart: bar track plays
-- uses: user limit
-- param limit: integer = 5 [1..10]  Rows.
-- param odd: boolean = true  Whether to.
-- param word: text = a {a|b}  Which.
-- column track: The track.
-- example: --limit 3
select 1
"""


@pytest.fixture(scope="module")
def nothing() -> Iterator[MemoryDatabase]:
    """A listener who has played nothing."""
    database = MemoryDatabase()
    add(database, [])
    yield database
    database.connection.close()


def test_the_questions_of_the_first_frame_are_there() -> None:
    """What the docs, the tools and the demo name exists, in alphabetical order."""
    wanted = {"recent", "top-artists", "top-tracks", "heatmap", "taste-summary", "coverage"}
    assert wanted <= set(catalogue.names())
    assert list(catalogue.names()) == sorted(catalogue.names())
    assert [query.name for query in catalogue.all_queries()] == list(catalogue.names())


@every_question
def test_a_question_binds_exactly_the_parameters_its_header_names(name: str) -> None:
    """DuckDB's own parser finds the same named parameters as the header implies."""
    query = catalogue.load(name)
    statements = duckdb.connect().extract_statements(query.sql)
    assert len(statements) == 1
    assert statements[0].type == duckdb.StatementType.SELECT
    assert set(run.sql_parameters(query)) == set(statements[0].named_parameters)


@every_question
def test_every_column_is_explained_and_nothing_else_is(name: str) -> None:
    """`-- column` lines and the SQL's columns are the same, in the same order."""
    query = catalogue.load(name)
    assert list(query.columns) == [column.name for column in run.describe(query)]
    assert all(meaning.endswith(".") for meaning in query.columns.values())


@every_question
def test_every_column_has_a_type_of_the_vocabulary(name: str) -> None:
    """What faces must be able to draw and to put into a schema is a closed list."""
    assert {column.type for column in run.describe(catalogue.load(name))} <= VOCABULARY


@every_question
def test_a_question_has_all_that_the_faces_show(name: str) -> None:
    """Summary, grain, an example that parses, a chart of real columns, usable defaults."""
    query = catalogue.load(name)
    assert query.summary.endswith(".")
    assert len(query.summary) <= 300  # FACTS 8.6
    assert query.grain.startswith("one row per ")
    assert all(len(param.help) <= 700 and param.help.endswith(".") for param in query.params)
    if query.chart is not None:
        assert set(query.chart.columns) <= set(query.columns)
    options = {f"--{param.option}" for param in query.params}
    assert query.example
    assert {word for word in query.example.split() if word.startswith("--")} <= options
    for param in query.params:
        assert param.default is None or param.check(param.default) == param.default


@every_question
def test_a_shared_parameter_keeps_its_type_in_every_question(name: str) -> None:
    """A question may narrow a shared parameter, not make another of it."""
    for param in catalogue.load(name).params:
        assert param.type in get_args(ParamType)
        if param.name in SHARED:
            assert param.type == SHARED[param.name].type
            assert param.choices == () or set(param.choices) <= set(SHARED[param.name].choices)


@every_question
def test_a_listener_without_plays_gets_an_answer_and_no_error(
    name: str, nothing: MemoryDatabase
) -> None:
    """Every period and kind of an empty history can be asked for; who was never played, not."""
    query = catalogue.load(name)
    needed = example_arguments(query)
    if set(needed) & set(PLAYED):
        with pytest.raises(UsageError, match="was ever played"):
            ask(nothing, name, **needed)
        return
    for arguments in ({}, {"year": 2024}, {"days": 7}, {"since": "2024-03", "until": "today"}):
        if set(arguments) <= {param.name for param in query.params}:
            answer = ask(nothing, name, **needed, **arguments)
            assert answer.truncated is False
            assert answer.notes == ()
            assert [column.name for column in answer.columns] == list(query.columns)


def test_an_empty_history_has_no_rows_but_those_that_say_so(nothing: MemoryDatabase) -> None:
    """Lists are empty; the week and the totals are there and zero."""
    for name in ("recent", "top-artists", "top-tracks", "coverage"):
        assert ask(nothing, name).rows == []
    heatmap = ask(nothing, "heatmap").rows
    assert len(heatmap) == 168
    assert {row[2:] for row in heatmap} == {(0, 0)}
    taste = ask(nothing, "taste-summary").rows
    assert {row[3] for row in taste} == {0.0}
    assert [row[2] for row in taste if row[0] == "totals"] == [
        "plays",
        "listened time",
        "different tracks",
        "different artists",
        "different albums",
        "days with music",
    ]


def test_a_history_without_a_listener_says_that_there_is_none() -> None:
    """Exit code 3 and the way to begin, not an empty list."""
    with pytest.raises(NoHistory) as caught:
        ask(MemoryDatabase(), "recent")
    assert "import" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "near"),
    [("top-artist", "top-artists"), ("top_tracks", "top-tracks"), ("heat-map", "heatmap")],
)
def test_a_mistyped_question_is_told_what_may_be_meant(name: str, near: str) -> None:
    """The nearest names are in the hint."""
    with pytest.raises(UnknownQuery) as caught:
        catalogue.load(name)
    assert name in caught.value.message
    assert near in caught.value.hint


@pytest.mark.parametrize("name", ["zzz", "", "../catalogue", "recent.sql", "Recent", "x" * 10_000])
def test_what_is_no_question_is_refused(name: str) -> None:
    """Names are looked up, never used as paths."""
    with pytest.raises(UnknownQuery) as caught:
        catalogue.load(name)
    assert caught.value.hint


def test_a_whole_header_becomes_a_question() -> None:
    """Own parameters narrow the shared ones and stand in their place."""
    query = header.parse(GOOD, "some.sql")
    assert [param.name for param in query.params] == ["user", "limit", "odd", "word"]
    limit, odd, word = query.params[1:]
    assert (limit.default, limit.minimum, limit.maximum, limit.help) == (5, 1, 10, "Rows.")
    assert (odd.type, odd.default) == ("boolean", True)
    assert (word.default, word.choices) == ("a", ("a", "b"))
    assert query.chart == header.Chart("bar", ("track", "plays"))
    assert not query.has_period


@pytest.mark.parametrize(
    ("line", "instead", "place", "says"),
    [
        ("-- uses: user limit", "-- uses: user limits", "some.sql:5", "limits"),
        ("-- param limit: integer = 5 [1..10]  Rows.", "-- param limit: int  Rows.", ":6", "int"),
        ("-- param limit: integer = 5 [1..10]  Rows.", "-- param: integer  Rows.", ":6", "param"),
        ("-- grain: one row per play", "-- grains: one row", "some.sql:3", "grains"),
        ("-- grain: one row per play", "-- name: again", "some.sql:3", "twice"),
        ("-- param odd: boolean = true  Whether to.", "-- param limit: text  X.", ":7", "twice"),
        ("-- example: --limit 3", "-- column track: Again.", "some.sql:10", "twice"),
        ("-- example: --limit 3", "-- example", "some.sql:10", "example"),
        ("-- chart: bar track plays", "-- chart: pie track", "some.sql:4", "pie"),
        ("-- chart: bar track plays", "-- chart: bar track", "some.sql:4", "chart"),
        ("-- grain: one row per play\n", "", "some.sql", "grain"),
    ],
)
def test_a_wrong_header_names_file_and_line(line: str, instead: str, place: str, says: str) -> None:
    """Whoever writes a question finds the mistake at once."""
    assert line in GOOD
    with pytest.raises(ValueError, match=says) as caught:
        header.parse(GOOD.replace(line, instead), "some.sql")
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("recent", {"limit": 0}, "limit must be a whole number from 1 to 1000000, not 0."),
        ("recent", {"limit": "5"}, "not '5'"),
        ("recent", {"limit": True}, "not True"),
        ("recent", {"limit": 2.5}, "not 2.5"),
        ("recent", {"limit": 10**30}, "from 1 to 1000000"),
        ("recent", {"kind": "song"}, "one of track, episode, audiobook_chapter, unknown, all"),
        ("recent", {"since": ""}, "since must be text that is not empty"),
        ("recent", {"user": ["me"]}, "user must be text"),
        ("recent", {"colour": "red"}, "There is no parameter called 'colour'."),
        ("recent", {"user_id": 1}, "user_id"),
        ("heatmap", {"limit": 5}, "limit"),
        ("top-artists", {"limit": 1001}, "from 1 to 1000"),
        ("top-artists", {"min_ms": -1}, "from 0 to"),
        ("top-artists", {"year": 1999}, "from 2006 to 2100"),
        ("top-artists", {"days": 0}, "from 1 to"),
        ("top-artists", {"offset": -1}, "offset"),
        ("top-artists", {"kind": "x" * 10_000}, "..."),
        ("top-artists", {"timezone": "Mars/Olympus"}, "Mars/Olympus"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_what_can(
    name: str, arguments: dict[str, object], says: str, nothing: MemoryDatabase
) -> None:
    """Nothing is silently replaced, and a huge value does not make a huge message."""
    with pytest.raises(UsageError) as caught:
        ask(nothing, name, **arguments)
    assert says in caught.value.message
    assert len(caught.value.message) < 200
    assert caught.value.hint


def test_a_whole_number_may_come_as_a_float_and_none_means_the_default() -> None:
    """JSON knows no whole numbers, and callers send null for what they leave out."""
    query = catalogue.load("top-tracks")
    checked = check_arguments(query.params, {"limit": 3.0, "offset": None, "since": None})
    assert (checked["limit"], checked["offset"], checked["since"]) == (3, 0, None)


def test_the_answer_tells_what_was_asked_with_every_default_in_force(
    nothing: MemoryDatabase,
) -> None:
    """`params` shows the resolved period, time zone and listener: an answer stands alone."""
    answer = ask(nothing, "top-artists", year=2024, timezone="Asia/Kolkata")
    assert answer.params == {
        "since": "2023-12-31T18:30:00.000Z",
        "until": "2024-12-31T18:30:00.000Z",
        "year": 2024,
        "timezone": "Asia/Kolkata",
        "travel": False,
        "kind": "track",
        "min_ms": 30_000,
        "raw": False,
        "user": "me",
        "by": "plays",
        "limit": 20,
        "offset": 0,
    }


def test_the_time_zone_is_the_question_s_then_the_listener_s_then_the_setting_s_then_the_system_s(
    nothing: MemoryDatabase,
) -> None:
    """DESIGN 1, in this order."""

    def zone(timezone: str | None, variables: dict[str, str]) -> object:
        settings = settings_module.load("/nowhere", variables)
        arguments = {"timezone": timezone}
        return run.answer(nothing, settings, "heatmap", arguments, now=NOW).params["timezone"]

    setting = {"SPOTIFY_HIST_TIMEZONE": "Asia/Kolkata"}
    assert zone(None, {}) == "America/St_Johns"
    assert zone(None, setting) == "Asia/Kolkata"
    with nothing.emptied_afterwards():
        nothing.connection.execute("update users set timezone = 'Australia/Lord_Howe'")
        assert zone(None, setting) == "Australia/Lord_Howe"
        assert zone("UTC", setting) == "UTC"


def test_a_zone_that_only_python_knows_will_do(
    nothing: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine's zones can be newer than DuckDB's."""
    monkeypatch.setattr("spotify_hist.analytics.periods.is_zone", lambda _name: True)
    with nothing.emptied_afterwards():
        add(nothing, [extended("2024-01-01T00:30")])
        found = ask(nothing, "heatmap", timezone="posix/Asia/Tokyo")
        busy = [row[:2] for row in found.rows if row[2]]
        assert busy == [(1, 9)]
