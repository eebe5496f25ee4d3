"""Owns the writer of very large extended histories for benchmarks and resource tests.

Never builds more than a few hundred rows at a time, and knows nothing of lives.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from spotify_hist.sandbox.catalogue import build_catalogue
from spotify_hist.sandbox.habits import PLATFORMS

if TYPE_CHECKING:
    from pathlib import Path

    from spotify_hist.sandbox.catalogue import Track

ROWS_A_FILE = 16_000  # FACTS 5.10
ROWS_A_WRITE = 500
BEGINNING = datetime(2012, 1, 1, tzinfo=UTC)

_HEAD = """  {{
    "ts": "%s",
    "platform": {platform},
    "ms_played": %d,
    "conn_country": "DE",
    "ip_addr": "203.0.113.77",
    "master_metadata_track_name": {track},
    "master_metadata_album_artist_name": {artist},
    "master_metadata_album_album_name": {album},
    "spotify_track_uri": "{uri}",
    "episode_name": null,
    "episode_show_name": null,
    "spotify_episode_uri": null,
    "audiobook_title": null,
    "audiobook_uri": null,
    "audiobook_chapter_uri": null,
    "audiobook_chapter_title": null,
    "reason_start": "trackdone",
    "reason_end": "%s",
    "shuffle": false,
    "skipped": %s,
    "offline": false,
    "offline_timestamp": %d,
    "incognito_mode": false
  }}"""


def write_large_extended(path: Path, rows: int, seed: int = 1, pace: int = 1) -> None:
    """Write a ZIP of exactly `rows` different extended-history rows, oldest first.

    Files of 16,000 two-space pretty rows; every row is a track play and no two share a second. They
    follow on one another all day long, `pace` times as fast as they are heard.
    """
    rng = Random(f"large:{seed}")
    tracks = list(build_catalogue().track_by_id.values())
    rng.shuffle(tracks)
    templates = [(_template(rng, track), track.duration_ms) for track in tracks]
    clock = int(BEGINNING.timestamp())
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        for number, first in enumerate(range(0, rows, ROWS_A_FILE)):
            count = min(ROWS_A_FILE, rows - first)
            year = datetime.fromtimestamp(clock, UTC).year
            entry = ZipInfo(
                f"Spotify Extended Streaming History/Streaming_History_Audio_{year}_{number}.json",
                date_time=(2026, 1, 1, 0, 0, 0),
            )
            entry.compress_type = ZIP_DEFLATED
            with archive.open(entry, "w") as member:
                member.write(b"[\n")
                for begin in range(0, count, ROWS_A_WRITE):
                    size = min(ROWS_A_WRITE, count - begin)
                    text, clock = _rows(rng, templates, size, clock, pace)
                    member.write((",\n" if begin else "").encode() + text.encode())
                member.write(b"\n]")


def _template(rng: Random, track: Track) -> str:
    """The text of a row of this track, with the changing fields left as %-places."""

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False).replace("%", "%%")

    return _HEAD.format(
        platform=quoted(rng.choice(PLATFORMS)),
        track=quoted(track.name),
        artist=quoted(track.album.artist.name),
        album=quoted(track.album.name),
        uri=track.uri,
    )


def _rows(
    rng: Random, templates: list[tuple[str, int]], size: int, clock: int, pace: int
) -> tuple[str, int]:
    """`size` rows as JSON text without brackets, and the second the last of them ended."""
    texts = []
    random, count = rng.random, len(templates)
    day, text_of_day = -1, ""
    for _ in range(size):
        # Squared: a few tracks get most of the plays, as with people.
        roll = random()
        template, duration = templates[int(count * roll * roll)]
        skips = random() < 0.2
        ms_played = int(random() * 30_000) if skips else duration
        began = clock + 1 + ms_played % 4
        clock = began + ms_played // (1000 * pace) + 1
        # Formatting the date once a day and the time by hand halves the cost of a row.
        if clock // 86_400 != day:
            day = clock // 86_400
            text_of_day = datetime.fromtimestamp(clock, UTC).strftime("%Y-%m-%dT")
        second = clock % 86_400
        time = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
        end, skipped = ("fwdbtn", "true") if skips else ("trackdone", "false")
        texts.append(template % (text_of_day + time, ms_played, end, skipped, began))
    return ",\n".join(texts), clock
