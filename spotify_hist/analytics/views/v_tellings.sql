-- grain: one row of an import, or one item of a poll, that told of a play: what exactly it said, and
-- where it stands. A file that was brought in again with the same bytes is here once.
create or replace temp view v_tellings as
select
    play_records.play_id,
    play_records.record_id,
    play_records.source,
    play_records.played_at as told_at,
    play_records.ms_played,
    play_records.title,
    play_records.artist,
    play_records.uri,
    coalesce(import_files.name, play_records.source) as file,
    import_files.import_id,
    import_files.file_id,
    record_rows.row_index
from play_records
left join record_rows
    on play_records.record_id = record_rows.record_id and play_records.source <> 'api'
left join import_files on record_rows.file_id = import_files.file_id
