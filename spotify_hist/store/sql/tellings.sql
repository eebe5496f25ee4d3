-- What records tell of tracks, artists and albums, and what of it goes with records that go.

-- step: remember_told
create or replace temp table no_longer_told as select * from fresh_names;

-- step: remember_things
create or replace temp table things_left as
select 'track' as entity, track_id as id from told where track_id is not null
union
select 'artist', artist_id from told where artist_id is not null
union
select 'album', album_id from told where album_id is not null;

-- step: drop_names
-- What nobody else tells. An artist who is credited on a track of somebody else's was told of by
-- Spotify itself.
delete from told_names
where
    (entity, name_key, id) in (
        select (entity, name_key, id) from no_longer_told
        except
        select (entity, name_key, id) from fresh_names
    )
    and not (
        entity = 'artist'
        and id in (
            select artist_id
            from track_artists
            where track_id in (select track_id from told)
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
    track_id not in (select track_id from told where track_id is not null)
    and track_id not in (select spotify_id from track_links where entity = 'track');

-- step: drop_credits
delete from track_artists where track_id not in (select track_id from tracks);

-- step: unname_tracks
-- The statements that name things take the best of what is there and what is told: what may have
-- been told by the records that are gone must not be there.
update tracks set named_rank = -1
where
    track_id in (select id from things_left where entity = 'track')
    and track_id in (select track_id from told);

-- step: unname_artists
update artists set name = ''
where
    artist_id in (select id from things_left where entity = 'artist')
    and artist_id in (select artist_id from told)
    and artist_id not in (select artist_id from track_artists);

-- step: unname_albums
update albums set name = ''
where
    album_id in (select id from things_left where entity = 'album')
    and album_id in (select album_id from told);

-- step: drop_artists
delete from artists
where
    artist_id not in (select artist_id from told where artist_id is not null)
    and artist_id not in (select artist_id from track_artists)
    and artist_id not in (select artist_id from tracks where artist_id is not null)
    and artist_id not in (select spotify_id from track_links where entity = 'artist');

-- step: drop_albums
delete from albums
where
    album_id not in (select album_id from told where album_id is not null)
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
-- well: what was told of a track that a record which is gone told of too, and searches without a
-- result any more, are asked again.
delete from enrich_queue
where
    id not in (
        select track_id from tracks
        union all
        select artist_id from artists
        union all
        select album_id from albums
    )
    or (entity = 'track' and id in (select id from things_left where entity = 'track'))
    or (
        entity = 'link'
        and state = 'done'
        and id not in (select local_id from track_links where entity = 'track')
    );
