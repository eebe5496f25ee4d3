-- The fast way for ordinary files of the extended history: DuckDB reads them itself. It must give
-- what normalise.extended_row gives, row for row; a file with a single row that is not plainly good
-- is left to that function. Every column is read as JSON text, so that no type is guessed; every
-- cast may fail, because DuckDB does not promise to look at the conditions first. Of keys that
-- nobody reads it bears more than the row reader: NaN, deep nesting, numbers beyond 64 bits.

-- step: read
create or replace temp table bulk_rows as
select
    file_index, ts, ms_played, platform, conn_country, master_metadata_track_name,
    master_metadata_album_artist_name, master_metadata_album_album_name, spotify_track_uri,
    episode_name, episode_show_name, spotify_episode_uri, audiobook_title, audiobook_uri,
    audiobook_chapter_uri, audiobook_chapter_title, reason_start, reason_end, shuffle, skipped,
    offline, offline_timestamp, incognito_mode
from read_json(
    $paths,
    format = 'array',
    columns = {
        ts: 'JSON', ms_played: 'JSON', platform: 'JSON', conn_country: 'JSON',
        master_metadata_track_name: 'JSON', master_metadata_album_artist_name: 'JSON',
        master_metadata_album_album_name: 'JSON', spotify_track_uri: 'JSON',
        episode_name: 'JSON', episode_show_name: 'JSON', spotify_episode_uri: 'JSON',
        audiobook_title: 'JSON', audiobook_uri: 'JSON', audiobook_chapter_uri: 'JSON',
        audiobook_chapter_title: 'JSON', reason_start: 'JSON', reason_end: 'JSON',
        shuffle: 'JSON', skipped: 'JSON', offline: 'JSON', offline_timestamp: 'JSON',
        incognito_mode: 'JSON'
    }
);

-- step: good_files
-- The files all of whose rows are plainly good, with their first row and number of rows.
with

judged as (
    select
        file_index,
        rowid,
        coalesce(
            regexp_full_match(ts, '"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"')
            and try_cast(ts[2:-3] as timestamp) >= timestamp '2006-01-01'
            and right(ts[2:-3], 2) <> '60'
            and ts[13:14] <> '24'
            and regexp_full_match(ms_played, '\d{1,9}')
            and try_cast(ms_played as bigint) <= 604800000
            and (offline_timestamp is null or regexp_full_match(offline_timestamp, '\d{1,18}'))
            and (shuffle is null or shuffle in ('true', 'false'))
            and (skipped is null or skipped in ('true', 'false'))
            and (offline is null or offline in ('true', 'false'))
            and (incognito_mode is null or incognito_mode in ('true', 'false'))
            and (platform is null or starts_with(platform, '"'))
            and (conn_country is null or starts_with(conn_country, '"'))
            and (
                master_metadata_track_name is null
                or starts_with(master_metadata_track_name, '"')
            )
            and (
                master_metadata_album_artist_name is null
                or starts_with(master_metadata_album_artist_name, '"')
            )
            and (
                master_metadata_album_album_name is null
                or starts_with(master_metadata_album_album_name, '"')
            )
            and (episode_name is null or starts_with(episode_name, '"'))
            and (episode_show_name is null or starts_with(episode_show_name, '"'))
            and (audiobook_title is null or starts_with(audiobook_title, '"'))
            and (audiobook_chapter_title is null or starts_with(audiobook_chapter_title, '"'))
            and (reason_start is null or starts_with(reason_start, '"'))
            and (reason_end is null or starts_with(reason_end, '"'))
            and (spotify_track_uri is null or starts_with(spotify_track_uri, '"spotify:'))
            and (spotify_episode_uri is null or starts_with(spotify_episode_uri, '"spotify:'))
            and (audiobook_uri is null or starts_with(audiobook_uri, '"spotify:'))
            and (audiobook_chapter_uri is null or starts_with(audiobook_chapter_uri, '"spotify:')),
            false
        ) as is_good
    from bulk_rows
)

select file_index, min(rowid), count(*)
from judged
group by file_index
having bool_and(is_good);

-- step: stage
insert into stage by name
with

texts as (
    select
        files.file_id,
        (bulk_rows.rowid - files.first_row)::integer as row_index,
        files.package,
        epoch_ms(try_cast(ts[2:-3] as timestamp)) as played_at_ms,
        try_cast(ms_played as bigint) as ms_played,
        nullif(platform ->> '$', '') as platform,
        nullif(conn_country ->> '$', '') as country,
        nullif(master_metadata_track_name ->> '$', '') as track,
        nullif(master_metadata_album_artist_name ->> '$', '') as artist,
        nullif(master_metadata_album_album_name ->> '$', '') as album,
        spotify_track_uri ->> '$' as track_uri,
        nullif(episode_name ->> '$', '') as episode,
        nullif(episode_show_name ->> '$', '') as podcast,
        spotify_episode_uri ->> '$' as episode_uri,
        nullif(audiobook_title ->> '$', '') as book,
        audiobook_uri ->> '$' as book_uri,
        audiobook_chapter_uri ->> '$' as chapter_uri,
        nullif(audiobook_chapter_title ->> '$', '') as chapter,
        nullif(reason_start ->> '$', '') as reason_start,
        nullif(reason_end ->> '$', '') as reason_end,
        try_cast(shuffle as boolean) as shuffle,
        try_cast(skipped as boolean) as skipped,
        try_cast(offline as boolean) as offline,
        nullif(try_cast(offline_timestamp as bigint), 0) as offline_timestamp,
        try_cast(incognito_mode as boolean) as incognito
    from bulk_rows
    inner join bulk_files as files using (file_index)
),

kinds as (
    select
        *,
        case
            when track_uri is not null or track is not null then 'track'
            when episode_uri is not null or episode is not null then 'episode'
            when chapter_uri is not null or chapter is not null then 'audiobook_chapter'
            else 'unknown'
        end as kind
    from texts
)

select
    file_id,
    row_index,
    package,
    'extended' as source,
    played_at_ms,
    kind,
    ms_played,
    case kind
        when 'track' then track_uri
        when 'episode' then episode_uri
        when 'audiobook_chapter' then chapter_uri
    end as uri,
    case kind
        when 'track' then track when 'episode' then episode when 'audiobook_chapter' then chapter
    end as title,
    case kind
        when 'track' then artist when 'episode' then podcast when 'unknown' then coalesce(artist, podcast)
    end as artist,
    case kind
        when 'track' then album when 'episode' then podcast when 'audiobook_chapter' then book
        else coalesce(album, podcast)
    end as album,
    case kind when 'audiobook_chapter' then book_uri end as album_uri,
    platform, country, reason_start, reason_end, shuffle, skipped, offline, offline_timestamp,
    incognito
from kinds;
