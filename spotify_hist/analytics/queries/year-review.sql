-- name: year-review
-- summary: A year, or any period, in review: favourites, the busiest times, records, discoveries, and how it began and ended; this year so far where no period is asked for.
-- grain: one row per fact
-- core: yes
-- uses: plays
-- default: since this-year
-- column section: totals, top artists, top tracks, top albums, top genres, busiest, quarters, records, discoveries, hours, or first and last.
-- column rank: Place within the section, 1 first.
-- column name: What the value is of.
-- column value: The value; empty where the name says all.
-- column unit: plays, hours, tracks, artists, albums, days, minutes, share (0 to 1) or hour of the day.
-- column day: The local day it is of, or begins with; empty where it is of the whole period.
-- example: --year 2024
with

counted as (
    select
        track_key,
        listened_ms,
        reason_end,
        played_at,
        play_id,
        local_at::date as day,
        -- Nights belong to the day before: the day is taken from 5 o'clock on.
        ((extract(hour from local_at) + 19) % 24) * 60 + extract(minute from local_at) as minute
    from counted_plays
),

versions as (
    select track_id, track_key, track, artist_id, artist_key, artist, album_id, album, plays
    from counted_tracks
),

named as (
    select
        track_id,
        track_key,
        max(track) || coalesce(' - ' || max(artist), '') as name,
        max(artist_id) as artist_id,
        max(artist_key) as artist_key,
        max(artist) as artist,
        sum(plays) as plays
    from versions
    group by track_id, track_key
),

by_artist as (
    select artist_id, artist_key, max(artist) as name, sum(plays) as plays
    from named
    group by artist_id, artist_key
),

by_album as (
    select album_id, max(album) || coalesce(' - ' || max(artist), '') as name, sum(plays) as plays
    from versions
    where album_id is not null
    group by album_id
),

by_genre as (
    select v_genres.genre as name, sum(by_artist.plays) as plays
    from by_artist
    inner join v_genres on by_artist.artist_id = v_genres.artist_id
    group by v_genres.genre
),

by_day as (
    select day, count(*) as plays, sum(listened_ms) as listened_ms
    from counted
    group by day
),

by_month as (
    select date_trunc('month', day)::date as day, sum(plays) as plays
    from by_day
    group by 1
),

by_quarter as (
    select date_trunc('quarter', day)::date as day, sum(plays) as plays
    from by_day
    group by 1
),

total as (
    select
        count(*) as plays,
        round(coalesce(sum(listened_ms), 0) / 3600000.0, 2) as hours,
        count(reason_end) as ends,
        count(*) filter (where reason_end = 'fwdbtn') as skips,
        min(minute) as first_minute,
        max(minute) as last_minute
    from counted
),

runs as (
    select min(day) as day, count(*) as days
    from (
        select by_day.day, v_days.nth - row_number() over (order by v_days.nth) as run
        from by_day
        inner join v_days on by_day.day = v_days.day
    ) as numbered
    group by run
),

repeats as (
    select track_key, day, count(*) as plays
    from counted
    group by track_key, day
),

most_repeated as (
    select repeats.day, named.name, repeats.plays
    from (select max(plays) as plays from repeats) as most
    inner join repeats on most.plays = repeats.plays
    inner join named on repeats.track_key = named.track_key
    qualify row_number() over (
        order by repeats.day, named.name, named.track_id
    ) = 1
),

new_artists as (
    select by_artist.artist_id, by_artist.name, by_artist.plays
    from by_artist
    where
        by_artist.artist_id is not null
        and by_artist.artist_key not in (select known_artists.artist_key from known_artists)
),

biggest as (
    select artist_id, name, plays
    from new_artists
    qualify row_number() over (order by plays desc, name, artist_id) = 1
),

biggest_first as (
    select min(counted.day) as day
    from biggest
    inner join named on biggest.artist_id = named.artist_id
    inner join counted on named.track_key = counted.track_key
),

edges as (
    (select day, track_key, 1 as rank from counted order by played_at, play_id limit 1)
    union all
    (select day, track_key, 2 from counted order by played_at desc, play_id desc limit 1)
),

known as (
    select count(artist_id) as artists, (select count(*) from new_artists) as new_artists
    from by_artist
),

-- The facts that are one number each.
numbers as (
    select
        wanted.*,
        case wanted.section_order * 10 + wanted.rank
            when 11 then total.plays
            when 12 then total.hours
            when 13 then (select count(track_id) from named)
            when 14 then known.artists
            when 15 then (select count(*) from by_album)
            when 16 then (select count(*) from by_day)
            when 17 then round(total.skips / nullif(total.ends, 0)::double, 4)
            when 91 then known.new_artists
            when 92 then round(known.new_artists / nullif(known.artists, 0)::double, 4)
        end::double as value
    from (
        values
            (1, 'totals', 1, 'plays', 'plays'),
            (1, 'totals', 2, 'listened time', 'hours'),
            (1, 'totals', 3, 'different tracks', 'tracks'),
            (1, 'totals', 4, 'different artists', 'artists'),
            (1, 'totals', 5, 'different albums', 'albums'),
            (1, 'totals', 6, 'days with music', 'days'),
            (1, 'totals', 7, 'skipped, of plays whose end is known', 'share'),
            (9, 'discoveries', 1, 'artists never heard before', 'artists'),
            (9, 'discoveries', 2, 'of all artists', 'share')
    ) as wanted (section_order, section, rank, name, unit)
    cross join total
    cross join known
),

facts as (
    select section_order, section, rank, name, value, unit, null::date as day
    from numbers
    where value is not null
    union all
    select 2, 'top artists', row_number() over (order by plays desc, name, artist_id), name, plays,
        'plays', null
    from (select * from by_artist order by plays desc, name, artist_id limit 5)
    union all
    select 3, 'top tracks', row_number() over (order by plays desc, name, track_id), name, plays,
        'plays', null
    from (select * from named order by plays desc, name, track_id limit 5)
    union all
    select 4, 'top albums', row_number() over (order by plays desc, name, album_id), name, plays,
        'plays', null
    from (select * from by_album order by plays desc, name, album_id limit 5)
    union all
    select 5, 'top genres', row_number() over (order by plays desc, name), name, plays, 'plays',
        null
    from by_genre
    qualify row_number() over (order by plays desc, name) <= 5
    union all
    select 6, 'busiest', 1, 'month: ' || strftime(day, '%Y-%m'), plays, 'plays', day
    from by_month
    qualify row_number() over (order by plays desc, day) = 1
    union all
    select 6, 'busiest', 2, 'day', plays, 'plays', day
    from by_day
    qualify row_number() over (order by plays desc, day) = 1
    union all
    select 7, 'quarters', row_number() over (order by day),
        strftime(day, '%Y') || ' Q' || extract(quarter from day), plays, 'plays', day
    from by_quarter
    union all
    select 8, 'records', 1, 'longest sitting', round(duration_ms / 60000.0, 1), 'minutes',
        started_local_at::date
    from sittings
    qualify row_number() over (order by duration_ms desc, started_at) = 1
    union all
    select 8, 'records', 2, 'longest run of days with music', days, 'days', day
    from runs
    qualify row_number() over (order by days desc, day) = 1
    union all
    select 8, 'records', 3, 'most often on one day: ' || name, plays, 'plays', day
    from most_repeated
    union all
    select 9, 'discoveries', 3, 'the biggest: ' || biggest.name, biggest.plays, 'plays',
        biggest_first.day
    from biggest
    cross join biggest_first
    union all
    select 10, 'hours', 1, 'earliest after 5 o''clock', round(first_minute / 60.0 + 5, 2),
        'hour of the day', (select min(day) from counted where minute = first_minute)
    from total
    where plays > 0
    union all
    select 10, 'hours', 2, 'latest before 5 o''clock', round((last_minute / 60.0 + 5) % 24, 2),
        'hour of the day', (select min(day) from counted where minute = last_minute)
    from total
    where plays > 0
    union all
    select 11, 'first and last', edges.rank,
        case edges.rank when 1 then 'first: ' else 'last: ' end || named.name, null, null,
        edges.day
    from edges
    left join named on edges.track_key = named.track_key
)

select section, rank::integer as rank, name, value, unit, day
from facts
order by section_order, rank
