-- How far each job has come with each listener.

-- step: set_checkpoint
insert into sync_checkpoints by name
select $user_id as user_id, $job as job,
    (select max(played_at) from plays where user_id = $user_id) as newest_played_at,
    $now::timestamptz as checked_at, $state::json as state
on conflict (user_id, job) do update set
    newest_played_at = excluded.newest_played_at,
    checked_at = excluded.checked_at,
    state = excluded.state;

-- step: states
select user_id, state::varchar from sync_checkpoints where job = $job and state is not null;
