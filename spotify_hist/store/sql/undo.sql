-- The undoing of an import: what it alone said goes, what others said too stays.

-- step: find_heirs
-- grain: one file of the import whose rows a file of another import shares, and the first such file
create or replace temp table heirs as
select mine.file_id, min(theirs.file_id) as heir_id
from import_files as mine
inner join import_files as theirs
    on mine.file_id = theirs.content_file_id and mine.import_id <> theirs.import_id
where mine.import_id = $import_id
group by mine.file_id;

-- step: hand_over_rows
update record_rows
set file_id = heirs.heir_id
from heirs
where record_rows.file_id = heirs.file_id;

-- step: hand_over_files
update import_files
set content_file_id = heirs.heir_id
from heirs
where import_files.content_file_id = heirs.file_id and import_files.import_id <> $import_id;

-- step: let_go_files
update import_files set content_file_id = file_id where import_id = $import_id;

-- step: find_gone
-- grain: one record that no other file says. What polls told is known of no file: it stays, also
-- where a file of this program's own export told it again.
create or replace temp table gone as
with

mine as (
    select distinct record_id
    from record_rows
    where file_id in (select file_id from import_files where import_id = $import_id)
),

others as (
    select record_id
    from record_rows
    where file_id not in (select file_id from import_files where import_id = $import_id)
)

select
    play_records.record_id, play_records.play_id, play_records.played_at, play_records.source
from play_records
semi join (select record_id from mine anti join others using (record_id)) using (record_id)
where play_records.user_id = $user_id and play_records.source <> 'api';

-- step: remove_rows
delete from record_rows
where file_id in (select file_id from import_files where import_id = $import_id);

-- step: remove_records
delete from play_records where user_id = $user_id and record_id in (select record_id from gone);

-- step: remove_plays
-- Those with other records left are made anew.
delete from plays where user_id = $user_id and play_id in (select play_id from gone);

-- step: find_private
create or replace temp table unkept as
select distinct record_id
from record_privates
where file_id in (select file_id from import_files where import_id = $import_id);

-- step: remove_privates
delete from record_privates
where file_id in (select file_id from import_files where import_id = $import_id);

-- step: restore_private
update play_records
set private = (
    select max(record_privates.private)
    from record_privates
    where record_privates.record_id = play_records.record_id
)
where user_id = $user_id and record_id in (select record_id from unkept);

-- step: count_plays
select count(*) from plays where user_id = $user_id;
