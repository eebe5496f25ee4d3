"""Files of other programs: found, told apart, read row by row, whatever has happened to them."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from export_files import CAPS, make_zip, names
from hypothesis import given
from hypothesis import strategies as st
from service_files import (
    HISTORY_ITEM,
    INFO,
    KOITO_LISTEN,
    LASTFM,
    LASTFM_RECORDS,
    LISTEN,
    LISTEN_PLAYED,
    LISTENBRAINZ,
    MALOJA_ROWS,
    MALOJA_TSV,
    MS,
    NOW,
    PAGES,
    T0,
    TRACK,
    URI,
    lastfm_track,
    listenbrainz_zip,
    record,
)
from service_rows import (
    FILES,
    FORMATS,
    IDS,
    READABLE,
    Dribble,
    broken_rows,
    detect,
    made,
    outcome,
    records,
    rows,
)

from spotify_hist import normalise
from spotify_hist.errors import BadInput
from spotify_hist.model import Record, Rejected
from spotify_hist.sources.exports import opening
from spotify_hist.sources.exports.archive import inspect
from spotify_hist.sources.exports.formats import Format, by_name, source_of
from spotify_hist.sources.exports.reader import DamagedFile

if TYPE_CHECKING:
    from pathlib import Path

    from hypothesis.strategies import DrawFn


@pytest.mark.parametrize(("file", "data", "name", "expected"), FILES, ids=IDS)
def test_a_file_is_known_and_gives_its_records(
    file: str, data: bytes, name: Format, expected: list[Record], tmp_path: Path
) -> None:
    """Alone, under any name, in a folder and in a ZIP; in one go and in dribs and drabs."""
    assert by_name(file) in {None, name}
    assert detect(data) == name
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / file).write_bytes(data)
    (tmp_path / "anything").write_bytes(data)
    archive = make_zip(tmp_path / "x.zip", {f"inner/{file}": data, "readme.txt": b"hello"})
    for given_path in (tmp_path / "folder" / file, tmp_path / "folder", archive):
        (member,) = inspect(given_path, CAPS).members
        assert member.format == name
        with member.open() as stream:
            found = [row for _, row in opening.open_rows(member.format, stream)]
        assert found == rows(name, data)
    assert inspect(tmp_path / "anything", CAPS).members[0].format == name
    assert records(name, data) == expected
    assert made(name, data) == made(name, data, 1) == made(name, data, 7)


@pytest.mark.parametrize(("file", "data", "name", "expected"), FILES, ids=IDS)
def test_a_mark_and_windows_line_ends_change_nothing(
    file: str, data: bytes, name: Format, expected: list[Record]
) -> None:
    """What an editor may have done to a file."""
    plain = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    assert records(name, b"\xef\xbb\xbf" + plain) == expected
    if "Two\nlines" not in repr(expected).replace("\\n", "\n"):
        assert records(name, b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n")) == expected


@pytest.mark.parametrize(("file", "data", "name", "expected"), FILES, ids=IDS)
def test_a_file_cut_anywhere_gives_the_rows_before_the_cut(
    file: str, data: bytes, name: Format, expected: list[Record]
) -> None:
    """Never another record than the whole file has, and never a crash."""
    for cut in range(len(data)):
        found, _ = outcome(name, io.BytesIO(data[:cut]))
        made = [normalise.row(source_of(name), row) for row in found]
        whole = [each for each in made if isinstance(each, Record)]
        assert whole == expected[: len(whole)]


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_file_and_one_in_another_encoding_are_told(name: Format) -> None:
    """One line each, in the person's words."""
    for data in (b"", b"  \n\n", b"\xef\xbb\xbf"):
        assert broken_rows(name, data) == ([], "the file is empty")
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        found, reason = broken_rows(name, 'artist,album\n[{"a": 1}]'.encode(encoding))
        assert (found, "UTF-16" in reason) == ([], True)


@pytest.mark.parametrize("data", [b"hello", b'{"a": 1}', b"[]", b"[1]", b"a,b\n1,2\n", b"\x00\x01"])
def test_what_is_nobodys_history_is_not_taken(data: bytes, tmp_path: Path) -> None:
    """By no ending of its name."""
    for suffix in ("json", "jsonl", "csv", "tsv", "ndjson"):
        path = tmp_path / f"x.{suffix}"
        path.write_bytes(data)
        with pytest.raises(BadInput) as caught:
            inspect(path, CAPS)
        assert caught.value.hint
    with pytest.raises(BadInput, match="holds no listening history"):
        inspect(make_zip(tmp_path / "x.zip", {"x.csv": data, "x.jsonl": data}), CAPS)


@pytest.mark.parametrize(
    ("name", "document", "expected"),
    [
        ("your_spotify", [INFO], [INFO]),
        ("your_spotify", [HISTORY_ITEM], [HISTORY_ITEM]),
        ("maloja", MALOJA_ROWS, MALOJA_ROWS),
        ("maloja", {"status": "ok", "list": MALOJA_ROWS, "pagination": {}}, MALOJA_ROWS),
        ("maloja", {"scrobbles": [], "maloja": {"export_time": 1}}, []),
        ("koito", {"listens": [KOITO_LISTEN], "version": "1"}, [KOITO_LISTEN]),
        ("listenbrainz", [LISTEN, LISTEN_PLAYED], [LISTEN, LISTEN_PLAYED]),
        ("listenbrainz", {"payload": {"count": 1, "listens": [LISTEN], "user_id": "x"}}, [LISTEN]),
        ("listenbrainz", {"listen_type": "import", "payload": [LISTEN]}, [LISTEN]),
        ("listenbrainz", LISTEN, [LISTEN]),
        ("lastfm", [{"recenttracks": page} for page in PAGES], None),
        ("lastfm", [page["track"] for page in PAGES], None),
        ("lastfm", {"recenttracks": {"@attr": {}, "track": [lastfm_track("T", 1)]}}, "T"),
        ("lastfm", {"recenttracks": {"track": lastfm_track("T", 1), "@attr": {}}}, "T"),
        ("lastfm", [{"track": []}, {"recenttracks": {"track": lastfm_track("T", 1)}}], "T"),
        ("lastfm", [lastfm_track("T", 1)], "T"),
    ],
)
@pytest.mark.parametrize("indent", [None, 3])
def test_rows_are_found_however_they_are_wrapped(
    name: Format, document: object, expected: object, indent: int | None
) -> None:
    """In an object, in pages, in lists of lists or bare, in one line or many."""
    data = json.dumps(document, indent=indent).encode()
    if expected is None:
        expected = [
            lastfm_track("Now", None), lastfm_track("America", T0),
            lastfm_track("Old Friends", T0 - 300),
        ]  # fmt: skip
    elif expected == "T":
        expected = [lastfm_track("T", 1)]
    if indent and name == "listenbrainz" and document is LISTEN:
        return  # one object a line is one line
    for step in (1, 5, 1 << 20):
        assert rows(name, data, step) == expected
    if expected:
        assert detect(data) == name


def test_pages_may_stand_one_a_line_and_a_page_may_be_an_error() -> None:
    """An answer without tracks counts as one row, which is refused."""
    pages = [{"recenttracks": page} for page in PAGES]
    lines = b"\n".join(json.dumps(page).encode() for page in pages)
    assert rows("lastfm", lines) == rows("lastfm", LASTFM)
    error = {"error": 8, "message": "Operation failed [try again]"}
    found = made("lastfm", json.dumps([PAGES[0], error, PAGES[1]]).encode())
    assert found == [
        Rejected(NOW), LASTFM_RECORDS[0], Rejected("not an object"), LASTFM_RECORDS[1],
    ]  # fmt: skip


def test_a_bad_line_costs_no_other() -> None:
    """Whatever is wrong with it: no JSON, no UTF-8, far too long. A blank line is no row."""
    good = json.dumps(LISTEN).encode()
    spoiled = [
        b"{", b"\xff", b'{"a": "\xff"}', b"nonsense", b"[" * 5000,
        b'{"x": "' + b"a" * 9_000_000 + b'"}',
    ]  # fmt: skip
    for each in spoiled:
        found = rows("listenbrainz", good + b"\r\n" + each + b"\n\n" + good)
        assert found[0] == found[2] == LISTEN
        assert isinstance(found[1], Rejected), each[:20]
        assert len(found) == 3
    assert detect(b"broken {\n" + good + b"\n") is None
    assert detect(b"{broken\n" + good + b"\n") == "listenbrainz"
    assert rows("listenbrainz", b"{broken\n" + good + b"\n")[1] == LISTEN


def test_a_break_within_a_page_costs_only_the_row_it_is_in() -> None:
    """Rows of the page before it are given."""
    at = LASTFM.index(b"Old Friends")
    found, reason = broken_rows("lastfm", LASTFM[:at])
    assert found == rows("lastfm", LASTFM)[:2]
    assert reason == "the file breaks off after row 2"
    at = LASTFM.index(b'{"track"', 5)
    found, reason = broken_rows("lastfm", LASTFM[: at + 3])
    assert (len(found), reason) == (2, "the file breaks off after row 2")


def test_a_long_document_is_read_in_pieces() -> None:
    """Far longer than what is looked at first; no more than a piece of it is asked for at once."""
    asked: list[int] = []

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(size if size is not None else -1)
            return super().read(size)

    document = {"maloja": {"export_time": 1}, "scrobbles": MALOJA_ROWS * 5000}
    data = json.dumps(document).encode()
    stream = Watched(data)
    assert sum(1 for _ in opening.open_rows("maloja", stream)) == 10_000
    assert min(asked) > 0
    assert max(asked) <= 1 << 20


def test_a_stream_that_fails_gives_the_rows_before() -> None:
    """As a damaged ZIP or a failing disk does."""

    class Failing(io.BytesIO):
        def __init__(self, data: bytes, failure: Exception) -> None:
            super().__init__(data)
            self._failure = failure

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            if not data:
                raise self._failure
            return data

    for _, data, name, _ in FILES:
        for failure, told in ((EOFError(), "damaged"), (OSError(5, "I/O error"), "I/O error")):
            found, reason = outcome(name, Failing(data, failure))
            assert found == rows(name, data)[: len(found)]
            assert told in (reason or "")
    found, reason = outcome("listenbrainz", Failing(LISTENBRAINZ, EOFError()))
    assert (len(found), reason) == (2, "the ZIP file is damaged after row 2")
    _, reason = outcome("koito", Failing(b"", OSError(5, "I/O error")))
    assert reason == "the file cannot be read past row 0: I/O error"


def test_only_one_users_plays_are_taken_from_a_copy_of_a_database() -> None:
    """A copy of your_spotify's collection holds everybody's; those of others are refused."""
    other = INFO | {"owner": {"$oid": "65f0c0ffee65f0c0ffee0bbb"}}
    data = b"\n".join(json.dumps(each).encode() for each in (INFO, other, INFO)) + b"\n"
    first, second, third = made("your_spotify", data)
    assert first == third == record("your_spotify", MS + 123, uri=URI)
    assert second == Rejected("belongs to another user of your_spotify than the first row")
    table = f"_id,owner,id,played_at\n1,a,{TRACK},2023-11-14T22:13:20Z\n2,b,{TRACK},x\n".encode()
    assert detect(table) == "your_spotify_csv"
    assert made("your_spotify_csv", table) == [record("your_spotify", MS, uri=URI), second]


def test_listenbrainz_zip_is_read_whole_and_nothing_else_of_it(tmp_path: Path) -> None:
    """Its listens by month in order; feedback, pins and the user are no listening."""
    inventory = inspect(make_zip(tmp_path / "listenbrainz_ann_1.zip", listenbrainz_zip()), CAPS)
    assert names(inventory) == ["listens/2023/11.jsonl", "listens/2023/12.jsonl"]
    assert inventory.ignored == ("feedback.jsonl", "pinned_recording.jsonl", "user.json")
    assert {member.format for member in inventory.members} == {"listenbrainz"}


@st.composite
def spoiled_files(draw: DrawFn) -> bytes:
    """One of the files with some of its bytes changed, doubled or gone."""
    data = bytearray(draw(st.sampled_from([*READABLE, MALOJA_TSV])))
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        place = draw(st.integers(0, len(data) - 1))
        end = draw(st.integers(place, min(len(data), place + 30)))
        data[place:end] = draw(
            st.sampled_from([b"", b'"', b"{", b"[", b"]", b"}", b",", b"\\", b"\n", b"\xff", b"\0"])
            | st.binary(max_size=5)
            | st.just(bytes(data[place:end]) * 2)
        )
    return bytes(data)


@given(
    st.sampled_from([*FORMATS, "your_spotify_csv"]),
    st.one_of(st.binary(max_size=200), spoiled_files()),
    st.integers(1, 50),
)
def test_any_bytes_give_rows_or_damage(name: Format, data: bytes, step: int) -> None:
    """And the same ones however the bytes arrive; each row is a record or refused."""

    found, reason = outcome(name, Dribble(data, 1 << 20))
    made = [normalise.row(source_of(name), row) for row in found]
    assert all(isinstance(each, (Record, Rejected)) for each in made)
    again, reason_again = outcome(name, Dribble(data, step))
    assert [normalise.row(source_of(name), row) for row in again] == made
    assert reason_again == reason


@given(st.one_of(st.binary(max_size=200), spoiled_files()))
def test_any_bytes_are_some_format_or_none(data: bytes) -> None:
    """Looking at a file raises nothing but damage."""
    name = None
    with suppress(DamagedFile):
        name = detect(data)
    assert name is None or source_of(name)
