-- The accounts of imports.

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
