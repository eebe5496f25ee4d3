-- The accounts of work done.

-- step: add_run
insert into job_runs by name
select
    coalesce((select max(run_id) from job_runs), 0)::integer + 1 as run_id,
    $job as job, $user_id as user_id, $started::timestamptz as started_at,
    $finished::timestamptz as finished_at, $status as status, $stats::json as stats,
    $error as error;

-- step: add_logs
insert into logs by name
select
    $now::timestamptz as logged_at,
    unnest($levels::varchar[]) as level,
    unnest($jobs::varchar[]) as job,
    unnest($user_ids::integer[]) as user_id,
    unnest($messages::varchar[]) as message;

-- step: runs
select
    job_runs.run_id, job_runs.job, job_runs.user_id, users.name as user,
    epoch_us(job_runs.started_at), epoch_us(job_runs.finished_at), job_runs.status,
    job_runs.stats::varchar, job_runs.error
from job_runs
left join users using (user_id)
where
    ($job is null or job_runs.job = $job)
    and ($user_id is null or job_runs.user_id = $user_id)
    and (not $failed_only or job_runs.status = 'failed')
order by job_runs.finished_at desc, job_runs.run_id desc
limit $limit;

-- step: last_begun
select epoch_us(max(started_at)) from job_runs where job = $job and started_at <= $now::timestamptz;

-- step: entries
select
    epoch_us(logs.logged_at), logs.level, logs.job, logs.user_id, users.name as user, logs.message
from logs
left join users using (user_id)
where
    list_contains($levels::varchar[], logs.level)
    and ($user_id is null or logs.user_id = $user_id)
    and ($text is null or contains(lower(logs.message), lower($text)))
    and ($since is null or logs.logged_at >= $since::timestamptz)
order by logs.logged_at desc, logs.rowid desc
limit $limit;

-- step: purge_logs
delete from logs where logged_at < $before::timestamptz;

-- step: purge_runs
delete from job_runs where finished_at < $before::timestamptz and status <> 'running';
