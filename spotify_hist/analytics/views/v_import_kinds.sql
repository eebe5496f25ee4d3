-- grain: one file of an import that stands, and a kind of what it tells; a format's name begins with
-- that of its source
create or replace temp view v_import_kinds as
select
    import_jobs.import_id,
    import_jobs.user_id,
    v_sources.source,
    unnest(json_keys(import_files.kinds)) as kind,
    import_files.first_played_at,
    import_files.last_played_at
from import_jobs
inner join import_files on import_jobs.import_id = import_files.import_id
inner join v_sources on starts_with(import_files.format, v_sources.source)
where import_jobs.undone_at is null
