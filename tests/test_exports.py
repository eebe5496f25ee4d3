"""Finding history in what a person hands over: names, keys, ZIPs, folders."""

from __future__ import annotations

import json
import os
import zipfile
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

import pytest
from export_files import ACCOUNT, CAPS, EXTENDED, PRIVATE, make_zip, names, read

from spotify_hist.errors import BadInput
from spotify_hist.sources.exports import zipped
from spotify_hist.sources.exports.archive import inspect
from spotify_hist.sources.exports.formats import (
    Format,
    by_keys,
    by_name,
    copy_mark,
    is_other,
    source_of,
)
from spotify_hist.sources.exports.reader import DamagedFile, rows
from spotify_hist.sources.exports.unpack import unpacked

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("basename", "expected"),
    [
        ("StreamingHistory.json", "account_streaming"),
        ("StreamingHistory0.json", "account_streaming"),
        ("StreamingHistory12.json", "account_streaming"),
        ("StreamingHistory_music_0.json", "account_music"),
        ("StreamingHistory_podcast_0.json", "account_podcast"),
        ("StreamingHistory_audiobook_3.json", "account_audiobook"),
        ("endsong.json", "endsong"),
        ("endsong_3.json", "endsong"),
        ("ENDSONG_0.JSON", "endsong"),
        ("endsong_0 (1).json", "endsong"),
        ("endsong_0(2).json", "endsong"),
        ("endsong_0 copy.json", "endsong"),
        ("endvideo.json", "endvideo"),
        ("endvideo_0.json", "endvideo"),
        ("Streaming_History_Audio_2019.json", "extended_audio"),
        ("Streaming_History_Audio_2019_1.json", "extended_audio"),
        ("Streaming_History_Audio_2019-2021_4.json", "extended_audio"),
        ("streaming_history_audio_2019-2021_4 (1).json", "extended_audio"),
        ("Streaming_History_Video_2018-2024.json", "extended_video"),
        ("Streaming_History_Video_2018-2024_1.json", "extended_video"),
        ("Streaming_History_Audiobook_2024.json", None),
        ("endsong_0.json.txt", None),
        ("._endsong_0.json", None),
        ("my_endsong_0.json", None),
        ("endsong_٣.json", None),
        ("Userdata.json", None),
        ("history.json", None),
        ("endsong", None),
        ("", None),
    ],
)
def test_a_file_is_known_by_its_name(basename: str, expected: Format | None) -> None:
    """All names that Spotify has used, in any case, and the marks of second downloads."""
    assert by_name(basename) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"ts": "x", "ms_played": 1}, "extended_audio"),
        ({"endTime": "", "msPlayed": 1, "artistName": "", "trackName": ""}, "account_music"),
        ({"endTime": "", "msPlayed": 1, "podcastName": "", "episodeName": ""}, "account_podcast"),
        ({"endTime": "", "msPlayed": 1, "audiobookName": ""}, "account_audiobook"),
        ({"endTime": "", "msPlayed": 1}, None),
        ({"endTime": "", "trackName": ""}, None),
        ({"ts": ""}, None),
        ({}, None),
        ([], None),
        (None, None),
        ("ts ms_played", None),
    ],
)
def test_a_file_of_foreign_name_is_known_by_its_keys(row: object, expected: Format | None) -> None:
    """The keys of the first object decide."""
    assert by_keys(row) == expected


@pytest.mark.parametrize(
    ("name", "source"),
    [("endsong", "extended"), ("extended_video", "extended"), ("account_podcast", "account")],
)
def test_each_format_belongs_to_a_source(name: Format, source: str) -> None:
    """Account data is one source, everything else the extended history."""
    assert source_of(name) == source


@pytest.mark.parametrize(
    "basename",
    [
        "Userdata.json", "Payments.json", "Identity.json", "Inferences.json", "Follow.json",
        "Marquee.json", "Playlist1.json", "SearchQueries.json", "YourLibrary.json",
        "YourSoundCapsule.json", "Identifiers.json", "Wrapped2024.json", "USERDATA.JSON",
    ],
)  # fmt: skip
def test_the_packages_other_files_are_known_and_never_opened(basename: str, tmp_path: Path) -> None:
    """A row in them that looks like history would be found if they were opened."""
    assert is_other(basename)
    path = make_zip(tmp_path / "x.zip", {f"MyData/{basename}": EXTENDED, "endsong.json": EXTENDED})
    inventory = inspect(path, CAPS)
    assert names(inventory) == ["endsong.json"]
    assert inventory.ignored == (f"MyData/{basename}",)


def test_only_history_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a whole package, no member but history is ever unpacked."""
    opened: list[str] = []

    def spy(archive: BinaryIO, info: zipfile.ZipInfo) -> BinaryIO:
        opened.append(info.filename)
        return unpacked(archive, info)

    monkeypatch.setattr(zipped, "unpacked", spy)
    files = {
        "MyData/Userdata.json": PRIVATE,
        "MyData/Read Me First.pdf": PRIVATE,
        "MyData/Payments.json": PRIVATE,
        "MyData/StreamingHistory_music_0.json": ACCOUNT,
        "__MACOSX/MyData/._StreamingHistory_music_0.json": PRIVATE,
    }
    inventory = inspect(make_zip(tmp_path / "my_spotify_data.zip", files), CAPS)
    assert opened == []
    assert [read(member) for member in inventory.members] == [json.loads(ACCOUNT)]
    assert opened == ["MyData/StreamingHistory_music_0.json"]
    assert len(inventory.ignored) == 3


def test_a_folder_gives_what_its_zip_gives(tmp_path: Path) -> None:
    """Unpacked by the person or not: the same files, formats and rows, in natural order."""
    files = {
        "Spotify Extended Streaming History/Streaming_History_Audio_2019_10.json": EXTENDED,
        "Spotify Extended Streaming History/Streaming_History_Audio_2019_2.json": EXTENDED,
        "Spotify Extended Streaming History/ReadMeFirst_ExtendedStreamingHistory.pdf": PRIVATE,
        "Spotify Extended Streaming History/Streaming_History_Video_2019.json": EXTENDED,
    }
    folder = tmp_path / "unpacked"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    from_zip = inspect(make_zip(tmp_path / "my_spotify_data.zip", files), CAPS)
    from_folder = inspect(folder, CAPS)
    assert names(from_zip) == names(from_folder) == [list(files)[n] for n in (1, 0, 3)]
    assert from_zip.ignored == from_folder.ignored == (list(files)[2],)
    for left, right in zip(from_zip.members, from_folder.members, strict=True):
        assert (left.format, left.size, read(left)) == (right.format, right.size, read(right))


def test_one_export_is_one_package_however_it_is_given(tmp_path: Path) -> None:
    """Equal account rows are counted within a package: two files of one export share it."""
    folder = tmp_path / "MyData"
    folder.mkdir()
    (folder / "StreamingHistory0.json").write_bytes(ACCOUNT)
    (folder / "StreamingHistory1.json").write_bytes(ACCOUNT)
    single = inspect(folder / "StreamingHistory0.json", CAPS).members[0].package
    for given in (folder, tmp_path):
        assert [member.package for member in inspect(given, CAPS).members] == [single, single]


def test_different_exports_are_different_packages(tmp_path: Path) -> None:
    """Other folders, other ZIPs and second downloads beside the first do not share a package."""
    files = {
        "a/StreamingHistory0.json": ACCOUNT,
        "b/StreamingHistory0.json": ACCOUNT,
        "b/StreamingHistory0 (1).json": ACCOUNT,
    }
    first = inspect(make_zip(tmp_path / "1.zip", files), CAPS)
    second = inspect(make_zip(tmp_path / "2.zip", files), CAPS)
    packages = [member.package for member in (*first.members, *second.members)]
    assert len(set(packages)) == 6
    assert copy_mark("StreamingHistory0 (1).json") == "(1)"
    assert copy_mark("StreamingHistory0.json") == copy_mark("else (1).json") == ""


def test_a_foreign_name_is_detected_by_keys_in_a_zip_a_folder_and_alone(tmp_path: Path) -> None:
    """Renamed files count where their rows are history."""
    (tmp_path / "old.json").write_bytes(ACCOUNT)
    (tmp_path / "other.json").write_bytes(b'[{"a": 1}]')
    (tmp_path / "broken.json").write_bytes(b"[{")
    archive = make_zip(tmp_path / "x.zip", {"renamed.json": EXTENDED, "no.json": b"[1, {}]"})
    assert inspect(tmp_path / "old.json", CAPS).members[0].format == "account_music"
    assert names(inspect(archive, CAPS)) == ["renamed.json"]
    inventory = inspect(tmp_path, CAPS)
    assert names(inventory) == ["old.json", "x.zip/renamed.json"]
    assert inventory.ignored == ("broken.json", "other.json", "x.zip/no.json")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_within_a_zip_is_read_one_level_deep(tmp_path: Path, method: int) -> None:
    """Several exports packed together are found; deeper nesting is not followed."""
    deepest = make_zip(tmp_path / "deepest.zip", {"endsong_9.json": EXTENDED}).read_bytes()
    inner = make_zip(
        tmp_path / "inner.zip",
        {
            "MyData/endsong_0.json": EXTENDED,
            "MyData/endsong_1.json": ACCOUNT,
            "d.zip": deepest,
            "noise.bin": os.urandom(20_000),
        },
    ).read_bytes()
    path = make_zip(tmp_path / "outer.zip", {"in.zip": inner, "bad.zip": b"PK\3\4"}, method)
    inventory = inspect(path, CAPS)
    assert names(inventory) == ["in.zip/MyData/endsong_0.json", "in.zip/MyData/endsong_1.json"]
    first, second = (member.open() for member in inventory.members)
    with first, second:
        pairs = zip(rows(first), rows(second), strict=True)
        assert [(a, b) for (_, a), (_, b) in pairs] == [
            (json.loads(EXTENDED)[0], json.loads(ACCOUNT)[0])
        ]
    (entry, _) = zipped.entries("outer.zip", lambda: path.open("rb"), CAPS)
    with entry.container() as copy:
        assert copy.read(4) == b"PK\3\4"
        copy.seek(len(inner) - 26, os.SEEK_CUR)
        assert copy.read(4) == b"PK\5\6"
    assert inventory.ignored[1] == "in.zip/d.zip"
    assert inventory.ignored[0].startswith("bad.zip (bad.zip is not a whole ZIP file")


def test_unsafe_paths_are_ignored(tmp_path: Path) -> None:
    """Absolute paths and paths that climb out are no part of an export."""
    bad = [
        "/etc/endsong_0.json",
        "../endsong_1.json",
        "a/../../endsong_2.json",
        "C:/endsong_3.json",
    ]
    path = make_zip(tmp_path / "x.zip", dict.fromkeys([*bad, "a\\endsong_4.json"], EXTENDED))
    inventory = inspect(path, CAPS)
    assert names(inventory) == ["a/endsong_4.json"]
    assert sorted(inventory.ignored) == sorted(bad)


def test_links_and_pipes_in_a_folder_do_no_harm(tmp_path: Path) -> None:
    """A pipe would block, a loop would never end, and a dead link has no rows."""
    (tmp_path / "endsong_0.json").write_bytes(EXTENDED)
    os.mkfifo(tmp_path / "endsong_1.json")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "endsong_2.json").symlink_to(tmp_path / "nowhere")
    assert names(inspect(tmp_path, CAPS)) == ["endsong_0.json"]
    with pytest.raises(BadInput, match="neither a file nor a folder"):
        inspect(tmp_path / "endsong_1.json", CAPS)


def test_a_named_history_file_may_be_empty_or_damaged_later(tmp_path: Path) -> None:
    """An empty list is a year without plays; damage after a row is for the reader to tell."""
    (tmp_path / "endsong_0.json").write_bytes(b"[]")
    (tmp_path / "endsong_1.json").write_bytes(EXTENDED[:-1] + b", {")
    assert read(inspect(tmp_path / "endsong_0.json", CAPS).members[0]) == []
    with pytest.raises(DamagedFile):
        read(inspect(tmp_path / "endsong_1.json", CAPS).members[0])


def test_a_bomb_of_foreign_name_is_left_alone(tmp_path: Path) -> None:
    """What is no history by name bars nothing, and is named with the reason."""
    bomb = b"[" + b" " * 1_000_000 + b"]"
    path = make_zip(tmp_path / "x.zip", {"junk.json": bomb, "endsong_0.json": EXTENDED})
    inventory = inspect(path, CAPS)
    assert names(inventory) == ["endsong_0.json"]
    assert inventory.ignored[0].startswith("junk.json (junk.json in x.zip unpacks to more")


def test_names_are_printable(tmp_path: Path) -> None:
    """A name from an archive cannot play tricks with a terminal."""
    path = make_zip(tmp_path / "x.zip", {"a\x1b[2J/endsong_0.json": EXTENDED})
    assert names(inspect(path, CAPS)) == ["a?[2J/endsong_0.json"]


def test_an_inventory_is_the_same_every_time(tmp_path: Path) -> None:
    """Whatever the order in the archive, the members come sorted."""
    listed = [f"{folder}/endsong_{number}.json" for folder in "ba" for number in (10, 9, 1)]
    one = inspect(make_zip(tmp_path / "x.zip", dict.fromkeys(listed, EXTENDED)), CAPS)
    two = inspect(make_zip(tmp_path / "x.zip", dict.fromkeys(listed[::-1], EXTENDED)), CAPS)
    assert one == two
    assert names(one) == [f"{f}/endsong_{n}.json" for f in "ab" for n in (1, 9, 10)]
    assert all(left.package <= right.package for left, right in pairwise(one.members))
