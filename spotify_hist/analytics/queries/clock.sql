-- name: clock
-- summary: Counted plays by hour of the day, in the listener's time zone.
-- grain: one row per hour of the day, all 24 of them
-- chart: bar hour plays
-- uses: plays
-- column hour: 0 to 23, the local hour in which the play ended.
-- column plays: Counted plays.
-- column listened_ms: Listened time in milliseconds, told or estimated.
-- column share: The part of all counted plays, 0 to 1.
-- example: --days 90
with

hours as (
    select
        extract(hour from local_at) as hour,
        count(*) as plays,
        sum(listened_ms)::bigint as listened_ms
    from counted_plays
    group by 1
),

total as (
    select coalesce(sum(plays), 0) as plays
    from hours
)

select
    v_numbers.n as hour,
    coalesce(hours.plays, 0) as plays,
    coalesce(hours.listened_ms, 0) as listened_ms,
    coalesce(round(hours.plays::double / nullif(total.plays, 0), 4), 0) as share
from v_numbers
cross join total
left join hours on v_numbers.n = hours.hour
where v_numbers.n < 24
order by v_numbers.n
