"""Tables of other programs, and Maloja's backup: CSV, TSV and a database in a gzipped tar."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from export_files import CAPS, EXTENDED, caps, make_zip, names
from service_files import (
    GHAN_CSV,
    LASTFM_CSV,
    MALOJA_RECORDS,
    MALOJA_TSV,
    MS,
    T0,
    maloja_database,
    record,
    tar_gz,
)
from service_rows import (
    broken_rows,
    detect,
    made,
    outcome,
    records,
)

from spotify_hist import normalise
from spotify_hist.errors import BadInput
from spotify_hist.model import Record, Rejected
from spotify_hist.sources.exports import opening
from spotify_hist.sources.exports.archive import inspect

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "header",
    ["artist,album,name,date\n", "Artist,Album,Name,Date\r\n", "\ufeffartist,album,name,date\n"],
)
def test_lastfm_to_csv_may_have_a_header(header: str) -> None:
    """Its second version writes one."""
    data = header.encode() + LASTFM_CSV
    assert detect(data) == "lastfm_csv"
    assert made("lastfm_csv", data) == made("lastfm_csv", LASTFM_CSV)


def test_a_row_that_does_not_fit_costs_no_other() -> None:
    """Columns missing or too many, a quote never closed, bytes that are no UTF-8, line breaks."""
    head, good = b"uts,artist,album,track\n", f'{T0},A,"B",T\n'.encode()
    expected = record("lastfm", MS, title="T", artist="A", album="B")
    for spoiled, reason in (
        (b"1,2,3\n", "has 3 columns instead of 4"),
        (b"1,2,3,4,5\n", "has 5 columns instead of 4"),
        (b'1,"never closed,3,4\n', "a quote is opened and never closed"),
        (b'1,"a ""quoted, one,3,4\n', "a quote is opened and never closed"),
        (b"1,\xff,3,4\n", "not valid UTF-8"),
        (b"1,a\rb,3,4\n", "not a row of a table"),
        (b'1,"' + b"a" * 200_000 + b'",3,4\n', "not a row of a table"),
        (b'1,"' + b"a" * 9_000_000 + b'",3,4\n', "far too long to be a play"),
    ):
        found = made("lastfm_csv", head + good * 2 + spoiled + good * 30)
        assert found == [expected] * 2 + [Rejected(reason)] + [expected] * 30, reason


def test_a_quote_within_a_value_is_only_a_quote() -> None:
    """As in the names of twelve-inch mixes, where nothing is quoted."""
    data = b'A,B,Song (12" Mix),14 Nov 2023 22:13\nA,B,Other,14 Nov 2023 22:13\n'
    assert [each.title for each in records("lastfm_csv", data)] == ['Song (12" Mix)', "Other"]


def test_titles_may_have_line_breaks_but_not_without_end() -> None:
    """A value over a few lines is one value; over very many it is a quote that was never closed."""
    few, many = "a\n" * 5, "a\n" * 50
    head = "uts,artist,album,track\n"
    found = records("lastfm_csv", f'{head}{T0},A,"{few}",T\n{T0},A,B,T\n'.encode())
    assert [each.album for each in found] == [few, "B"]
    found = records("lastfm_csv", f'{head}{T0},A,"{many}",T\n{T0},A,B,T\n'.encode())
    assert [each.album for each in found] == ["B"]


def test_a_table_of_something_else_is_no_history() -> None:
    """The other exports of the same sites: top lists have no dates."""
    assert detect(b"Artist;Name;Scrobbles;Rank\nA;B;3;1\n") is None
    assert detect(b"artist,album,playcount\nA,B,3\n") is None
    assert detect(b"A,B,C,D\nE,F,G,H\n") is None


def test_loved_tracks_are_not_plays(tmp_path: Path) -> None:
    """lastfm.ghan.nl writes them just as it writes plays; only the name tells."""
    files = {"lovedtracks-rj-1.csv": GHAN_CSV, "recenttracks-rj-1.csv": GHAN_CSV}
    inventory = inspect(make_zip(tmp_path / "x.zip", files), CAPS)
    assert names(inventory) == ["recenttracks-rj-1.csv"]
    assert inventory.ignored == ("lovedtracks-rj-1.csv",)


def test_malojas_old_tables_are_read() -> None:
    """Time, artists, title, album, duration; a row of another width is refused."""
    assert detect(MALOJA_TSV) == "maloja_tsv"
    first, second = made("maloja_tsv", MALOJA_TSV)
    assert isinstance(first, Record)
    assert first._replace(artist="Main") == MALOJA_RECORDS[0]
    assert second == MALOJA_RECORDS[1]
    spoiled = MALOJA_TSV + b"1\t2\n\xff\n\n" + MALOJA_TSV
    assert [each.reason for each in made("maloja_tsv", spoiled) if isinstance(each, Rejected)] == [
        "has 2 columns instead of 5",
        "not valid UTF-8",
    ]
    found, reason = broken_rows("maloja_tsv", MALOJA_TSV + b"170")
    assert (len(found), reason) == (2, "the file breaks off after row 2")


def test_malojas_backup_is_read_from_its_archive_and_unpacked(tmp_path: Path) -> None:
    """The database in the gzipped tar, in a folder and alone: the same records."""
    database = maloja_database(tmp_path)
    files = {
        "rules/x.tsv": b"countas\tA\tB\n",
        "scrobbles/malojadb.sqlite": database,
        "scrobbles/2019_07.tsv": MALOJA_TSV,
        "images/artists/a.png": b"\x89PNG",
    }
    backup = tar_gz(tmp_path / "maloja_backup_2024.tar.gz", files)
    folder = tmp_path / "maloja"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    for path in (backup, folder):
        inventory = inspect(path, CAPS)
        assert names(inventory) == ["scrobbles/2019_07.tsv", "scrobbles/malojadb.sqlite"]
        assert inventory.ignored == ("images/artists/a.png", "rules/x.tsv")
        table, member = inventory.members
        assert (table.format, member.format) == ("maloja_tsv", "maloja_database")
        with member.open() as stream:
            found = [
                normalise.row("maloja", row) for _, row in opening.open_rows(member.format, stream)
            ]
        assert found == MALOJA_RECORDS
        with table.open() as stream:
            assert stream.read() == MALOJA_TSV
    packed = {"maloja_backup_2024.tar.gz": backup.read_bytes(), "broken.tgz": b"\x1f\x8b\x08"}
    outer = inspect(make_zip(tmp_path / "outer.zip", packed), CAPS)
    assert [member.format for member in outer.members] == ["maloja_tsv", "maloja_database"]
    assert "broken.tgz (broken.tgz is damaged or not whole.)" in outer.ignored
    (member,) = inspect(folder / "scrobbles" / "malojadb.sqlite", CAPS).members
    assert member.format == "maloja_database"


def test_a_database_of_before_albums_is_read(tmp_path: Path) -> None:
    """Maloja came to know albums late."""
    drop = "drop table albumartists; drop table albums; alter table tracks drop column album_id;"
    found = records("maloja_database", maloja_database(tmp_path, drop))
    assert [each.album for each in found] == [None, None]
    # Without the album's artist the first one told is the main one.
    assert [each.title for each in found] == ["Café", "Two"]


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("drop table scrobbles;", "the file is a database, but not Maloja's"),
        (
            "drop table scrobbles; create view scrobbles as select 1 as timestamp;",
            "the file is a database, but not Maloja's",
        ),
        ("alter table tracks rename column title to other;", "Maloja's database is damaged"),
    ],
)
def test_another_database_is_told(tmp_path: Path, extra: str, reason: str) -> None:
    """A view in a table's place could run anything, and is not asked."""
    assert broken_rows("maloja_database", maloja_database(tmp_path, extra)) == ([], reason)


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    """Cut or overwritten anywhere: rows, or damage, and nothing else."""
    whole = maloja_database(tmp_path)
    for place in range(0, len(whole), 997):
        for data in (whole[:place], whole[:place] + b"\xff" * 50 + whole[place + 50 :]):
            found, reason = outcome("maloja_database", io.BytesIO(data))
            assert len(found) <= 2
            assert reason or len(found) == 2


def test_a_backup_keeps_to_the_caps(tmp_path: Path) -> None:
    """Too many files, too much data, a link, a broken archive: each is told or left alone."""
    database = maloja_database(tmp_path)
    files = {f"scrobbles/{number}.txt": b"x" for number in range(9)}
    many = tar_gz(tmp_path / "many.tar.gz", files | {"malojadb.sqlite": database})
    with pytest.raises(BadInput, match="holds more than 8 files"):
        inspect(many, caps(max_members=8))
    with pytest.raises(BadInput, match="unpacks to more than"):
        inspect(many, caps(max_unpacked_bytes=5000))
    with pytest.raises(BadInput, match="is larger than"):
        inspect(many, caps(max_zip_bytes=100))
    bomb = tar_gz(tmp_path / "bomb.tar.gz", {"a.json": b" " * 5_000_000, "b.json": EXTENDED})
    with pytest.raises(BadInput, match="unpacks to more than"):
        inspect(bomb, CAPS)
    whole = many.read_bytes()
    for cut in range(20, len(whole), 101):
        many.write_bytes(whole[:cut])
        with pytest.raises(BadInput):
            inspect(many, CAPS)
