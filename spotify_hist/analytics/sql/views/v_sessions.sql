-- view: v_sessions
-- grain: one row per sitting: counted plays with pauses of 30 minutes at most between them, as in `sessions`
-- column session: Its number, 1 the first.
-- column started_at: When its first play began, or ended where its listened time is not known.
-- column ended_at: When its last play ended.
-- column local_at: When it began, as the clock of the listener's time zone showed it.
-- column duration_ms: From its beginning to its end, in milliseconds.
-- column plays: Counted plays.
-- column listened_ms: Their listened time, in milliseconds.
create or replace temp view v_sessions as
select
    row_number() over (order by ended_at) as session,
    started_at,
    ended_at,
    started_local_at as local_at,
    duration_ms,
    plays,
    listened_ms
from sittings
