-- What goes out of the history, and how it is written.

-- step: records
-- grain: one record of one listener: what one source said about one play. From these alone the plays
-- are made, so that importing them gives the same plays again.
select
    record_id,
    play_id,
    source,
    strftime(make_timestamp(epoch_us(played_at)), '%Y-%m-%dT%H:%M:%S.%gZ') as played_at,
    ms_played,
    kind,
    uri,
    title,
    artist,
    album,
    album_uri,
    artist_uri,
    album_artist,
    platform,
    country,
    reason_start,
    reason_end,
    shuffle,
    skipped,
    "offline",
    offline_timestamp,
    incognito,
    context_uri,
    private
from play_records
where user_id = {user_id}
order by play_records.played_at, record_id

-- step: write_csv
copy ({rows}) to '{file}' (format csv, header true);

-- step: read_csv
from read_csv(
    '{file}', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"',
    max_line_size = 100000000, hive_partitioning = false
)

-- step: lines
-- One object a line without what is null.
select json_merge_patch('{}', to_json(told))::varchar as line from ({rows}) as told

-- step: write_ndjson
-- The text of JSON has no control characters, so that one as delimiter and no quotes leave it as it
-- is.
copy ({rows}) to '{file}' (
    format csv, header false, quote '', escape '', delimiter '\x1f'
);

-- step: read_ndjson
from read_csv(
    '{file}', header = false, quote = '', escape = '', delim = '\x1f',
    columns = {'line': 'varchar'}, max_line_size = 100000000, hive_partitioning = false
)

-- step: plays
-- grain: one play of one of the listeners, with the names and the song it counts as; the year is UTC's
select
    users.name as listener,
    extract(year from make_timestamp(epoch_us(plays.played_at)))::integer as year,
    plays.play_id,
    plays.played_at,
    plays.ms_played,
    plays.kind,
    plays.track_id as told_id,
    coalesce(identity.track_id, plays.track_id) as track_id,
    identity.track,
    identity.artist_id,
    identity.artist,
    identity.album_id,
    identity.album,
    identity.duration_ms,
    identity.isrc,
    identity.release_date,
    plays.platform,
    plays.country,
    plays.reason_start,
    plays.reason_end,
    plays.shuffle,
    plays.skipped,
    plays."offline",
    plays.incognito,
    plays.context_uri,
    plays.sources
from plays
inner join users on plays.user_id = users.user_id
left join identity on plays.track_id = identity.told_id
where plays.user_id in ({user_ids})
order by plays.user_id, plays.played_at, plays.play_id

-- step: told
-- grain: one record of one of the listeners; the year is UTC's
select
    users.name as listener,
    extract(year from make_timestamp(epoch_us(play_records.played_at)))::integer as year,
    play_records.* exclude (user_id, head_id, track_id, nth)
from play_records
inner join users on play_records.user_id = users.user_id
where play_records.user_id in ({user_ids})
order by play_records.user_id, play_records.played_at, play_records.record_id

-- step: write_parquet
copy ({rows}) to '{file}' (
    format parquet, compression zstd, partition_by (listener, year)
);

-- step: read_parquet
-- What the directories are called is taken from their end: whatever lies above may have names of
-- the same form.
select
    * exclude (file_of),
    url_decode(regexp_extract(file_of, '/listener=([^/]*)/year=[^/]*/[^/]*$', 1)) as listener,
    regexp_extract(file_of, '/year=([^/]*)/[^/]*$', 1) as year
from read_parquet('{file}/**/*.parquet', hive_partitioning = false, filename = 'file_of')

-- step: sums
-- How many rows there are, and of each column the sum of its values' hashes.
select count(*) as rows_in_all, sum(hash(coalesce(columns(*)::varchar, ''))) from ({rows});

-- step: count_records
select count(*) from play_records where user_id = $user_id;

-- step: count_plays
select count(*) from plays where user_id = $user_id;

-- step: listens
-- grain: one listen as ListenBrainz takes it, with its year and month: a track listened to for 30
-- seconds, or for a time nobody tells, at the second it began where that is known, else ended
-- (docs/users/json.rst of metabrainz/listenbrainz-server)
with

named as (
    select
        plays.play_id,
        plays.ms_played,
        epoch_us(plays.played_at) // 1000 - coalesce(plays.ms_played, 0) as noted_ms,
        identity.own_track as track,
        identity.own_artist as artist,
        identity.album,
        identity.duration_ms,
        identity.isrc,
        case
            when identity.own_track_id not like 'local:%'
                then 'https://open.spotify.com/track/' || identity.own_track_id
        end as address
    from plays
    inner join identity on plays.track_id = identity.told_id
    where
        plays.user_id = $user_id
        and plays.kind = 'track'
        and (plays.ms_played >= 30000 or plays.ms_played is null)
        and identity.own_track is not null
        and identity.own_artist is not null
)

select
    strftime(make_timestamp(noted_ms * 1000), '%Y') as year,
    strftime(make_timestamp(noted_ms * 1000), '%-m') as month,
    json_merge_patch('{}', to_json({
        'listened_at': noted_ms // 1000,
        'track_metadata': {
            'artist_name': artist,
            'track_name': track,
            'release_name': album,
            'additional_info': {
                'submission_client': 'spotify-hist',
                'music_service': 'spotify.com',
                'spotify_id': address,
                'origin_url': address,
                'isrc': isrc,
                'duration_ms': duration_ms,
                'duration_played': ms_played / 1000.0
            }
        }
    }))::varchar as listen
from named
order by noted_ms, play_id;

-- step: left_out
-- grain: one reason why plays are no listens, in the order in which they are looked at
select
    case
        when plays.kind <> 'track' then plays.kind
        when identity.own_track is null or identity.own_artist is null then 'without a name'
        else 'under 30 seconds'
    end as reason,
    count(*) as plays
from plays
left join identity on plays.track_id = identity.told_id
where
    plays.user_id = $user_id
    and not (
        plays.kind = 'track'
        and identity.own_track is not null
        and identity.own_artist is not null
        and (plays.ms_played >= 30000 or plays.ms_played is null)
    )
group by 1
order by 1;

-- step: empty_operations
-- What only the collecting on this machine needs.
delete from job_runs;
delete from logs;
delete from sync_checkpoints;
delete from enrich_queue;
delete from app_abilities;
