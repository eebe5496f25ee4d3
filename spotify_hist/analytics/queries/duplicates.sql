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

tellings as (
    select
        plays.play_id,
        plays.played_at,
        plays.track,
        plays.artist,
        told.record_id,
        told.source,
        told.told_at,
        told.ms_played,
        told.title,
        told.artist as told_artist,
        told.uri,
        told.file,
        told.import_id,
        told.file_id,
        told.row_index
    from counted_plays as plays
    inner join v_tellings as told on plays.play_id = told.play_id
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
