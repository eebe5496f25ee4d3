"""Raw rows of every source for the tests, any JSON, and short ways to look at the outcome."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from spotify_hist.model import Record, Rejected
from spotify_hist.normalise import api_item

# FACTS 5.3: the keys of each time, oldest first.
GENERATION_2020 = {
    "ts": "2019-07-01T12:34:56Z",
    "username": "someone",
    "platform": "iOS 12",
    "ms_played": 185_000,
    "conn_country": "DE",
    "ip_addr_decrypted": "192.0.2.1",
    "user_agent_decrypted": "unknown",
    "city": "Köln",
    "region": "05",
    "metro_code": "0",
    "longitude": "6.95",
    "latitude": "50.93",
    "master_metadata_track_name": "Song",
    "master_metadata_album_artist_name": "Artist",
    "master_metadata_album_album_name": "Album",
    "reason_start": "trackdone",
    "reason_end": "fwdbtn",
    "shuffle": True,
    "skipped": None,
    "offline": False,
    "offline_timestamp": 1_561_984_000_123,
    "incognito_mode": False,
}
_SINCE_2021 = {
    "spotify_track_uri": "spotify:track:4uLU6hMCjMI75M1A2tKUQC",
    "episode_name": None,
    "episode_show_name": None,
    "spotify_episode_uri": None,
}
_PLACE = ("city", "region", "metro_code", "longitude", "latitude")
_DECRYPTED = ("username", "ip_addr_decrypted", "user_agent_decrypted")
GENERATION_2021 = {k: v for k, v in GENERATION_2020.items() if k not in _PLACE} | _SINCE_2021
GENERATION_2024 = {k: v for k, v in GENERATION_2021.items() if k not in _DECRYPTED} | {
    "ip_addr": "192.0.2.1"
}
GENERATION_2026 = GENERATION_2024 | dict.fromkeys(
    ["audiobook_title", "audiobook_uri", "audiobook_chapter_uri", "audiobook_chapter_title"]
)
NO_METADATA = GENERATION_2026 | dict.fromkeys(
    [
        "master_metadata_track_name",
        "master_metadata_album_artist_name",
        "master_metadata_album_album_name",
        "spotify_track_uri",
    ]
)
ACCOUNT = {
    "endTime": "2023-05-06 10:20",
    "artistName": "Artist",
    "trackName": "Song",
    "msPlayed": 185_000,
}
API = {
    "played_at": "2026-05-06T10:20:30.123Z",
    "context": {"type": "playlist", "uri": "spotify:playlist:p"},
    "track": {
        "type": "track",
        "id": "4uLU6hMCjMI75M1A2tKUQC",
        "uri": "spotify:track:4uLU6hMCjMI75M1A2tKUQC",
        "name": "Song",
        "duration_ms": 200_000,
        "external_ids": {"isrc": "gbarl9300135"},
        "is_local": False,
        "artists": [
            {"id": "a1", "uri": "spotify:artist:a1", "name": "First"},
            {"id": None, "uri": None, "name": "Second"},
        ],
        "album": {
            "id": "b1",
            "name": "Album",
            "release_date": "1987",
            "artists": [{"name": "Album artist"}],
            "images": [
                {"url": "https://i/300", "width": 300},
                {"url": "https://i/640", "width": 640},
                {"url": "javascript:x", "width": 9999},
            ],
        },
    },
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=6)
    | st.sampled_from(["2023-05-06T10:20:30Z", "2023-05-06 10:20", "spotify:track:x", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


def epoch_ms(*parts: int) -> int:
    """Epoch milliseconds of a UTC time."""
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc, arg-type]  # six whole numbers


def record(outcome: Record | Rejected) -> Record:
    """The outcome, which must be a record."""
    assert isinstance(outcome, Record), outcome
    return outcome


def reason(outcome: Record | Rejected) -> str:
    """Why the outcome is none."""
    assert isinstance(outcome, Rejected), outcome
    return outcome.reason


def assert_storable(outcome: Record | Rejected) -> None:
    """Whatever a database would refuse is not in it."""
    for value in outcome:
        if isinstance(value, str):
            assert "\0" not in value
            assert value.encode()
        elif value is not None:
            assert type(value) in {int, bool}
            assert -(2**63) < value < 2**63


def api(track: dict[str, object] | None = None, **item: object) -> Record:
    """The record of the API item with some of its and its track's keys changed."""
    return record(api_item({**API, "track": {**API["track"], **(track or {})}, **item}))  # type: ignore[dict-item]  # a literal of mixed types
