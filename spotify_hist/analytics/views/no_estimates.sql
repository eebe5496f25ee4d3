-- grain: one play of unknown length: none where no question needs them
create or replace temp table estimates (play_id uuid, ms bigint)
