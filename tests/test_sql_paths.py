"""Free SQL tells nothing of where files lie, and its errors are a line that can be read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import duckdb
import pytest
from known_history import MINE
from plays import NOW, add
from sql_kit import settings_of

from spotify_hist.analytics.sql.sandboxed import ask_sql
from spotify_hist.errors import SpotifyHistError, UsageError
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "where-it-lies"
NAMES = (
    "system.main.duckdb_databases()",
    "system.duckdb_settings()",
    "pragma_database_list",
    "system.main.pragma_database_list",
    "main.import_files",
    "history.main.logs",
    "history.job_runs",
)
REFUSED = [
    template.format(name=name)
    for name in NAMES
    for template in (
        "from {name}",
        "with a as (from {name}) from a",
        "select * from v_plays where exists (from {name})",
        "from (summarize from {name})",
        "from query('from {name}')",
        "from query(e'from \\x20 {name}')",
        "from query('from query(''from {name}'')')",
    )
] + [
    'from "system"."main"."duckdb_SETTINGS"()',
    "table system.main.duckdb_databases",
    "describe pragma_database_list",
    "from query_table('pragma_database_list')",
    "from query_table('pragma_' || 'database_list')",
    "from query('from pragma_' || 'database_list')",
    "from query(chr(102) || 'rom pragma_database_list')",
    "from pragma_storage_info('import_files')",
    "select current_setting('allowed_paths')",
    "select current_setting('secret_directory')",
    "select 'allowed_paths'.current_setting()",
    "select pg_catalog.current_setting('ALLOWED_PATHS')",
    "select current_setting('allowed' || '_paths')",
    "select [current_setting(name) for name in ['allowed_paths']]",
    "select list_transform(['allowed_paths'], lambda name: current_setting(name))",
    "from query('select current' || '_setting(''allowed_paths'')')",
    'from json_execute_serialized_sql(\'{"error":false,"statements":[]}\')',
]
WITHOUT = [
    "from duckdb_databases()",
    "from duckdb_databases",
    "from main.duckdb_views",
    "from temp.main.pg_settings",
    "from pg_catalog.pg_settings",
    "from 'duckdb_databases'",
    "from query_table('duckdb_' || 'settings')",
    "from query_table(['duckdb_databases'])",
    "select * from duckdb_settings() where name like '%path%'",
    "from query('from duckdb_databases()')",
    "show databases",
    "show all tables",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a history, whose folder has a name of its own."""
    home = tmp_path_factory.mktemp(FOLDER)
    add(Database(home / "history.duckdb"), MINE)
    return home


def said(home: Path, text: str) -> str:
    """Everything that is answered, or said instead."""
    try:
        answer = ask_sql(settings_of(home), text, now=NOW)
    except SpotifyHistError as error:
        return f"{error.message} {error.hint}"
    return f"{answer.columns} {answer.rows}"


def test_what_our_own_tables_tell_of_files_is_their_names(tmp_path: Path) -> None:
    """Where an export lay, and what was said of it, is in them with its folders."""
    folder, database = tmp_path / FOLDER, Database(tmp_path / "history.duckdb")
    add(database, MINE)
    with database.write("test") as connection:
        connection.executemany(
            "insert into import_files (file_id, import_id, name, package, format, content_sha256,"
            " content_file_id, records, rejected, damage, new, upgraded, duplicate)"
            " values ($1, 1, 'x.json', $2, 'extended_audio', '', $1, 0, 0, $3, 0, 0, 0)",
            [
                [7, f"{folder}/x.zip!/Streaming/", f"'{folder}/x.zip' cannot be read"],
                [8, f"{folder}/", f"({folder}/x.json: damaged)"],
            ],
        )
        connection.execute(
            "insert into logs values (now(), 'error', 'poll', null, $1)",
            [f"{folder}/spool/a.json is 1/2 there: http://127.0.0.1/x (see {folder}/b)"],
        )
    files = said(tmp_path, "from import_files")
    assert FOLDER not in files
    assert all(name in files for name in ("'x.zip!/Streaming/'", "'x.zip' cannot be", "(x.json:"))
    assert "a.json is 1/2 there: http://127.0.0.1/x (see b)" in said(tmp_path, "from logs")


@pytest.mark.parametrize("text", REFUSED)
def test_what_would_tell_a_path_is_refused(text: str, home: Path) -> None:
    """However it is named, nested or put together."""
    with pytest.raises(UsageError, match="not allowed here") as caught:
        ask_sql(settings_of(home), text, now=NOW)
    assert FOLDER not in caught.value.message


@pytest.mark.parametrize("text", WITHOUT)
def test_tables_of_duckdb_about_itself_tell_no_path(text: str, home: Path) -> None:
    """They can be asked, and leave it out; or are refused."""
    assert FOLDER not in said(home, text)


def test_nothing_else_that_duckdb_offers_tells_a_path(home: Path) -> None:
    """Each view of its own and each table function without arguments, whatever it says."""
    with duckdb.connect() as connection:
        functions = connection.execute(
            "select distinct 'from ' || function_name || '()' from duckdb_functions() "
            "where function_type in ('table', 'table_macro') "
            "and (function_name like 'duckdb%' or function_name like 'pragma%') order by all"
        ).fetchall()
        views = connection.execute(
            "select distinct format('from {}.{}', schema_name, view_name) from duckdb_views() "
            "where internal order by all"
        ).fetchall()
    asked = [text for (text,) in (*functions, *views)]
    assert "from duckdb_settings()" in asked
    assert "from pg_catalog.pg_settings" in asked
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(partial(said, home), asked)
        told = [text for text, answer in zip(asked, answers, strict=True) if FOLDER in answer]
    assert told == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select current_setting('TimeZone') as a", "UTC"),
        ("from query('select 41 + 1 as query')", "42"),
        ("select count(*) from query_table('v_plays')", "("),
        ("select 'duckdb_settings()' as pg_settings", "duckdb_settings"),
        ("select value from duckdb_settings() where name = 'TimeZone'", "UTC"),
        ("select database_name from duckdb_databases()", "history"),
        ("show tables", "v_plays"),
        ("describe v_plays", "played_at"),
    ],
)
def test_what_tells_no_path_may_be_asked(text: str, expected: str, home: Path) -> None:
    """A name within a text is no name."""
    answer = ask_sql(settings_of(home), text, now=NOW)
    assert expected in f"{answer.columns} {answer.rows}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("selec 1", 'syntax error at or near "selec" (line 1)'),
        ("select track\nfrom v_plays\nwhere nothing", '"nothing" not found in FROM clause'),
        ("from v_pays", "v_pays does not exist"),
        ("select abs('a', 'b', 'c')", "'abs(STRING_LITERAL, STRING_LITERAL, STRING_LITERAL)'"),
        ("select cast('a\n\x1bb' as integer)", "Could not convert string"),
        (f"select cast('{'x' * 5000}' as integer)", "Could not convert string"),
        (f"select {'y' * 5000} from v_plays", "yyyy…"),
    ],
)
def test_an_error_of_duckdb_is_one_line_that_can_be_read(
    text: str, expected: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here, as a tool and on the terminal: no list of functions, no excerpt, no endless value."""
    with pytest.raises(UsageError) as caught:
        ask_sql(settings_of(home), text, now=NOW)
    message = caught.value.message
    assert expected in message
    assert "\n" not in message
    assert len(message) < 360
    assert "Candidate functions" not in message
    assert "LINE " not in message

    from spotify_hist.faces.cli.main import run

    assert run(["--home", str(home), "query", "sql", text]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert printed[:-1].isprintable()
