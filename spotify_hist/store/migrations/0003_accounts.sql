-- Imports that can be told of again and undone: what each file brought, what an import closed and
-- kept, and whether it still stands.

alter table import_jobs add column keep_private boolean;
alter table import_jobs add column gaps_closed bigint;
alter table import_jobs add column ignored varchar[];
alter table import_jobs add column failed json;
alter table import_jobs add column undone_at timestamptz;

-- The bytes of the file as they were packed, where they were.
alter table import_files add column packed_sha256 varchar;
alter table import_files add column new bigint;
alter table import_files add column upgraded bigint;
alter table import_files add column duplicate bigint;
alter table import_files add column first_played_at timestamptz;
alter table import_files add column last_played_at timestamptz;
-- {kind: rows}
alter table import_files add column kinds json;

-- grain: one record whose private fields one file told
create table record_privates (
    record_id uuid not null,
    file_id integer not null,
    private varchar not null
);

-- grain: one import that reaches across one gap, or, without an import, the plays that leave no
-- room in it; a closed gap without any row was closed by a page of Spotify's for good
create table gap_closings (
    user_id integer not null,
    after_at timestamptz not null,
    before_at timestamptz not null,
    import_id integer
);

-- Who kept the private fields was not written down: every file that says the record.
insert into record_privates
select distinct play_records.record_id, import_files.file_id, play_records.private
from play_records
inner join record_rows using (record_id)
inner join import_files on record_rows.file_id = import_files.content_file_id
where play_records.private is not null;

update import_files
set first_played_at = told.first_played_at,
    last_played_at = told.last_played_at,
    kinds = told.kinds
from (
    select
        file_id,
        min(first_at) as first_played_at,
        max(last_at) as last_played_at,
        json_group_object(kind, rows) as kinds
    from (
        select
            record_rows.file_id,
            play_records.kind,
            count(*) as rows,
            min(play_records.played_at) as first_at,
            max(play_records.played_at) as last_at
        from record_rows
        inner join play_records using (record_id)
        group by record_rows.file_id, play_records.kind
    )
    group by file_id
) as told
where import_files.content_file_id = told.file_id;
