-- view: v_gaps
-- grain: one row per stretch of time in which plays are, or were, known to be missing
-- column after_at: The last play known before it.
-- column before_at: The first play known after it.
-- column found_at: When it was noticed.
-- column closed_at: When something filled it; empty while it is open.
-- column is_open: Whether plays are still missing.
create or replace temp view v_gaps as
select after_at, before_at, found_at, closed_at, closed_at is null as is_open
from coverage_gaps
where user_id = listener_id()
