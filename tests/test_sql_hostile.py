"""Free SQL of somebody who means ill: refused or ended, and nothing is touched."""

from __future__ import annotations

import hashlib
import resource
import sys
import time
from typing import TYPE_CHECKING

import pytest
from known_history import MINE
from plays import NOW, add
from sql_kit import settings_of

from spotify_hist.analytics.sql.sandboxed import ask_sql
from spotify_hist.errors import SpotifyHistError
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT_S = 1.0
PATIENCE_S = 3.0
MOST_KB = 2 * 1024 * 1024
SECRET = "hush-hush-hush"

FILES = [
    "from read_text('{secret}')",
    "from read_blob('{secret}')",
    "from read_csv('{secret}')",
    "from read_csv_auto('{secret}')",
    "from read_json('{secret}')",
    "from read_ndjson_objects('{secret}')",
    "from read_parquet('{secret}')",
    "from parquet_metadata('{secret}')",
    "from parquet_scan('{secret}')",
    "from sniff_csv('{secret}')",
    "from glob('{home}/*')",
    "from '{secret}'",
    "from '{secret}.csv'",
    "from read_text('/proc/self/environ')",
    "from read_text('/proc/self/fd/0')",
    "from read_blob('{home}/history.duckdb')",
    "from read_duckdb('{home}/history.duckdb')",
    "from read_duckdb('{home}/other.duckdb')",
    "from query('from read_text(''{secret}'')')",
    "from query_table('{secret}.csv')",
    "from 'https://example.com/a.csv'",
    "from read_csv('https://example.com/a.csv')",
    "from 's3://bucket/a.parquet'",
    "from sqlite_scan('{home}/x.db', 'y')",
    "from postgres_scan('host=localhost', 'a', 'b')",
]
WRITES = [
    "copy (select 1) to '{home}/evil'",
    "copy plays from '{secret}'",
    "export database '{home}/evil'",
    "import database '{home}'",
    "create table evil (a integer)",
    "create temp table evil as select 1",
    "create or replace temp view v_plays as select 1",
    "create macro evil() as 1",
    "create secret evil (type s3)",
    "insert into users values (9)",
    "update users set name = 'evil'",
    "delete from plays",
    "truncate plays",
    "drop table plays",
    "alter table plays add column evil integer",
    "comment on table plays is 'evil'",
    "merge into users using (select 1) on true when matched then delete",
    "pragma version",
    "pragma enable_profiling",
    "set memory_limit = '100GB'",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "reset lock_configuration",
    "use temp",
    "attach '{home}/evil.duckdb'",
    "detach history",
    "install httpfs",
    "load httpfs",
    "call pragma_version()",
    "call enable_logging(storage = 'file', storage_path = '{home}/evil')",
    "checkpoint",
    "vacuum",
    "analyze",
    "begin",
    "prepare evil as delete from plays",
    "execute evil",
    "explain analyze delete from plays",
    "explain select 1",
    "with gone as (delete from plays returning *) select * from gone",
    "with new as (insert into users values (9) returning *) select * from new",
    "from query('copy (select 1) to ''{home}/evil''')",
    "from query('delete from plays')",
    "from json_execute_serialized_sql('delete from plays')",
    "from enable_logging(storage = 'file', storage_path = '{home}/evil')",
    "from create_external_resource('evil')",
    "from add_grammar_extension('evil')",
    "from force_checkpoint()",
    "from import_database('{home}')",
    "from copy_database('history', 'evil')",
    "from pandas_scan(1::pointer)",
    "from arrow_scan(1::pointer, 2::pointer, 3::pointer)",
]
SEVERAL = [
    "select 1; drop table plays",
    "select 1;;; select 2",
    "select 1 /* ; */; -- harmless\n drop table plays",
    "select 1 -- ;\n; copy (select 1) to '{home}/evil'",
    "/* select */ delete from plays",
    "select 1) as a; drop table plays; select * from (select 1",
    "select 1') as a; drop table plays; select * from query('select 1",
    "select 1 /* unterminated",
    "select 'unterminated",
    "select $$ ; $$ ; drop table plays",
    "select 1\0; drop table plays",
    "select '\udcff'",
]
BOMBS = [
    "select count(*) from (select unnest(range(1000000000)))",
    "select unnest(range(1000000000))",
    "select repeat('x', 1000000000) || repeat('y', 1000000000)",
    "select repeat('x', 4000000000)",
    "select list_aggregate(range(300000000), 'sum')",
    "select list_sort(range(1000000000))",
    "select array_agg(i) from range(1000000000) as t (i)",
    "select [repeat('x', 100000) for i in range(100000)]",
    "select range(0, 1000000000)::varchar",
    "select string_agg(repeat('x', 10000), '') from range(10000000)",
    "select count(distinct i::varchar) from range(10000000000) as t (i)",
    "select count(*) from range(1000000) as a, range(1000000) as b, range(1000000) as c",
    "select * from range(1000000) as a, range(1000000) as b order by random()",
    "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r",
    "with recursive r as (select 'x' as n union all select n || n from r) select max(n) from r",
    "select sleep_ms(100000)",
    "select lpad('x', 2000000000, 'y')",
    "select bitstring('1', 2000000000)",
    "select printf('%1000000000d', 1)",
    "select " + ", ".join(["1"] * 50_000),
    "with a0 as (from range(10) as t (q)), "
    + ", ".join(f"a{i} as (select a.* from a{i - 1} as a, a{i - 1} as b)" for i in range(1, 30))
    + " select count(*) from a29",
]
DEEP = [
    "select " + "(" * 10_000 + "1" + ")" * 10_000,
    "select " + "[" * 5_000 + "1" + "]" * 5_000,
    "select " + "[" * 30 + "1" + "]" * 30,
    "select 1" + " + 1" * 50_000,
    "select " + "not " * 20_000 + "true",
    "select " * 5_000 + "1",
    "select (" * 3_000 + "select 1" + ")" * 3_000,
    "select " + "-" * 200_001 + "1\n from",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a history, and a file beside it that nobody may read."""
    home = tmp_path_factory.mktemp("home")
    add(Database(home / "history.duckdb"), MINE)
    (home / "secret.txt").write_text(SECRET)
    return home


@pytest.fixture
def untouched(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home; afterwards its files are the same, and no process took too much memory."""
    monkeypatch.setenv("SPOTIFY_HIST_TOKEN_KEY", SECRET)
    before = _files(home)
    yield home
    assert _files(home) == before
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak // (1024 if sys.platform == "darwin" else 1) < MOST_KB


def _files(home: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(home.iterdir())
    }


def _ask(home: Path, text: str) -> str:
    """Everything that is answered; the statement may name files of `home`."""
    filled = text.replace("{secret}", str(home / "secret.txt")).replace("{home}", str(home))
    settings = settings_of(home, query_sql_timeout_s=str(TIMEOUT_S))
    started = time.monotonic()
    try:
        return str(ask_sql(settings, filled, now=NOW).rows)
    finally:
        assert time.monotonic() - started < PATIENCE_S


@pytest.mark.parametrize("text", [*FILES, *WRITES, *SEVERAL], ids=lambda text: repr(text)[:60])
def test_what_reaches_beyond_the_history_is_refused(untouched: Path, text: str) -> None:
    """Files, the network, writing, settings, several statements: refused as a usage error."""
    with pytest.raises(SpotifyHistError) as caught:
        _ask(untouched, text)
    assert caught.value.code in {"sql", "not_one_select", "usage"}
    assert SECRET not in caught.value.message


@pytest.mark.parametrize("text", BOMBS, ids=lambda text: repr(text)[:60])
def test_what_would_never_end_or_fit_is_ended(untouched: Path, text: str) -> None:
    """Time and memory have an end, whatever asks for them."""
    with pytest.raises(SpotifyHistError) as caught:
        _ask(untouched, text)
    assert caught.value.code in {"timeout", "out_of_memory", "broke_down", "sql"}


@pytest.mark.parametrize("text", DEEP, ids=lambda text: repr(text)[:60])
def test_what_is_nested_without_end_is_refused(untouched: Path, text: str) -> None:
    """DuckDB says so, or its process breaks down alone."""
    with pytest.raises(SpotifyHistError) as caught:
        _ask(untouched, text)
    assert caught.value.code in {"sql", "broke_down", "out_of_memory", "timeout"}


@pytest.mark.parametrize(
    "text",
    [
        "select current_setting(name) from duckdb_settings()",
        "select * from duckdb_settings()",
        "select * from duckdb_secrets()",
        "select * from which_secret('s3://a', 's3')",
        "select * from duckdb_variables()",
        "select getenv('SPOTIFY_HIST_TOKEN_KEY')",
        "select getvariable('SPOTIFY_HIST_TOKEN_KEY')",
        "from request",
        "from os",
    ],
)
def test_nothing_tells_a_secret(untouched: Path, text: str) -> None:
    """Neither the environment nor settings nor the Python around it can be read."""
    try:
        told = _ask(untouched, text)
    except SpotifyHistError as error:
        told = error.message
    assert SECRET not in told


def test_a_setting_that_is_locked_stays_what_it_was(untouched: Path) -> None:
    """What the walls are made of, as DuckDB itself tells it."""
    told = _ask(
        untouched,
        "select name, value from duckdb_settings() where name in "
        "('enable_external_access', 'lock_configuration', 'autoload_known_extensions', "
        "'autoinstall_known_extensions', 'temp_directory', 'python_enable_replacements', "
        "'TimeZone') order by name",
    )
    assert told == str(
        [
            ("TimeZone", "UTC"),
            ("autoinstall_known_extensions", "false"),
            ("autoload_known_extensions", "false"),
            ("enable_external_access", "false"),
            ("lock_configuration", "true"),
            ("python_enable_replacements", "false"),
            ("temp_directory", ""),
        ]
    )
