"""Owns how history files, Spotify's and others, are told apart: by name, else by their keys.

Never opens a file and never judges a row.

Which keys a service's rows have is told, with its sources, in `normalise/scrobblers.py` and
`normalise/lastfm.py`; how its files are wrapped in `scaffold.py`, `tables.py` and `maloja.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from spotify_hist.model import Source

Format = Literal[
    "extended_audio",
    "extended_video",
    "endsong",
    "endvideo",
    "account_music",
    "account_podcast",
    "account_audiobook",
    "account_streaming",
    "your_spotify",
    "your_spotify_csv",
    "maloja",
    "maloja_tsv",
    "maloja_database",
    "koito",
    "listenbrainz",
    "lastfm",
    "lastfm_csv",
    "lastfmstats",
    "lastfmstats_csv",
    "spotify_hist",
    "spotify_hist_csv",
]

# In a file of this program every row tells its own source.
Own = Literal["spotify_hist"]
OWN: Final = "spotify_hist"

# Where no name tells, files that end so are looked into.
SUFFIXES: Final = frozenset((".json", ".jsonl", ".ndjson", ".csv", ".tsv"))

# What browsers and file managers add to the name of a second download: "endsong_0 (1).json".
_COPY: Final = r"(?P<copy> ?\(\d+\)| \d+| copy(?: \d+)?| - copy(?: \(\d+\))?)?\.json"

# FACTS 5.1 and 5.2; the names are matched in any case.
_STEMS: Final[dict[str, Format]] = {
    r"streaming_history_audio(?:_[\w-]+)?": "extended_audio",
    r"streaming_history_video(?:_[\w-]+)?": "extended_video",
    r"endsong(?:_\d+)?": "endsong",
    r"endvideo(?:_\d+)?": "endvideo",
    r"streaminghistory_music(?:_?\d+)?": "account_music",
    r"streaminghistory_podcast(?:_?\d+)?": "account_podcast",
    r"streaminghistory_audiobook(?:_?\d+)?": "account_audiobook",
    r"streaminghistory(?:_?\d+)?": "account_streaming",
}
_NAMES: Final = tuple(
    (re.compile(stem + _COPY, re.IGNORECASE | re.ASCII), name) for stem, name in _STEMS.items()
)

# The names that other programs give; all others are known by their keys.
_SERVICES: Final[dict[str, Format]] = {
    r"maloja_export(?:_\d+)*\.json": "maloja",
    r"malojadb\.sqlite": "maloja_database",
    r"koito_export(?:_\d+)?\.json": "koito",
}
_SERVICE_NAMES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE | re.ASCII), name) for pattern, name in _SERVICES.items()
)

# The other files of the packages: private, of no use, never opened (FACTS 5.1).
_OTHER: Final = re.compile(
    r"(?:userdata|useraddress|userprompts|payments?|identity|identifiers|inferences|follow|"
    r"marquee|playlist|searchqueries|yourlibrary|yoursoundcapsule|wrapped|messagedata|"
    r"duonewfamily|familyplan|podcastinteractivity|config\.json|"
    # ListenBrainz' other files (listenbrainz/background/export.py); what was loved is no play.
    r"spotify-hist-export\.json|feedback\.jsonl|pinned_recording\.jsonl|user\.json|lovedtracks)",
    re.IGNORECASE,
)


# What tells a row of `export --format ndjson` or `csv` (store/sql/exporting.sql).
OWN_KEYS: Final = frozenset(("record_id", "source", "played_at", "kind"))


def by_name(basename: str) -> Format | None:
    """The format a history file's base name tells, or None (FACTS 5.1, 5.2)."""
    for pattern, name in (*_NAMES, *_SERVICE_NAMES):
        if pattern.fullmatch(basename):
            return name
    return None


def copy_mark(basename: str) -> str:
    """What marks a history file as a second download (`(1)`), or an empty string.

    Such a file lies beside the first one but belongs to another export.
    """
    for pattern, _ in _NAMES:
        if match := pattern.fullmatch(basename):
            return (match["copy"] or "").strip()
    return ""


def is_other(basename: str) -> bool:
    """Whether the name is one of the packages' other files, which are never opened."""
    return _OTHER.match(basename) is not None


def by_keys(row: object) -> Format | None:
    """The format that the keys of a file's first object tell, or None (FACTS 5.1, 5.3).

    Audio and video files have one schema, so any extended row answers `extended_audio`.
    """
    if not isinstance(row, dict):
        return None
    if row.keys() >= OWN_KEYS:
        return OWN
    if "ts" in row and "ms_played" in row:
        return "extended_audio"
    if "endTime" not in row or "msPlayed" not in row:
        return _service_by_keys(row)
    if "trackName" in row or "artistName" in row:
        return "account_music"
    if "episodeName" in row or "podcastName" in row:
        return "account_podcast"
    if "chapterName" in row or "audiobookName" in row:
        return "account_audiobook"
    return None


def _service_by_keys(row: dict[str, object]) -> Format | None:
    track = row.get("track")
    if "track_metadata" in row:
        return "listenbrainz"
    if isinstance(track, dict) and "listened_at" in row and "artists" in row:
        return "koito"
    if isinstance(track, dict) and "time" in row and "artists" in track:
        return "maloja"
    if "played_at" in row and "id" in row:
        return "your_spotify"
    if isinstance(track, str) and "artist" in row and "date" in row:
        return "lastfmstats"
    if isinstance(row.get("artist"), dict) and "name" in row and ("date" in row or "@attr" in row):
        return "lastfm"
    return None


def source_of(name: Format) -> Source | Own:
    """The source that rows of this format count as, or OWN where each row tells it."""
    return _SOURCES.get(name, "account" if name.startswith("account_") else "extended")


_SOURCES: Final[dict[Format, Source | Own]] = {
    "spotify_hist": OWN,
    "spotify_hist_csv": OWN,
    "your_spotify": "your_spotify",
    "your_spotify_csv": "your_spotify",
    "maloja": "maloja",
    "maloja_tsv": "maloja",
    "maloja_database": "maloja",
    "koito": "koito",
    "listenbrainz": "listenbrainz",
    "lastfm": "lastfm",
    "lastfm_csv": "lastfm",
    "lastfmstats": "lastfm",
    "lastfmstats_csv": "lastfm",
}
