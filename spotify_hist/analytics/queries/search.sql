-- name: search
-- summary: Finds tracks, artists, albums, shows, episodes and books that were played, by a part of their name.
-- grain: one row per thing found
-- core: yes
-- uses: period timezone travel min_ms raw user limit offset
-- param text: text required  What to look for, in any case; accents do not matter. The artist may stand before or after the name.
-- param min_ms: integer = 0 [0..86400000]  Shortest listened time of the plays that are counted, in milliseconds.
-- column entity: track, artist, album, show, episode or book.
-- column name: Its name.
-- column artist: Its artist, show or author; empty for an artist and a show.
-- column plays: Plays in the period, of any length unless min_ms says otherwise.
-- column first_played_at: When the first of these plays ended (UTC).
-- column last_played_at: When the latest of these plays ended (UTC).
-- column uri: The Spotify URI, where a source knows it.
-- example: --text "bohemian rhapsody"
with

-- what a name is found by: the one it counts under, and the one of each version
names as (
    select 'track' as thing, track_id as id, track as name, artist from v_tracks
    union
    select 'track', track_id, own_track, artist from v_tracks
    union
    select 'artist', artist_id, artist, null from v_tracks
    union
    select 'artist', artist_id, own_artist, null from v_tracks
    union
    select 'album', album_id, album, artist from v_tracks
),

keys as (
    select
        thing,
        id,
        search_key(name) as name_key,
        search_key(artist) as artist_key,
        search_key($text) as text_key
    from names
    where id is not null and search_key($text) <> ''
),

levels as (
    select
        thing,
        id,
        case
            when name_key = text_key then 1
            when starts_with(name_key, text_key) then 2
            when contains(name_key, text_key) then 3
            when contains(artist_key, text_key) then null
            when contains(artist_key || ' ' || name_key, text_key) then 4
            when contains(name_key || ' ' || artist_key, text_key) then 4
        end as level
    from keys
),

found as (
    select thing, id, min(level) as level
    from levels
    group by thing, id
    having min(level) is not null
),

-- few plays are of what was found: only they are counted
wanted as (
    select v_tracks.track_id
    from v_tracks
    inner join found on v_tracks.track_id = found.id and found.thing = 'track'
    union
    select v_tracks.track_id
    from v_tracks
    inner join found on v_tracks.artist_id = found.id and found.thing = 'artist'
    union
    select v_tracks.track_id
    from v_tracks
    inner join found on v_tracks.album_id = found.id and found.thing = 'album'
),

counted as (
    select kind, track_id, album_id, played_at
    from counted_plays
    where track_id in (select track_id from wanted)
),

songs as (
    select
        kind,
        track_id,
        album_id,
        count(*) as plays,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at
    from counted
    group by kind, track_id, album_id
),

albums as (
    select album_id, max(album) as album
    from v_tracks
    where album_id is not null
    group by album_id
),

named as (
    select songs.*, v_songs.track, v_songs.artist_id, v_songs.artist, v_songs.uri, albums.album
    from songs
    inner join v_songs on songs.track_id = v_songs.track_id
    left join albums on songs.album_id = albums.album_id
),

things as (
    select
        'track' as thing, kind as entity, track_id as id, track as name, artist, plays,
        first_played_at, last_played_at, uri
    from named
    where kind in ('track', 'episode')
    union all
    select
        'artist', case kind when 'track' then 'artist' else 'show' end, artist_id, artist, null,
        plays, first_played_at, last_played_at,
        case when artist_id not like 'local:%' then 'spotify:artist:' || artist_id end
    from named
    where kind in ('track', 'episode')
    union all
    select
        'album', case kind when 'track' then 'album' else 'book' end, album_id, album, artist,
        plays, first_played_at, last_played_at,
        case
            when album_id not like 'local:%' and kind = 'track' then 'spotify:album:' || album_id
            when album_id not like 'local:%' then 'spotify:show:' || album_id
        end
    from named
    where kind in ('track', 'audiobook_chapter')
),

by_artist as (
    select
        things.entity,
        things.id,
        things.name,
        things.artist,
        things.uri,
        found.level,
        sum(things.plays) as plays,
        min(things.first_played_at) as first_played_at,
        max(things.last_played_at) as last_played_at
    from things
    inner join found on things.thing = found.thing and things.id = found.id
    group by things.entity, things.id, things.name, things.artist, things.uri, found.level
),

-- an album of several artists is of the one who was played most
placed as (
    select
        *,
        row_number() over (
            partition by entity, id order by artist is null, plays desc, artist
        ) as place
    from by_artist
),

played as (
    select
        entity,
        id,
        name,
        uri,
        level,
        max(artist) filter (where place = 1) as artist,
        sum(plays)::bigint as plays,
        min(first_played_at) as first_played_at,
        max(last_played_at) as last_played_at
    from placed
    group by entity, id, name, uri, level
)

select entity, name, artist, plays, first_played_at, last_played_at, uri
from played
order by level, plays desc, entity, name, artist, id
limit $limit offset $offset
