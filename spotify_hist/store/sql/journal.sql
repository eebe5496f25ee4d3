-- The accounts of work done.

-- step: add_run
insert into job_runs by name
select
    coalesce((select max(run_id) from job_runs), 0)::integer + 1 as run_id,
    $job as job, $user_id as user_id, $started::timestamptz as started_at,
    $finished::timestamptz as finished_at, $status as status, $stats::json as stats,
    $error as error;
