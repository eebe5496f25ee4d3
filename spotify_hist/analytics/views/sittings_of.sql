-- grain: one sitting: counted plays of the period, in the order they ended in, each begun at most so
-- many minutes after the one before it ended. Where nobody tells the listened time, and nothing
-- estimates it, a play begins when it ends.
-- One sort of the plays: what lies between two sittings follows from the first plays alone.
create or replace temp macro sittings_of(gap_minutes) as table
with

plays as (
    select
        epoch_us(played_at) as ended_us,
        coalesce(listened_ms, 0) as listened_ms,
        local_at
    from counted_plays
),

ordered as (
    select
        ended_us,
        listened_ms,
        local_at,
        lag(ended_us) over in_order as previous_us,
        row_number() over in_order as place,
        sum(listened_ms) over (in_order rows between unbounded preceding and current row) as so_far_ms
    from plays
    window in_order as (order by ended_us, listened_ms desc)
),

firsts as (
    select
        ended_us,
        listened_ms,
        local_at,
        previous_us,
        place,
        so_far_ms - listened_ms as before_ms
    from ordered
    where previous_us is null or ended_us - listened_ms * 1000 - previous_us > gap_minutes::bigint * 60000000
),

total as (
    select max(ended_us) as ended_us, count(*) as plays, sum(listened_ms) as listened_ms
    from plays
),

spans as (
    select
        firsts.ended_us as first_us,
        firsts.ended_us - firsts.listened_ms * 1000 as started_us,
        firsts.local_at - to_milliseconds(firsts.listened_ms) as started_local_at,
        coalesce(lead(firsts.previous_us) over (order by firsts.place), total.ended_us) as ended_us,
        coalesce(lead(firsts.place) over (order by firsts.place), total.plays + 1) - firsts.place
            as plays,
        coalesce(lead(firsts.before_ms) over (order by firsts.place), total.listened_ms)
            - firsts.before_ms as listened_ms
    from firsts
    cross join total
)

select
    make_timestamptz(started_us) as started_at,
    make_timestamptz(ended_us) as ended_at,
    make_timestamptz(first_us) as first_ended_at,
    started_local_at,
    plays::bigint as plays,
    listened_ms::bigint as listened_ms,
    ((ended_us - started_us) // 1000)::bigint as duration_ms
from spans
