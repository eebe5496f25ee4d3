"""The sandbox writes exports in every format that correspond to the life, row by row."""

from __future__ import annotations

import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast
from zipfile import ZipFile

import pytest

from spotify_hist.sandbox.exports import SECRETS, render, write_exports
from spotify_hist.sandbox.large import write_large_extended
from spotify_hist.sandbox.life import Life, TruePlay, live

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 2, 10, 12, tzinfo=UTC)
RECENT = "/v1/me/player/recently-played"


@pytest.fixture(scope="module")
def life() -> Life:
    """Two months of one listener."""
    return live(7, start=START, end=END)


def _rows(path: Path, holds: str) -> list[dict[str, object]]:
    """Every row of the members of a ZIP whose base name begins with `holds`."""
    with ZipFile(path) as archive:
        return [
            row
            for name in archive.namelist()
            if Path(name).name.startswith(holds)
            for row in json.loads(archive.read(name))
        ]


@pytest.fixture(scope="module")
def exports(life: Life, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The exports of that life."""
    return write_exports(life, tmp_path_factory.mktemp("exports"))


def test_the_extended_export_is_the_life_plus_exact_repetitions(
    exports: dict[str, Path], life: Life
) -> None:
    """FACTS 5.7: without repetitions, one row for each play; some stand in another file."""
    rows = _rows(exports["extended"], "Streaming_History")
    distinct = {json.dumps(row, sort_keys=True) for row in rows}
    assert len(distinct) == len(life.plays) < len(rows)
    assert Counter(_key(row) for row in map(json.loads, distinct)) == Counter(
        _true_key(play) for play in life.plays
    )
    audio = _rows(exports["extended"], "Streaming_History_Audio")
    video = _rows(exports["extended"], "Streaming_History_Video")
    assert len(audio) + len(video) == len(rows)
    shared = {json.dumps(row) for row in audio} & {json.dumps(row) for row in video}
    assert shared == set()


def _key(row: Mapping[str, object]) -> tuple[object, ...]:
    uri = row["spotify_track_uri"] or row["spotify_episode_uri"] or row.get("audiobook_chapter_uri")
    return row["ts"], row["ms_played"], uri


def _true_key(play: TruePlay) -> tuple[object, ...]:
    return play.ended_at.strftime("%Y-%m-%dT%H:%M:%SZ"), play.ms_played, play.uri


def test_the_2022_export_is_unsorted_minified_and_complete(
    exports: dict[str, Path], life: Life
) -> None:
    """FACTS 5.3, 5.10: 21 keys, several files, every play but audiobooks, which came later."""
    rows = _rows(exports["endsong"], "end")
    assert {len(row) for row in rows} == {21}
    wanted = Counter(_true_key(play) for play in life.plays if play.kind != "audiobook_chapter")
    assert Counter(_key(row) for row in rows) == wanted
    stamps = [str(row["ts"]) for row in rows]
    assert stamps != sorted(stamps)
    with ZipFile(exports["endsong"]) as archive:
        assert len([name for name in archive.namelist() if "endsong" in name]) > 1
        assert b"\n" not in archive.read("MyData/endsong_0.json")


def test_the_2020_export_has_places_and_no_uris(exports: dict[str, Path], life: Life) -> None:
    """FACTS 5.3: 24 keys."""
    rows = _rows(exports["extended_2020"], "end")
    assert {len(row) for row in rows} == {24}
    assert not any("uri" in key for key in rows[0])
    assert len(rows) == sum(play.kind != "audiobook_chapter" for play in life.plays)


def test_todays_export_has_23_keys_in_two_layouts(exports: dict[str, Path]) -> None:
    """FACTS 5.3, 5.10: two-space pretty, and with spaces before the colons."""
    assert {len(row) for row in _rows(exports["extended"], "Streaming_History")} == {23}
    with ZipFile(exports["extended"]) as archive:
        names = [name for name in archive.namelist() if "_Audio_" in name]
        texts = [archive.read(name) for name in names]
        others = [name for name in archive.namelist() if "_History_" not in name]
    assert any(b'\n    "ts": ' in text for text in texts)
    assert any(b'\n  "ts" : ' in text for text in texts)
    assert others == ["Spotify Extended Streaming History/ReadMeFirst_ExtendedStreamingHistory.pdf"]


def test_account_rows_are_minute_and_milliseconds_of_the_plays(
    exports: dict[str, Path], life: Life
) -> None:
    """FACTS 5.1, 5.9: end cut to the minute UTC; nameless rows are missing; few names differ."""
    for prefix, kind in (
        ("music", "track"),
        ("podcast", "episode"),
        ("audio", "audiobook_chapter"),
    ):
        rows = _rows(exports["account"], f"StreamingHistory_{prefix}")
        plays = [play for play in life.plays if play.kind == kind]
        assert Counter((row["endTime"], row["msPlayed"]) for row in rows) == Counter(
            (play.ended_at.strftime("%Y-%m-%d %H:%M"), play.ms_played) for play in plays
        )
    music = _rows(exports["account"], "StreamingHistory_music")
    names = Counter((row["artistName"], row["trackName"]) for row in music)
    own: Counter[tuple[object, object]] = Counter(
        (play.artist, play.title) for play in life.plays if play.kind == "track"
    )
    assert names["Unknown Artist", "Unknown Track"] >= 1
    assert 1 < sum((names - own).values()) < 0.02 * len(music)


def test_the_old_account_export_mixes_shows_among_artists(
    exports: dict[str, Path], life: Life
) -> None:
    """FACTS 5.1: a podcast is a row with artistName and trackName."""
    rows = _rows(exports["account_old"], "StreamingHistory")
    episode = next(play.episode for play in life.plays if play.episode)
    assert (episode.show, episode.name) in {(row["artistName"], row["trackName"]) for row in rows}
    assert len(rows) == sum(play.kind in {"track", "episode"} for play in life.plays)


def test_account_data_reaches_back_one_year_only(tmp_path: Path) -> None:
    """FACTS 5.1; the extended history has everything up to the download."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    long_life = live(2, start=start, end=start + timedelta(days=500), plays_per_day=6)
    downloaded = start + timedelta(days=450)
    written = write_exports(long_life, tmp_path, downloaded_at=downloaded)
    ends = [str(row["endTime"]) for row in _rows(written["account"], "StreamingHistory_")]
    assert min(ends) >= (downloaded - timedelta(days=365)).strftime("%Y-%m-%d %H:%M")
    stamps = [str(row["ts"]) for row in _rows(written["extended"], "Streaming_History")]
    assert min(stamps) < "2024-01-04"
    assert max(stamps + ends) < downloaded.isoformat()


@pytest.mark.parametrize(
    ("year", "check"),
    [
        (2015, lambda value: value in {0, None}),
        (2019, lambda value: value > 1e12 or value < 1e8),
        (2024, lambda value: 1e9 < value < 2e9 or value < 1e8),
    ],
)
def test_the_offline_timestamp_changes_its_unit_over_the_years(
    year: int, check: Callable[[float], bool]
) -> None:
    """FACTS 5.5: nothing, then milliseconds, then seconds, and odd ones in between."""
    start = datetime(year, 5, 1, tzinfo=UTC)
    plays = live(4, start=start, end=start + timedelta(days=20)).plays
    assert all(check(cast(float, play.offline_timestamp)) for play in plays)


def test_skips_are_not_told_between_2018_and_2021(tmp_path: Path) -> None:
    """FACTS 5.5: false or null although the listener skipped."""
    start = datetime(2019, 5, 1, tzinfo=UTC)
    old = live(4, start=start, end=start + timedelta(days=20))
    rows = _rows(write_exports(old, tmp_path)["endsong"], "end")
    assert any(play.skipped for play in old.plays)
    assert {row["skipped"] for row in rows} == {False, None}


def test_private_things_lie_in_the_exports_and_can_be_recognised(exports: dict[str, Path]) -> None:
    """Every one of SECRETS is somewhere in the files, so that looking for them proves something."""
    found = set()
    for path in exports.values():
        with ZipFile(path) as archive:
            for name in archive.namelist():
                text = archive.read(name).decode()
                found |= {secret for secret in SECRETS if secret in text}
    assert found == set(SECRETS)


def test_the_same_life_gives_the_same_bytes(
    exports: dict[str, Path], life: Life, tmp_path: Path
) -> None:
    """Two downloads of one life differ in nothing."""
    again = write_exports(life, tmp_path)
    assert {name: path.read_bytes() for name, path in again.items()} == {
        name: path.read_bytes() for name, path in exports.items()
    }


@pytest.mark.parametrize("days", [0, 1, 2])
def test_even_the_shortest_life_can_be_exported(days: int, tmp_path: Path) -> None:
    """No plays, or a handful, are files as well."""
    short = live(5, start=START, end=START + timedelta(days=days), plays_per_day=3)
    written = write_exports(short, tmp_path)
    rows = {json.dumps(row) for row in _rows(written["extended"], "Streaming_History")}
    assert len(rows) == len(short.plays)
    assert len(_rows(written["account"], "StreamingHistory_music")) == sum(
        play.kind == "track" for play in short.plays
    )


@pytest.mark.parametrize("count", [0, 1, 500, 16_001])
def test_the_large_writer_makes_exactly_the_rows_asked_for(count: int, tmp_path: Path) -> None:
    """All of them valid, different and in order, in files of 16,000."""
    write_large_extended(tmp_path / "large.zip", count, seed=3)
    rows = _rows(tmp_path / "large.zip", "Streaming_History_Audio")
    assert len(rows) == count
    assert {len(row) for row in rows} <= {23}
    stamps = [row["ts"] for row in rows]
    assert stamps == sorted(cast(list[str], stamps))
    assert len(set(stamps)) == count
    with ZipFile(tmp_path / "large.zip") as archive:
        assert len(archive.namelist()) == -(-count // 16_000)


def test_a_page_in_pretty_layout_reads_as_json() -> None:
    """The renderer's three layouts all say the same."""
    table: list[dict[str, object]] = [{"a": 'x"\n\\', "b": None}, {"a": "🦊", "b": 0.5}]
    for layout in ("pretty", "minified", "spaced"):
        assert json.load(io.BytesIO(render(table, layout))) == table
    assert json.loads(render([], "pretty")) == []
