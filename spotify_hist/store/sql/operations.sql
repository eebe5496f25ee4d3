-- Listeners, checkpoints, gaps and the accounts of work done.

-- step: listeners
select user_id, name, account_id, display_name, timezone from users order by user_id;

-- step: add_listener
insert into users by name
select
    coalesce((select max(user_id) from users), 0)::integer + 1 as user_id,
    $name as name, $account_id as account_id, $spotify_id as spotify_id,
    $display_name as display_name, $now::timestamptz as created_at
returning user_id, name, account_id, display_name, timezone;

-- step: attach_account
update users
set account_id = $account_id, spotify_id = $spotify_id, display_name = $display_name
where user_id = $user_id
returning user_id, name, account_id, display_name, timezone;

-- step: page_state
-- What was known before a page: its newest play, and the newest play the API told of.
select
    epoch_us(max(played_at)) as newest_us,
    epoch_us(max(played_at) filter (where list_contains(sources, 'api'))) as newest_api_us
from plays
where user_id = $user_id;

-- step: page_result
-- Which plays of a page the API had not told of before, and how many of them came after newer ones.
with

page as (
    select distinct assigned.play_id
    from assigned semi join fresh using (record_id)
),

told_before as (
    select distinct assigned.play_id
    from assigned
    inner join play_records using (record_id)
    anti join fresh using (record_id)
    where play_records.source = 'api'
),

added as (
    select plays.play_id, plays.played_at
    from plays
    semi join page using (play_id)
    anti join told_before using (play_id)
    where plays.user_id = $user_id
)

select
    count(*) as new,
    count(*) filter (where played_at < $newest_api::timestamptz) as late
from added;

-- step: page_is_unknown
-- 1 where no record of the page, and no play any of them is, was known before the page.
select (
    (select count(distinct record_id) from keyed) = (select count(*) from fresh)
    and not exists (
        select 1
        from assigned
        semi join (select play_id from assigned semi join fresh using (record_id)) using (play_id)
        anti join fresh using (record_id)
    )
)::integer;

-- step: newest_before
select epoch_us(max(played_at)) from plays
where user_id = $user_id and played_at < $before::timestamptz;

-- step: oldest_of_page
select epoch_us(min(played_at)) from fresh;

-- step: add_gap
insert into coverage_gaps by name
select $user_id as user_id, $after::timestamptz as after_at, $before::timestamptz as before_at,
    $now::timestamptz as found_at
on conflict do nothing;

-- step: close_gaps
-- A gap is known to hold plays: an extended export that reaches across it and has some closes it.
update coverage_gaps
set closed_at = $now::timestamptz
where
    user_id = $user_id
    and closed_at is null
    and exists (
        select 1
        from {keyed} as keyed
        where keyed.source = 'extended'
        having min(keyed.played_at) <= after_at + interval 5 second
            and max(keyed.played_at) >= before_at - interval 5 second
            and count(*) filter (
                where keyed.played_at > after_at and keyed.played_at < before_at
            ) > 0
    );

-- step: open_gaps
select epoch_us(after_at), epoch_us(before_at)
from coverage_gaps
where
    user_id = $user_id
    and closed_at is null
    and (before_at > $since or $since is null)
    and (after_at < $until or $until is null)
order by after_at, before_at;

-- step: unknown_length
select count(*)
from plays
where
    user_id = $user_id
    and ms_played is null
    and (played_at >= $since or $since is null)
    and (played_at < $until or $until is null);

-- step: set_checkpoint
insert into sync_checkpoints by name
select $user_id as user_id, $job as job,
    (select max(played_at) from plays where user_id = $user_id) as newest_played_at,
    $now::timestamptz as checked_at
on conflict (user_id, job) do update set
    newest_played_at = excluded.newest_played_at,
    checked_at = excluded.checked_at;

-- step: add_run
insert into job_runs by name
select
    coalesce((select max(run_id) from job_runs), 0)::integer + 1 as run_id,
    $job as job, $user_id as user_id, $started::timestamptz as started_at,
    $finished::timestamptz as finished_at, $status as status, $stats::json as stats,
    $error as error;

-- step: next_ids
select
    coalesce((select max(import_id) from import_jobs), 0) + 1,
    coalesce((select max(file_id) from import_files), 0);

-- step: add_file
insert into import_files by name
select
    $file_id as file_id, $import_id as import_id, $name as name, $package as package,
    $format as format, $sha256 as content_sha256,
    coalesce((
        select min(earlier.file_id)
        from import_files as earlier
        inner join import_jobs using (import_id)
        where earlier.content_sha256 = $sha256
            and earlier.file_id = earlier.content_file_id
            and earlier.damage is not distinct from $damage
            and import_jobs.user_id = $user_id
    ), $file_id) as content_file_id,
    $records as records, $rejected as rejected, $damage as damage;

-- step: add_rejected
insert into rejected_rows
select $file_id, unnest($indexes::integer[]), unnest($reasons::varchar[]);

-- step: add_import
insert into import_jobs by name
select
    $import_id as import_id, $user_id as user_id, $started::timestamptz as started_at,
    $finished::timestamptz as finished_at, $records as records, $new as new,
    $upgraded as upgraded, $duplicate as duplicate, $rejected as rejected,
    $plays_added as plays_added;
