-- name: artist
-- summary: Everything about one artist: totals, rank, first and last play, years, months, favourite tracks and albums, what is played around them, and habits.
-- grain: one row per fact
-- core: yes
-- uses: plays
-- param artist: artist required  The artist, by name, Spotify id or URI.
-- column section: totals, first and last, by year, rank by year, by month, top tracks, top albums, neighbours or habits.
-- column rank: Place within the section, 1 first.
-- column name: What the value is of.
-- column value: The value; empty where the fact is an instant.
-- column unit: plays, hours, tracks, albums, days, place (in the ranking of artists) or share (0 to 1).
-- column played_at: When the play ended (UTC), where the fact is about one.
-- example: --artist "Daft Punk" --days 365
with

theirs as (
    select
        play_id, played_at, local_at, half_hour, track_id, track, album_id, album, listened_ms,
        reason_start, reason_end
    from counted_plays
    where artist_id = $artist
),

-- Half hours around their plays. In one that has such a play every play is near it; in the ones
-- before and after it depends on the minutes.
half_hours as (
    select
        half_hour,
        min(played_at) as first_at,
        max(played_at) as last_at
    from theirs
    group by 1
),

near as (
    select
        half_hours.half_hour + steps.n as half_hour,
        min(case when steps.n <= 0 then half_hours.first_at - interval 30 minutes end) as from_at,
        max(case when steps.n > 0 then half_hours.last_at + interval 30 minutes end) as until_at
    from half_hours
    cross join (values (-1), (0), (1)) as steps (n)
    group by 1
),

everyone as (
    select
        plays.artist_key,
        extract(year from plays.local_at) as year,
        count(*) as plays,
        sum(plays.listened_ms) as listened_ms,
        count(*) filter (
            where plays.played_at >= near.from_at or plays.played_at <= near.until_at
        ) as near_plays
    from counted_plays as plays
    left join near on plays.half_hour = near.half_hour
    group by 1, 2
),

names as (
    select artist_key, max(artist_id) as artist_id, max(artist) as artist
    from v_songs
    where artist_key is not null
    group by artist_key
),

years as (
    select
        names.artist_id,
        everyone.year,
        everyone.plays,
        row_number() over (
            partition by everyone.year
            order by
                everyone.plays desc, coalesce(everyone.listened_ms, 0) desc, names.artist,
                names.artist_id
        ) as place
    from everyone
    left join names on everyone.artist_key = names.artist_key
),

artists as (
    select
        artist_key,
        sum(plays) as plays,
        coalesce(sum(listened_ms), 0) as listened_ms,
        sum(near_plays) as near_plays
    from everyone
    group by artist_key
),

ranked as (
    select
        names.artist_id,
        names.artist,
        artists.plays,
        artists.near_plays,
        artists.plays / (sum(artists.plays) over ())::double as share,
        row_number() over (
            order by artists.plays desc, artists.listened_ms desc, names.artist, names.artist_id
        ) as place
    from artists
    left join names on artists.artist_key = names.artist_key
),

total as (
    select
        count(*) as plays,
        coalesce(sum(listened_ms), 0)::double as listened_ms,
        count(distinct track_id) as tracks,
        count(distinct album_id) as albums,
        count(distinct local_at::date) as days,
        count(reason_end) as ended,
        count(*) filter (where reason_end = 'fwdbtn') as skips,
        count(*) filter (where reason_start not in ('unknown', '')) as started,
        count(*) filter (
            where reason_start in (
                'clickrow', 'click-row', 'clickside', 'playbtn', 'popup', 'search', 'uriopen'
            )
        ) as chosen
    from theirs
),

edges as (
    (select track, played_at, 1 as rank from theirs order by played_at, play_id limit 1)
    union all
    (select track, played_at, 2 from theirs order by played_at desc, play_id desc limit 1)
),

months as (
    select strftime(date_trunc('month', local_at)::date, '%Y-%m') as name, count(*) as plays
    from theirs
    group by 1
),

tracks as (
    select track_id, max(track) as name, count(*) as plays
    from theirs
    group by track_id
),

albums as (
    select album_id, max(album) as name, count(*) as plays
    from theirs
    where album_id is not null
    group by album_id
),

hours as (
    select extract(hour from local_at) as hour, count(*) as plays
    from theirs
    group by 1
),

weekdays as (
    select isodow(local_at) as weekday, strftime(min(local_at), '%A') as name, count(*) as plays
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
    select 1, 'totals', 4, 'different albums', albums, 'albums', null from total
    union all
    select 1, 'totals', 5, 'days with a play', days, 'days', null from total
    union all
    select 1, 'totals', 6, 'share of all plays', round(share, 4), 'share', null
    from ranked
    where artist_id = $artist
    union all
    select 1, 'totals', 7, 'rank among artists', place, 'place', null
    from ranked
    where artist_id = $artist
    union all
    select 2, 'first and last', rank,
        case rank when 1 then 'first play' else 'last play' end || coalesce(': ' || track, ''),
        null, null, played_at
    from edges
    union all
    select 3, 'by year', row_number() over (order by year), year::varchar, plays, 'plays', null
    from years
    where artist_id = $artist
    union all
    select 4, 'rank by year', row_number() over (order by year), year::varchar, place, 'place',
        null
    from years
    where artist_id = $artist
    union all
    select 5, 'by month', row_number() over (order by name), name, plays, 'plays', null
    from months
    union all
    select 6, 'top tracks', row_number() over (order by plays desc, name, track_id), name, plays,
        'plays', null
    from tracks
    qualify row_number() over (order by plays desc, name, track_id) <= 10
    union all
    select 7, 'top albums', row_number() over (order by plays desc, name, album_id), name, plays,
        'plays', null
    from albums
    qualify row_number() over (order by plays desc, name, album_id) <= 10
    union all
    select 8, 'neighbours', row_number() over (order by near_plays desc, artist, artist_id),
        artist, near_plays, 'plays', null
    from ranked
    where artist_id <> $artist and near_plays > 0 and artist is not null
    qualify row_number() over (order by near_plays desc, artist, artist_id) <= 10
    union all
    select 9, 'habits', 1, 'ended with the next-track button', round(skips / ended::double, 4),
        'share', null
    from total
    where ended > 0
    union all
    select 9, 'habits', 2, 'chosen by hand', round(chosen / started::double, 4), 'share', null
    from total
    where started > 0
    union all
    select 9, 'habits', 3, 'favourite hour: ' || lpad(hour::varchar, 2, '0') || ':00', plays,
        'plays', null
    from hours
    qualify row_number() over (order by plays desc, hour) = 1
    union all
    select 9, 'habits', 4, 'favourite weekday: ' || name, plays, 'plays', null
    from weekdays
    qualify row_number() over (order by plays desc, weekday) = 1
)

select section, rank::integer as rank, name, value, unit, played_at
from facts
order by section_order, rank
