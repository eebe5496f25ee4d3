"""What the tests of other programs' files share: each file, and short ways to read one."""

from __future__ import annotations

import io
from typing import BinaryIO

from service_files import (
    GHAN_CSV,
    GHAN_RECORDS,
    KOITO,
    KOITO_RECORDS,
    LASTFM,
    LASTFM_CSV,
    LASTFM_CSV_RECORDS,
    LASTFM_RECORDS,
    LASTFMSTATS,
    LASTFMSTATS_CSV,
    LASTFMSTATS_RECORDS,
    LISTENBRAINZ,
    LISTENBRAINZ_RECORDS,
    MALOJA,
    MALOJA_RECORDS,
    YOUR_SPOTIFY,
    YOUR_SPOTIFY_RECORDS,
)

from spotify_hist import normalise
from spotify_hist.model import Record, Rejected
from spotify_hist.sources.exports import opening
from spotify_hist.sources.exports.formats import Format, source_of
from spotify_hist.sources.exports.reader import DamagedFile

# Every file, what its name is where people meet it, and what comes of its rows.
FILES: list[tuple[str, bytes, Format, list[Record]]] = [
    ("infos.json", YOUR_SPOTIFY, "your_spotify", YOUR_SPOTIFY_RECORDS),
    ("maloja_export_2024_01_31_12_00_00.json", MALOJA, "maloja", MALOJA_RECORDS),
    ("koito_export.json", KOITO, "koito", KOITO_RECORDS),
    ("11.jsonl", LISTENBRAINZ, "listenbrainz", LISTENBRAINZ_RECORDS),
    ("recenttracks-rj-1700000000.json", LASTFM, "lastfm", LASTFM_RECORDS),
    ("rj.csv", LASTFM_CSV, "lastfm_csv", LASTFM_CSV_RECORDS),
    ("recenttracks-rj-1700000000.csv", GHAN_CSV, "lastfm_csv", GHAN_RECORDS),
    ("lastfmstats-rj.csv", LASTFMSTATS_CSV, "lastfmstats_csv", LASTFMSTATS_RECORDS),
    ("lastfmstats-rj.json", LASTFMSTATS, "lastfmstats", LASTFMSTATS_RECORDS),
]
IDS = [f"{name}-{file.rpartition('.')[2]}-{file[:6]}" for file, _, name, _ in FILES]
READABLE = [data for _, data, _, _ in FILES]
FORMATS: list[Format] = sorted({name for _, _, name, _ in FILES} | {"maloja_tsv"})


class Dribble(io.BytesIO):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self._step = step

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `step` bytes."""
        return super().read(min(size, self._step) if size and size > 0 else size)


def rows(name: Format, data: bytes, step: int = 1 << 20) -> list[object]:
    """Every row of a file, in order and numbered from 0."""
    numbered = list(opening.open_rows(name, Dribble(data, step)))
    assert [index for index, _ in numbered] == list(range(len(numbered)))
    return [row for _, row in numbered]


def broken_rows(name: Format, data: bytes) -> tuple[list[object], str]:
    """The rows before the damage, and how it is told."""
    found, reason = outcome(name, io.BytesIO(data))
    assert reason
    return found, reason


def outcome(name: Format, stream: BinaryIO) -> tuple[list[object], str | None]:
    """The rows of a file, and how its damage is told, if there is any."""
    found: list[object] = []
    try:
        for index, row in opening.open_rows(name, stream):
            assert index == len(found)
            found.append(row)
    except DamagedFile as damage:
        return found, damage.reason
    return found, None


def made(name: Format, data: bytes, step: int = 1 << 20) -> list[Record | Rejected]:
    """What normalising the rows of a file gives."""
    return [normalise.row(source_of(name), row) for row in rows(name, data, step)]


def records(name: Format, data: bytes) -> list[Record]:
    """The records of a file, the refused rows left out."""
    return [each for each in made(name, data) if isinstance(each, Record)]


def detect(data: bytes) -> Format | None:
    """What a file of foreign name is."""
    return opening.detect(lambda: io.BytesIO(data))
