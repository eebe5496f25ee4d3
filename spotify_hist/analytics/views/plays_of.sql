-- grain: one play of a listener that passes the counting rule, of all time
-- The rule, for every question: of the kind asked for, and listened to for at least min_ms. Where
-- only the API or a scrobbler saw a play its listened time may not be known: it counts (DESIGN 1).
create or replace temp macro plays_of(listener_id, wanted_kind, min_ms) as table
select
    v_plays.*,
    coalesce(v_plays.ms_played, estimates.ms) as listened_ms,
    v_plays.ms_played is null and estimates.ms is not null as is_estimated,
    local_clock(v_plays.played_at, v_plays.country) as local_at
from v_plays
left join estimates on v_plays.play_id = estimates.play_id
where
    v_plays.user_id = listener_id
    and (v_plays.kind = wanted_kind or wanted_kind = 'all')
    and (v_plays.ms_played >= min_ms or v_plays.ms_played is null)
