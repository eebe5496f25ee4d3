"""Histories of other programs through the command line, from the file to the plays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cli_kit import Done
from export_files import make_zip
from service_files import (
    GHAN_CSV,
    GHAN_RECORDS,
    KOITO,
    KOITO_RECORDS,
    LASTFM,
    LISTEN,
    LISTEN_PLAYED,
    LISTENBRAINZ_RECORDS,
    MALOJA,
    MALOJA_RECORDS,
    NOW,
    YOUR_SPOTIFY,
    YOUR_SPOTIFY_RECORDS,
    listenbrainz_zip,
    maloja_database,
    tar_gz,
)

from spotify_hist.faces.cli import main
from spotify_hist.model import SCROBBLERS

if TYPE_CHECKING:
    from pathlib import Path

    from cli_kit import Cli


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process, in a fresh home."""

    def run(*arguments: str) -> Done:
        code = main.run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("source", SCROBBLERS)
def test_a_history_of_each_service_is_imported(source: str, cli: Cli, tmp_path: Path) -> None:
    """From the file to the plays, in a fresh home; the same file again changes nothing."""
    paths = {
        "your_spotify": [("infos.json", YOUR_SPOTIFY)],
        "maloja": [("maloja_export_2024.json", MALOJA)],
        "koito": [("koito_export.json", KOITO)],
        "listenbrainz": [("ann_lb-2023-12-01.json", json.dumps([LISTEN, LISTEN_PLAYED]).encode())],
        "lastfm": [("recenttracks.csv", GHAN_CSV)],
    }[source]
    expected = {
        "your_spotify": YOUR_SPOTIFY_RECORDS,
        "maloja": MALOJA_RECORDS,
        "koito": KOITO_RECORDS,
        "listenbrainz": LISTENBRAINZ_RECORDS,
        "lastfm": GHAN_RECORDS,
    }[source]
    given_paths = []
    for name, data in paths:
        (tmp_path / name).write_bytes(data)
        given_paths.append(str(tmp_path / name))
    receipt = cli("import", *given_paths, "--format", "json").json()
    count = len(expected)
    assert (receipt["records"], receipt["new"], receipt["rejected"]) == (count, count, 0)
    assert receipt["plays_added"] == count
    plays = cli("query", "recent", "--limit", "10", "--format", "json").json()["rows"]
    assert [play["sources"] for play in plays] == [[source]] * count
    newest_first = sorted(expected, key=lambda each: each.played_at_ms, reverse=True)
    assert [(play["track"], play["artist"], play["ms_played"], play["uri"]) for play in plays] == [
        (each.title, each.artist, each.ms_played, each.uri) for each in newest_first
    ]
    again = cli("import", *given_paths, "--format", "json").json()
    assert (again["duplicate"], again["new"], again["plays_added"]) == (count, 0, 0)


def test_archives_and_refused_rows_of_services_are_accounted_for(cli: Cli, tmp_path: Path) -> None:
    """A ZIP, a backup and a list with what was playing: every row is in the receipt."""
    make_zip(tmp_path / "listenbrainz_ann_1.zip", listenbrainz_zip())
    tar_gz(
        tmp_path / "maloja_backup.tar.gz",
        {"scrobbles/malojadb.sqlite": maloja_database(tmp_path)},
    )
    (tmp_path / "recenttracks.json").write_bytes(LASTFM)
    done = cli("import", str(tmp_path), "--format", "json")
    receipt = done.json() if done.out else {}
    by_format = {file["format"]: file for file in receipt["files"]}
    assert by_format["lastfm"]["rejected"] == [{"index": 0, "reason": NOW}]
    assert by_format["lastfm"]["records"] == 3
    assert by_format["maloja_database"]["records"] == 2
    assert receipt["rejected"] == 1
    direct = cli("import", str(tmp_path / "maloja_backup.tar.gz"), "--format", "json").json()
    assert direct["records"] == 2
