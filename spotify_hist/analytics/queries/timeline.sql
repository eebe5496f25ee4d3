-- name: timeline
-- summary: Counted plays over time, by day, ISO week, month, quarter or year: every step from the first play of the period to its last, those without a play too.
-- grain: one row per step of the local calendar
-- core: yes
-- chart: line starts_on plays
-- uses: plays limit offset
-- param step: text = month {day|week|month|quarter|year}  How long a step is; weeks begin on Monday.
-- param limit: integer = 10000 [1..10000]  Most rows to return.
-- column starts_on: The first local day of the step.
-- column plays: Counted plays.
-- column listened_ms: Listened time in milliseconds, told or estimated.
-- column tracks: How many different tracks.
-- column artists: How many different artists.
-- column new_artists: How many of them were never heard before, not even before the period.
-- example: --year 2024 --step week
with

songs as (
    select
        date_trunc(coalesce($step, 'month'), local_at)::date as starts_on,
        track_key,
        min(artist_key) as artist_key,
        count(*) as plays,
        sum(listened_ms) as listened_ms
    from counted_plays
    group by 1, 2
),

artists as (
    select
        starts_on,
        artist_key,
        sum(plays) as plays,
        sum(listened_ms) as listened_ms,
        count(track_key) as tracks
    from songs
    group by starts_on, artist_key
),

steps as (
    select
        starts_on,
        sum(plays)::bigint as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        sum(tracks)::bigint as tracks,
        count(artist_key) as artists
    from artists
    group by starts_on
),

firsts as (
    select artists.artist_key, min(artists.starts_on) as starts_on
    from artists
    left join known_artists as known on artists.artist_key = known.artist_key
    where artists.artist_key is not null and known.artist_key is null
    group by artists.artist_key
),

discovered as (
    select starts_on, count(*) as new_artists
    from firsts
    group by starts_on
),

edges as (
    select min(starts_on) as first_on, max(starts_on) as last_on
    from steps
),

series as (
    select
        (
            edges.first_on + v_numbers.n * case $step
                when 'day' then interval 1 day
                when 'week' then interval 7 day
                when 'quarter' then interval 3 month
                when 'year' then interval 1 year
                else interval 1 month
            end
        )::date as starts_on
    from edges
    inner join v_numbers
        on v_numbers.n <= date_diff(coalesce($step, 'month'), edges.first_on, edges.last_on)
)

select
    series.starts_on,
    coalesce(steps.plays, 0) as plays,
    coalesce(steps.listened_ms, 0) as listened_ms,
    coalesce(steps.tracks, 0) as tracks,
    coalesce(steps.artists, 0) as artists,
    coalesce(discovered.new_artists, 0) as new_artists
from series
left join steps on series.starts_on = steps.starts_on
left join discovered on series.starts_on = discovered.starts_on
left join left_out_days on series.starts_on = left_out_days.day and $step = 'day'
where left_out_days.day is null
order by series.starts_on
limit $limit offset $offset
