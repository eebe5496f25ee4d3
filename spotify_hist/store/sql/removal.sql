-- The removal of a listener.

-- step: holdings
select
    (select count(*) from plays where user_id = $user_id) as plays,
    (select count(*) from play_records where user_id = $user_id) as records,
    (select count(*) from import_jobs where user_id = $user_id) as imports,
    (select count(*) from job_runs where user_id = $user_id) as runs,
    (select count(*) from logs where user_id = $user_id) as logs,
    (
        select count(distinct mine.track_id)
        from play_records as mine
        anti join (
            select track_id from play_records where user_id <> $user_id
        ) as others using (track_id)
        where mine.user_id = $user_id
    ) as tracks;

-- step: remove_rejected
delete from rejected_rows
where file_id in (
    select import_files.file_id
    from import_files
    inner join import_jobs using (import_id)
    where import_jobs.user_id = $user_id
);

-- step: remove_rows
delete from record_rows
where file_id in (
    select import_files.file_id
    from import_files
    inner join import_jobs using (import_id)
    where import_jobs.user_id = $user_id
);

-- step: remove_privates
delete from record_privates
where file_id in (
    select import_files.file_id
    from import_files
    inner join import_jobs using (import_id)
    where import_jobs.user_id = $user_id
);

-- step: remove_files
delete from import_files
where import_id in (select import_id from import_jobs where user_id = $user_id);

-- step: remove_imports
delete from import_jobs where user_id = $user_id;

-- step: remove_records
delete from play_records where user_id = $user_id;

-- step: remove_plays
delete from plays where user_id = $user_id;

-- step: remove_checkpoints
delete from sync_checkpoints where user_id = $user_id;

-- step: remove_closings
delete from gap_closings where user_id = $user_id;

-- step: remove_gaps
delete from coverage_gaps where user_id = $user_id;

-- step: remove_runs
delete from job_runs where user_id = $user_id;

-- step: remove_logs
delete from logs where user_id = $user_id;

-- step: remove_user
delete from users where user_id = $user_id;

-- step: remove_ignored
delete from ignore_rules where user_id = $user_id;
