-- Which ids are one thing to a listener: links to Spotify's ids, one song on several albums, one
-- artist under several names (FACTS 7). Everything is made anew from the other tables; nothing in
-- them is changed.

-- step: fingerprint
-- The state of all that identities are made of, and the one that those kept were made of. DuckDB's
-- hashes may differ between its versions: then they are made anew once.
select
    concat_ws(
        ' ', version(),
        (select count(*) || ':' || bit_xor(hash(
            track_id, kind, title, artist_id, album_id, duration_ms, isrc
        )) from tracks),
        (select count(*) || ':' || bit_xor(hash(artist_id, name)) from artists),
        (
            select count(*) || ':' || bit_xor(hash(album_id, name, release_date, image_url))
            from albums
        ),
        (select count(*) || ':' || bit_xor(hash(entity, local_id, spotify_id)) from track_links),
        (select count(*) || ':' || bit_xor(hash(entity, id, into_id)) from identity_rules)
    ) as fingerprint,
    (select max(fingerprint) from identities_made) as kept_fingerprint;

-- step: macros
-- A title without what tells one release of a recording from another: remasters and the guests,
-- whom some releases name in the title.
create or replace temp macro song_title(title) as regexp_replace(
    name_key(title),
    '(\s*[(\[]|\s+[-–]\s+)(\d{4}\s+)?(digital(ly)?\s+)?re-?master(ed)?(\s+version)?(\s+\d{4})?[)\]]?$'
    || '|\s*[(\[](feat\.?|ft\.?|featuring)\s[^)\]]*[)\]]',
    '',
    'g'
);
create or replace temp macro key_of(id) as case when id is not null then hash(id) end;

-- step: artists
-- grain: one artist id of a track, and the one it counts as. Exports name artists without an id:
-- names that differ in case or spaces are one.
create or replace temp table artist_of as
with

linked as (
    select distinct
        tracks.artist_id as told_id,
        coalesce(track_links.spotify_id, tracks.artist_id) as own_id
    from tracks
    left join track_links
        on tracks.artist_id = track_links.local_id and track_links.entity = 'artist'
    where tracks.artist_id is not null
),

grouped as (
    select
        linked.told_id,
        linked.own_id,
        case
            when linked.own_id like 'local:%' then min(linked.own_id) over (
                partition by linked.own_id like 'local:%', coalesce(name_key(artists.name), linked.own_id)
            )
            else linked.own_id
        end as group_id
    from linked
    left join artists on linked.own_id = artists.artist_id
)

select
    grouped.told_id,
    grouped.own_id,
    case
        when own_rule.id is not null then coalesce(own_rule.into_id, grouped.own_id)
        else coalesce(group_rule.into_id, grouped.group_id)
    end as artist_id
from grouped
left join identity_rules as own_rule
    on grouped.own_id = own_rule.id and own_rule.entity = 'artist'
left join identity_rules as group_rule
    on grouped.group_id = group_rule.id and group_rule.entity = 'artist';

-- step: linked
-- grain: one told track id, as the Spotify id and the names it stands for
create or replace temp table linked as
select
    told.track_id as told_id,
    known.track_id as own_track_id,
    known.kind,
    known.title as own_track,
    artist_of.own_id as own_artist_id,
    own_artists.name as own_artist,
    artist_of.artist_id,
    coalesce(artists.name, own_artists.name) as artist,
    coalesce(album_link.spotify_id, known.album_id) as album_id,
    albums.name as album,
    known.duration_ms,
    upper(known.isrc) as isrc,
    albums.release_date,
    albums.image_url
from tracks as told
left join track_links as track_link
    on told.track_id = track_link.local_id and track_link.entity = 'track'
left join tracks as revealed on track_link.spotify_id = revealed.track_id
inner join tracks as known on coalesce(revealed.track_id, told.track_id) = known.track_id
left join artist_of on known.artist_id = artist_of.told_id
left join artists as own_artists on artist_of.own_id = own_artists.artist_id
left join artists on artist_of.artist_id = artists.artist_id
left join track_links as album_link
    on known.album_id = album_link.local_id and album_link.entity = 'album'
left join albums on coalesce(album_link.spotify_id, known.album_id) = albums.album_id;

-- step: songs
-- grain: one track; song_id is the least id with the same artist and title, or its own where the
-- listener has put it apart
create or replace temp table songs as
with

distinct_tracks as (
    select distinct on (own_track_id) own_track_id, kind, own_track, artist_id, isrc
    from linked
    order by own_track_id
),

keyed as (
    select
        distinct_tracks.own_track_id,
        case when apart.id is null then distinct_tracks.isrc end as isrc,
        case
            when apart.id is null and kind = 'track' and own_track is not null
                then artist_id || chr(31) || song_title(own_track)
        end as song_key
    from distinct_tracks
    left join identity_rules as apart
        on distinct_tracks.own_track_id = apart.id and apart.entity = 'track' and apart.into_id is null
)

select
    own_track_id,
    isrc,
    coalesce(min(own_track_id) over (partition by coalesce(song_key, own_track_id)), own_track_id)
        as song_id
from keyed;

-- step: count_edges
select
    (
        select count(*)
        from (select isrc from songs where isrc is not null group by isrc having count(*) > 1)
    ),
    (select count(*) from identity_rules where entity = 'track' and into_id is not null);

-- step: edges
-- grain: two songs that are one, by ISRC or because the listener says so
create or replace temp table edges as
select distinct first_id, other_id
from (
    select min(song_id) over (partition by isrc) as first_id, song_id as other_id
    from songs
    where isrc is not null
    union all
    select coalesce(into_song.song_id, rules.into_id), coalesce(songs.song_id, rules.id)
    from identity_rules as rules
    left join songs on rules.id = songs.own_track_id
    left join songs as into_song on rules.into_id = into_song.own_track_id
    where rules.entity = 'track' and rules.into_id is not null
)
where first_id <> other_id;

-- step: roots
create or replace temp table roots as
select distinct song_id, song_id as root_id
from (
    select first_id as song_id from edges
    union all
    select other_id from edges
);

-- step: spread
-- Until nothing changes: each song takes the least root of those it is joined to.
create or replace temp table spread as
select roots.song_id, least(roots.root_id, min(near.root_id)) as root_id
from roots
inner join (
    select first_id as song_id, other_id as near_id from edges
    union all
    select other_id, first_id from edges
) as joined using (song_id)
inner join roots as near on joined.near_id = near.song_id
group by roots.song_id, roots.root_id;

-- step: count_spread
select count(*) from spread inner join roots using (song_id) where spread.root_id <> roots.root_id;

-- step: take_spread
create or replace temp table roots as select * from spread;

-- step: no_roots
create or replace temp table roots (song_id varchar, root_id varchar);

-- step: make
-- The song is shown by the version that a listener has put others to, else by the plainest one: one
-- Spotify knows, with the shortest title.
create or replace temp table made_identities as
with

rooted as (
    select songs.own_track_id, coalesce(roots.root_id, songs.song_id) as root_id
    from songs
    left join roots using (song_id)
),

shown as (
    select
        rooted.root_id,
        arg_min(
            row(linked.own_track_id, linked.own_track, linked.artist_id, linked.artist),
            row(
                targets.id is null, linked.own_track_id like 'local:%',
                coalesce(strlen(linked.own_track), 0), linked.own_track, linked.own_track_id
            )
        ) as version
    from rooted
    inner join linked using (own_track_id)
    left join (
        select distinct into_id as id from identity_rules where entity = 'track'
    ) as targets on rooted.own_track_id = targets.id
    group by rooted.root_id
)

-- Keys are numbers that stand for ids. Told once for each track: for each play that would cost a
-- question a good part of its time, and so would what a linked id says better of its kind (old
-- account files call an episode a track).
select
    linked.told_id,
    linked.own_track_id,
    linked.own_track,
    linked.own_artist_id,
    linked.own_artist,
    shown.version[1] as track_id,
    shown.version[2] as track,
    shown.version[3] as artist_id,
    shown.version[4] as artist,
    linked.kind,
    linked.album_id,
    linked.album,
    linked.duration_ms,
    linked.isrc,
    linked.release_date,
    linked.image_url,
    md5_number_lower(linked.told_id) as told_key,
    hash(linked.own_track_id) as own_track_key,
    key_of(linked.own_artist_id) as own_artist_key,
    hash(shown.version[1]) as track_key,
    key_of(shown.version[3]) as artist_key,
    key_of(linked.album_id) as album_key,
    case when linked.own_track_id <> linked.told_id then linked.kind end as linked_kind
from linked
inner join rooted using (own_track_id)
inner join shown using (root_id)
order by linked.told_id;

-- step: clear_kept
delete from identities;

-- step: keep
insert into identities by name select * from made_identities;

-- step: clear_made
delete from identities_made;

-- step: note_made
insert into identities_made values ($fingerprint);

-- step: use_kept
create or replace temp view identity as select * from identities;

-- step: use_made
create or replace temp view identity as select * from made_identities;

-- step: rules
-- grain: one rule, with the names of both sides as they are shown
with

named as (
    select 'track' as entity, own_track_id as id,
        any_value(own_track || coalesce(' - ' || own_artist, '')) as name
    from identity
    group by own_track_id
    union all
    select 'artist', own_artist_id, any_value(own_artist)
    from identity
    where own_artist_id is not null
    group by own_artist_id
)

select rules.entity, rules.id, one.name, rules.into_id, other.name, epoch_us(rules.made_at)
from identity_rules as rules
left join named as one on rules.entity = one.entity and rules.id = one.id
left join named as other on rules.entity = other.entity and rules.into_id = other.id
where rules.entity = $entity
order by rules.made_at, rules.id;

-- step: versions
-- grain: one track id that counts as the one asked for
select distinct own_track_id, own_track, own_artist, album, isrc
from identity
where track_id = $id
order by own_track, album, own_track_id;

-- step: names_of_artist
-- grain: one artist id that counts as the one asked for
select distinct own_artist_id, own_artist
from identity
where artist_id = $id
order by own_artist, own_artist_id;

-- step: target
-- What an id was put to itself.
select coalesce(max(into_id), $id) from identity_rules where entity = $entity and id = $id;

-- step: release
delete from identity_rules where entity = $entity and id = $id;

-- step: put
insert or replace into identity_rules values ($entity, $id, $into_id, $now);

-- step: follow
update identity_rules set into_id = $into_id where entity = $entity and into_id = $id;
