-- Listeners.

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
