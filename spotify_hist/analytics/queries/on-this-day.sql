-- name: on-this-day
-- summary: What was played on a day of the calendar in each year before: today where no day is given.
-- grain: one row per earlier year with a counted play on that day
-- chart: bar year plays
-- uses: plays limit offset
-- param date: day  The day, such as 06-01, as it was before today; or 2024-06-01, as it was before that day.
-- column year: The year.
-- column plays: Counted plays on that local day.
-- column listened_ms: Listened time in milliseconds, told or estimated.
-- column top_track: The track most played on that day.
-- column top_artist: The artist most played on that day.
-- column first_played_at: When the first of these plays ended (UTC).
-- example: --date 06-01
with

asked as (
    select
        case
            when length($date) = 5 then cast(substring($date, 1, 2) as integer)
            else extract(month from coalesce(try_cast($date as date), today))
        end as month,
        case
            when length($date) = 5 then cast(substring($date, 4, 2) as integer)
            else extract(day from coalesce(try_cast($date as date), today))
        end as day,
        coalesce(try_cast($date as date), today) as before_on
    from asked_period
),

heard as (
    select
        extract(year from plays.local_at) as year,
        plays.track_id,
        plays.listened_ms,
        plays.played_at
    from counted_plays as plays
    inner join asked
        on extract(month from plays.local_at) = asked.month
        and extract(day from plays.local_at) = asked.day
        and plays.local_at < asked.before_on
),

years as (
    select
        year,
        count(*) as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        min(played_at) as first_played_at
    from heard
    group by year
),

songs as (
    select year, track_id, count(*) as plays, coalesce(sum(listened_ms), 0) as listened_ms
    from heard
    group by year, track_id
),

tracks as (
    select
        songs.year,
        songs.track_id,
        v_songs.track,
        v_songs.artist_id,
        v_songs.artist,
        songs.plays,
        songs.listened_ms
    from songs
    left join v_songs on songs.track_id = v_songs.track_id
),

artists as (
    select
        year,
        artist_id,
        max(artist) as artist,
        sum(plays) as plays,
        sum(listened_ms) as listened_ms
    from tracks
    group by year, artist_id
),

top_tracks as (
    select year, track
    from tracks
    qualify row_number() over (
        partition by year order by plays desc, listened_ms desc, track, track_id
    ) = 1
),

top_artists as (
    select year, artist
    from artists
    qualify row_number() over (
        partition by year order by plays desc, listened_ms desc, artist, artist_id
    ) = 1
)

select
    years.year,
    years.plays,
    years.listened_ms,
    top_tracks.track as top_track,
    top_artists.artist as top_artist,
    years.first_played_at
from years
inner join top_tracks on years.year = top_tracks.year
inner join top_artists on years.year = top_artists.year
order by years.year desc
limit $limit offset $offset
