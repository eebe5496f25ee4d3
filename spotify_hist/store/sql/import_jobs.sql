-- The accounts of imports.

-- step: next_ids
select
    coalesce((select max(import_id) from import_jobs), 0) + 1,
    coalesce((select max(file_id) from import_files), 0);

-- step: known_files
select distinct
    import_files.format, import_files.content_sha256, import_files.packed_sha256,
    import_files.records
from import_files
inner join import_jobs using (import_id)
where
    import_jobs.user_id = $user_id
    and import_jobs.undone_at is null
    and import_files.damage is null
    and import_files.rejected = 0
    and import_files.format not like 'account%';

-- step: unknown_files
select count(*)
from import_files
where list_contains($file_ids::integer[], file_id) and content_file_id = file_id;

-- step: add_files
-- A file with the bytes of an earlier one that still stands says the very same records, and shares
-- its rows. Not so account data: which of several equal rows one is depends on the files beside it.
insert into import_files by name
with

told as (
    select
        unnest($file_ids::integer[]) as file_id,
        unnest($names::varchar[]) as name,
        unnest($packages::varchar[]) as package,
        unnest($formats::varchar[]) as format,
        unnest($sha256s::varchar[]) as content_sha256,
        unnest($packed_sha256s::varchar[]) as packed_sha256,
        unnest($records::bigint[]) as records,
        unnest($rejected::bigint[]) as rejected,
        unnest($damages::varchar[]) as damage,
        unnest($firsts::timestamptz[]) as first_played_at,
        unnest($lasts::timestamptz[]) as last_played_at,
        unnest($kinds::json[]) as kinds,
        unnest($unknown_keys::json[]) as unknown_keys
),

earlier as (
    select
        told.file_id,
        arg_min(import_files, import_files.file_id) as file
    from told
    inner join import_files
        on told.content_sha256 = import_files.content_sha256
        and told.format = import_files.format
        and told.records = import_files.records
        and told.rejected = import_files.rejected
        and told.damage is not distinct from import_files.damage
    inner join import_jobs using (import_id)
    where
        import_files.file_id = import_files.content_file_id
        and import_files.format not like 'account%'
        and import_jobs.user_id = $user_id
        and import_jobs.undone_at is null
    group by told.file_id
)

select
    told.file_id, $import_id as import_id, told.name, told.package, told.format,
    told.content_sha256, told.packed_sha256,
    coalesce(earlier.file.file_id, told.file_id) as content_file_id,
    told.records, told.rejected, told.damage,
    coalesce(told.first_played_at, earlier.file.first_played_at) as first_played_at,
    coalesce(told.last_played_at, earlier.file.last_played_at) as last_played_at,
    coalesce(told.kinds, earlier.file.kinds) as kinds,
    coalesce(told.unknown_keys, earlier.file.unknown_keys) as unknown_keys
from told
left join earlier using (file_id)
order by told.file_id;

-- step: add_rejected
insert into rejected_rows
select unnest($file_ids::integer[]), unnest($indexes::integer[]), unnest($reasons::varchar[]);

-- step: add_privates
insert into record_privates
select record_id, file_id, max(private)
from {keyed}
where private is not null
group by record_id, file_id;

-- step: count_files
update import_files
set new = told.new,
    upgraded = told.upgraded,
    duplicate = import_files.records - import_files.rejected - told.new - told.upgraded
from (
    select
        unnest($file_ids::integer[]) as file_id,
        unnest($new::bigint[]) as new,
        unnest($upgraded::bigint[]) as upgraded
) as told
where import_files.file_id = told.file_id;

-- step: add_import
insert into import_jobs by name
select
    $import_id as import_id, $user_id as user_id, $started::timestamptz as started_at,
    $finished::timestamptz as finished_at, $keep_private as keep_private,
    $plays_added as plays_added, $gaps_closed as gaps_closed, $ignored::varchar[] as ignored,
    $failed::json as failed, sum(records) as records, sum(new) as new, sum(upgraded) as upgraded,
    sum(duplicate) as duplicate, sum(rejected) as rejected
from import_files
where import_id = $import_id;

-- step: mark_undone
update import_jobs set undone_at = $now::timestamptz where import_id = $import_id;

-- step: imports
select
    import_jobs.import_id, import_jobs.user_id, users.name as user, users.timezone,
    epoch_us(import_jobs.started_at) as started_us,
    epoch_us(import_jobs.finished_at) as finished_us, epoch_us(import_jobs.undone_at) as undone_us,
    import_jobs.records, import_jobs.new, import_jobs.upgraded, import_jobs.duplicate,
    import_jobs.rejected, import_jobs.plays_added, import_jobs.gaps_closed,
    import_jobs.keep_private, import_jobs.ignored, import_jobs.failed::varchar as failed
from import_jobs
inner join users using (user_id)
where
    ($import_id is null or import_jobs.import_id = $import_id)
    and ($user_id is null or import_jobs.user_id = $user_id)
order by import_jobs.import_id desc
limit $limit;

-- step: files
select
    file_id, import_id, name, package, format, content_sha256 as sha256, packed_sha256, records,
    new, upgraded, duplicate, rejected as rejected_count, damage,
    epoch_us(first_played_at) as first_us, epoch_us(last_played_at) as last_us,
    kinds::varchar as kinds, unknown_keys::varchar as unknown_keys
from import_files
where list_contains($import_ids::integer[], import_id)
order by file_id;

-- step: rejected
select file_id, row_index, reason
from rejected_rows
where file_id in (select file_id from import_files where import_id = $import_id)
order by file_id, row_index;
