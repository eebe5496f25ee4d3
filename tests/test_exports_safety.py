"""What is handed over may be broken, hostile or in motion: it costs one clear line, and no more."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import zipfile
import zlib
from contextlib import redirect_stderr, redirect_stdout
from typing import IO, TYPE_CHECKING, cast
from unittest import mock

import pytest
from conftest import NOW
from export_files import ACCOUNT, CAPS, EXTENDED, caps, make_zip, names, read
from raw_rows import GENERATION_2026
from test_exports_spoiled import SPOILED
from zip_quine import zip_quine

from spotify_hist.collect.imports import Receipt, import_paths
from spotify_hist.errors import BadInput
from spotify_hist.faces.cli.main import run
from spotify_hist.sources.exports.archive import inspect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")


def refusal(path: Path) -> BadInput:
    """The error that `inspect` raises: one line, and a next step."""
    with pytest.raises(BadInput) as caught:
        inspect(path, CAPS)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def rows_of(count: int, first: int = 0) -> list[dict[str, object]]:
    """Rows that all differ."""
    return [GENERATION_2026 | {"ms_played": first + number} for number in range(count)]


def dumped(rows: list[dict[str, object]]) -> bytes:
    """A file of rows."""
    return json.dumps(rows).encode()


class _Unseekable(io.RawIOBase):
    """What a ZIP that is made while it is sent is written to."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self._file.write(cast("bytes", data))


# -- unusual, and fine


def _zip64(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (
            ("MyData/endsong_0.json", EXTENDED),
            ("StreamingHistory0.json", ACCOUNT),
        ):
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)


def _far_away(path: Path) -> None:
    """Behind five gigabytes of nothing, which take no room on the disk."""
    with path.open("wb") as file:
        file.seek(5_000_000_000)
        file.write(b"-")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("MyData/endsong_0.json", EXTENDED)
        archive.writestr("StreamingHistory0.json", ACCOUNT)


def _sent(path: Path) -> None:
    """The sizes stand behind the data, as where a server makes the ZIP while it sends it."""
    with (
        path.open("wb") as file,
        zipfile.ZipFile(cast("IO[bytes]", _Unseekable(file)), "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr("MyData/endsong_0.json", EXTENDED)
        archive.writestr("StreamingHistory0.json", ACCOUNT)


def _commented(path: Path) -> None:
    """With empty folders, comments and extra fields, as other tools leave them."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("MyData/", b"")
        info = zipfile.ZipInfo("MyData/endsong_0.json")
        info.comment, info.extra = b"why not", struct.pack("<HH4s", 0x7875, 4, b"abcd")
        archive.writestr(info, EXTENDED)
        archive.writestr("StreamingHistory0.json", ACCOUNT)
        archive.comment = b"PK why not " * 300


@pytest.mark.parametrize("make", [_zip64, _far_away, _sent, _commented])
def test_an_unusual_zip_is_read_like_any_other(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zip64 headers, offsets beyond four gigabytes, sizes after the data."""
    path = tmp_path / "my_spotify_data.zip"
    with monkeypatch.context() as patch:
        if make is _zip64:  # so that its directory is of the 64-bit kind as well
            patch.setattr(zipfile, "ZIP64_LIMIT", 10)
        make(path)
    if make is _zip64:
        assert b"PK\6\6" in path.read_bytes()
    inventory = inspect(path, caps(max_zip_bytes=6_000_000_000))
    assert names(inventory) == ["StreamingHistory0.json", "MyData/endsong_0.json"]
    assert [read(member) for member in inventory.members] == [
        json.loads(ACCOUNT),
        json.loads(EXTENDED),
    ]


FAMILIES = {
    "my_spotify_data/StreamingHistory.json": "account_streaming",
    "MyData/StreamingHistory3.json": "account_streaming",
    "Spotify Account Data/StreamingHistory_music_0.json": "account_music",
    "Spotify Account Data/StreamingHistory_podcast_0.json": "account_podcast",
    "Spotify Account Data/StreamingHistory_audiobook_0.json": "account_audiobook",
    "MyData/endsong_0.json": "endsong",
    "MyData/endvideo.json": "endvideo",
    "Spotify Extended Streaming History/Streaming_History_Audio_2019_1.json": "extended_audio",
    "SPOTIFY EXTENDED STREAMING HISTORY/STREAMING_HISTORY_VIDEO_2018-2024.JSON": "extended_video",
}


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_every_family_is_found_in_any_folder_of_a_zip(tmp_path: Path, depth: int) -> None:
    """Music, video, podcasts and audiobooks of all years, however deep and in whatever case."""
    outer = "x/" * depth
    path = make_zip(tmp_path / "a.zip", {outer + name: b"[]" for name in FAMILIES})
    inventory = inspect(path, CAPS)
    found = {member.name: member.format for member in inventory.members}
    assert found == {outer + name: family for name, family in FAMILIES.items()}
    assert inventory.ignored == ()


# -- hostile


def overlapping(path: Path, count: int = 30) -> Path:
    """A ZIP of members that share one piece of packed data, each within the one before it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"[" + b" " * 100_000 + b"]"
    packed = packer.compress(data) + packer.flush()
    names = [f"endsong_{number}.json".encode() for number in range(count)]
    body, crc, plain = packed, zlib.crc32(data), data
    headers: list[tuple[bytes, int, int, int, int]] = []
    for name in reversed(names):
        local = _LOCAL.pack(b"PK\3\4", 20, 0, 8, 0, 0, crc, len(body), len(plain), len(name), 0)
        headers.append((name, crc, len(body), len(plain), len(body) + len(local) + len(name)))
        quoted = local + name
        # A stored block of the next member's header, then its data: this member's packed data.
        block = b"\0" + struct.pack("<HH", len(quoted), len(quoted) ^ 0xFFFF)
        plain = quoted + plain
        crc = zlib.crc32(plain)
        body = block + quoted + body
    body = body[5:]  # the outermost header needs no block around it
    directory = b"".join(
        _CENTRAL.pack(
            b"PK\1\2", 20, 20, 0, 8, 0, 0, crc, packed_size, size, len(name), 0, 0, 0, 0, 0,
            len(body) - from_end,
        )
        + name
        for name, crc, packed_size, size, from_end in headers
    )  # fmt: skip
    end = _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    path.write_bytes(body + directory + end)
    return path


def test_a_zip_that_holds_itself_is_looked_into_once(home: Path, tmp_path: Path) -> None:
    """In a folder, in another ZIP or from standard input: it ends, says so, and leaves nothing."""
    quine = zip_quine()
    with zipfile.ZipFile(io.BytesIO(quine)) as archive:
        assert archive.namelist() == ["r.zip"]
        assert archive.read("r.zip") == quine
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "r.zip").write_bytes(quine)
    within = make_zip(tmp_path / "outer.zip", {"r.zip": quine})
    for given, stdin in ((folder, b""), (within, b""), ("-", quine)):
        with mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin))):
            code, out, (error,) = spoken("import", given)
        assert (code, out) == (3, "")
        assert "holds no listening history: it holds r.zip" in error
        assert [path for path in home.rglob("*") if path.is_file()] == []


def test_members_that_share_their_data_are_refused(tmp_path: Path) -> None:
    """A bomb of that kind unpacks, member by member, to millions of times its size."""
    path = overlapping(tmp_path / "x.zip")
    with zipfile.ZipFile(path) as archive:
        assert len({info.header_offset for info in archive.infolist()}) == 30
    assert "shares its place with another file" in refusal(path).message


def test_two_entries_for_one_place_are_refused(tmp_path: Path) -> None:
    """The directory names the same data twice; and a size that reaches beyond the data."""
    files = {"endsong_0.json": EXTENDED, "endsong_1.json": EXTENDED}
    path = make_zip(tmp_path / "x.zip", files, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\1\2")
    struct.pack_into("<L", data, second + 42, 0)
    path.write_bytes(data)
    assert "shares its place" in refusal(path).message
    data = bytearray(make_zip(path, files, zipfile.ZIP_STORED).read_bytes())
    struct.pack_into("<L", data, second + 20, 10_000_000)
    path.write_bytes(data)
    assert "shares its place" in refusal(path).message


def test_a_size_told_too_small_gives_what_was_told(tmp_path: Path) -> None:
    """Nothing beyond it is unpacked; the file counts as damaged."""
    rows = dumped(rows_of(400))
    path = make_zip(tmp_path / "x.zip", {"endsong_0.json": rows})
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.index(b"PK\1\2") + 24, 5000)
    path.write_bytes(data)
    (member,) = inspect(path, CAPS).members
    assert member.size == 5000
    found = b""
    with member.open() as stream:
        while len(found) < 5000:
            found += stream.read(1000)
        with pytest.raises(zipfile.BadZipFile):
            stream.read(1000)
    assert found == rows[:5000]


def test_a_link_in_a_zip_is_left_aside(tmp_path: Path) -> None:
    """What it holds is a path, and nobody follows it."""
    info = zipfile.ZipInfo("endsong_9.json")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    path = make_zip(tmp_path / "x.zip", {"endsong_0.json": EXTENDED})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    inventory = inspect(path, CAPS)
    assert names(inventory) == ["endsong_0.json"]
    assert inventory.ignored == ("endsong_9.json (a link)",)


def test_two_members_of_one_name_are_both_read_and_nothing_counts_twice(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """They are taken for two exports: equal account rows of both are the same plays."""
    path = tmp_path / "x.zip"
    other = json.dumps([json.loads(ACCOUNT)[0] | {"trackName": "Other"}]).encode()
    files = {f"StreamingHistory{n}.json": data for n, data in enumerate((ACCOUNT, ACCOUNT, other))}
    data = make_zip(path, files).read_bytes()
    path.write_bytes(re.sub(rb"StreamingHistory\d", b"StreamingHistory0", data))
    found = names(inspect(path, CAPS))
    assert found == [f"StreamingHistory0.json{mark}" for mark in ("", " #2", " #3")]
    receipt = brought(settings, database, path)
    assert (receipt.records, receipt.new, receipt.duplicate) == (3, 2, 1)


def test_a_folder_gives_each_file_once_and_nothing_from_outside(tmp_path: Path) -> None:
    """Second names of a file, links out of the folder, pipes: named, and left aside."""
    outside = tmp_path / "outside.json"
    outside.write_bytes(EXTENDED)
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    (folder / "endsong_0.json").write_bytes(EXTENDED)
    (folder / "endsong_1.json").symlink_to(outside)
    (folder / "a-link.json").symlink_to("endsong_0.json")
    os.link(folder / "endsong_0.json", folder / "b" / "endsong_0.json")
    (folder / "turning.json").symlink_to("turning.json")
    os.mkfifo(folder / "endsong_2.json")
    inventory = inspect(folder, CAPS)
    assert names(inventory) == ["endsong_0.json"]
    assert inventory.ignored == (
        "a-link.json (the same file once more)",
        "b/endsong_0.json (the same file once more)",
        "endsong_1.json (a link that leads out of the folder)",
        "endsong_2.json (not a regular file)",
    )


def _bomb(path: Path) -> None:
    make_zip(path, {"endsong_0.json": b"[" + b" " * 3_000_000 + b"]"})


def _crowd(path: Path) -> None:
    make_zip(path, {f"{number}.json": b"" for number in range(60)})


def _heavy(path: Path) -> None:
    make_zip(path, {"endsong_0.json": os.urandom(1_200_000)}, zipfile.ZIP_STORED)


def _vast(path: Path) -> None:
    make_zip(path, {"endsong_0.json": dumped(rows_of(4000))})


def _long(path: Path) -> None:
    make_zip(path, {"endsong_0.json": dumped(rows_of(120))})


def _locked(path: Path) -> None:
    make_zip(path, {"endsong_0.json": EXTENDED})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    make_zip(path, {"endsong_0.json": EXTENDED})
    path.write_bytes(path.read_bytes()[:-30])


def _climbing(path: Path) -> None:
    make_zip(path, {"../../endsong_0.json": EXTENDED, "/endsong_1.json": EXTENDED})


def _endless(path: Path) -> None:
    """It holds itself, and that holds itself, and so on."""
    path.write_bytes(zip_quine())


def _towering(path: Path, levels: int = 6) -> None:
    """Sixteen ZIPs that hold sixteen each, and so on: sixteen millions of files at the bottom."""
    make_zip(path, {"endsong_0.json": EXTENDED})
    for _ in range(levels):
        make_zip(path, dict.fromkeys((f"{number}.zip" for number in range(16)), path.read_bytes()))


# SPOTIFY_HIST_IMPORT_MAX_ROWS and its like, set low, and what each refusal says.
CAPPED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "MAX_RATIO": ("20", _bomb, "unpacks to more than 20 times its size"),
    "MAX_MEMBERS": ("50", _crowd, "holds more than 50 files"),
    "MAX_ZIP_MB": ("1", _heavy, "is larger than 1 MB"),
    "MAX_UNPACKED_GB": ("0.001", _vast, "unpacks to more than 1 MB"),
    "MAX_ROWS": ("100", _long, "has more than 100 rows"),
    "a lock": ("", _locked, "is protected by a password"),
    "shared data": ("", overlapping, "shares its place with another file"),
    "a cut": ("", _cut, "the download seems incomplete"),
    "paths": ("", _climbing, "holds no listening history"),
    "no end": ("", _endless, "holds no listening history: it holds r.zip"),
    "many levels": ("", _towering, "it holds 0.zip, 1.zip, 10.zip and 253 more"),
}


def spoken(*arguments: str | Path) -> tuple[int, str, list[str]]:
    """How a command ends, what it says, and the lines of its errors."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue().splitlines()


def brought(settings: Settings, database: Database, *paths: Path) -> Receipt:
    """Import some paths."""
    return import_paths(settings, database, lambda: NOW, paths)


@pytest.mark.parametrize("cap", CAPPED)
def test_what_is_refused_costs_one_line_and_leaves_nothing(
    cap: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone: exit code 3, one line and a next step; no database and no scratch."""
    value, make, words = CAPPED[cap]
    if value:
        monkeypatch.setenv(f"SPOTIFY_HIST_IMPORT_{cap}", value)
    bad = tmp_path / "bad.zip"
    make(bad)
    code, out, errors = spoken("import", bad)
    assert (code, out) == (3, "")
    (error,) = errors
    assert error.startswith("Error: ")
    assert words in error
    assert not (home / "history.duckdb").exists()
    assert [path for path in home.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("cap", set(CAPPED) - {"MAX_ROWS"})
def test_what_is_refused_costs_a_good_file_nothing(
    cap: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a good one: exit code 6, the good one is imported, and the bad one is told."""
    value, make, words = CAPPED[cap]
    if value:
        monkeypatch.setenv(f"SPOTIFY_HIST_IMPORT_{cap}", value)
    make(tmp_path / "bad.zip")
    (tmp_path / "endsong_0.json").write_bytes(EXTENDED)
    code, out, errors = spoken(
        "import", tmp_path / "bad.zip", tmp_path / "endsong_0.json", "--format", "json"
    )
    assert code == 6
    receipt = json.loads(out)
    assert (receipt["records"], receipt["new"]) == (1, 1)
    (error,) = (json.loads(line)["error"] for line in errors)
    assert words in error["message"]


# -- in motion


def test_a_file_that_goes_away_meanwhile_is_named_as_damaged(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """Small or large: the others are imported, and it is told which one could not be read."""
    folder = tmp_path / "export"
    folder.mkdir()
    paths = [folder / f"endsong_{number}.json" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(dumped(rows_of(3, first=10 * number)))

    def take_away(_done: int, _total: int, _rows: int) -> None:
        paths[1].unlink(missing_ok=True)

    receipt = import_paths(settings, database, lambda: NOW, [folder], on_progress=take_away)
    assert [(file.records, file.damage) for file in receipt.files] == [
        (3, None),
        (0, "the file cannot be read: No such file or directory"),
        (3, None),
    ]


def test_a_file_that_cannot_be_read_to_its_end_gives_what_it_gave(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """It is replaced by a shorter one while the import is under way."""
    folder = tmp_path / "export"
    folder.mkdir()
    first, second = folder / "endsong_0.json", folder / "endsong_1.json"
    first.write_bytes(dumped(rows_of(2)))
    second.write_bytes(dumped(rows_of(5, first=100)))

    def cut(_done: int, _total: int, _rows: int) -> None:
        second.write_bytes(dumped(rows_of(5, first=100))[:-20])

    receipt = import_paths(settings, database, lambda: NOW, [folder], on_progress=cut)
    assert [file.records for file in receipt.files] == [2, 4]
    assert receipt.files[1].damage == "the file breaks off after row 4"


def _encoded(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


@pytest.mark.parametrize("padding", [0, 400], ids=["small", "large"])
def test_every_way_to_spoil_a_row_costs_an_import_that_row(
    settings: Settings, database: Database, tmp_path: Path, padding: int
) -> None:
    """Rows of all kinds of trouble in one file, with a good one after each: small files and large
    ones go different ways, and give the same."""
    spoiled = {text: words for text, words in SPOILED.items() if len(text) < 100}
    good = rows_of(len(spoiled) + padding)
    texts: list[bytes] = [json.dumps(row).encode() for row in good[len(spoiled) :]]
    expected: list[tuple[int, str]] = []
    for row, (text, words) in zip(good, spoiled.items(), strict=False):
        expected.append((len(texts), words))
        texts += [_encoded(text), _encoded(json.dumps(row))]
    path = tmp_path / "endsong_0.json"
    path.write_bytes(b"[" + b",".join(texts) + b"]")
    receipt = brought(settings, database, path)
    assert receipt.files[0].damage is None
    assert list(receipt.files[0].rejected) == expected
    assert (receipt.records, receipt.new) == (len(texts), len(good))
