-- grain: one play that counts by default; what of the questions' views is about counted plays stands on it
create or replace temp view counted_plays as
select *
from kept_plays
where kind = 'track' and (ms_played >= 30000 or ms_played is null)
