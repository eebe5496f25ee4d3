-- grain: one source that tells of any play
create or replace temp view v_sources as
select distinct source
from play_records
