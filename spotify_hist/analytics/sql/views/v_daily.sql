-- view: v_daily
-- grain: one row per local day of the listener with a counted play
-- column local_date: The day.
-- column plays: Counted plays that ended on it.
-- column listened_ms: Their listened time, in milliseconds.
-- column songs: Different songs among them.
-- column artists: Different artists among them.
-- column first_played_at: When the first of them ended.
-- column last_played_at: When the last of them ended.
create or replace temp view v_daily as
select
    local_date,
    count(*) as plays,
    coalesce(sum(listened_ms), 0)::bigint as listened_ms,
    count(distinct track_id) as songs,
    count(distinct artist_id) as artists,
    min(played_at) as first_played_at,
    max(played_at) as last_played_at
from v_plays
where is_counted
group by local_date
