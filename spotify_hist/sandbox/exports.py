"""Owns the export ZIPs of a life, in every format Spotify has handed out.

Never invents a play: each row is one of the life's plays, or an exact repetition of such a row.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Literal
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from spotify_hist.private_files import make_directory, open_private
from spotify_hist.sandbox import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from spotify_hist.sandbox.life import Life, TruePlay
    from spotify_hist.sandbox.rows import Row

Layout = Literal["pretty", "minified", "spaced"]
Members = dict[str, bytes]

ROWS_A_FILE = 16_000
DUPLICATES = 0.004  # FACTS 5.7
OTHER_NAMES = 0.004  # FACTS 5.9
UNKNOWN_NAMES = 0.0015  # FACTS 5.9
FORMATS = ("extended", "endsong", "extended_2020", "account", "account_old")
ZIP_NAME = "my_spotify_data.zip"  # whatever it holds (FACTS 5.2)

# Files that lie beside the history and must never be read; every value is a recognisable secret.
SECRET_FILES: dict[str, object] = {
    "Userdata.json": {
        "username": rows.PRIVATE_USERNAME,
        "email": "secret.person@example.org",
        "birthdate": "1901-02-03",
    },
    "Payments.json": {"payment_method": "SECRET-CARD 4000 0000 0000 0002"},
    "Identity.json": {"displayName": "Secret Person", "imageUrl": "https://secret.example/p.jpg"},
    "Inferences.json": {"inferences": ["SECRET-INFERENCE demographic_secret"]},
}
SECRETS: tuple[str, ...] = (
    rows.PRIVATE_IP,
    rows.PRIVATE_USER_AGENT,
    rows.PRIVATE_USERNAME,
    rows.PRIVATE_CITY,
    str(rows.PRIVATE_LATITUDE),
    str(rows.PRIVATE_LONGITUDE),
    "secret.person@example.org",
    "SECRET-CARD",
    "Secret Person",
    "SECRET-INFERENCE",
)


def write_exports(
    life: Life,
    directory: Path,
    *,
    downloaded_at: datetime | None = None,
    formats: Collection[str] = FORMATS,
) -> dict[str, Path]:
    """Write `<directory>/<format>/my_spotify_data.zip` for each format; returns path by format.

    Formats: `extended` (today's), `endsong` (to 2022), `extended_2020`, `account` (today's) and
    `account_old`. They hold the plays that ended before `downloaded_at` (default: the life's
    end); account data only those of the year before it. Audiobooks are missing where a format
    has no place for them. The same life always gives the same bytes.
    """
    until = downloaded_at or life.end
    plays = life.until(until)
    year_ago = until - timedelta(days=365)
    recent = [play for play in life.since(year_ago) if play.ended_at < until]
    songs = _account_songs(Random(f"account:{life.seed}"), recent)
    makers: dict[str, Callable[[Random], Members]] = {
        "extended": lambda rng: _extended(rng, plays),
        "endsong": lambda rng: _endsong(rng, plays, rows.row_of_2022),
        "extended_2020": lambda rng: _endsong(rng, plays, rows.row_of_2020),
        "account": lambda _: _account(recent, songs),
        "account_old": lambda _: _account_old(recent, songs),
    }
    return {
        name: _write_zip(directory / name / ZIP_NAME, makers[name](Random(f"{name}:{life.seed}")))
        for name in formats
    }


def render(table: Sequence[Row], layout: Layout) -> bytes:
    """The rows as a JSON array: two-space pretty, minified, or `"k" : v` (FACTS 5.10)."""
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    if layout == "minified" or not table:
        return encode(table).encode()
    colon, indent = (": ", "    ") if layout == "pretty" else (" : ", "  ")
    objects = [
        ",\n".join(f"{indent}{encode(key)}{colon}{encode(value)}" for key, value in row.items())
        for row in table
    ]
    if layout == "pretty":
        return ("[\n  {\n" + "\n  },\n  {\n".join(objects) + "\n  }\n]").encode()
    return ("[ {\n" + "\n}, {\n".join(objects) + "\n} ]").encode()


def _extended(rng: Random, plays: Sequence[TruePlay]) -> Members:
    folder = "Spotify Extended Streaming History"
    chunks = _chunks([play for play in plays if not play.video])
    tables = [[rows.row_of_today(play) for play in chunk] for chunk in chunks]
    _repeat_some(rng, tables)
    members: Members = {}
    for number, table in enumerate(tables):
        name = f"{folder}/Streaming_History_Audio_{_years(chunks[number])}_{number}.json"
        members[name] = render(table, "pretty" if number % 2 == 0 else "spaced")
    videos = [play for play in plays if play.video]
    if videos:
        name = f"{folder}/Streaming_History_Video_{_years(videos)}.json"
        members[name] = render([rows.row_of_today(play) for play in videos], "pretty")
    members[f"{folder}/ReadMeFirst_ExtendedStreamingHistory.pdf"] = b"%PDF-1.4\n%sandbox\n%%EOF\n"
    return members


def _endsong(rng: Random, plays: Sequence[TruePlay], row_of: Callable[[TruePlay], Row]) -> Members:
    """Minified, in no order, years mixed across the files (FACTS 5.10)."""
    songs = [play for play in plays if not play.video and play.chapter is None]
    rng.shuffle(songs)
    members = {
        f"MyData/endsong_{number}.json": render([row_of(play) for play in chunk], "minified")
        for number, chunk in enumerate(_chunks(songs))
    }
    videos = [row_of(play) for play in plays if play.video]
    members["MyData/endvideo.json"] = render(videos, "minified")
    return members


def _account_songs(rng: Random, plays: Sequence[TruePlay]) -> dict[TruePlay, Row]:
    """The account rows of tracks; a few carry other names (FACTS 5.9).

    Only such as were listened to at all: a row of 0 ms under another name could be anything.
    """
    songs = [play for play in plays if play.kind == "track"]
    heard = [play for play in songs if play.ms_played]
    renamed = {heard[place] for place in _some(rng, len(heard), OTHER_NAMES)}
    unknown = {heard[place] for place in _some(rng, len(heard), UNKNOWN_NAMES)} - renamed
    table = {}
    for play in songs:
        if play in unknown:
            table[play] = rows.account_row(play, "Unknown Artist", "Unknown Track")
        elif play in renamed:
            table[play] = rows.account_row(play, title=f"{play.title} - 2019 Version")
        else:
            table[play] = rows.account_row(play)
    return table


def _account(plays: Sequence[TruePlay], songs: Mapping[TruePlay, Row]) -> Members:
    """Rows without any metadata are missing here."""
    folder = "Spotify Account Data"
    music = list(songs.values())
    podcasts = [rows.podcast_row(play) for play in plays if play.kind == "episode"]
    books = [rows.audiobook_row(play) for play in plays if play.kind == "audiobook_chapter"]
    members = {f"{folder}/{name}": json.dumps(v).encode() for name, v in SECRET_FILES.items()}
    for name, table in (("music", music), ("podcast", podcasts), ("audiobook", books)):
        for number, chunk in enumerate(_pages(table, 10_000) or [[]]):
            path = f"{folder}/StreamingHistory_{name}_{number}.json"
            members[path] = render(chunk, "pretty")
    return members


def _account_old(plays: Sequence[TruePlay], songs: Mapping[TruePlay, Row]) -> Members:
    """One mixed table in which a show is the artist and an episode the track (FACTS 5.1)."""
    table = [
        songs[play] if play.kind == "track" else rows.account_row(play)
        for play in plays
        if play.kind in {"track", "episode"}
    ]
    members = {f"MyData/{name}": json.dumps(v).encode() for name, v in SECRET_FILES.items()}
    for number, chunk in enumerate(_pages(table, 10_000) or [[]]):
        members[f"MyData/StreamingHistory{number}.json"] = render(chunk, "pretty")
    return members


def _repeat_some(rng: Random, tables: list[list[Row]]) -> None:
    """Repeat some rows exactly: half right behind themselves, half in the next file."""
    for number, table in enumerate(tables):
        picked = sorted(_some(rng, len(table), DUPLICATES), reverse=True)
        for turn, position in enumerate(picked):
            row = dict(table[position])
            if turn % 2 or len(tables) == 1:
                table.insert(position, row)
            else:
                tables[(number + 1) % len(tables)].append(row)


def _some(rng: Random, count: int, share: float) -> set[int]:
    """At least one position out of `count` (none of none), `share` of them on the whole."""
    return set(rng.sample(range(count), min(count, max(1, round(count * share)))))


def _chunks(plays: Sequence[TruePlay]) -> list[Sequence[TruePlay]]:
    """At least two files wherever there are two rows, so that what spans files is always there."""
    size = min(ROWS_A_FILE, max(1, (len(plays) + 1) // 2))
    return [plays[at : at + size] for at in range(0, len(plays), size)]


def _pages(table: Sequence[Row], size: int) -> list[Sequence[Row]]:
    return [table[at : at + size] for at in range(0, len(table), size)]


def _years(plays: Sequence[TruePlay]) -> str:
    first, last = plays[0].ended_at.year, plays[-1].ended_at.year
    return str(first) if first == last else f"{first}-{last}"


def _write_zip(path: Path, members: Members) -> Path:
    make_directory(path.parent)
    descriptor = open_private(path, os.O_RDWR | os.O_TRUNC)
    with os.fdopen(descriptor, "w+b") as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, data in sorted(members.items()):
            archive.writestr(_entry(name), data)
    return path


def _entry(name: str) -> ZipInfo:
    """A member whose date does not depend on the day it is written."""
    entry = ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
    entry.compress_type = ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry
