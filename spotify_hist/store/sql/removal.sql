-- The removal of a listener, and what of tracks, artists and albums goes with them.

-- step: holdings
select
    (select count(*) from plays where user_id = $user_id) as plays,
    (select count(*) from play_records where user_id = $user_id) as records,
    (select count(*) from import_jobs where user_id = $user_id) as imports,
    (select count(*) from job_runs where user_id = $user_id) as runs,
    (select count(*) from logs where user_id = $user_id) as logs,
    (
        select count(distinct mine.track_id)
        from play_records as mine
        anti join (
            select track_id from play_records where user_id <> $user_id
        ) as others using (track_id)
        where mine.user_id = $user_id
    ) as tracks;

-- step: remove_rejected
delete from rejected_rows
where file_id in (
    select import_files.file_id
    from import_files
    inner join import_jobs using (import_id)
    where import_jobs.user_id = $user_id
);

-- step: remove_rows
delete from record_rows
where file_id in (
    select import_files.file_id
    from import_files
    inner join import_jobs using (import_id)
    where import_jobs.user_id = $user_id
);

-- step: remove_files
delete from import_files
where import_id in (select import_id from import_jobs where user_id = $user_id);

-- step: remove_imports
delete from import_jobs where user_id = $user_id;

-- step: remove_records
delete from play_records where user_id = $user_id;

-- step: remove_plays
delete from plays where user_id = $user_id;

-- step: remove_checkpoints
delete from sync_checkpoints where user_id = $user_id;

-- step: remove_gaps
delete from coverage_gaps where user_id = $user_id;

-- step: remove_runs
delete from job_runs where user_id = $user_id;

-- step: remove_logs
delete from logs where user_id = $user_id;

-- step: remove_user
delete from users where user_id = $user_id;

-- step: tellings
-- grain: one thing as one source tells of it, by one listener, or with null by all. What a record
-- tells of names depends on nothing else, and of the instants only the latest matters. The ids are
-- made as records.sql makes them.
create or replace temp table fresh as
select
    track_id, source, kind, title, artist, album, album_uri, artist_uri, album_artist,
    coalesce(split_part(artist_uri, ':', 3), 'local:' || sha1(artist)) as artist_id,
    coalesce(
        split_part(album_uri, ':', 3), 'local:' || sha1(coalesce(artist, '') || '|' || album)
    ) as album_id,
    max(played_at) as played_at
from play_records
where $user_id is null or user_id = $user_id
group by all;

-- step: remember_told
create or replace temp table told_by_them as select * from fresh_names;

-- step: remember_things
create or replace temp table their_things as
select 'track' as entity, track_id as id from fresh where track_id is not null
union
select 'artist', artist_id from fresh where artist_id is not null
union
select 'album', album_id from fresh where album_id is not null;

-- step: drop_names
-- What they alone told. An artist who is credited on a track of somebody else's was told of by
-- Spotify itself.
delete from told_names
where
    (entity, name_key, id) in (
        select (entity, name_key, id) from told_by_them
        except
        select (entity, name_key, id) from fresh_names
    )
    and not (
        entity = 'artist'
        and id in (
            select artist_id
            from track_artists
            where track_id in (select track_id from fresh)
        )
    );

-- step: unlink
-- Greater than any id, so that the least of the ids still told takes its place.
update track_links set spotify_id = '~';

-- step: drop_unlinked
delete from track_links where spotify_id = '~';

-- step: drop_tracks
delete from tracks
where
    track_id not in (select track_id from fresh where track_id is not null)
    and track_id not in (select spotify_id from track_links where entity = 'track');

-- step: drop_credits
delete from track_artists where track_id not in (select track_id from tracks);

-- step: unname_tracks
-- The statements that name things take the best of what is there and what is told: what they may
-- have told must not be there.
update tracks set named_rank = 0
where
    track_id in (select id from their_things where entity = 'track')
    and track_id in (select track_id from fresh);

-- step: unname_artists
update artists set name = ''
where
    artist_id in (select id from their_things where entity = 'artist')
    and artist_id in (select artist_id from fresh)
    and artist_id not in (select artist_id from track_artists);

-- step: unname_albums
update albums set name = ''
where
    album_id in (select id from their_things where entity = 'album')
    and album_id in (select album_id from fresh);

-- step: drop_artists
delete from artists
where
    artist_id not in (select artist_id from fresh where artist_id is not null)
    and artist_id not in (select artist_id from track_artists)
    and artist_id not in (select artist_id from tracks where artist_id is not null)
    and artist_id not in (select spotify_id from track_links where entity = 'artist');

-- step: drop_albums
delete from albums
where
    album_id not in (select album_id from fresh where album_id is not null)
    and album_id not in (select album_id from tracks where album_id is not null)
    and album_id not in (select spotify_id from track_links where entity = 'album');

-- step: drop_names_of_nothing
delete from told_names
where
    (entity = 'track' and id not in (select track_id from tracks))
    or (entity = 'artist' and id not in (select artist_id from artists))
    or (entity = 'album' and id not in (select album_id from albums));

-- step: drop_features
delete from audio_features where track_id not in (select track_id from tracks);

-- step: ask_again
-- Nothing is asked about what is gone. A name that a record told may be one that Spotify told as
-- well: what was told of a track that they had played too, and searches without a result any more,
-- are asked again.
delete from enrich_queue
where
    id not in (
        select track_id from tracks
        union all
        select artist_id from artists
        union all
        select album_id from albums
    )
    or (entity = 'track' and id in (select id from their_things where entity = 'track'))
    or (
        entity = 'link'
        and state = 'done'
        and id not in (select local_id from track_links where entity = 'track')
    );
