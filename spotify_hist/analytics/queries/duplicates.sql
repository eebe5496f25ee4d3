-- name: duplicates
-- summary: The evidence for the counting: which rows of which files and polls were taken as one play, newest play first.
-- grain: one row per row of an import, or item of a poll, that told of a play
-- uses: plays limit offset
-- param kind: text = all {track|episode|audiobook_chapter|unknown|all}  What was played.
-- param min_ms: integer = 0 [0..86400000]  Shortest listened time of the plays shown, in milliseconds.
-- param track: text  Only plays of which some row names a track, episode or chapter with this text in it, in any case.
-- param artist: text  Only plays of which some row names an artist, show or author with this text in it, in any case.
-- param several: text = rows {rows|records|sources|all}  Plays told of by several rows, by several rows that do not say the same, by several sources; or all plays.
-- param limit: integer = 50 [1..100000]  Most rows to return.
-- column played_at: When the play ended (UTC), as it was counted.
-- column track: The track, episode or chapter, as it was counted.
-- column artist: Its artist; for an episode the show, for a chapter the author.
-- column play: The beginning of the play's id: rows that share it were counted once.
-- column tellings: How many rows tell of this play.
-- column source: Which source this row is of.
-- column told_at: The instant this row tells (UTC); account data tells the minute alone.
-- column ms_played: The listened time this row tells, in milliseconds; empty where it tells none.
-- column told_track: What was played, as this row names it.
-- column told_artist: By whom, as this row names it.
-- column uri: The Spotify URI this row tells; empty where it tells none.
-- column file: The file this row is in; for a poll `api`.
-- column import_id: The import that brought the file in; empty for a poll.
-- column row_index: The row's place in its file, from 0; empty for a poll.
-- example: --track "Bohemian" --several sources
with

-- Nearly all plays have one row: those of several are looked for by ids alone. That tells too much
-- where a poll was read twice, and never too little. Every play has a record, and every record of
-- an import a row: where there are as many of the one as of the other, none has several.
counts as (
    select
        (select count(*) from plays) as plays,
        (select count(*) from play_records) as records,
        (select count(*) from play_records where source <> 'api') as imported_records,
        (select count(*) from record_rows) as imported_rows
),

crowded_records as (
    select record_id
    from record_rows
    where $several <> 'all' and (select imported_rows > imported_records from counts)
    group by record_id
    having count(*) > 1
),

crowded as (
    select play_id
    from play_records
    where $several <> 'all' and (select records > plays from counts)
    group by play_id
    having count(*) > 1
    union all
    select play_id
    from play_records
    where record_id in (select record_id from crowded_records)
),

-- Of all plays the newest are enough, as each has a row.
counted as (
    select play_id, played_at, track, artist
    from counted_plays
    where $several = 'all' or play_id in (select play_id from crowded)
    order by played_at desc, play_id
    limit case when $several = 'all' and $track is null and $artist is null
        then $limit + $offset
    end
),

told as (
    select
        counted.play_id,
        counted.played_at,
        counted.track,
        counted.artist,
        records.record_id,
        records.source,
        records.played_at as told_at,
        records.ms_played,
        records.title,
        records.artist as told_artist,
        records.uri
    from counted
    inner join play_records as records on counted.play_id = records.play_id
),

-- A file that was brought in again with the same bytes has its rows here once.
places as (
    select
        record_rows.record_id,
        record_rows.file_id,
        record_rows.row_index,
        import_files.name as file,
        import_files.import_id
    from record_rows
    left join import_files on record_rows.file_id = import_files.file_id
    where record_rows.record_id in (select told.record_id from told where told.source <> 'api')
),

tellings as (
    select
        told.*,
        coalesce(places.file, told.source) as file,
        places.import_id,
        places.file_id,
        places.row_index
    from told
    left join places on told.record_id = places.record_id
),

evidence as (
    select
        play_id,
        count(*) as tellings,
        count(distinct record_id) as records,
        count(distinct source) as sources,
        max(case when strpos(lower(track), lower($track)) > 0 then 1 else 0 end) as is_track,
        max(case when strpos(lower(title), lower($track)) > 0 then 1 else 0 end) as is_told_track,
        max(case when strpos(lower(artist), lower($artist)) > 0 then 1 else 0 end) as is_artist,
        max(
            case when strpos(lower(told_artist), lower($artist)) > 0 then 1 else 0 end
        ) as is_told_artist
    from tellings
    group by play_id
)

select
    tellings.played_at,
    tellings.track,
    tellings.artist,
    substring(tellings.play_id::varchar, 1, 8) as play,
    evidence.tellings,
    tellings.source,
    tellings.told_at,
    tellings.ms_played,
    tellings.title as told_track,
    tellings.told_artist,
    tellings.uri,
    tellings.file,
    tellings.import_id,
    tellings.row_index
from tellings
inner join evidence on tellings.play_id = evidence.play_id
where
    case $several
        when 'rows' then evidence.tellings > 1
        when 'records' then evidence.records > 1
        when 'sources' then evidence.sources > 1
        else true
    end
    and ($track is null or is_track + is_told_track > 0)
    and ($artist is null or is_artist + is_told_artist > 0)
order by
    tellings.played_at desc,
    tellings.play_id,
    tellings.source,
    tellings.told_at,
    tellings.file_id,
    tellings.row_index,
    tellings.record_id
limit $limit offset $offset
