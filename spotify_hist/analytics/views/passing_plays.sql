-- grain: one play of whatever listener that passes the counting rule, of all time
-- The rule, for every question: of the kind asked for, and listened to for at least min_ms. Where
-- only the API or a scrobbler saw a play its listened time may not be known: it counts (DESIGN 1).
create or replace temp macro passing_plays(wanted_kind, min_ms) as table
select
    *,
    local_clock(played_at, country) as local_at
from timed_plays
where
    (kind = wanted_kind or wanted_kind = 'all')
    and (ms_played >= min_ms or ms_played is null)
