-- grain: one play of whatever listener; its listened time is what a source tells
create or replace temp view timed_plays as
select *, ms_played as listened_ms, false as is_estimated
from plays
