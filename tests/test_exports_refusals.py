"""Refusing what is no export, is damaged or is hostile: one line each, and a next step."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from pathlib import Path

import pytest
from export_files import ACCOUNT, CAPS, EXTENDED, PRIVATE, caps, make_zip, names
from hypothesis import given, settings
from hypothesis import strategies as st

from spotify_hist.errors import BadInput
from spotify_hist.sources.exports import zipped
from spotify_hist.sources.exports.archive import Caps, inspect
from spotify_hist.sources.exports.reader import DamagedFile, rows


def refusal(path: Path, caps: Caps = CAPS) -> BadInput:
    """The error that `inspect` raises: one line, and a next step."""
    with pytest.raises(BadInput) as caught:
        inspect(path, caps)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def test_a_missing_path_is_told(tmp_path: Path) -> None:
    """The path is named."""
    assert refusal(tmp_path / "none.zip").message.endswith("none.zip does not exist.")


@pytest.mark.parametrize(
    ("name", "data"),
    [("x.txt", b"hello"), ("x.zip", b""), ("x.zip", b"<html>"), ("x", b"\x1f\x8b")],
)
def test_what_is_neither_zip_nor_json_is_told(tmp_path: Path, name: str, data: bytes) -> None:
    """Whatever the name says, the content decides."""
    (tmp_path / name).write_bytes(data)
    assert refusal(tmp_path / name).message == f"{name} is not a ZIP, JSON or CSV file."


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("Userdata.json", EXTENDED, "is not listening history."),
        ("x.json", b"[]", "is not listening history."),
        ("x.json", b'[{"a": 1}]', "is not listening history."),
        ("x.json", b"{}", "holds no readable row: the file is not a list of plays."),
        ("endsong_0.json", b"", "holds no readable row: the file is empty."),
        ("endsong_0.json", b"hello", "holds no readable row: the file is not a list of plays."),
        ("x", b"{}", "holds no readable row: the file is not a list of plays."),
    ],
)
def test_a_json_file_that_is_no_history_is_refused(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    """The reason is told in the person's words."""
    (tmp_path / name).write_bytes(data)
    assert refusal(tmp_path / name).message == f"{name} {message}"


def test_a_zip_without_history_names_what_it_holds(tmp_path: Path) -> None:
    """A few names, and that the extended history is a request of its own."""
    files = {f"MyData/{name}.json": PRIVATE for name in ("Userdata", "Follow", "Identity")}
    path = make_zip(tmp_path / "my_spotify_data.zip", {**files, "MyData/Payments.json": b""})
    error = refusal(path)
    assert error.message == (
        "my_spotify_data.zip holds no listening history: "
        "it holds Follow.json, Identity.json, Payments.json and 1 more."
    )
    assert "Extended streaming history" in error.hint


def test_an_empty_zip_and_an_empty_folder_are_told(tmp_path: Path) -> None:
    """There is nothing to name."""
    (tmp_path / "folder").mkdir()
    empty = make_zip(tmp_path / "x.zip", {})
    assert refusal(empty).message == "x.zip holds no listening history: it is empty."
    assert refusal(tmp_path / "folder").message.endswith("it is empty.")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    """The bit is set in both headers of the member."""
    path = make_zip(tmp_path / "x.zip", {"endsong_0.json": EXTENDED})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    assert refusal(path).message == "x.zip is protected by a password."


def test_an_unusual_compression_is_refused(tmp_path: Path) -> None:
    """Only what Spotify and ordinary tools use is read."""
    path = make_zip(tmp_path / "x.zip", {"endsong_0.json": EXTENDED}, zipfile.ZIP_LZMA)
    assert refusal(path).message == (
        "endsong_0.json in x.zip is packed in a way that cannot be read here."
    )


def test_a_zip_cut_anywhere_says_that_the_download_is_incomplete(tmp_path: Path) -> None:
    """Without its end, a ZIP has no directory."""
    whole = make_zip(tmp_path / "x.zip", {"MyData/endsong_0.json": EXTENDED}).read_bytes()
    path = tmp_path / "cut.zip"
    for cut in range(4, len(whole)):
        path.write_bytes(whole[:cut])
        error = refusal(path)
        assert "the download seems incomplete" in error.message
        assert error.hint == "Download it again."


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_damaged_zip_never_raises_anything_unexpected(data: st.DataObject) -> None:
    """Any bytes changed: either BadInput, or rows and perhaps DamagedFile."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/endsong_0.json", EXTENDED)
        archive.writestr("b.json", ACCOUNT)
    damaged = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    search = zipped.entries("x.zip", lambda: io.BytesIO(damaged), CAPS)
    try:
        for entry in search:
            with entry.opener() as stream:
                assert len(list(rows(stream))) <= 1
    except (BadInput, DamagedFile):
        return


def test_rows_before_a_wrong_checksum_are_given(tmp_path: Path) -> None:
    """The checksum in the directory is changed; every row still comes, then the damage."""
    path = make_zip(tmp_path / "x.zip", {"endsong_0.json": EXTENDED})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 16] ^= 0xFF
    path.write_bytes(data)
    with inspect(path, CAPS).members[0].open() as stream:
        plays = rows(stream)
        assert next(plays) == (0, json.loads(EXTENDED)[0])
        with pytest.raises(DamagedFile, match="damaged after row 1"):
            next(plays)


def test_bombs_are_refused(tmp_path: Path) -> None:
    """Each cap has its own message, and names the setting where raising it is sensible."""
    bomb = make_zip(tmp_path / "bomb.zip", {"endsong_0.json": b"[" + b" " * 1_000_000 + b"]"})
    files = {f"endsong_{number}.json": EXTENDED for number in range(9)}
    many = make_zip(tmp_path / "many.zip", files)
    noise = make_zip(tmp_path / "noise.zip", {"endsong_0.json": os.urandom(3000)})
    assert "unpacks to more than 200 times its size" in refusal(bomb).message
    loose = caps(max_ratio=10_000, max_unpacked_bytes=100_000)
    assert "unpacks to more than 100,000 bytes" in refusal(bomb, loose).message
    assert refusal(many, caps(max_members=8)).message == "many.zip holds more than 8 files."
    sum_of_all = caps(max_unpacked_bytes=8 * len(EXTENDED))
    assert "import.max_unpacked_gb" in refusal(many, sum_of_all).hint
    assert "import.max_zip_mb" in refusal(noise, caps(max_zip_bytes=2000)).hint
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in files:
        (folder / name).write_bytes(EXTENDED)
    assert "holds more than 8 files" in refusal(folder, caps(max_members=8)).message
    assert "unpacks to more than" in refusal(folder, sum_of_all).message


def test_a_huge_directory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The directory's own size is bounded, not only the count that comes of it."""
    path = make_zip(tmp_path / "x.zip", {f"{number:>0250}": b"" for number in range(1200)})
    end = path.read_bytes()[-22:]
    assert struct.unpack("<4s4H2LH", end)[5] > 2 * 65_536
    assert refusal(path, caps(max_members=5)).message == "x.zip holds more than 5 files."


def test_inner_zips_share_one_budget(tmp_path: Path) -> None:
    """Many inner ZIPs cannot make us unpack more than one may."""
    inner = make_zip(tmp_path / "i.zip", {"endsong_0.json": os.urandom(4000)}).read_bytes()
    path = make_zip(tmp_path / "x.zip", {f"{number}.zip": inner for number in range(9)})
    assert "unpacks to more than" in refusal(path, caps(max_unpacked_bytes=20_000)).message
    single = make_zip(tmp_path / "y.zip", {"i.zip": inner})
    assert "is larger than" in refusal(single, caps(max_zip_bytes=4_100)).message


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system's refusal comes in one line with the file's name."""
    path = tmp_path / "endsong_0.json"
    path.write_bytes(EXTENDED)

    def refuse(self: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert refusal(path).message == f"{path} cannot be read: Permission denied."


def test_an_inner_zip_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    """Encrypted or with a wrong checksum: the rest of the outer ZIP is still found."""
    inner = make_zip(tmp_path / "i.zip", {"endsong_0.json": EXTENDED}).read_bytes()
    files = {"locked.zip": inner, "broken.zip": inner, "endsong_0.json": EXTENDED}
    path = make_zip(tmp_path / "x.zip", files, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    locked = data.rindex(b"locked.zip") - 46
    broken = data.rindex(b"broken.zip") - 46
    data[locked + 8] |= 1
    data[broken + 16] ^= 0xFF
    path.write_bytes(data)
    inventory = inspect(path, CAPS)
    assert names(inventory) == ["endsong_0.json"]
    assert inventory.ignored == (
        "broken.zip (damaged)",
        "locked.zip (x.zip is protected by a password.)",
    )
