-- view: v_plays
-- grain: one row per play of the listener, of every kind, counted or not, but for what ignore rules hide
-- column play_id: The play's id; it changes where other sources tell more of that time.
-- column played_at: When the play ended.
-- column started_at: When it began; empty where the listened time is not told.
-- column local_at: When it ended, as the clock of the listener's time zone showed it.
-- column local_date: The local day it ended on.
-- column ms_played: Listened time in milliseconds; empty where no source tells it.
-- column listened_ms: Listened time in milliseconds, estimated where no source tells it but the track's length is known.
-- column is_estimated: Whether listened_ms is estimated.
-- column is_counted: Whether the play counts by default: a track listened to for 30 seconds, or for a time nobody tells.
-- column kind: track, episode, audiobook_chapter or unknown.
-- column track_id: The song it counts as; for an episode or chapter its id.
-- column track: The track, episode or chapter.
-- column artist_id: The artist it counts for.
-- column artist: Its artist; for an episode the show, for a chapter the author.
-- column album_id: The album it was played from.
-- column album: The album; for an episode the show, for a chapter the book.
-- column duration_ms: Length of the track in milliseconds, where it is known.
-- column isrc: International code of the recording, where it is known.
-- column release_date: When the album came out, as exact as Spotify tells it.
-- column uri: The Spotify URI, where a source knows it.
-- column platform: What it was played on, as the export says.
-- column country: Country it was played in (ISO 3166).
-- column reason_start: Why it began, as the export says.
-- column reason_end: Why it ended, as the export says.
-- column shuffle: Whether shuffle was on.
-- column skipped: Whether the export calls it skipped; before 2022 hardly ever told.
-- column offline: Whether it was played offline.
-- column incognito: Whether it was played in a private session.
-- column context_uri: The playlist, album or artist it was played from, where a poll saw it.
-- column sources: Which sources tell of it: account, api, extended, or another service by name.
create or replace temp view v_plays as
select
    play_id,
    played_at,
    started_at,
    local_at,
    local_at::date as local_date,
    ms_played,
    listened_ms,
    is_estimated,
    kind = 'track' and (ms_played >= 30000 or ms_played is null) as is_counted,
    kind,
    track_id,
    track,
    artist_id,
    artist,
    album_id,
    album,
    duration_ms,
    isrc,
    release_date,
    uri,
    platform,
    country,
    reason_start,
    reason_end,
    shuffle,
    skipped,
    offline,
    incognito,
    context_uri,
    sources
from kept_plays
