-- name: album
-- summary: Everything about one album: totals, rank, its tracks, first and last play, years and months.
-- grain: one row per fact
-- uses: plays
-- param album: album required  The album, by title ("title" or "title - artist"), Spotify id or URI.
-- column section: totals, tracks, shares of tracks, first and last, by year or by month.
-- column rank: Place within the section, 1 first.
-- column name: What the value is of.
-- column value: The value; empty where the fact is an instant.
-- column unit: plays, hours, tracks, days, place (in the ranking of albums) or share (0 to 1).
-- column played_at: When the play ended (UTC), where the fact is about one.
-- example: --album "Discovery - Daft Punk"
with

theirs as (
    select play_id, played_at, local_at, track_id, track, listened_ms
    from counted_plays
    where album_id = $album
),

by_artist as (
    select album_id, artist, sum(plays) as plays, sum(listened_ms) as listened_ms
    from counted_tracks
    group by album_id, artist
),

placed as (
    select
        *,
        row_number() over (
            partition by album_id order by artist is null, plays desc, artist
        ) as artist_place
    from by_artist
),

names as (
    select album_id, max(album) as album
    from v_tracks
    where album_id is not null
    group by album_id
),

albums as (
    select
        placed.album_id,
        max(names.album) as album,
        max(placed.artist) filter (where placed.artist_place = 1) as artist,
        sum(placed.plays) as plays,
        coalesce(sum(placed.listened_ms), 0) as listened_ms
    from placed
    left join names on placed.album_id = names.album_id
    group by placed.album_id
),

ranked as (
    select
        album_id,
        plays / (sum(plays) over ())::double as share,
        row_number() over (
            order by album_id is null, plays desc, listened_ms desc, album, artist, album_id
        ) as place
    from albums
),

total as (
    select
        count(*) as plays,
        coalesce(sum(listened_ms), 0)::double as listened_ms,
        count(distinct track_id) as tracks,
        count(distinct local_at::date) as days
    from theirs
),

edges as (
    (select track, played_at, 1 as rank from theirs order by played_at, play_id limit 1)
    union all
    (select track, played_at, 2 from theirs order by played_at desc, play_id desc limit 1)
),

tracks as (
    select
        max(track) as name,
        count(*) as plays,
        count(*) / (select max(plays) from total)::double as share,
        row_number() over (order by count(*) desc, max(track), track_id) as place
    from theirs
    group by track_id
),

years as (
    select extract(year from local_at) as year, count(*) as plays
    from theirs
    group by 1
),

months as (
    select strftime(date_trunc('month', local_at)::date, '%Y-%m') as name, count(*) as plays
    from theirs
    group by 1
),

facts as (
    select 1 as section_order, 'totals' as section, 1 as rank, 'plays' as name,
        plays::double as value, 'plays' as unit, null::timestamptz as played_at
    from total
    union all
    select 1, 'totals', 2, 'listened time', round(listened_ms / 3600000, 2), 'hours', null
    from total
    union all
    select 1, 'totals', 3, 'different tracks', tracks, 'tracks', null from total
    union all
    select 1, 'totals', 4, 'days with a play', days, 'days', null from total
    union all
    select 1, 'totals', 5, 'share of all plays', round(share, 4), 'share', null
    from ranked
    where album_id = $album
    union all
    select 1, 'totals', 6, 'rank among albums', place, 'place', null
    from ranked
    where album_id = $album
    union all
    select 2, 'tracks', place, name, plays, 'plays', null from tracks
    union all
    select 3, 'shares of tracks', place, name, round(share, 4), 'share', null from tracks
    union all
    select 4, 'first and last', rank,
        case rank when 1 then 'first play' else 'last play' end || coalesce(': ' || track, ''),
        null, null, played_at
    from edges
    union all
    select 5, 'by year', row_number() over (order by year), year::varchar, plays, 'plays', null
    from years
    union all
    select 6, 'by month', row_number() over (order by name), name, plays, 'plays', null
    from months
)

select section, rank::integer as rank, name, value, unit, played_at
from facts
order by section_order, rank
