-- grain: one play of whatever listener; its listened time is what a source tells, or an estimate
create or replace temp view timed_plays as
select
    plays.*,
    coalesce(plays.ms_played, estimates.ms) as listened_ms,
    plays.ms_played is null and estimates.ms is not null as is_estimated
from plays
left join estimates on plays.play_id = estimates.play_id
