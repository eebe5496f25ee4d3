-- name: taste-summary
-- summary: A listener's taste at a glance: totals, favourites, concentration and rhythm.
-- grain: one row per fact
-- uses: plays
-- column section: totals, top artists, top tracks, top albums, concentration or rhythm.
-- column rank: Place within the section, 1 first.
-- column name: What the value is of.
-- column value: The value.
-- column unit: plays, hours, tracks, artists, albums, days, share (0 to 1) or plays per track.
-- example: --days 365
with

counted as (
    select
        track_id, track, artist_id, artist, album_id, album, ms_played,
        local_at
    from counted_plays
),

total as (
    select
        count(*) as plays,
        round(coalesce(sum(ms_played), 0) / 3600000.0, 2) as hours,
        count(distinct track_id) as tracks,
        count(distinct artist_id) as artists,
        count(distinct album_id) as albums,
        count(distinct local_at::date) as days
    from counted
),

by_artist as (
    select artist_id, max(artist) as name, count(*) as plays
    from counted
    group by artist_id
),

by_track as (
    select track_id, max(track) || coalesce(' - ' || max(artist), '') as name, count(*) as plays
    from counted
    group by track_id
),

by_album as (
    select album_id, max(album) || coalesce(' - ' || max(artist), '') as name, count(*) as plays
    from counted
    where album_id is not null
    group by album_id
),

by_weekday as (
    select isodow(local_at) as weekday, strftime(min(local_at), '%A') as name, count(*) as plays
    from counted
    group by 1
),

by_hour as (
    select
        extract(hour from local_at) as hour,
        strftime(min(date_trunc('hour', local_at)), '%H:00') as name,
        count(*) as plays
    from counted
    group by 1
),

facts as (
    select 1 as section_order, 'totals' as section, 1 as rank, 'plays' as name,
        plays::double as value, 'plays' as unit
    from total
    union all
    select 1, 'totals', 2, 'listened time', hours, 'hours' from total
    union all
    select 1, 'totals', 3, 'different tracks', tracks, 'tracks' from total
    union all
    select 1, 'totals', 4, 'different artists', artists, 'artists' from total
    union all
    select 1, 'totals', 5, 'different albums', albums, 'albums' from total
    union all
    select 1, 'totals', 6, 'days with music', days, 'days' from total
    union all
    select 2, 'top artists', row_number() over (order by plays desc, name, artist_id), name, plays,
        'plays'
    from by_artist
    qualify row_number() over (order by plays desc, name, artist_id) <= 5
    union all
    select 3, 'top tracks', row_number() over (order by plays desc, name, track_id), name, plays,
        'plays'
    from by_track
    qualify row_number() over (order by plays desc, name, track_id) <= 5
    union all
    select 4, 'top albums', row_number() over (order by plays desc, name, album_id), name, plays,
        'plays'
    from by_album
    qualify row_number() over (order by plays desc, name, album_id) <= 5
    union all
    select 5, 'concentration', 1, 'the ten most played artists',
        round(sum(plays) / (select plays from total), 4), 'share'
    from (select plays from by_artist order by plays desc, artist_id limit 10)
    having sum(plays) > 0
    union all
    select 5, 'concentration', 2, 'times each track came round',
        round(plays / tracks::double, 2), 'plays per track'
    from total
    where tracks > 0
    union all
    select 6, 'rhythm', 1, 'busiest weekday: ' || name, plays, 'plays'
    from by_weekday
    qualify row_number() over (order by plays desc, weekday) = 1
    union all
    select 6, 'rhythm', 2, 'busiest hour: ' || name, plays, 'plays'
    from by_hour
    qualify row_number() over (order by plays desc, hour) = 1
)

select section, rank::integer as rank, name, value, unit
from facts
order by section_order, rank
