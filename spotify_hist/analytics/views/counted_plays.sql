-- grain: one play of a listener that passes the counting rule, within [since, until)
-- The rule, for every question: of the kind asked for, and listened to for at least min_ms. Where
-- only the API or a scrobbler saw a play its listened time may not be known: it counts (DESIGN 1).
create or replace temp macro counted_plays(listener_id, since, until, wanted_kind, min_ms) as table
select *
from v_plays
where
    user_id = listener_id
    and (played_at >= since or since is null)
    and (played_at < until or until is null)
    and (kind = wanted_kind or wanted_kind = 'all')
    and (ms_played >= min_ms or ms_played is null)
