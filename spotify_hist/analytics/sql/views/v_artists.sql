-- view: v_artists
-- grain: one row per artist with a counted play
-- column artist_id: The artist's id.
-- column artist: The artist's name.
-- column plays: Counted plays.
-- column listened_ms: Listened time of the counted plays, in milliseconds.
-- column songs: Different songs among them.
-- column albums: Different albums among them.
-- column first_played_at: When the first counted play ended.
-- column last_played_at: When the last counted play ended.
-- column genres: Genres, where Spotify told them.
-- column image_url: A picture, where Spotify told one.
create or replace temp view v_artists as
with

totals as (
    select
        artist_id,
        max(artist) as artist,
        count(*) as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        count(distinct track_id) as songs,
        count(distinct album_id) as albums,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at
    from v_plays
    where is_counted and artist_id is not null
    group by artist_id
)

select totals.*, artists.genres, artists.image_url
from totals
left join artists using (artist_id)
