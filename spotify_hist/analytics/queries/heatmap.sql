-- name: heatmap
-- summary: Counted plays by weekday and hour of the day, in the listener's time zone.
-- grain: one row per weekday and hour, all 168 of them
-- core: yes
-- chart: heatmap weekday hour plays
-- uses: plays
-- column weekday: 1 is Monday, 7 is Sunday.
-- column hour: 0 to 23, the local hour in which the play ended.
-- column plays: Counted plays.
-- column listened_ms: Listened time in milliseconds, told or estimated.
-- example: --timezone Europe/Berlin
with

counted as (
    select local_at, listened_ms
    from counted_plays
),

hours as (
    select
        isodow(local_at) as weekday,
        extract(hour from local_at) as hour,
        count(*) as plays,
        sum(listened_ms)::bigint as listened_ms
    from counted
    group by 1, 2
)

select
    v_week_hours.weekday,
    v_week_hours.hour,
    coalesce(hours.plays, 0) as plays,
    coalesce(hours.listened_ms, 0) as listened_ms
from v_week_hours
left join hours
    on v_week_hours.weekday = hours.weekday and v_week_hours.hour = hours.hour
order by v_week_hours.weekday, v_week_hours.hour
