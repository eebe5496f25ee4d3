-- From staged rows to records. `stage` holds the fields of model.Record, the file and the row.

-- step: create_stage
create or replace temp table stage (
    file_id integer,
    row_index integer,
    package varchar,
    source varchar,
    played_at_ms bigint,
    kind varchar,
    ms_played bigint,
    uri varchar,
    title varchar,
    artist varchar,
    album varchar,
    album_uri varchar,
    artist_uri varchar,
    album_artist varchar,
    platform varchar,
    country varchar,
    reason_start varchar,
    reason_end varchar,
    shuffle boolean,
    skipped boolean,
    offline boolean,
    offline_timestamp bigint,
    incognito boolean,
    context_uri varchar,
    private varchar
);

-- step: counted
-- The staged rows where none is of account data.
select *, 1 as nth from stage

-- step: counted_equal
select *, 1 as nth from stage where source <> 'account'
union all
select
    *,
    row_number() over (
        partition by package, played_at_ms, ms_played, kind, artist, title, album
        order by file_id, row_index
    )::integer as nth
from stage
where source = 'account'

-- step: keys
-- record_id: equal only where every kept field is equal (FACTS 6.2). head_id: what one source says
-- is one play. For `extended` the names stay out of it where a URI tells the content, so that a
-- later export with a renamed artist is the same play; for `account` the kind stays out, because
-- old files list episodes as tracks (FACTS 5.1), and the n-th equal row of one export is the n-th
-- of another. For a scrobbler the album stays out: only some of its exports tell it.
with

counted as (
    {counted}
),

identified as (
    select
        *,
        case
            when uri like 'spotify:track:%' or uri like 'spotify:episode:%'
                then split_part(uri, ':', 3)
            when coalesce(uri, title, artist, album) is null then null
            else 'local:' || sha1(
                coalesce(artist, '') || '|' || coalesce(title, uri, '') || '|' || coalesce(album, '')
            )
        end as track_id
    from counted
),

described as (
    select
        *,
        coalesce(artist, '') || chr(31) || coalesce(title, '') || chr(31) || coalesce(album, '')
            as names,
        case source
            when 'account' then concat_ws(
                chr(31), $user_id, 'account', played_at_ms, ms_played, nth,
                coalesce(case kind when 'audiobook_chapter' then album else artist end, ''),
                coalesce(title, '')
            )
            when 'extended' then concat_ws(
                chr(31), $user_id, 'extended', played_at_ms, ms_played,
                coalesce(track_id, ''), coalesce(platform, ''), coalesce(country, ''),
                coalesce(reason_start, ''), coalesce(reason_end, ''),
                coalesce(shuffle::integer, 2) + 3 * coalesce(skipped::integer, 2)
                + 9 * coalesce(offline::integer, 2) + 27 * coalesce(incognito::integer, 2),
                coalesce(offline_timestamp, -1)
            )
            when 'api' then concat_ws(
                chr(31), $user_id, 'api', played_at_ms,
                coalesce(track_id, ''), coalesce(context_uri, ''), coalesce(artist_uri, ''),
                coalesce(album_uri, ''), coalesce(album_artist, '')
            )
            else concat_ws(
                chr(31), $user_id, source, played_at_ms, coalesce(ms_played::varchar, ''),
                coalesce(uri, ''), coalesce(artist, ''), coalesce(title, '')
            )
        end as head,
        concat_ws(
            chr(30), kind, names, coalesce(uri, ''), coalesce(album_uri, '')
        ) as rest
    from identified
)

select
    xor(md5_number(head), md5_number(rest))::uuid as record_id,
    case source
        when 'api' then xor(md5_number(head), md5_number(rest)) else md5_number(head)
    end::uuid as head_id,
    epoch_ms(played_at_ms)::timestamp at time zone 'UTC' as played_at,
    * exclude (head, names, rest, played_at_ms, package)
from described

-- step: count_keyed
select count(*), count(private), count(distinct {id}) from {keyed};

-- step: count_known
select count(*)
from play_records
where
    user_id = $user_id
    and played_at between (select min(played_at) from {keyed})
    and (select max(played_at) from {keyed});

-- step: fresh
create or replace temp view fresh as select * from {rows};

-- step: find_fresh
-- The records not known yet, where no two rows say the same one.
create or replace temp table fresh_rows as
select keyed.*
from {keyed} as keyed
anti join (
    select record_id
    from play_records
    where
        user_id = $user_id
        and played_at between (select min(played_at) from {keyed})
        and (select max(played_at) from {keyed})
) as known using (record_id);

-- step: drop_repeated
-- Each record once, with the first row that said it.
delete from fresh_rows
using (
    select record_id, min((file_id, row_index)) as first_row
    from fresh_rows
    group by record_id
    having count(*) > 1
) as repeated
where
    fresh_rows.record_id = repeated.record_id
    and (fresh_rows.file_id, fresh_rows.row_index) <> repeated.first_row;

-- step: insert_fresh
insert into play_records by name
select
    record_id, head_id as play_id, head_id, $user_id as user_id, source, played_at, ms_played, kind,
    track_id, uri, title, artist, album, album_uri, artist_uri, album_artist, platform, country,
    reason_start, reason_end, shuffle, skipped, offline, offline_timestamp, incognito, context_uri,
    nth, private
from fresh;

-- step: keep_private
-- Rows that agree in all kept fields may differ in their private ones: the greatest is kept.
update play_records
set private = told.private
from (
    select record_id, max(private) as private
    from {keyed}
    where private is not null
    group by record_id
) as told
where
    play_records.user_id = $user_id
    and play_records.record_id = told.record_id
    and (play_records.private is null or play_records.private < told.private);

-- step: count_sharing
-- How many files with rows here share the rows of an earlier one with the same bytes.
select count(*)
from import_files
where content_file_id <> file_id and file_id in (select distinct file_id from {keyed});

-- step: insert_rows
insert into record_rows
select record_id, file_id, row_index from {keyed};

-- step: insert_unshared_rows
-- Every record keeps a row of its own: an equal account row in a second copy is one more play.
insert into record_rows
select keyed.record_id, keyed.file_id, keyed.row_index
from {keyed} as keyed
inner join import_files using (file_id)
where
    import_files.content_file_id = import_files.file_id
    or keyed.record_id in (select record_id from fresh);

-- step: tell_each
-- What each fresh record tells of its track, artist and album.
create or replace temp view told as
select
    track_id, source, kind, title, artist, album, album_artist, played_at,
    artist_id_of(artist_uri, artist) as artist_id,
    album_id_of(album_uri, artist, album) as album_id
from fresh;

-- step: tell
-- grain: one thing as one source tells of it in some records. What a record tells of names depends
-- on nothing else, and of the instants only the latest matters.
create or replace temp table told_rows as
select
    track_id, source, kind, title, artist, album, album_artist,
    max(played_at) as played_at,
    artist_id_of(artist_uri, artist) as artist_id,
    album_id_of(album_uri, artist, album) as album_id
from {records}
group by track_id, source, kind, title, artist, album, album_artist, artist_uri, album_uri;

-- step: told
create or replace temp view told as select * from told_rows;

-- step: upsert_tracks
-- Which source names a track best: api, then extended, then account, then scrobblers; then the
-- latest play; a title with a character that could not be read names it worst. A maximum of all
-- that is stored, so that the order of arrival does not matter.
insert into tracks by name
with

named as (
    select
        track_id,
        max(row(
            case
                when contains(title, chr(65533)) then 0
                when source = 'api' then 3
                when source = 'extended' then 2
                when source = 'account' then 1
                else 0
            end,
            played_at, title, artist_id, album_id, kind
        )) as best
    from told
    where track_id is not null
    group by track_id
)

select
    track_id,
    best[1] as named_rank, best[2] as named_at, best[3] as title, best[4] as artist_id,
    best[5] as album_id, best[6] as kind
from named
on conflict (track_id) do update set
    kind = excluded.kind,
    title = excluded.title,
    artist_id = excluded.artist_id,
    album_id = excluded.album_id,
    named_rank = excluded.named_rank,
    named_at = excluded.named_at
where
    row(
        excluded.named_rank, excluded.named_at, excluded.title, excluded.artist_id,
        excluded.album_id, excluded.kind
    ) > row(
        tracks.named_rank, tracks.named_at, tracks.title, tracks.artist_id,
        tracks.album_id, tracks.kind
    );

-- step: upsert_artists
-- Any name rather than one with a character that could not be read, and that rather than none.
insert into artists by name
select artist_id, max(row(not contains(artist, chr(65533)), artist))[2] as name
from told
where artist is not null
group by artist_id
on conflict (artist_id) do update set name = excluded.name
where
    row(not contains(excluded.name, chr(65533)), excluded.name)
    > row(artists.name <> '' and not contains(artists.name, chr(65533)), artists.name);

-- step: upsert_albums
insert into albums by name
select album_id, max(row(not contains(album, chr(65533)), album))[2] as name
from told
where album is not null
group by album_id
on conflict (album_id) do update set name = excluded.name
where
    row(not contains(excluded.name, chr(65533)), excluded.name)
    > row(albums.name <> '' and not contains(albums.name, chr(65533)), albums.name);

-- step: find_names
-- grain: one name that is told of one id. Exports name the album's artist (FACTS 5.3).
create or replace temp table fresh_names as
with

keyed_names as (
    select
        track_id, artist_id, album_id,
        name_key(title) as title_key, name_key(album) as album_key,
        name_key(artist) as artist_key, name_key(album_artist) as album_artist_key
    from told
),

names as (
    select
        unnest([
            {'entity': 'track', 'key': artist_key || chr(31) || title_key, 'id': track_id},
            {'entity': 'track', 'key': album_artist_key || chr(31) || title_key, 'id': track_id},
            {'entity': 'album', 'key': artist_key || chr(31) || album_key, 'id': album_id},
            {'entity': 'album', 'key': album_artist_key || chr(31) || album_key, 'id': album_id},
            {'entity': 'artist', 'key': artist_key, 'id': artist_id}
        ]) as name
    from keyed_names
)

select distinct name.entity as entity, name.key as name_key, name.id as id
from names
where name.key is not null and name.id is not null;

-- step: insert_names
insert into told_names by name
select * from fresh_names
on conflict do nothing;

-- step: link
-- A local id takes the Spotify id of the same artist and title, album or artist, once any
-- source reveals it, and keeps it when that is renamed later.
insert into track_links by name
with

touched as (
    select distinct entity, name_key from fresh_names
)

select local.entity, local.id as local_id, min(known.id) as spotify_id
from touched
inner join told_names as local
    on touched.entity = local.entity
    and touched.name_key = local.name_key
    and local.id like 'local:%'
inner join told_names as known
    on touched.entity = known.entity
    and touched.name_key = known.name_key
    and known.id not like 'local:%'
group by local.entity, local.id
on conflict (entity, local_id) do update set
    spotify_id = least(track_links.spotify_id, excluded.spotify_id);

-- step: upsert_track_details
update tracks
set duration_ms = coalesce(told.duration_ms, tracks.duration_ms),
    isrc = coalesce(told.isrc, tracks.isrc)
from track_details as told
where tracks.track_id = told.track_id;

-- step: upsert_album_details
update albums
set release_date = coalesce(told.release_date, albums.release_date),
    image_url = coalesce(told.image_url, albums.image_url)
from track_details as told
where albums.album_id = told.album_id;

-- step: count_new
-- A fresh record is new where its play holds no record known before: one such record a play.
with

plays_seen as (
    select
        assigned.play_id,
        bool_and(fresh.record_id is not null) as is_fresh
    from assigned
    left join fresh using (record_id)
    group by assigned.play_id
)

select count(*) filter (where is_fresh) from plays_seen;

-- step: create_track_details
create or replace temp table track_details as
select
    unnest($track_id::varchar[]) as track_id,
    unnest($duration_ms::bigint[]) as duration_ms,
    unnest($isrc::varchar[]) as isrc,
    unnest($album_id::varchar[]) as album_id,
    unnest($release_date::varchar[]) as release_date,
    unnest($image_url::varchar[]) as image_url;

-- step: create_credits
create or replace temp table credits as
select
    unnest($track_id::varchar[]) as track_id,
    unnest($position::integer[]) as position,
    unnest($artist_id::varchar[]) as artist_id,
    unnest($name::varchar[]) as name;

-- step: upsert_credited
insert into artists by name
select artist_id, max(name) as name
from credits
group by artist_id
on conflict (artist_id) do update set name = excluded.name
where
    row(not contains(excluded.name, chr(65533)), excluded.name)
    > row(artists.name <> '' and not contains(artists.name, chr(65533)), artists.name);

-- step: upsert_credits
insert into track_artists by name
select distinct on (track_id, position) track_id, position, artist_id
from credits
order by track_id, position, artist_id
on conflict (track_id, position) do update set artist_id = excluded.artist_id;

-- step: days
-- grain: one UTC day with rows
select epoch_us(date_trunc('day', played_at)) as day_us, count(*) as rows
from {keyed}
group by day_us
order by day_us;

-- step: part_start
-- The end of the longest pause of a day.
select epoch_us(arg_max(played_at, pause))
from (
    select played_at, played_at - lag(played_at) over (order by played_at) as pause
    from {keyed}
    where played_at >= $day and played_at < $day + interval 1 day
);

-- step: part
create or replace temp view part as
select *
from {keyed}
where played_at >= timestamptz '{first}' and played_at < timestamptz '{end}';
