"""Reading one history file: rows out of whole, truncated, damaged and hostile bytes."""

from __future__ import annotations

import io
import json
import zlib
from typing import BinaryIO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotify_hist.sources.exports.reader import DamagedFile, rows
from spotify_hist.sources.exports.unpack import unpacked

ROW = {"ts": "2023-05-06T10:20:30Z", "ms_played": 1000, "master_metadata_track_name": "Ä „x“"}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner, max_size=3
        )
    ),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from(["ts", "a", "ü", "[{"]), values, max_size=4)


class OneByteAtATime(io.BytesIO):
    """A stream that never gives more than a byte, as a slow source may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(1 if size else 0)


def read_all(data: bytes | BinaryIO) -> tuple[list[object], str | None]:
    """The rows that can be read and, where the file is damaged, the reason."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    found: list[object] = []
    try:
        for index, row in rows(stream):
            assert index == len(found)
            found.append(row)
    except DamagedFile as damage:
        return found, damage.reason
    return found, None


@settings(deadline=None, max_examples=60)
@given(st.lists(objects, max_size=4), st.sampled_from([None, 2]), st.booleans())
def test_whole_files_are_read_as_json_reads_them(
    plays: list[dict[str, object]], indent: int | None, ascii_only: bool
) -> None:
    """Minified or pretty, escaped or not: the rows are those of the standard library."""
    text = json.dumps(plays, indent=indent, ensure_ascii=ascii_only)
    assert read_all(text.encode()) == (json.loads(text), None)


@settings(deadline=None, max_examples=60)
@given(st.lists(objects, min_size=1, max_size=3), st.sampled_from([",", ",\n  "]))
def test_a_truncated_file_gives_all_rows_before_the_break(
    plays: list[dict[str, object]], separator: str
) -> None:
    """Cut at any byte: every complete row comes out, then the damage is told."""
    data = b"["
    ends: list[int] = []
    for play in plays:
        data += separator.encode() if ends else b""
        data += json.dumps(play, ensure_ascii=False).encode()
        ends.append(len(data))
    data += b"\n]"
    for cut in range(len(data)):
        whole = [play for play, end in zip(plays, ends, strict=True) if end <= cut]
        found, reason = read_all(data[:cut])
        assert found == whole
        assert reason is not None


@pytest.mark.parametrize("gap", [0, 1, 65_530, 65_536, 70_000])
def test_rows_survive_a_break_wherever_the_chunks_end(gap: int) -> None:
    """A long file of many chunks that breaks off loses only its unfinished row."""
    plays = [{**ROW, "n": n} for n in range(900)]
    data = json.dumps(plays).encode()
    cut = len(data) - 10 - gap
    complete = data[:cut].count(b"}")
    found, reason = read_all(data[:cut])
    assert found == plays[:complete]
    assert reason == f"the file breaks off after row {complete:,}"


def test_a_stream_of_single_bytes_is_read_the_same() -> None:
    """Short reads are no ends."""
    data = b"\xef\xbb\xbf\n" + json.dumps([ROW, ROW], indent=2).encode()
    assert read_all(OneByteAtATime(data)) == ([ROW, ROW], None)


def test_items_of_any_type_come_as_they_are() -> None:
    """Judging a row is not the reader's business; whole numbers stay whole."""
    data = b'[null, 1, 1.5, true, "x", [1, {"a": []}], {}, {"a": 1.0}]'
    found, reason = read_all(data)
    assert found == [None, 1, 1.5, True, "x", [1, {"a": []}], {}, {"a": 1.0}]
    assert type(found[1]) is int
    assert reason is None


def test_an_empty_list_has_no_rows_and_no_damage() -> None:
    """A year without plays is a file with an empty list."""
    assert read_all(b" [ ] \n") == ([], None)


def test_a_byte_order_mark_is_skipped() -> None:
    """Some editors put one in front."""
    assert read_all(b"\xef\xbb\xbf[1]") == ([1], None)


@pytest.mark.parametrize("control", [0x00, 0x01, 0x09, 0x0A, 0x0D, 0x1F])
def test_raw_control_characters_inside_text_become_blanks(control: int) -> None:
    """They are illegal in JSON, and one real file has one (FACTS 5.10)."""
    assert read_all(b'[{"a":"x%cy"}]' % control) == ([{"a": "x y"}], None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b" \n\t \0\0", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"{}", "the file is not a list of plays"),
        (b'{"item": [{"a": 1}]}', "the file is not a list of plays"),
        (b"null", "the file is not a list of plays"),
        (b"<html>", "the file is not a list of plays"),
        ("[1]".encode("utf-16"), "the file is not a list of plays"),
        (b"[", "the file breaks off before its first row ends"),
        (b"[\xff", "the file breaks off before its first row ends"),
    ],
)
def test_what_is_no_list_of_plays_is_told_apart(data: bytes, reason: str) -> None:
    """Nothing can be read, and the reason says what the file is instead."""
    assert read_all(data) == ([], reason)


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (b"] trailing", "more text follows the end of the list after row 2"),
        (b'][{"b":1}]', "more text follows the end of the list after row 2"),
        (b"]]", "more text follows the end of the list after row 2"),
        (b"}", "the file breaks off after row 2"),
        (b",", "the file breaks off after row 2"),
        (b",1", "the file breaks off after row 2"),
        (b',{"a":"\xff"', "the file breaks off after row 2"),
        (b',"x', "the file breaks off after row 2"),
        (b"," + b"[" * 200_000, "the file breaks off after row 2"),
        (b',{"a":"' + b"[" * 9_000_000, "the file breaks off after row 2"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_garbage_ends_a_file_after_the_rows_before_it(rest: bytes, reason: str) -> None:
    """The rows before stand, the damage is told, and nothing of the file's text is in it."""
    found = read_all(b'[{"secret":1},{"secret":2}' + rest)
    assert found == ([{"secret": 1}, {"secret": 2}], reason)


def test_many_tiny_rows_are_not_taken_for_nesting() -> None:
    """A bracket every other byte is fine as long as rows end."""
    count = 40_000
    assert read_all(b"[" + b"{}," * count + b"[[]]]") == ([*([{}] * count), [[]]], None)


def test_a_failing_disk_is_damage_after_the_rows_before() -> None:
    """An error of the operating system is told in its words."""

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(size)

    found, reason = read_all(Failing(b'[{"a":1},{"a'))
    assert found == [{"a": 1}]
    assert reason == "the file cannot be read past row 1: Input/output error"


def zipped(data: bytes, method: int = ZIP_DEFLATED) -> bytes:
    """A ZIP with one member `f`."""
    file = io.BytesIO()
    with ZipFile(file, "w", method) as archive:
        archive.writestr("f", data)
    return file.getvalue()


def member(archive: bytes, **changes: int) -> BinaryIO:
    """The stream of the one member, its directory entry changed as told."""
    info = ZipFile(io.BytesIO(archive)).infolist()[0]
    for name, value in changes.items():
        setattr(info, name, value)
    return unpacked(io.BytesIO(archive), info)


PLAYS = [{**ROW, "n": n, "x": str(n * 7919 % 10_007)} for n in range(3000)]
DATA = json.dumps(PLAYS).encode()


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
def test_an_undamaged_member_is_read_whole(method: int) -> None:
    """Stored or deflated, in many chunks, with the checksum right."""
    assert read_all(member(zipped(DATA, method))) == (PLAYS, None)


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
def test_a_wrong_checksum_is_told_after_every_row(method: int) -> None:
    """Rows that can be read are never thrown away with the checksum."""
    found, reason = read_all(member(zipped(DATA, method), CRC=1))
    assert found == PLAYS
    assert reason == "the ZIP file is damaged after row 3,000"


def test_broken_compressed_data_gives_the_rows_before_it() -> None:
    """A flipped bit in the middle leaves the first rows readable, one by one equal."""
    archive = bytearray(zipped(DATA))
    middle = len(archive) // 2
    archive[middle : middle + 8] = b"\xff" * 8
    found, reason = read_all(member(bytes(archive)))
    assert found[:1000] == PLAYS[:1000]
    assert reason is not None


def test_everything_unpacked_before_the_break_is_given() -> None:
    """Where the compressed data breaks inside a chunk, the chunk's sound part is not lost."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    good = deflate.compress(DATA[:50_000]) + deflate.flush(zlib.Z_FULL_FLUSH)
    archive = bytearray(zipped(DATA))
    start = 30 + len("f")
    archive[start : start + len(good) + 2] = good + b"\xff\xff"
    stream = member(bytes(archive))
    assert stream.read(65_536) == DATA[:49_999]
    with pytest.raises(zlib.error):
        stream.read(65_536)


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
def test_a_member_that_ends_too_early_gives_the_rows_before(method: int) -> None:
    """The file is cut inside the member's data."""
    archive = zipped(DATA, method)
    info = ZipFile(io.BytesIO(archive)).infolist()[0]
    found, reason = read_all(unpacked(io.BytesIO(archive[: len(archive) // 2]), info))
    assert 500 < len(found) < 3000
    assert found == PLAYS[: len(found)]
    assert reason == f"the ZIP file is damaged after row {len(found):,}"


def test_a_member_shorter_than_its_compressed_data_is_damage() -> None:
    """The directory declares fewer packed bytes than the data needs."""
    found, reason = read_all(member(zipped(DATA), compress_size=4000))
    assert 50 < len(found) < 3000
    assert found == PLAYS[: len(found)]
    assert reason == f"the ZIP file is damaged after row {len(found):,}"


def test_a_lying_size_never_gives_more_than_it_says() -> None:
    """A header that declares few bytes cannot unpack to many."""
    stream = member(zipped(b" " * 1_000_000), file_size=1000)
    assert stream.read(65_536) == b" " * 1000
    with pytest.raises(BadZipFile):
        stream.read(65_536)


def test_a_member_that_is_not_where_the_directory_says_is_damage() -> None:
    """A wrong offset shows when the rows are read."""
    assert read_all(member(zipped(DATA), header_offset=5))[1] is not None
    assert read_all(member(zipped(DATA), header_offset=10**9))[1] is not None


def test_closing_a_member_closes_its_archive() -> None:
    """Each stream has a handle of its own and gives it back."""
    archive = io.BytesIO(zipped(DATA))
    stream = unpacked(archive, ZipFile(io.BytesIO(archive.getvalue())).infolist()[0])
    assert stream.readable()
    assert cast(io.RawIOBase, stream).readinto(bytearray()) == 0
    stream.close()
    assert archive.closed
