-- name: session-stats
-- summary: Sittings in numbers: how many, how long, how many plays each, when they begin. A sitting is a run of counted plays with no more than a pause between the end of one and the start of the next.
-- grain: one row per fact
-- uses: plays gap
-- column section: sittings, length, plays, start, sittings by weekday or length by weekday.
-- column rank: Place within the section, 1 first.
-- column name: What the value is of.
-- column value: The value.
-- column unit: sittings, days, minutes, plays or sittings per day.
-- example: --days 365
with

begun as (
    select
        plays,
        duration_ms / 60000.0 as minutes,
        started_local_at::date as started_on,
        isodow(started_local_at) as weekday,
        extract(hour from started_local_at) as hour
    from sittings
),

total as (
    select
        count(*) as sittings,
        count(distinct started_on) as days,
        round(avg(minutes), 2) as mean_minutes,
        round(median(minutes), 2) as median_minutes,
        round(max(minutes), 2) as longest_minutes,
        round(avg(plays), 2) as mean_plays,
        round(median(plays), 2) as median_plays,
        max(plays) as most_plays
    from begun
),

by_hour as (
    select hour, count(*) as sittings
    from begun
    group by hour
),

by_weekday as (
    select weekday, count(*) as sittings, round(avg(minutes), 2) as mean_minutes
    from begun
    group by weekday
),

weekdays as (
    select distinct
        v_week_hours.weekday,
        case v_week_hours.weekday
            when 1 then 'Monday' when 2 then 'Tuesday' when 3 then 'Wednesday'
            when 4 then 'Thursday' when 5 then 'Friday' when 6 then 'Saturday' else 'Sunday'
        end as name
    from v_week_hours
),

facts as (
    select 1 as section_order, 'sittings' as section, 1 as rank, 'sittings' as name,
        sittings::double as value, 'sittings' as unit
    from total
    union all
    select 1, 'sittings', 2, 'days on which one began', days, 'days' from total
    union all
    select 1, 'sittings', 3, 'on each of these days', round(sittings / days::double, 2),
        'sittings per day'
    from total
    where days > 0
    union all
    select 2, 'length', 1, 'mean', mean_minutes, 'minutes' from total where sittings > 0
    union all
    select 2, 'length', 2, 'median', median_minutes, 'minutes' from total where sittings > 0
    union all
    select 2, 'length', 3, 'longest', longest_minutes, 'minutes' from total where sittings > 0
    union all
    select 3, 'plays', 1, 'mean', mean_plays, 'plays' from total where sittings > 0
    union all
    select 3, 'plays', 2, 'median', median_plays, 'plays' from total where sittings > 0
    union all
    select 3, 'plays', 3, 'most', most_plays, 'plays' from total where sittings > 0
    union all
    select 4, 'start', row_number() over (order by sittings desc, hour),
        lpad(hour::varchar, 2, '0') || ':00', sittings, 'sittings'
    from by_hour
    qualify row_number() over (order by sittings desc, hour) <= 3
    union all
    select 5, 'sittings by weekday', weekdays.weekday, weekdays.name,
        coalesce(by_weekday.sittings, 0), 'sittings'
    from weekdays
    left join by_weekday on weekdays.weekday = by_weekday.weekday
    union all
    select 6, 'length by weekday', weekdays.weekday, weekdays.name, by_weekday.mean_minutes,
        'minutes'
    from weekdays
    inner join by_weekday on weekdays.weekday = by_weekday.weekday
)

select section, rank::integer as rank, name, value, unit
from facts
order by section_order, rank
