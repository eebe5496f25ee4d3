-- What a page brought, and where plays are known to be missing.

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
