-- view: v_albums
-- grain: one row per album with a counted play
-- column album_id: The album's id.
-- column album: The album's name.
-- column artist_id: The artist with most of its counted plays.
-- column artist: That artist's name.
-- column plays: Counted plays.
-- column listened_ms: Listened time of the counted plays, in milliseconds.
-- column songs: Different songs among them.
-- column first_played_at: When the first counted play ended.
-- column last_played_at: When the last counted play ended.
-- column release_date: When it came out, as exact as Spotify tells it.
-- column image_url: Its cover, where Spotify told one.
create or replace temp view v_albums as
with

totals as (
    select
        album_id,
        max(album) as album,
        count(*) as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        count(distinct track_id) as songs,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at
    from v_plays
    where is_counted and album_id is not null
    group by album_id
),

by_artist as (
    select album_id, artist_id, max(artist) as artist, count(*) as plays
    from v_plays
    where is_counted and album_id is not null
    group by album_id, artist_id
),

main_artist as (
    select album_id, artist_id, artist
    from by_artist
    qualify row_number() over (partition by album_id order by plays desc, artist, artist_id) = 1
)

select
    totals.album_id,
    totals.album,
    main_artist.artist_id,
    main_artist.artist,
    totals.plays,
    totals.listened_ms,
    totals.songs,
    totals.first_played_at,
    totals.last_played_at,
    albums.release_date,
    albums.image_url
from totals
left join main_artist on totals.album_id = main_artist.album_id
left join albums on totals.album_id = albums.album_id
