-- What a page brought, and where plays are known to be missing.

-- step: newest_told
-- The newest play the API has told of.
select epoch_us(max(played_at))
from play_records
where user_id = $user_id and source = 'api';

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
    count(*) filter (where played_at < $newest_told::timestamptz) as late
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

-- step: newest_known
-- The newest play known before the page, of those older than its newest.
select epoch_us(max(played_at))
from plays
anti join (select play_id from assigned semi join fresh using (record_id)) using (play_id)
where user_id = $user_id and played_at < (select max(played_at) from fresh);

-- step: oldest_after
select epoch_us(min(played_at)) from fresh where played_at > $after::timestamptz;

-- step: add_gap
insert into coverage_gaps by name
select $user_id as user_id, $after::timestamptz as after_at, $before::timestamptz as before_at,
    $now::timestamptz as found_at
on conflict do nothing;

-- step: count_open_gaps
select count(*) from coverage_gaps where user_id = $user_id and closed_at is null;

-- step: close_spanned_gaps
-- Across sources and tellings one play's instant differs by 5 seconds at most (FACTS 6.2).
update coverage_gaps
set closed_at = $now::timestamptz
where
    user_id = $user_id
    and closed_at is null
    and exists (
        select 1
        from keyed
        where keyed.played_at between after_at - interval 5 second and after_at + interval 5 second
    )
    and (
        $is_backfill
        or before_at <= (select max(keyed.played_at) from keyed) + interval 5 second
    );

-- step: close_filled_gaps
-- Between any two neighbouring plays there is less than half a minute in which nothing is known to
-- have played: shorter plays are mostly not told at all (FACTS 3.8).
update coverage_gaps
set closed_at = $now::timestamptz
where
    user_id = $user_id
    and closed_at is null
    and not exists (
        select 1
        from (
            select
                coalesce(plays.ms_played, tracks.duration_ms, 0) as heard_ms,
                epoch_ms(plays.played_at) - lag(epoch_ms(plays.played_at)) over (
                    order by plays.played_at, plays.play_id
                ) as since_last_ms
            from plays
            left join tracks using (track_id)
            where
                plays.user_id = $user_id
                and plays.played_at between after_at and before_at
        )
        where since_last_ms - heard_ms >= 30000
    );

-- step: close_gaps
-- A gap is known to hold plays: an export that reaches across it and has some closes it. Account
-- data tells the minute a play ended in (FACTS 5.1).
update coverage_gaps
set closed_at = $now::timestamptz
where
    user_id = $user_id
    and closed_at is null
    and exists (
        select 1
        from {keyed} as keyed
        where keyed.source <> 'api' and keyed.kind = 'track'
        having min(keyed.played_at) <= after_at + interval 5 second
            and max(keyed.played_at) >= before_at - interval 65 second
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
