"""Owns the audio features of a track: invented, and the same in every process.

Never decides who may see them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spotify_hist.sandbox.catalogue import Track

_SHARES = (
    "danceability", "energy", "speechiness", "acousticness", "instrumentalness", "liveness",
    "valence",
)  # fmt: skip


def audio_features(track: Track, url: str) -> dict[str, object]:
    """The audio-features object of a track; `url` is where the Web API is."""
    rolls = hashlib.sha256(f"features:{track.id}".encode()).digest()
    body: dict[str, object] = {
        name: round(roll / 255, 3) for name, roll in zip(_SHARES, rolls, strict=False)
    }
    return body | {
        "key": rolls[10] % 13 - 1,  # -1: none was found
        "loudness": -round(rolls[11] / 10, 3),
        "mode": rolls[12] % 2,
        "tempo": round(60 + rolls[13] / 2, 3),
        "time_signature": 3 + rolls[14] % 3,
        "duration_ms": track.duration_ms,
        "type": "audio_features",
        "id": track.id,
        "uri": track.uri,
        "track_href": f"{url}/v1/tracks/{track.id}",
        "analysis_url": f"{url}/v1/audio-analysis/{track.id}",
    }
