"""A disk that fills up during an import costs nothing but another run, wherever it strikes."""

from __future__ import annotations

import json
import random
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest
from every_table import Rows, everything
from raw_rows import GENERATION_2026
from small_disk import Said, command, resize, small_disk

from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

_TS = "%Y-%m-%dT%H:%M:%SZ"
# What does not hang on when an import was made.
LASTING = (
    "albums", "artists", "import_files", "play_records", "plays", "record_rows", "rejected_rows",
    "told_names", "track_links", "tracks", "users",
)  # fmt: skip


class Scene(NamedTuple):
    """A home with a history in it, an export to bring in, and what that leads to."""

    home: Path
    export: Path
    before: dict[str, Rows]
    after: dict[str, Rows]
    receipt: dict[str, object]


def tables(home: Path) -> dict[str, Rows]:
    """All rows of all tables of the history."""
    with Database(home / "history.duckdb", 20).read() as connection:
        return everything(connection)


def lasting(found: dict[str, Rows]) -> dict[str, Rows]:
    """The tables that tell what was listened to, and which file and row said so."""
    return {
        name: [row[1:] for row in rows] if name == "users" else rows
        for name, rows in found.items()
        if name in LASTING
    }


def write_export(path: Path, year: int, files: int, rows: int) -> Path:
    """A ZIP of files that are large enough to be unpacked, of rows that do not pack well."""
    rng = random.Random(year)
    first = datetime(year, 1, 1, tzinfo=UTC)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(files):
            plays = [
                GENERATION_2026
                | {
                    "ts": (first + timedelta(minutes=7 * n, days=5 * number)).strftime(_TS),
                    "ms_played": rng.randrange(300_000),
                    "spotify_track_uri": f"spotify:track:{rng.getrandbits(88):022x}",
                    "master_metadata_track_name": f"{rng.getrandbits(90):x}",
                }
                for n in range(rows)
            ]
            archive.writestr(f"MyData/endsong_{number}.json", json.dumps(plays))
    return path


@pytest.fixture(scope="module")
def scene(nobody: None, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A history of one export, and what bringing in a larger one undisturbed makes of it."""
    directory = tmp_path_factory.mktemp("full")
    home, export = directory / "home", write_export(directory / "new.zip", 2020, 12, 600)
    earlier = write_export(directory / "old.zip", 2015, 2, 400)
    assert command(home, 0, "import", earlier).code == 0
    whole = directory / "whole"
    shutil.copytree(home, whole)
    said = command(whole, 0, "import", export, "--format", "json")
    assert said.code == 0, said.err
    receipt = json.loads(said.out)
    assert receipt["new"] == 7200
    return Scene(home, export, tables(home), lasting(tables(whole)), receipt)


def judge(scene: Scene, home: Path, said: Said) -> str:
    """Check what an import on a full disk has said and left; the file that had no room, if any."""
    assert not [path for path in (home / "uploads").glob("**/*") if path.is_file()]
    if said.code == 0:
        assert lasting(tables(home)) == scene.after
        return ""
    assert said.code == 5, said.err
    error = json.loads(said.err)["error"]
    assert (error["code"], error["retryable"]) == ("storage_full", True)
    assert "\n" not in error["message"]
    assert "run the same command again" in error["hint"]
    assert said.out == ""
    assert tables(home) == scene.before
    place = str(error["message"]).removeprefix("The disk of ").removesuffix(" is full.")
    return place.rpartition("/")[2]


def test_no_file_may_grow_beyond_a_limit(scene: Scene, tmp_path: Path) -> None:
    """At limits from a tenth of a megabyte on: unpacked files, the scratch database and the merge
    are each met. Each time the history is as before, and the same command then does it all."""
    home = tmp_path / "home"
    limit = 100_000
    places: list[str] = []
    while "" not in places:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(scene.home, home)
        place = judge(scene, home, command(home, limit, "import", scene.export, "--format", "json"))
        if place and place not in places:
            assert_whole(scene, home)
        places.append(place)
        limit = limit * 3 // 2
    assert list(dict.fromkeys(places)) == ["uploads", "scratch.duckdb", "history.duckdb", ""]


def assert_whole(scene: Scene, home: Path) -> None:
    """The same command, now with room enough, gives what an undisturbed one gives."""
    said = command(home, 0, "import", scene.export, "--format", "json")
    assert said.code == 0, said.err
    assert json.loads(said.out) == scene.receipt
    assert lasting(tables(home)) == scene.after


@pytest.mark.parametrize("room", [200, 1_000, 2_500])
def test_a_disk_that_is_nearly_full(scene: Scene, tmp_path: Path, room: int) -> None:
    """With some kilobytes left on the disk of the history; then there is room again."""
    used = sum(path.stat().st_size for path in scene.home.rglob("*") if path.is_file())
    disk = tmp_path / "disk"
    with small_disk(disk, used // 1000 + room):
        home = disk / "home"
        shutil.copytree(scene.home, home)
        said = command(home, 0, "import", scene.export, "--format", "json")
        assert judge(scene, home, said)
        resize(disk, 64_000)
        assert_whole(scene, home)
