-- grain: one play of whatever listener that passes the counting rule, of all time
-- The rule, for every question: of the kind asked for, and listened to for at least min_ms. Where
-- only the API or a scrobbler saw a play its listened time may not be known: it counts (DESIGN 1).
create or replace temp macro passing_plays(wanted_kind, min_ms) as table
select
    named_plays.*,
    coalesce(named_plays.ms_played, estimates.ms) as listened_ms,
    named_plays.ms_played is null and estimates.ms is not null as is_estimated,
    local_clock(named_plays.played_at, named_plays.country) as local_at
from named_plays
left join estimates on named_plays.play_id = estimates.play_id
where
    (named_plays.kind = wanted_kind or wanted_kind = 'all')
    and (named_plays.ms_played >= min_ms or named_plays.ms_played is null)
