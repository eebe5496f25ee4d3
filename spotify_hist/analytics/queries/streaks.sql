-- name: streaks
-- summary: Runs of consecutive local days with at least one counted play, of anything or of one artist or track, longest first.
-- grain: one row per run of days
-- chart: bar started_on days
-- uses: plays limit offset
-- param artist: artist  Only days with a play of this artist, show or author.
-- param track: track  Only days with a play of this track, episode or chapter.
-- column started_on: The first local day of the run.
-- column ended_on: The last local day of the run.
-- column days: How many days it has.
-- column plays: Counted plays on these days.
-- column is_current: Whether it still goes on: its last day is today or yesterday.
-- example: --limit 5
with

days as (
    select local_at::date as day, count(*) as plays
    from counted_plays
    where
        (artist_id = $artist or $artist is null)
        and (track_id = $track or $track is null)
    group by 1
),

numbered as (
    select
        days.day,
        days.plays,
        v_days.nth,
        v_days.nth - row_number() over (order by v_days.nth) as run
    from days
    inner join v_days on days.day = v_days.day
),

runs as (
    select
        min(day) as started_on,
        max(day) as ended_on,
        count(*) as days,
        sum(plays)::bigint as plays,
        max(nth) as last_nth
    from numbered
    group by run
),

today as (
    select v_days.nth
    from v_days
    inner join asked_period on v_days.day = asked_period.today
)

select
    runs.started_on,
    runs.ended_on,
    runs.days,
    runs.plays,
    runs.last_nth >= today.nth - 1 as is_current
from runs
cross join today
order by runs.days desc, runs.started_on desc
limit $limit offset $offset
