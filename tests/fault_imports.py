"""Imports, their undoing and the schema's migration, as commands that are swept with faults.

Never injects a fault; `strace_kit` does.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from export_files import make_zip
from fault_stage import EARLIER, Said, Scenario, nothing

from spotify_hist.collect import staging
from spotify_hist.sandbox import exports, rows
from spotify_hist.store import migrate
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from fault_stage import Stage

    from spotify_hist.sandbox.life import Life, TruePlay

EXTENDED = "Spotify Extended Streaming History"
ACCOUNT = "Spotify Account Data"
_OLD_SCHEMA = 2
_UNDONE_ALREADY = re.compile(r"Error: Import 1 was undone already, .*", re.DOTALL)


def write(life: Life, directory: Path) -> None:
    """An export with a file for each way of reading, one of them with keys nobody knows, a later
    one that shares its largest file, and a list of another program. All of them tell of plays that
    the polls told of as well."""
    told = [play for play in life.until(EARLIER) if not play.video]
    older, plays = told[-220:-130], told[-130:]
    songs = [play for play in plays if play.track is not None]
    large = exports.render([{**rows.row_of_today(play), "mood": 1} for play in plays], "pretty")
    assert len(large) > staging._LEAST_BYTES  # so that DuckDB itself reads it
    spoilt = {**rows.row_of_today(songs[0]), "ts": "yesterday"}
    videos = [play for play in life.until(EARLIER) if play.video][-3:]
    make_zip(
        directory / "my_spotify_data.zip",
        {
            f"{EXTENDED}/Streaming_History_Audio_2026_0.json": exports.render(
                [rows.row_of_today(play) for play in older], "minified"
            ),
            f"{EXTENDED}/Streaming_History_Audio_2026_1.json": large,
            f"{EXTENDED}/Streaming_History_Video_2026.json": exports.render(
                [spoilt, *map(rows.row_of_today, videos)], "minified"
            ),
            f"{ACCOUNT}/StreamingHistory_music_0.json": exports.render(
                [rows.account_row(play) for play in songs[-40:]], "pretty"
            ),
            f"{ACCOUNT}/Userdata.json": b"\xff never to be opened",
        },
    )
    make_zip(
        directory / "later.zip",
        {
            f"{EXTENDED}/Streaming_History_Audio_2026_1.json": large,
            f"{EXTENDED}/Streaming_History_Audio_2026_2.json": exports.render(
                [rows.row_of_today(play) for play in _after(life, 20)], "minified"
            ),
        },
    )
    listens = "".join(json.dumps(_listen(play)) + "\n" for play in songs[-10:])
    (directory / "listens.jsonl").write_text(listens, encoding="utf-8")
    (directory / "bobs.jsonl").write_text(
        json.dumps(
            {
                "track_metadata": {
                    "track_name": "Zyxomma petiolatum",
                    "artist_name": "Odonata",
                    "additional_info": {},
                },
                "listened_at": 1_768_000_000,
            }
        ),
        encoding="utf-8",
    )


def _after(life: Life, count: int) -> list[TruePlay]:
    """The first plays that nobody has told of yet."""
    return [play for play in life.since(EARLIER) if not play.video][:count]


def _listen(play: TruePlay) -> dict[str, object]:
    """A line of ListenBrainz' export."""
    told: dict[str, object] = {
        "track_name": play.title,
        "artist_name": play.artist,
        "additional_info": {},
    }
    return {"listened_at": play.ended_at_ms // 1000, "track_metadata": told}


_PATHS = ("{exports}/my_spotify_data.zip", "{exports}/listens.jsonl")
_LATER = "{exports}/later.zip"


def _poll_twice(stage: Stage) -> None:
    """Two polls with so much time between them that there is a gap, which the exports close."""
    stage.log_in()
    stage.succeed("poll")
    stage.sandbox.advance(EARLIER)
    stage.succeed("poll")


def _import_twice(stage: Stage) -> None:
    """Then two imports that share a file."""
    _poll_twice(stage)
    stage.succeed(*stage.words("import", *_PATHS), code=3)  # for its rejected row
    stage.succeed(*stage.words("import", _LATER))


def _grow_old(stage: Stage) -> None:
    """The same, with private fields, in the file of an earlier version of the program."""
    _poll_twice(stage)
    stage.succeed(*stage.words("import", "--keep-private", *_PATHS), code=3)
    stage.succeed(*stage.words("import", _LATER))
    database = Database(stage.home / "history.duckdb", 20)
    with database._connection(time.monotonic(), read_only=False) as connection:
        migrate.downgrade(connection, _OLD_SCHEMA)


def _undo_again(stage: Stage) -> Said:
    """Undo what is not undone yet."""
    said = stage.run("import", "undo", "1", "--yes")
    if said.code == 3 and _UNDONE_ALREADY.fullmatch(said.err):
        return Said(0, "")
    return said


SCENARIOS = (
    Scenario(
        "import",
        ("import", *_PATHS),
        nothing,
        begin=_poll_twice,
        sample=2,
        exit_code=3,
        is_one_step=True,
    ),
    Scenario(
        "stdin",
        ("import", "-"),
        nothing,
        begin=_poll_twice,
        given="{exports}/my_spotify_data.zip",
        sample=1,
        exit_code=3,
        is_one_step=True,
    ),
    Scenario(
        "undo",
        ("import", "undo", "1", "--yes"),
        nothing,
        begin=_import_twice,
        again=_undo_again,
        sample=1,
        is_one_step=True,
    ),
    Scenario("migrate", ("import", "list"), nothing, begin=_grow_old, sample=1, is_one_step=True),
)
