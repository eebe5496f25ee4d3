-- name: milestones
-- summary: The first play ever, the first of each local year and every so many-th counted play, newest first. Plays are numbered over all time; the period chooses which are shown.
-- grain: one row per milestone
-- uses: plays limit offset
-- param every: integer = 1000 [1..1000000]  How many plays lie between two milestones.
-- param limit: integer = 100 [1..100000]  Most rows to return.
-- column number: Which counted play it was, 1 for the first ever.
-- column milestone: first play, first play of the year or round number.
-- column played_at: When the play ended (UTC).
-- column track: The track, episode or chapter.
-- column artist: Its artist, show or author.
-- example: --every 10000
with

before_period as (
    select extract(year from local_at) as year, count(*) as plays
    from kept_plays
    where played_at < $since::timestamptz
    group by 1
),

numbered as (
    select
        extract(year from local_at) as year,
        played_at,
        track_key,
        row_number() over (order by played_at, play_id) as place,
        lag(extract(year from local_at)) over (order by played_at, play_id) as previous_year
    from counted_plays
),

counted as (
    select
        year,
        played_at,
        track_key,
        place + (select coalesce(sum(plays), 0)::bigint from before_period) as number,
        previous_year
    from numbered
),

candidates as (
    select
        counted.number,
        counted.played_at,
        counted.track_key,
        before_period.year is null
            and counted.number = min(counted.number) over (partition by counted.year)
            as is_first_of_year
    from counted
    left join before_period on counted.year = before_period.year
    where
        counted.number % $every = 0
        or counted.previous_year is null
        or counted.previous_year <> counted.year
),

reached as (
    select number, 1 as nth, 'first play' as milestone, played_at, track_key
    from candidates
    where number = 1
    union all
    select number, 2, 'first play of the year', played_at, track_key
    from candidates
    where is_first_of_year
    union all
    select number, 3, 'round number', played_at, track_key
    from candidates
    where number % $every = 0
)

select
    reached.number,
    reached.milestone,
    reached.played_at,
    v_songs.track,
    v_songs.artist
from reached
left join v_songs on reached.track_key = v_songs.track_key
order by reached.number desc, reached.nth
limit $limit offset $offset
