"""Databases that others made: reading them costs no more than reading an honest one."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING

import pytest
from processes import Child
from service_files import maloja_database

from spotify_hist.sources.exports import maloja
from spotify_hist.sources.exports.reader import DamagedFile

if TYPE_CHECKING:
    from pathlib import Path

MOST_MB, MOST_S = 100, 20.0
# Reads the file, and says what came of it and the most memory that the process had.
READING = """
import json, resource, sys
from pathlib import Path
from spotify_hist.sources.exports import maloja
from spotify_hist.sources.exports.reader import DamagedFile
rows, reason = 0, None
with open(sys.argv[1], "rb") as file:
    try:
        for _ in maloja.database_rows(file):
            rows += 1
    except DamagedFile as error:
        reason = str(error)
try:  # what getrusage tells has a share of the parent's in it
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) // 2**10
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20
print(json.dumps([rows, reason, peak]))
"""
MASKED = """
pragma writable_schema = on;
update sqlite_master set sql = 'create view artists as with recursive n (id) as (select 1 '
    || 'union all select id + 1 from n) select id, hex(zeroblob(10000)) as name from n'
    where name = 'artists';
"""
RENAMED = """
create view other as with recursive n (id) as (select 1 union all select id + 1 from n)
    select id, 'x' as name from n;
create table third (id integer);
pragma writable_schema = on;
update sqlite_master set sql = replace(sql, 'other', 'artists') where name = 'other';
update sqlite_master set sql = replace(sql, 'artists', 'elsewhere') where name = 'artists';
"""
GENERATED = """
drop table {table};
create table {table} ({columns}, {name} {type} as ({value}) {kind});
insert into {table} (id) values (1), (2);
"""
DEEP = "create table deep (a integer check (a" + " + 1" * 900 + "));"
WIDE = "create table wide (" + ", ".join(f"c{number}" for number in range(1500)) + ");"
HOSTILE = {
    "generated text": GENERATED.format(
        table="tracks", columns="id integer primary key, album_id integer", name="title",
        type="text", value="hex(zeroblob(200000000))", kind="virtual",
    ),
    "generated id": GENERATED.format(
        table="artists", columns="id integer primary key", name="NAME", type="text",
        value="printf('%.*c', 200000000, 'x')", kind="virtual",
    ),
    "zeros": "update tracks set title = zeroblob(20000000);",
    "long text": "update tracks set title = hex(zeroblob(5000000));",
    "long names together": "with recursive n (i) as (select 10 union all select i + 1 from n where "
    "i < 20000) insert into artists select i, hex(zeroblob(500)), '' from n;"
    "insert into trackartists (artist_id, track_id) select id, 1 from artists;",
    "long name again and again": "update tracks set title = hex(zeroblob(30000));"
    "with recursive n (i) as (select 1 union all select i + 1 from n where i < 20000) "
    "insert into scrobbles select i, '', '', 1, 1, '' from n;",
    "equal ids": "drop table tracks; create table tracks (id integer, title, album_id integer);"
    "with recursive n (i) as (select 1 union all select i + 1 from n where i < 100000) "
    "insert into tracks select 1, 'x', 1 from n;",
    "a view behind a table's name": MASKED,
    "a view renamed": RENAMED,
    "deep": DEEP,
    "wide": WIDE,
}  # fmt: skip


def read(path: Path) -> tuple[int, str | None, int]:
    """(rows, what is said of the damage, the most memory in MB) of a process that reads it."""
    with Child(READING, path) as child:
        code, said, errors = child.finish()
    assert code == 0, errors
    rows, reason, peak = json.loads(said)
    return rows, reason, peak


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> int:
    """The most memory that an honest database takes."""
    folder = tmp_path_factory.mktemp("honest")
    path = folder / "malojadb.sqlite"
    path.write_bytes(maloja_database(folder))
    rows, reason, peak = read(path)
    assert (rows, reason) == (2, None)
    return peak


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_database_costs_no_more_than_an_honest_one(
    name: str, honest: int, tmp_path: Path
) -> None:
    """Computed columns, texts made of nothing, views, depth: refused with its reason, and soon."""
    path = tmp_path / "malojadb.sqlite"
    path.write_bytes(maloja_database(tmp_path, HOSTILE[name]))
    began = time.monotonic()
    _, reason, peak = read(path)
    assert time.monotonic() - began < MOST_S
    assert reason is not None
    assert peak < honest + MOST_MB


def test_what_is_not_read_may_be_as_it_likes(tmp_path: Path) -> None:
    """Triggers, views, computed columns and long texts that no question asks for."""
    beside = (
        "create view v as select * from scrobbles; create table t (a, b as (a + 1));"
        "create trigger w after insert on t begin delete from scrobbles; end;"
        "update scrobbles set rawscrobble = hex(zeroblob(100000));"
    )
    data = io.BytesIO(maloja_database(tmp_path, beside))
    assert len(list(maloja.database_rows(data))) == 2


def test_reading_has_a_deadline(tmp_path: Path) -> None:
    """Of work, whatever the file makes SQLite do."""
    many = (
        "with recursive n (i) as (select 1 union all select i + 1 from n where i < 50000) "
        "insert into scrobbles select i, '', '', 1, 1, '' from n;"
    )
    data = io.BytesIO(maloja_database(tmp_path, many))
    with pytest.raises(DamagedFile, match="takes longer to read"):
        list(maloja.database_rows(data, longest_s=0.0))
    data.seek(0)
    assert len(list(maloja.database_rows(data))) == 50_002
