-- The merging of two listeners into one: everything of `other_id` becomes that of `user_id`.

-- step: rows
-- The records of the other as they came, once for each row that said one; of a record that polls
-- told, which is known of no file, file 0.
select
    coalesce(record_rows.file_id, 0) as file_id,
    coalesce(record_rows.row_index, 0) as row_index,
    '' as package,
    epoch_ms(records.played_at) as played_at_ms,
    records.record_id as former_id,
    records.* exclude (record_id, play_id, head_id, user_id, played_at, track_id)
from play_records as records
left join record_rows using (record_id)
where records.user_id = $other_id

-- step: former
create or replace temp table former as select distinct former_id, record_id from keyed;

-- step: remove_rows
delete from record_rows where record_id in (select former_id from former);

-- step: remove_records
delete from play_records where user_id = $other_id;

-- step: remove_plays
delete from plays where user_id = $other_id;

-- step: move_privates
update record_privates
set record_id = former.record_id
from former
where record_privates.record_id = former.former_id;

-- step: move_imports
update import_jobs set user_id = $user_id where user_id = $other_id;

-- step: move_runs
update job_runs set user_id = $user_id where user_id = $other_id;

-- step: move_logs
update logs set user_id = $user_id where user_id = $other_id;

-- step: drop_equal_rules
delete from ignore_rules
where
    user_id = $other_id
    and (entity, id) in (select (entity, id) from ignore_rules where user_id = $user_id);

-- step: move_rules
update ignore_rules set user_id = $user_id where user_id = $other_id;

-- step: closings
create or replace temp table merged_closings as
select distinct $user_id::integer as user_id, after_at, before_at, import_id
from gap_closings
where user_id in ($user_id, $other_id);

-- step: gaps
-- A gap of both is closed where one of them knows it to be.
create or replace temp table merged_gaps as
select
    $user_id::integer as user_id, after_at, before_at,
    min(found_at) as found_at, min(closed_at) as closed_at
from coverage_gaps
where user_id in ($user_id, $other_id)
group by after_at, before_at;

-- step: checkpoints
-- Of each job what was remembered last.
create or replace temp table merged_checkpoints as
select
    $user_id::integer as user_id, job,
    max(newest_played_at) as newest_played_at,
    max(checked_at) as checked_at,
    arg_max(state, checked_at) as state
from sync_checkpoints
where user_id in ($user_id, $other_id)
group by job;

-- step: drop_closings
delete from gap_closings where user_id in ($user_id, $other_id);

-- step: drop_gaps
delete from coverage_gaps where user_id in ($user_id, $other_id);

-- step: drop_checkpoints
delete from sync_checkpoints where user_id in ($user_id, $other_id);

-- step: insert_closings
insert into gap_closings by name select * from merged_closings;

-- step: insert_gaps
insert into coverage_gaps by name select * from merged_gaps;

-- step: insert_checkpoints
insert into sync_checkpoints by name select * from merged_checkpoints;

-- step: take_over
update users
set timezone = coalesce(mine.timezone, other.timezone),
    created_at = least(mine.created_at, other.created_at)
from users as mine
cross join users as other
where users.user_id = $user_id and mine.user_id = $user_id and other.user_id = $other_id;

-- step: remove_user
delete from users where user_id = $other_id;

-- step: set_account
update users
set account_id = $account_id, spotify_id = $spotify_id, display_name = $display_name
where user_id = $user_id;
