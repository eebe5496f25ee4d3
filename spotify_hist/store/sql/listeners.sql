-- Listeners.

-- step: listeners
select user_id, name, account_id, display_name, timezone, spotify_id
from users
order by user_id;

-- step: add_listener
insert into users by name
select
    coalesce((select max(user_id) from users), 0)::integer + 1 as user_id,
    $name as name, $account_id as account_id, $spotify_id as spotify_id,
    $display_name as display_name, $now::timestamptz as created_at
returning user_id, name, account_id, display_name, timezone, spotify_id;

-- step: attach_account
update users
set account_id = $account_id, spotify_id = $spotify_id, display_name = $display_name
where user_id = $user_id
returning user_id, name, account_id, display_name, timezone, spotify_id;

-- step: overview
select
    users.user_id, users.name, users.account_id, users.display_name, users.timezone,
    users.spotify_id,
    epoch_us(users.paused_at) as paused_us,
    coalesce(told.plays, 0) as plays,
    told.first_us,
    told.newest_us
from users
left join (
    select
        user_id,
        count(*) as plays,
        epoch_us(min(played_at)) as first_us,
        epoch_us(max(played_at)) as newest_us
    from plays
    group by user_id
) as told using (user_id)
order by users.user_id;

-- step: polled
select user_id, epoch_us(checked_at) from sync_checkpoints where job = 'poll';

-- step: paused
select user_id from users where paused_at is not null;

-- step: pause
update users set paused_at = coalesce(paused_at, $now::timestamptz) where user_id = $user_id;

-- step: resume
update users set paused_at = null where user_id = $user_id;

-- step: set_timezone
update users set timezone = $zone where user_id = $user_id;

-- step: rename
update users set name = $name where user_id = $user_id;
