-- name: calendar
-- summary: Counted plays of every local day, also of those without any; of the last 365 days where no period is asked for.
-- grain: one row per local day of the period, up to today
-- chart: calendar date plays
-- uses: plays limit offset
-- default: days 365
-- param limit: integer = 10000 [1..100000]  Most rows to return.
-- column date: The local day.
-- column weekday: 1 is Monday, 7 is Sunday.
-- column plays: Counted plays.
-- column listened_ms: Listened time in milliseconds, told or estimated.
-- example: --year 2024
with

played as (
    select
        local_at::date as day,
        count(*) as plays,
        sum(listened_ms)::bigint as listened_ms
    from counted_plays
    group by 1
),

edges as (
    select
        coalesce(min(day), date '2006-01-01') as first_on,
        coalesce(max(day), date '2006-01-01') as last_on
    from played
),

-- No day lies before Spotify's first year or after today, but those with plays.
period as (
    select
        coalesce(
            greatest(asked_period.first_on, least(edges.first_on, date '2006-01-01')),
            edges.first_on
        ) as first_on,
        case
            when asked_period.last_on < greatest(asked_period.today, edges.last_on)
                then asked_period.last_on
            else greatest(asked_period.today, edges.last_on)
        end as last_on
    from asked_period
    cross join edges
)

select
    v_days.day as date,
    isodow(v_days.day)::integer as weekday,
    coalesce(played.plays, 0) as plays,
    coalesce(played.listened_ms, 0) as listened_ms
from period
inner join v_days on v_days.day >= period.first_on and v_days.day <= period.last_on
left join played on v_days.day = played.day
order by v_days.day
limit $limit offset $offset
