"""Keys that this version does not know are left out of the history, but counted and told."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from cli_kit import Cli, Done
from conftest import NOW
from export_files import make_zip
from raw_rows import (
    ACCOUNT,
    GENERATION_2020,
    GENERATION_2021,
    GENERATION_2024,
    GENERATION_2026,
    NO_METADATA,
)

from spotify_hist.collect import staging
from spotify_hist.collect.unknown_keys import UnknownKeys, printable
from spotify_hist.faces.cli import main

if TYPE_CHECKING:
    from pathlib import Path

PODCAST = {
    "endTime": "2023-05-06 10:20",
    "podcastName": "Show",
    "episodeName": "Episode",
    "msPlayed": 1,
}
BOOK = {
    "endTime": "2023-05-06 10:20",
    "audiobookName": "Book",
    "chapterName": "Chapter",
    "authorName": "Author",
    "msPlayed": 1,
}
LARGE = "MyData/endsong_0.json"
SMALL = "MyData/endsong_1.json"
MONTHLY = "MyData/StreamingHistory0.json"
WORDS = (
    "Keys this version does not know, left out: mood (160 rows), weather (11 rows), device (1 row)."
)


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process, in `home`, at `NOW`."""
    monkeypatch.setattr("spotify_hist.faces.cli.context.App.now", lambda _: NOW)

    def run(*arguments: str) -> Done:
        code = main.run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run


def members() -> dict[str, bytes]:
    """A file that DuckDB reads, one that it does not, and account data."""
    large: list[dict[str, object]] = [GENERATION_2026 | {"ms_played": n} for n in range(160)]
    large = [row | {"mood": {"is": ["calm", None]}} for row in large]
    for row in large[:10]:
        row["weather"] = None
    small = [GENERATION_2026 | {"ms_played": 1000}, GENERATION_2026 | {"ts": "x", "weather": 1}]
    files: dict[str, list[dict[str, object]]] = {
        LARGE: large,
        SMALL: small,
        MONTHLY: [ACCOUNT | {"device": "x"}],
    }
    return {name: json.dumps(rows, indent=2).encode() for name, rows in files.items()}


def by_file(done: Done) -> dict[str, object]:
    """The unknown keys of each file of a receipt."""
    return {each["name"].rpartition("/")[2]: each["unknown_keys"] for each in done.json()["files"]}


EXPECTED = {
    "endsong_0.json": {"mood": 160, "weather": 10},
    "endsong_1.json": {"weather": 1},
    "StreamingHistory0.json": {"device": 1},
}


# -- what is counted


@pytest.mark.parametrize(
    "row", [GENERATION_2020, GENERATION_2021, GENERATION_2024, GENERATION_2026, NO_METADATA]
)
def test_no_key_of_any_extended_history_is_unknown(row: dict[str, object]) -> None:
    """Those of all years, the private ones too."""
    unknown = UnknownKeys("extended")
    unknown.look_at(row)
    assert unknown.rows == {}


@pytest.mark.parametrize("row", [ACCOUNT, PODCAST, BOOK])
def test_no_key_of_account_data_is_unknown(row: dict[str, object]) -> None:
    """Music, podcasts and audiobooks."""
    unknown = UnknownKeys("account")
    unknown.look_at(row)
    assert unknown.rows == {}


def test_the_keys_of_other_programs_are_not_looked_at() -> None:
    """Their rows are full of what is of no use here."""
    unknown = UnknownKeys("lastfm")
    unknown.look_at({"streamable": "0", "mbid": ""})
    assert unknown.rows == {}


def test_what_is_no_object_has_no_keys() -> None:
    """It is rejected, and its reason says why."""
    unknown = UnknownKeys("extended")
    rows: list[object] = [None, 1, "new_key", ["new_key"], {}]
    for row in rows:
        unknown.look_at(row)
    assert unknown.rows == {}


def test_a_file_of_nothing_but_new_keys_takes_no_room() -> None:
    """Neither by their number nor by their length."""
    unknown = UnknownKeys("extended")
    for number in range(1000):
        unknown.look_at({f"{number}-{each}" + "x" * 10_000: 1 for each in range(20)})
    assert len(unknown.rows) == 51
    assert max(map(len, unknown.rows)) <= 61
    # The first fifty keys are of three rows, the third of which has others as well.
    assert unknown.rows["…"] == 998


def test_names_are_told_as_they_may_be_printed() -> None:
    """Neither control characters nor anything that would not fit the database."""
    rows = {"a\x1b[31mb": 2, "a\udc80b": 1, "a\0b": 1, "é": 9}
    assert printable(rows, 5) == {"a?[31mb": 2, "a?b": 2, "é": 5}


# -- how it is told


def test_a_receipt_tells_the_unknown_keys_of_each_file_and_of_all(cli: Cli, tmp_path: Path) -> None:
    """In JSON and in words; not one row less is taken for it."""
    files = members()
    assert len(files[LARGE]) > staging._LEAST_BYTES  # so that DuckDB itself reads it
    archive = str(make_zip(tmp_path / "a.zip", files))
    dry = cli("import", "--dry-run", "--format", "json", archive)
    done = cli("import", "--format", "json", archive)
    assert dry.json() | {"dry_run": False} == done.json()
    assert by_file(done) == EXPECTED
    assert done.json()["unknown_keys"] == {"mood": 160, "weather": 11, "device": 1}
    assert (done.json()["records"], done.json()["new"], done.json()["rejected"]) == (163, 162, 1)
    assert WORDS in cli("import", archive, "--dry-run").err.splitlines()


def test_it_is_told_again_later_and_after_an_undo(cli: Cli, tmp_path: Path) -> None:
    """Of a file that is known by its bytes, what was found when it was read."""
    files = members()
    archive = str(make_zip(tmp_path / "a.zip", files))
    (tmp_path / "endsong_0.json").write_bytes(files[LARGE])
    assert WORDS in cli("import", archive).err.splitlines()
    again = cli("import", "--format", "json", str(tmp_path / "endsong_0.json"))
    assert again.json()["duplicate"] == 160
    assert by_file(again) == {"endsong_0.json": EXPECTED["endsong_0.json"]}
    cli("import", "undo", "1", "--yes")
    for number, expected in (("1", EXPECTED), ("2", by_file(again))):
        assert by_file(cli("import", "show", number, "--format", "json")) == expected
    shown = cli("import", "show", "2").err
    assert "left out: mood (160 rows), weather (10 rows)." in shown


def test_a_folder_and_standard_input_tell_it_too(cli: Cli, tmp_path: Path) -> None:
    """Whichever way a file comes."""
    files = members()
    folder = tmp_path / "MyData"
    folder.mkdir()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    assert by_file(cli("import", "--dry-run", "--format", "json", str(folder))) == EXPECTED
    stdin = io.TextIOWrapper(io.BytesIO(files[LARGE]))
    with mock.patch.object(sys, "stdin", stdin):
        told = cli("import", "--dry-run", "--format", "json", "-")
    assert list(by_file(told).values()) == [EXPECTED["endsong_0.json"]]


def test_only_the_first_names_are_said_in_words(cli: Cli, tmp_path: Path) -> None:
    """And how many more there are."""
    path = tmp_path / "endsong_0.json"
    path.write_text(json.dumps([GENERATION_2026 | {f"new {n}": n for n in range(7)}]))
    told = cli("import", str(path))
    assert "new 4 (1 row) and 2 more." in told.err


def test_a_receipt_without_unknown_keys_does_not_speak_of_them(cli: Cli, tmp_path: Path) -> None:
    """In JSON there are none."""
    path = tmp_path / "endsong_0.json"
    path.write_text(json.dumps([GENERATION_2026]))
    assert "does not know" not in cli("import", str(path)).err
    assert by_file(cli("import", "show", "1", "--format", "json")) == {"endsong_0.json": {}}


def test_private_fields_that_are_kept_are_no_unknown_keys(cli: Cli, tmp_path: Path) -> None:
    """With --keep-private every file is read row by row."""
    archive = str(make_zip(tmp_path / "a.zip", members()))
    assert by_file(cli("import", "--keep-private", "--format", "json", archive)) == EXPECTED
