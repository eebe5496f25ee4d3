-- grain: one track id that sources told of counted plays, with what it counts as, and those plays
create or replace temp view counted_tracks as
with

told as (
    select
        told_id,
        count(*) as plays,
        sum(listened_ms) as listened_ms,
        max(played_at) as last_played_at
    from counted_plays
    group by told_id
)

select
    v_tracks.track_id,
    case when v_tracks.track_id is not null then hash(v_tracks.track_id) end as track_key,
    v_tracks.track,
    v_tracks.artist_id,
    v_tracks.artist,
    v_tracks.album_id,
    v_tracks.album,
    told.plays,
    told.listened_ms,
    told.last_played_at
from told
left join v_tracks on told.told_id = v_tracks.told_id
