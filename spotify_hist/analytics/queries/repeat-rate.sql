-- name: repeat-rate
-- summary: How much of the listening repeats what was played before, by month or year.
-- grain: one row per local month or year with a counted play, or one of all
-- chart: line period repeat_share
-- uses: plays
-- param step: text = month {month|year|all}  The length of a row's time.
-- column period: The local month (2024-06) or year (2024), or all.
-- column plays: Counted plays.
-- column tracks: Different tracks.
-- column repeat_share: Share of these plays whose track was played in the same row's time before, 0 to 1.
-- column immediate_share: Share of these plays of the same track as the counted play just before, 0 to 1.
-- example: --step year
with

counted as (
    select
        played_at,
        track_key,
        date_trunc(case $step when 'year' then 'year' else 'month' end, local_at)::date as month
    from counted_plays
),

following as (
    select
        month,
        track_key,
        track_key = lag(track_key) over (order by played_at, track_key) as is_immediate
    from counted
),

tracks as (
    select
        case when $step = 'all' then null else month end as month,
        track_key,
        count(*) as plays,
        count(*) filter (where is_immediate) as immediate_plays
    from following
    group by 1, 2
),

months as (
    select
        month,
        sum(plays)::bigint as plays,
        count(track_key) as tracks,
        sum(plays) filter (where track_key is not null) - count(track_key) as repeats,
        sum(immediate_plays) as immediate_plays
    from tracks
    group by month
)

select
    case $step
        when 'all' then 'all'
        when 'year' then strftime(month, '%Y')
        else strftime(month, '%Y-%m')
    end as period,
    plays,
    tracks,
    round(coalesce(repeats, 0) / plays::double, 4) as repeat_share,
    round(immediate_plays / plays::double, 4) as immediate_share
from months
order by month
