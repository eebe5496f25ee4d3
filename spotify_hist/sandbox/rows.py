"""Owns how one true play is written as a row of each generation of Spotify's exports.

Never groups rows into files and never drops one; `exports` does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spotify_hist.sandbox.truth import TruePlay

Row = dict[str, object]

# Private values, invented and easy to recognise: none of them may ever leave an import.
PRIVATE_IP = "203.0.113.77"
PRIVATE_USER_AGENT = "SecretUserAgent%2F9.9"
PRIVATE_USERNAME = "secret-user-name"
PRIVATE_CITY = "Secretville"
PRIVATE_LATITUDE = 52.5198761
PRIVATE_LONGITUDE = 13.4048762


def row_of_today(play: TruePlay) -> Row:
    """The 23 keys of an extended history of 2025 and 2026 (FACTS 5.3)."""
    chapter = play.chapter
    return {
        "ts": _ts(play),
        "platform": play.platform,
        "ms_played": play.ms_played,
        "conn_country": play.country,
        "ip_addr": PRIVATE_IP,
        **_names(play),
        "spotify_track_uri": play.track.uri if play.track else None,
        "episode_name": play.episode.name if play.episode else None,
        "episode_show_name": play.episode.show if play.episode else None,
        "spotify_episode_uri": play.episode.uri if play.episode else None,
        "audiobook_title": chapter.book if chapter else None,
        "audiobook_uri": chapter.book_uri if chapter else None,
        "audiobook_chapter_uri": chapter.uri if chapter else None,
        "audiobook_chapter_title": chapter.name if chapter else None,
        **_circumstances(play),
    }


def row_of_2022(play: TruePlay) -> Row:
    """The 21 keys of an `endsong` file (FACTS 5.3)."""
    return {
        "ts": _ts(play),
        "username": PRIVATE_USERNAME,
        "platform": play.platform,
        "ms_played": play.ms_played,
        "conn_country": play.country,
        "ip_addr_decrypted": PRIVATE_IP,
        "user_agent_decrypted": PRIVATE_USER_AGENT,
        **_names(play),
        "spotify_track_uri": play.track.uri if play.track else None,
        "episode_name": play.episode.name if play.episode else None,
        "episode_show_name": play.episode.show if play.episode else None,
        "spotify_episode_uri": play.episode.uri if play.episode else None,
        **_circumstances(play),
    }


def row_of_2020(play: TruePlay) -> Row:
    """The 24 keys of 2020: where the listener was, and no URI at all (FACTS 5.3)."""
    return {
        "ts": _ts(play),
        "username": PRIVATE_USERNAME,
        "platform": play.platform,
        "ms_played": play.ms_played,
        "conn_country": play.country,
        "ip_addr_decrypted": PRIVATE_IP,
        "user_agent_decrypted": PRIVATE_USER_AGENT,
        "city": PRIVATE_CITY,
        "region": "BE",
        "metro_code": None,
        "longitude": PRIVATE_LONGITUDE,
        "latitude": PRIVATE_LATITUDE,
        **_names(play),
        "episode_name": play.episode.name if play.episode else None,
        "episode_show_name": play.episode.show if play.episode else None,
        **_circumstances(play),
    }


def account_row(play: TruePlay, artist: str | None = None, title: str | None = None) -> Row:
    """A row of `StreamingHistory_music_N.json` or, for an episode, of the old mixed file.

    `artist` and `title` stand in for the play's own where the export names it otherwise.
    """
    return {
        "endTime": end_time(play),
        "artistName": artist if artist is not None else play.artist,
        "trackName": title if title is not None else play.title,
        "msPlayed": play.ms_played,
    }


def podcast_row(play: TruePlay) -> Row:
    """A row of `StreamingHistory_podcast_N.json`."""
    return {
        "endTime": end_time(play),
        "podcastName": play.artist,
        "episodeName": play.title,
        "msPlayed": play.ms_played,
    }


def audiobook_row(play: TruePlay) -> Row:
    """A row of `StreamingHistory_audiobook_N.json`."""
    return {
        "endTime": end_time(play),
        "audiobookName": play.album,
        "chapterName": play.title,
        "authorName": play.artist,
        "msPlayed": play.ms_played,
    }


def end_time(play: TruePlay) -> str:
    """The UTC minute the play ended in, seconds cut off (FACTS 5.1)."""
    return datetime.fromtimestamp(play.ended_at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _ts(play: TruePlay) -> str:
    return datetime.fromtimestamp(play.ended_at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _names(play: TruePlay) -> Row:
    track = play.track
    return {
        "master_metadata_track_name": track.name if track else None,
        "master_metadata_album_artist_name": track.album.artist.name if track else None,
        "master_metadata_album_album_name": track.album.name if track else None,
    }


def _circumstances(play: TruePlay) -> Row:
    """The same in every generation. Which nulls appear hangs on the play, not on the export."""
    key = play.ended_at_ms + play.ms_played
    skipped: bool | None = play.skipped
    if 2018 <= datetime.fromtimestamp(play.ended_at_ms // 1000, UTC).year <= 2021:
        skipped = None if key % 3 else False  # FACTS 5.5
    elif key % 41 == 0:
        skipped = None
    return {
        "reason_start": play.reason_start,
        "reason_end": None if key % 89 == 0 else play.reason_end,
        "shuffle": play.shuffle,
        "skipped": skipped,
        "offline": None if key % 97 == 0 and not play.offline else play.offline,
        "offline_timestamp": play.offline_timestamp,
        "incognito_mode": play.incognito,
    }
