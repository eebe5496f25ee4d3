"""A removal on a disk that is nearly full costs the other listeners nothing."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from every_table import Rows, everything
from raw_rows import GENERATION_2026
from small_disk import command, resize, small_disk

from spotify_hist.errors import ExitCode
from spotify_hist.store import listeners, removal, rewriting
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

_START = datetime(2020, 1, 1, tzinfo=UTC)
_DISK_KB = 40_000


def _export(path: Path, count: int, title: str) -> Path:
    """So many plays, each of a title of its own."""
    rows = [
        {
            **GENERATION_2026,
            "ts": f"{_START + timedelta(minutes=4 * number):%Y-%m-%dT%H:%M:%SZ}",
            "master_metadata_track_name": f"{title} number {number}",
            "spotify_track_uri": f"spotify:track:{title[:3]}{number:019d}",
        }
        for number in range(count)
    ]
    path.mkdir()
    file = path / "Streaming_History_Audio_2020.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    return file


def _history(home: Path) -> dict[str, Rows]:
    with Database(home / "history.duckdb", 20).read() as connection:
        return everything(connection)


def _adas(home: Path) -> Rows:
    """The plays of who stays, whatever their listener's number is."""
    statement = (
        "select columns(*)::varchar from (select plays.* exclude (user_id) from plays"
        " join users using (user_id) where users.name = 'ada') order by all"
    )
    with Database(home / "history.duckdb", 20).read() as connection:
        return connection.execute(statement).fetchall()


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The exports of who goes and of who stays."""
    folder = tmp_path_factory.mktemp("exports")
    return _export(folder / "bob", 8000, "Zyxomma"), _export(folder / "ada", 901, "Anax")


@pytest.mark.parametrize("room_kb", [300, 2_000, 3_500, 5_000, 6_500, 9_000, 12_000])
def test_a_removal_with_little_room_left(
    exports: tuple[Path, Path], tmp_path: Path, room_kb: int
) -> None:
    """It is refused before anything is deleted, or done; with room again the same call does it."""
    disk = tmp_path / "disk"
    bobs, adas = exports
    with small_disk(disk, _DISK_KB):
        home = disk / "home"
        for user, export in (("bob", bobs), ("ada", adas)):
            assert command(home, 0, "--user", user, "import", export).code == 0
        before, adas_plays = _history(home), _adas(home)
        assert len(adas_plays) == 901
        _fill(disk, room_kb)

        said = command(home, 0, "users", "remove", "bob", "--yes")

        assert _adas(home) == adas_plays
        if said.code:
            assert said.code == ExitCode.TEMPORARY, said.err
            assert "MB free" in said.err or "is full" in said.err
            assert _history(home) == before
        resize(disk, 96_000)
        if said.code:
            assert command(home, 0, "users", "remove", "bob", "--yes").code == 0
        assert _adas(home) == adas_plays
        assert [row[1] for row in _history(home)["users"]] == ["ada"]
        assert _readable(home) == []


def test_a_removal_whose_rewrite_fails_is_finished_by_the_next_writer(
    exports: tuple[Path, Path], tmp_path: Path
) -> None:
    """The disk fills up in between; `status` tells of it until somebody writes with room enough."""
    disk = tmp_path / "disk"
    bobs, adas = exports
    with small_disk(disk, _DISK_KB):
        home = disk / "home"
        for user, export in (("bob", bobs), ("ada", adas)):
            assert command(home, 0, "--user", user, "import", export).code == 0
        adas_plays = _adas(home)
        with Database(home / "history.duckdb", 20).write("test") as connection:
            bob = listeners.find_listener(connection, "bob")
            assert bob is not None
            removal.remove(connection, bob)
            rewriting.owe(connection, "bob", _START)
        _fill(disk, 500)
        assert command(home, 0, "users", "rename", "ada", "eve").code == 0
        assert _readable(home)
        status = json.loads(command(home, 0, "status", "--format", "json").out)
        assert status["database"]["rewrite_owed"] is True
        assert command(home, 0, "users", "rename", "eve", "ada").code == 0
        (disk / "filler").unlink()

        assert command(home, 0, "users", "timezone", "ada", "UTC").code == 0

        assert _readable(home) == []
        assert _adas(home) == adas_plays
        assert _history(home)["job_runs"] == [
            row for row in _history(home)["job_runs"] if "rewrite" not in row
        ]


def _fill(disk: Path, room_kb: int) -> None:
    """Leave so much room on a disk, and no more."""
    free = os.statvfs(disk)
    size = free.f_bavail * free.f_frsize - room_kb * 1000
    (disk / "filler").write_bytes(b"x" * max(0, size))


def _readable(home: Path) -> list[str]:
    """The files in which titles of who was removed can still be read."""
    return [path.name for path in home.glob("history.duckdb*") if b"Zyxomma" in path.read_bytes()]
