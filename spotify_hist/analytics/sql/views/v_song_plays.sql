-- view: v_song_plays
-- grain: one row per song with a counted play; a song is every release of one recording
-- column track_id: The song's id, as in v_plays.
-- column track: The song's title.
-- column artist_id: Its artist.
-- column artist: Its artist's name.
-- column plays: Counted plays.
-- column listened_ms: Listened time of the counted plays, in milliseconds.
-- column albums: Different albums it was played from.
-- column first_played_at: When the first counted play ended.
-- column last_played_at: When the last counted play ended.
-- column duration_ms: Its length in milliseconds, where it is known; of several the longest.
-- column isrc: International code of the recording, where it is known; of several the first.
create or replace temp view v_song_plays as
select
    track_id,
    max(track) as track,
    max(artist_id) as artist_id,
    max(artist) as artist,
    count(*) as plays,
    coalesce(sum(listened_ms), 0)::bigint as listened_ms,
    count(distinct album_id) as albums,
    min(played_at) as first_played_at,
    max(played_at) as last_played_at,
    max(duration_ms) as duration_ms,
    min(isrc) as isrc
from v_plays
where is_counted and track_id is not null
group by track_id
