"""Free SQL: what is taken, how values are said, where it is cut, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from known_history import MINE, THEIRS
from plays import NOW, add
from processes import wait_until
from sql_kit import ask, rows, settings_of, value

from spotify_hist.analytics.sql import sandboxed
from spotify_hist.analytics.sql.sandboxed import MOST_ROWS, ask_sql
from spotify_hist.errors import (
    BadInput,
    DatabaseBusy,
    NoHistory,
    SpotifyHistError,
    Temporary,
    UsageError,
)
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def sql_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose history is that of `known_history`."""
    home = tmp_path_factory.mktemp("home")
    database = Database(home / "history.duckdb")
    add(database, MINE)
    add(database, THEIRS, "other")
    return home


@pytest.mark.parametrize(
    "text",
    [
        "select 1 as one",
        "with a as (select 1 as one) select * from a",
        "from (values (1)) as told (one)",
        "select 1 as one;",
        "select 1 as one; -- and no more;",
        "/* ; */ select 1 as one -- it's all",
        "(select 1 as one)",
    ],
)
def test_one_select_in_any_dress_is_answered(sql_home: Path, text: str) -> None:
    """Comments, brackets and semicolons at the end change nothing."""
    answer = ask(sql_home, text)
    assert [(column.name, column.type) for column in answer.columns] == [("one", "integer")]
    assert answer.rows == [(1,)]
    assert answer.as_dict() == {
        "query": "sql",
        "params": {"sql": text, "limit": 1000, "user": "me", "timezone": "UTC"},
        "columns": [{"name": "one", "type": "integer"}],
        "rows": [{"one": 1}],
        "truncated": False,
        "notes": [],
    }


@pytest.mark.parametrize("text", ["describe v_plays", "show tables", "summarize v_daily"])
def test_what_tells_of_tables_is_a_select_too(sql_home: Path, text: str) -> None:
    """DuckDB calls these SELECT."""
    assert rows(sql_home, text) != []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("copy plays to 'x.csv'", "COPY"),
        ("explain analyze select 1", "EXPLAIN"),
        ("pragma version", "PRAGMA"),
        ("select 1; select 2", "2 statements"),
        ("", "0 statements"),
        ("-- nothing", "0 statements"),
        ("select $given", "parameters"),
        ("select ?", "parameters"),
        ("pivot (select kind, 1 as n from plays) on kind using sum(n)", "MULTI"),
    ],
)
def test_all_else_is_refused_with_what_it_is(sql_home: Path, text: str, word: str) -> None:
    """The message names what was given, the hint what would do."""
    with pytest.raises(UsageError, match=word) as caught:
        ask(sql_home, text)
    assert caught.value.code == "not_one_select"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "select *\nfrm plays x",
            'The SQL is not understood: syntax error at or near "plays" (line 2).',
        ),
        ("select nope from v_daily", 'Referenced column "nope" not found'),
        ("select * from v_nothing", "v_nothing does not exist"),
        ("select 'x'::integer", "The SQL failed: Could not convert string 'x' to INT32."),
        ("select error('mine')", "The SQL failed: "),
    ],
)
def test_what_is_wrong_is_said_in_duckdbs_words(sql_home: Path, text: str, message: str) -> None:
    """On one line, with the line of the person's own statement and no other."""
    with pytest.raises(UsageError) as caught:
        ask(sql_home, text)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert "query('" not in caught.value.message
    assert caught.value.code == "sql"


@pytest.mark.parametrize(
    ("expression", "type_", "said"),
    [
        ("170141183460469231731687303715884105727::hugeint", "integer", 2**127 - 1),
        ("340282366920938463463374607431768211455::uhugeint", "integer", 2**128 - 1),
        ("sum(1::tinyint)", "integer", 1),
        ("10000000000000000000000000000000000001::decimal(38, 0)", "integer", 10**37 + 1),
        ("1.25", "number", 1.25),
        ("1.5::float", "number", 1.5),
        ("'nan'::double", "number", None),
        ("'-infinity'::double", "number", None),
        ("true", "boolean", True),
        ("'a\"b\\' || chr(10) || '🦆'", "text", 'a"b\\\n🦆'),
        ("date '2024-02-29'", "date", "2024-02-29"),
        ("'infinity'::date", "date", None),
        ("'2024-07-01 23:30:00.5+02'::timestamptz", "timestamp", "2024-07-01T21:30:00.500Z"),
        ("'2024-07-01 00:00:00.12345+00'::timestamptz", "timestamp", "2024-07-01T00:00:00.123450Z"),
        ("'infinity'::timestamptz", "timestamp", None),
        ("'0044-03-15 (BC)'::timestamptz", "timestamp", None),
        ("timestamp '2024-07-01 23:30:00'", "local_timestamp", "2024-07-01T23:30:00.000"),
        (
            "'2024-07-01 00:00:00.123456789'::timestamp_ns",
            "local_timestamp",
            "2024-07-01T00:00:00.123456789",
        ),
        ("time '10:00'", "text", "10:00:00"),
        ("interval 3 day", "text", "3 days"),
        (
            "'0b2f1a3e-0000-4000-8000-000000000001'::uuid",
            "text",
            "0b2f1a3e-0000-4000-8000-000000000001",
        ),
        ("'\\xAA\\x00'::blob", "text", "aa00"),
        ("'b'::enum ('a', 'b')", "text", "b"),
        ("'{\"a\": 1}'::json", "text", '{"a": 1}'),
        ("null", "text", None),
        ("[1, null]", "list", [1, None]),
        ("[]", "list", []),
        (
            "[timestamptz '2024-07-01 00:00:00+00', null]",
            "list",
            ["2024-07-01T00:00:00.000Z", None],
        ),
        ("[1, 2]::integer[2]", "list", [1, 2]),
        (
            "{'at': date '2024-01-01', 'in it': {'x': [1.5, 'nan'::double]}}",
            "object",
            {"at": "2024-01-01", "in it": {"x": [1.5, None]}},
        ),
        (
            "map {timestamptz '2024-07-01 00:00:00+00': ['a']}",
            "object",
            {"2024-07-01T00:00:00.000Z": ["a"]},
        ),
        ("map {[1]: {'b': '\\x01'::blob}}", "object", {"[1]": {"b": "01"}}),
        ("map {1: 2}", "object", {"1": 2}),
        ("null::struct(a integer)", "object", None),
        ("row(1, 'a')", "text", "(1, a)"),
        ("union_value(n := 1)", "text", "1"),
    ],
)
def test_every_type_is_said_in_json(
    sql_home: Path, expression: str, type_: str, said: object
) -> None:
    """Type and value, and what has no form in JSON is null."""
    assert value(sql_home, expression) == (type_, said)


def test_every_type_that_duckdb_has_can_be_answered(sql_home: Path) -> None:
    """Its own table of all types, with their least and greatest values."""
    answer = ask(sql_home, "select * from test_all_types()")
    assert len(answer.rows) == 3
    assert set(answer.rows[2]) == {None}
    (note,) = answer.notes
    assert "left empty" in note


def test_columns_of_one_name_are_told_apart(sql_home: Path) -> None:
    """Rows are objects in JSON: no value may take another's place."""
    answer = ask(sql_home, 'select 1 as a, 2 as a, 3 as "a b"')
    assert [column.name for column in answer.columns] == ["a", "a_1", "a b"]
    assert answer.rows == [(1, 2, 3)]


def test_the_order_asked_for_stays(sql_home: Path) -> None:
    """Rows are cut after they were ordered."""
    answer = ask(sql_home, "select i from range(300000) as t (i) order by i desc", limit=3)
    assert answer.rows == [(299_999,), (299_998,), (299_997,)]
    assert answer.truncated


def test_just_as_many_rows_as_the_limit_are_not_truncated(sql_home: Path) -> None:
    """One row more than the limit tells."""
    assert not ask(sql_home, "from range(3)", limit=3).truncated
    assert ask(sql_home, "from range(3)", limit=2).rows == [(0,), (1,)]
    assert len(ask(sql_home, "from range(200000)", limit=MOST_ROWS).rows) == MOST_ROWS


@pytest.mark.parametrize("limit", [0, MOST_ROWS + 1])
def test_a_limit_out_of_bounds_is_refused(sql_home: Path, limit: int) -> None:
    """Never silently another one."""
    with pytest.raises(UsageError, match="limit"):
        ask(sql_home, "select 1", limit=limit)


def test_an_answer_of_too_many_bytes_is_cut_and_says_so(sql_home: Path) -> None:
    """Whole rows alone, and no more than that is ever read."""
    text = "select i, repeat('x', 100000) from range(100) as t (i)"
    answer = ask_sql(settings_of(sql_home), text, now=NOW, user="me", most_bytes=1_000_000)
    assert answer.truncated
    assert 0 < len(answer.rows) < 10
    assert answer.notes[0].startswith(f"Cut after {len(answer.rows)} rows")


def test_one_row_of_too_many_bytes_is_no_row(sql_home: Path) -> None:
    """A giant text cannot fill the memory of whoever asks."""
    text = "select repeat('x', 80000000)"
    answer = ask_sql(settings_of(sql_home), text, now=NOW, user="me")
    assert (answer.rows, answer.truncated) == ([], True)


@pytest.mark.parametrize("text", ["select 1\0", "select '\ud800'", "select 1 " + " " * 1_000_000])
def test_a_text_that_is_none_is_refused(sql_home: Path, text: str) -> None:
    """NUL, half a character, a megabyte."""
    with pytest.raises(UsageError):
        ask(sql_home, text)


def test_a_query_that_takes_too_long_is_ended(sql_home: Path) -> None:
    """As a question of the catalogue is: temporary, with the code `timeout`."""
    started = time.monotonic()
    with pytest.raises(Temporary) as caught:
        ask_sql(settings_of(sql_home), "select sleep_ms(60000)", now=NOW, user="me", timeout_s=0.5)
    assert caught.value.code == "timeout"
    assert time.monotonic() - started < 10


def test_a_query_that_needs_too_much_memory_says_so(sql_home: Path) -> None:
    """Nothing was wrong with the statement, so the setting is named."""
    with pytest.raises(BadInput) as caught:
        ask(sql_home, "select count(*) from (select unnest(range(1000000000)))")
    assert caught.value.code == "out_of_memory"
    assert "query.sql_memory_mb" in caught.value.hint


def test_no_history_is_said_as_everywhere(tmp_path: Path) -> None:
    """The error comes through from the process."""
    with pytest.raises(NoHistory) as caught:
        ask_sql(settings_of(tmp_path), "select 1", now=NOW)
    assert caught.value.hint == NoHistory.hint


def test_a_writer_is_waited_for_and_then_told_of(sql_home: Path) -> None:
    """The gate orders these readers too."""
    with (
        Database(sql_home / "history.duckdb").write("a long import"),
        pytest.raises(DatabaseBusy, match="a long import"),
    ):
        ask_sql(settings_of(sql_home), "select 1", now=NOW, wait_s=0.0)


def test_several_listeners_must_be_chosen_from(sql_home: Path) -> None:
    """The views are about one, as questions are."""
    with pytest.raises(UsageError, match="Several listeners"):
        ask(sql_home, "select 1", user=None)
    counted = "select count(*) from v_plays"
    assert ask(sql_home, counted, user="other").rows == [(len(THEIRS),)]


def test_the_process_sees_neither_secrets_nor_the_statement(
    sql_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment holds no variable of ours, and its arguments no SQL."""
    seen: list[tuple[list[str], dict[str, str]]] = []
    real = subprocess.Popen

    def spied(arguments: list[str], *, env: dict[str, str], **more: Any) -> subprocess.Popen[bytes]:
        seen.append((arguments, env))
        return real(arguments, env=env, **more)

    monkeypatch.setenv("SPOTIFY_HIST_TOKEN_KEY", "hush")
    monkeypatch.setenv("SOME_API_KEY", "hush")
    monkeypatch.setattr(subprocess, "Popen", spied)
    assert rows(sql_home, "select 'open sesame'") == [("open sesame",)]
    ((arguments, environment),) = seen
    assert "sesame" not in " ".join(arguments)
    assert "hush" not in environment.values()


def test_a_module_in_the_current_directory_is_not_run(
    sql_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of somebody else's may hold a json.py."""
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert rows(sql_home, "select 1") == [(1,)]


def test_a_process_that_dies_without_a_word_is_told_of(
    sql_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What DuckDB cannot say itself: its process was killed."""
    monkeypatch.setattr(sandboxed, "_CHILD", "antigravity.of.no.use")
    with pytest.raises(SpotifyHistError) as caught:
        ask(sql_home, "select 1")
    assert caught.value.code == "broke_down"


SLEEPER = """
import sys
from datetime import UTC, datetime
from spotify_hist import settings
from spotify_hist.analytics.sql.sandboxed import ask_sql
ask_sql(settings.load(sys.argv[1], {}), "select sleep_ms(600000)", now=datetime.now(UTC),
        user="me", timeout_s=float(sys.argv[2]))
"""


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()]


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.fixture
def asking(sql_home: Path, request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """(a process that asks for what takes long, the process that runs it), killed afterwards."""
    if not Path("/proc/self/task").is_dir():
        pytest.skip("children are told by /proc alone")
    arguments = [sys.executable, "-c", SLEEPER, str(sql_home), str(request.param)]
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as asker:
        wait_until(lambda: bool(_children(asker.pid)))
        (child,) = _children(asker.pid)
        wait_until(lambda: _is_confined(child))
        yield asker.pid, child
        asker.kill()


def _is_confined(pid: int) -> bool:
    """Whether the walls are up: it may write nothing any more, and so the statement runs."""
    try:
        limits = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return False
    (size,) = [line for line in limits.splitlines() if line.startswith("Max file size")]
    return size.split()[3:5] == ["0", "0"]


@pytest.mark.parametrize("asking", [600], indirect=True)
def test_ctrl_c_ends_both_processes(asking: tuple[int, int]) -> None:
    """Nothing goes on behind a person's back."""
    asker, child = asking
    os.kill(asker, signal.SIGINT)
    wait_until(lambda: not _is_alive(asker) and not _is_alive(child))


@pytest.mark.parametrize("asking", [1], indirect=True)
def test_a_query_whose_asker_was_killed_ends_by_itself(asking: tuple[int, int]) -> None:
    """The kernel holds the deadline where nobody else is left to."""
    asker, child = asking
    os.kill(asker, signal.SIGKILL)
    wait_until(lambda: not _is_alive(child))


def test_many_may_ask_at_once(sql_home: Path) -> None:
    """Readers share the file, also from the threads of one process."""
    found: list[object] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(rows(sql_home, "select count(*) from v_plays"))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[(13,)]] * 4
