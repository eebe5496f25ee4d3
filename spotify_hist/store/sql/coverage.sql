-- What a page brought, and where plays are known to be missing. What scrobblers noted proves nothing
-- about what Spotify told: here plays are known by Spotify's own sources alone.

-- step: known_before
-- The newest play the API has told of, and the newest record of Spotify's own sources that is older
-- than a page's newest.
select
    epoch_us(max(played_at) filter (where source = 'api')),
    epoch_us(max(played_at) filter (where played_at < $latest::timestamptz))
from play_records
where user_id = $user_id and source in ('extended', 'account', 'api');

-- step: page_result
-- Which plays of a page the API had not told of before, how many of them came after newer ones, and
-- whether no record of the page, and no play any of them is, was known before.
with

page as (
    select
        assigned.play_id,
        bool_or(
            fresh.record_id is null and assigned.source in ('extended', 'account', 'api')
        ) as is_known,
        bool_or(fresh.record_id is null and assigned.source = 'api') as is_told
    from assigned
    left join fresh using (record_id)
    group by assigned.play_id
    having bool_or(fresh.record_id is not null)
)

select
    count(*) filter (where not page.is_told) as new,
    count(*) filter (where not page.is_told and plays.played_at < $newest_told::timestamptz)
        as late,
    (
        not bool_or(page.is_known)
        and (select count(distinct record_id) from keyed) = (select count(*) from fresh)
    )::integer as is_unknown
from plays
inner join page using (play_id)
where plays.user_id = $user_id;

-- step: end_of_play
-- The end of the play of a record; the record and its play are about a minute apart at most.
select epoch_us(max(plays.played_at))
from play_records
inner join plays using (play_id)
where
    play_records.user_id = $user_id
    and play_records.played_at = $known::timestamptz
    and play_records.source in ('extended', 'account', 'api')
    and plays.user_id = $user_id
    and plays.played_at between $known::timestamptz - interval 2 minute
    and $known::timestamptz + interval 2 minute;

-- step: oldest_after
select epoch_us(min(played_at)) from fresh where played_at > $after::timestamptz;

-- step: add_gap
insert into coverage_gaps by name
select $user_id as user_id, $after::timestamptz as after_at, $before::timestamptz as before_at,
    $now::timestamptz as found_at
on conflict do nothing;

-- step: count_gaps
-- Those that are open, and what closed others that may be open again one day.
select
    (select count(*) from coverage_gaps where user_id = $user_id and closed_at is null) as open,
    (select count(*) from gap_closings where user_id = $user_id) as closings;

-- step: is_spanned
-- Across sources and tellings one play's instant differs by 5 seconds at most (FACTS 6.2).
exists (
    select 1
    from keyed
    where keyed.played_at between after_at - interval 5 second and after_at + interval 5 second
)
and (
    $is_backfill
    or before_at <= (select max(keyed.played_at) from keyed) + interval 5 second
)

-- step: close_spanned_gaps
update coverage_gaps
set closed_at = $now::timestamptz
where
    user_id = $user_id
    and closed_at is null
    and {is_spanned};

-- step: settle_spanned_gaps
-- A gap that a page fills stays closed, whatever becomes of the imports that reach across it.
delete from gap_closings
where
    user_id = $user_id
    and {is_spanned};

-- step: is_filled
-- Between any two neighbouring plays there is less than half a minute in which nothing is known to
-- have played: shorter plays are mostly not told at all (FACTS 3.8).
not exists (
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
            and list_has_any(plays.sources, ['extended', 'account', 'api'])
    )
    where since_last_ms - heard_ms >= 30000
)

-- step: note_filled_gaps
insert into gap_closings
select user_id, after_at, before_at, null
from coverage_gaps
where user_id = $user_id and closed_at is null and {is_filled};

-- step: close_noted_gaps
update coverage_gaps
set closed_at = $now::timestamptz
where
    user_id = $user_id
    and closed_at is null
    and (after_at, before_at) in (
        select (after_at, before_at) from gap_closings where user_id = $user_id
    );

-- step: find_told
-- grain: one track record that an import says, whether it was the first to say it or not
create or replace temp table told_by_import as
with

rows_of as (
    select file_id from import_files where import_id = $import_id
    union
    select content_file_id from import_files where import_id = $import_id
)

select played_at
from play_records
where
    user_id = $user_id
    and kind = 'track'
    and source in ('extended', 'account')
    and record_id in (select record_id from record_rows semi join rows_of using (file_id));

-- step: note_crossed_gaps
-- A gap is known to hold plays: an export that reaches across it and has some closes it. Account
-- data tells the minute a play ended in (FACTS 5.1).
insert into gap_closings
select user_id, after_at, before_at, $import_id
from coverage_gaps
where
    user_id = $user_id
    and (
        closed_at is null
        or (after_at, before_at) in (
            select (after_at, before_at) from gap_closings where user_id = $user_id
        )
    )
    and exists (
        select 1
        from told_by_import as told
        having min(told.played_at) <= after_at + interval 5 second
            and max(told.played_at) >= before_at - interval 65 second
            and count(*) filter (
                where told.played_at > after_at and told.played_at < before_at
            ) > 0
    );

-- step: find_edges
-- Gaps that begin at a play which is gone.
create or replace temp table moved_edges as
select
    coverage_gaps.*,
    (
        select max(plays.played_at)
        from plays
        where
            plays.user_id = $user_id
            and plays.played_at < coverage_gaps.after_at
            and list_has_any(plays.sources, ['extended', 'account', 'api'])
    ) as new_after_at
from coverage_gaps
where
    user_id = $user_id
    and exists (
        select 1
        from gone
        where gone.played_at between after_at - interval 65 second and after_at + interval 65 second
    )
    and not exists (
        select 1
        from plays
        where
            plays.user_id = $user_id
            and plays.played_at between after_at - interval 5 second
            and after_at + interval 5 second
            and list_has_any(plays.sources, ['extended', 'account', 'api'])
    );

-- step: move_closings
update gap_closings
set after_at = moved_edges.new_after_at
from moved_edges
where
    gap_closings.user_id = $user_id
    and gap_closings.after_at = moved_edges.after_at
    and gap_closings.before_at = moved_edges.before_at
    and moved_edges.new_after_at is not null;

-- step: drop_edges
delete from coverage_gaps
where
    user_id = $user_id
    and (after_at, before_at) in (select (after_at, before_at) from moved_edges);

-- step: add_edges
insert into coverage_gaps by name
select user_id, new_after_at as after_at, before_at, found_at, closed_at
from moved_edges
where user_id = $user_id and new_after_at is not null
on conflict do nothing;

-- step: drop_stray_closings
delete from gap_closings
where
    user_id = $user_id
    and (after_at, before_at) not in (
        select (after_at, before_at) from coverage_gaps where user_id = $user_id
    );

-- step: find_doubtful
create or replace temp table doubtful_gaps as
select distinct after_at, before_at
from gap_closings
where user_id = $user_id and (import_id = $import_id or import_id is null);

-- step: drop_closings
delete from gap_closings where user_id = $user_id and import_id = $import_id;

-- step: drop_unfilled
delete from gap_closings
where
    user_id = $user_id
    and import_id is null
    and exists (
        select 1
        from gone
        where gone.played_at between after_at - interval 65 second and before_at + interval 65 second
    )
    and not ({is_filled});

-- step: open_unproven_gaps
-- What another import closes was closed when that began.
update coverage_gaps
set closed_at = (
    select min(import_jobs.started_at)
    from gap_closings
    inner join import_jobs using (import_id)
    where
        gap_closings.user_id = $user_id
        and gap_closings.after_at = coverage_gaps.after_at
        and gap_closings.before_at = coverage_gaps.before_at
)
where
    user_id = $user_id
    and (after_at, before_at) in (select (after_at, before_at) from doubtful_gaps)
    and (after_at, before_at) not in (
        select (after_at, before_at)
        from gap_closings
        where user_id = $user_id and import_id is null
    );

-- step: open_gaps
select epoch_us(after_at), epoch_us(before_at)
from coverage_gaps
where
    user_id = $user_id
    and closed_at is null
order by after_at, before_at;

-- step: unknown_length
select count(*)
from plays
where
    user_id = $user_id
    and ms_played is null
    and (played_at >= $since or $since is null)
    and (played_at < $until or $until is null);
