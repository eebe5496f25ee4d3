-- grain: one track id that sources told of counted plays, with what it counts as, and those plays
create or replace temp view counted_tracks as
with

told as (
    select
        told_key,
        count(*) as plays,
        sum(listened_ms) as listened_ms,
        max(played_at) as last_played_at
    from counted_plays
    group by told_key
)

select
    tracks.track_id,
    tracks.track_key,
    tracks.track,
    tracks.artist_id,
    tracks.artist_key,
    tracks.artist,
    tracks.album_id,
    tracks.album,
    told.plays,
    told.listened_ms,
    told.last_played_at
from told
left join named_tracks as tracks on told.told_key = tracks.told_key
