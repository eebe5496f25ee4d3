-- grain: one stretch in which plays of a listener are known to be missing, or were until it was closed; local_at is when it begins,
-- at the earliest at the beginning of the period
create or replace temp macro gaps_of(listener_id, since, until) as table
select
    after_at,
    before_at,
    found_at,
    closed_at,
    local_clock(greatest(after_at, since), null::varchar) as local_at
from coverage_gaps
where
    user_id = listener_id
    and (before_at > since or since is null)
    and (after_at < until or until is null)
