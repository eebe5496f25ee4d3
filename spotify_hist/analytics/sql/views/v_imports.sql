-- view: v_imports
-- grain: one row per import for the listener
-- column import_id: The id, as in 'import list'.
-- column started_at: When it began.
-- column finished_at: When it was done.
-- column undone_at: When it was taken back; empty where it stands.
-- column files: How many files it read.
-- column records: Rows read.
-- column new: Rows that told of plays not known before.
-- column upgraded: Rows that told more about plays already known.
-- column duplicate: Rows that said again what was known.
-- column rejected: Rows that could not be read.
-- column plays_added: Plays it added.
create or replace temp view v_imports as
with

files as (
    select import_id, count(*) as files
    from import_files
    group by import_id
)

select
    import_jobs.import_id,
    import_jobs.started_at,
    import_jobs.finished_at,
    import_jobs.undone_at,
    coalesce(files.files, 0) as files,
    import_jobs.records,
    import_jobs.new,
    import_jobs.upgraded,
    import_jobs.duplicate,
    import_jobs.rejected,
    import_jobs.plays_added
from import_jobs
left join files on import_jobs.import_id = files.import_id
where import_jobs.user_id = listener_id()
