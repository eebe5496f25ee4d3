-- The fast way for ordinary files of the extended history: DuckDB reads them itself. It must give
-- what normalise.extended_row gives, row for row; a file with a single row that is not plainly good
-- is left to that function. Columns are read as JSON text, so that no type is guessed, but for those
-- whose strings cannot be taken for anything else that JSON has: these are read as plain text, which
-- is faster. Every cast may fail, because DuckDB does not promise to look at the conditions first.

-- step: create
-- grain: one row of one file. Rows that DuckDB read have no row_index yet, as rows are numbered in
-- the order they lie in; of a row that is not plainly good it is -1.
create or replace table keyed_rows as {keys} limit 0;

-- step: create_files
-- grain: one file that DuckDB has read; the rowid of its first row
create or replace table bulk_files (file_id integer, first_row bigint);

-- step: counted
with

texts as (
    select
        $file_ids[file_index::bigint + 1]::integer as file_id,
        case when coalesce(
            regexp_full_match(
                ts, '20\d\d-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ'
            )
            and try_cast(left(ts, 19) as timestamp) >= timestamp '2006-01-01'
            and regexp_full_match(ms_played, '\d{1,9}')
            and try_cast(ms_played as bigint) <= 604800000
            and (offline_timestamp is null or regexp_full_match(offline_timestamp, '\d{1,18}'))
            and (shuffle is null or shuffle in ('true', 'false'))
            and (skipped is null or skipped in ('true', 'false'))
            and (offline is null or offline in ('true', 'false'))
            and (incognito_mode is null or incognito_mode in ('true', 'false'))
            and (
                coalesce(platform, '') = ''
                or (platform >= 'A' and platform < '[' or platform >= 'a' and platform < '{')
                and lower(platform) not in ('true', 'false', 'nan', 'inf', 'infinity')
            )
            and (coalesce(conn_country, '') = '' or regexp_full_match(conn_country, '[A-Z][A-Z]'))
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
            and (
                coalesce(reason_start, '') = ''
                or reason_start >= 'a' and reason_start < '{'
                and reason_start not in ('true', 'false', 'nan', 'inf', 'infinity')
            )
            and (
                coalesce(reason_end, '') = ''
                or reason_end >= 'a' and reason_end < '{'
                and reason_end not in ('true', 'false', 'nan', 'inf', 'infinity')
            )
            and (spotify_track_uri is null or starts_with(spotify_track_uri, 'spotify:'))
            and (spotify_episode_uri is null or starts_with(spotify_episode_uri, 'spotify:'))
            and (audiobook_uri is null or starts_with(audiobook_uri, 'spotify:'))
            and (audiobook_chapter_uri is null or starts_with(audiobook_chapter_uri, 'spotify:')),
            false
        ) then null else -1 end::integer as row_index,
        epoch_ms(try_cast(left(ts, 19) as timestamp)) as played_at_ms,
        try_cast(ms_played as bigint) as ms_played,
        nullif(platform, '') as platform,
        nullif(conn_country, '') as country,
        nullif(master_metadata_track_name ->> '$', '') as track,
        nullif(master_metadata_album_artist_name ->> '$', '') as artist,
        nullif(master_metadata_album_album_name ->> '$', '') as album,
        spotify_track_uri as track_uri,
        nullif(episode_name ->> '$', '') as episode,
        nullif(episode_show_name ->> '$', '') as podcast,
        spotify_episode_uri as episode_uri,
        nullif(audiobook_title ->> '$', '') as book,
        audiobook_uri as book_uri,
        audiobook_chapter_uri as chapter_uri,
        nullif(audiobook_chapter_title ->> '$', '') as chapter,
        nullif(reason_start, '') as reason_start,
        nullif(reason_end, '') as reason_end,
        try_cast(shuffle as boolean) as shuffle,
        try_cast(skipped as boolean) as skipped,
        try_cast(offline as boolean) as offline,
        nullif(try_cast(offline_timestamp as bigint), 0) as offline_timestamp,
        try_cast(incognito_mode as boolean) as incognito
    from read_json(
        $paths,
        format = 'array',
        maximum_object_size = 4194304,
        hive_partitioning = false,
        columns = {
            ts: 'VARCHAR', ms_played: 'JSON', platform: 'VARCHAR', conn_country: 'VARCHAR',
            master_metadata_track_name: 'JSON', master_metadata_album_artist_name: 'JSON',
            master_metadata_album_album_name: 'JSON', spotify_track_uri: 'VARCHAR',
            episode_name: 'JSON', episode_show_name: 'JSON', spotify_episode_uri: 'VARCHAR',
            audiobook_title: 'JSON', audiobook_uri: 'VARCHAR', audiobook_chapter_uri: 'VARCHAR',
            audiobook_chapter_title: 'JSON', reason_start: 'VARCHAR', reason_end: 'VARCHAR',
            shuffle: 'JSON', skipped: 'JSON', offline: 'JSON', offline_timestamp: 'JSON',
            incognito_mode: 'JSON'
        }
    )
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
    null as package,
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
    incognito,
    null::varchar as artist_uri, null::varchar as album_artist, null::varchar as context_uri,
    null::varchar as private, 1 as nth
from kinds

-- step: read
insert into keyed_rows by name
{keys};

-- step: read_files
-- grain: one file of the last reading; whether all of its rows are plainly good
select file_id, min(rowid), count(*), bool_and(row_index is null)
from keyed_rows
where file_id in (select unnest($file_ids::integer[]))
group by file_id;

-- step: take
insert into bulk_files select unnest($file_ids::integer[]), unnest($first_rows::bigint[]);

-- step: keyed
-- The rows of all files with their numbers; not those of files that were left to the row reader.
create or replace temp view {view} as
select
    (rows.file_id + {file_offset})::integer as file_id,
    coalesce(rows.row_index, (rows.rowid - files.first_row)::integer) as row_index,
    rows.* exclude (file_id, row_index)
from {schema}.keyed_rows as rows
left join {schema}.bulk_files as files using (file_id)
where rows.row_index >= 0 or rows.row_index is null and files.first_row is not null;
