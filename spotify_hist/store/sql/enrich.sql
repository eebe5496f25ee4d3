-- What Spotify can still tell of what was played: what is wanted, and keeping what it told.

-- step: find_wanted
-- grain: one thing to ask Spotify about, with the plays of all listeners that it is part of.
-- Of a local track it is the link; where a link is known, the Spotify id stands for it. Features are
-- wanted of tracks that Spotify has told of.
create or replace temp table wanted as
with

listened as (
    select coalesce(links.spotify_id, plays.track_id) as track_id, count(*) as plays
    from plays
    left join track_links as links
        on links.entity = 'track' and plays.track_id = links.local_id
    where plays.kind = 'track' and plays.track_id is not null
    group by 1
),

known as (
    select
        listened.track_id,
        listened.plays,
        listened.track_id like 'local:%' as is_local,
        tracks.title,
        tracks.artist_id as told_artist_id,
        tracks.album_id as told_album_id,
        tracks.duration_ms,
        tracks.isrc,
        coalesce(artist_links.spotify_id, tracks.artist_id) as artist_id,
        coalesce(album_links.spotify_id, tracks.album_id) as album_id
    from listened
    inner join tracks on listened.track_id = tracks.track_id
    left join track_links as artist_links
        on artist_links.entity = 'artist' and tracks.artist_id = artist_links.local_id
    left join track_links as album_links
        on album_links.entity = 'album' and tracks.album_id = album_links.local_id
    where tracks.kind = 'track'
),

credited as (
    select track_id, artist_id, plays from known
    union
    select known.track_id, track_artists.artist_id, known.plays
    from known
    inner join track_artists on known.track_id = track_artists.track_id
),

of_artists as (
    select artist_id, sum(plays)::bigint as plays
    from credited
    where artist_id not like 'local:%'
    group by artist_id
),

of_albums as (
    select album_id, sum(plays)::bigint as plays
    from known
    where album_id not like 'local:%'
    group by album_id
),

things as (
    select 'track' as entity, track_id as id, plays, told_artist_id, told_album_id, title
    from known
    where
        not is_local
        and (
            duration_ms is null or isrc is null or album_id is null or album_id like 'local:%'
        )
    union all
    select 'link', track_id, plays, told_artist_id, told_album_id, title
    from known
    where is_local and title is not null and told_artist_id is not null
    union all
    select 'artist', of_artists.artist_id, of_artists.plays, null, null, null
    from of_artists
    inner join artists using (artist_id)
    where artists.genres is null and artists.image_url is null
    union all
    select 'album', of_albums.album_id, of_albums.plays, null, null, null
    from of_albums
    inner join albums using (album_id)
    where albums.release_date is null or albums.image_url is null
    union all
    select 'features', known.track_id, known.plays, null, null, null
    from known
    anti join audio_features on known.track_id = audio_features.track_id
    where not known.is_local and known.duration_ms is not null
)

select
    things.entity,
    things.id,
    things.plays,
    coalesce(queue.tries, 0) as tries,
    -- What was noted later than now, a clock noted that was wrong.
    coalesce(
        queue.next_try_at <= $now::timestamptz or queue.changed_at > $now::timestamptz, true
    ) as is_due,
    things.title,
    artists.name as artist,
    albums.name as album
from things
left join enrich_queue as queue on things.entity = queue.entity and things.id = queue.id
left join artists on things.told_artist_id = artists.artist_id
left join albums on things.told_album_id = albums.album_id
where
    list_contains($askable::varchar[], things.entity)
    and (
        queue.state is null
        or queue.state = 'waiting'
        or (
            queue.state = 'not_found'
            and (
                queue.next_try_at <= $now::timestamptz
                or queue.changed_at > $now::timestamptz
            )
        )
    );

-- step: wants
-- The most played first; at equal plays what tells most comes first.
select entity, id, plays, tries, title, artist, album
from wanted
where is_due
qualify row_number() over (partition by entity order by plays desc, id) <= $most
order by plays desc, list_position($askable::varchar[], entity), id;

-- step: remaining
select entity, count(*) from wanted group by entity order by entity;

-- step: create_songs
-- grain: one answer about one track: of a track asked for by its id, or found in the search for a
-- local one
create or replace temp table songs (
    local_id varchar,
    track_id varchar,
    title varchar,
    artist_id varchar,
    artist varchar,
    album_id varchar,
    album varchar,
    album_artist varchar,
    isrc varchar,
    release_date varchar,
    image_url varchar
);

-- step: choose_links
-- grain: one local track whose Spotify id the search told. Artist and title must be equal as all
-- names here are compared; exports name the album's artist (FACTS 5.3). Of several tracks those
-- on the right album are preferred; they must be one recording.
create or replace temp table chosen as
with

asked as (
    select
        tracks.track_id as local_id,
        name_key(tracks.title) as title_key,
        name_key(artists.name) as artist_key,
        name_key(albums.name) as album_key
    from tracks
    inner join artists on tracks.artist_id = artists.artist_id
    left join albums on tracks.album_id = albums.album_id
    where tracks.track_id in (select local_id from songs where local_id is not null)
),

matching as (
    select
        songs.local_id,
        songs.track_id,
        songs.isrc,
        coalesce(name_key(songs.album) = asked.album_key, false) as is_on_album
    from songs
    inner join asked on songs.local_id = asked.local_id
    where
        name_key(songs.title) = asked.title_key
        and (
            name_key(songs.artist) = asked.artist_key
            or name_key(songs.album_artist) = asked.artist_key
        )
),

preferred as (
    select *
    from matching
    qualify is_on_album = bool_or(is_on_album) over (partition by local_id)
)

select local_id, min(track_id) as track_id
from preferred
group by local_id
having count(distinct coalesce(isrc, track_id)) = 1;

-- step: chosen
select local_id, track_id from chosen order by local_id;

-- step: drop_unchosen
delete from songs
where
    local_id is not null
    and not exists (
        select 1 from chosen
        where chosen.local_id = songs.local_id and chosen.track_id = songs.track_id
    );

-- step: insert_found
-- The least of all ranks: what a record tells of the track later is better.
insert into tracks by name
select
    track_id,
    'track' as kind,
    max(title) as title,
    max(artist_id) as artist_id,
    max(album_id) as album_id,
    0 as named_rank,
    to_timestamp(0) as named_at
from songs
where local_id is not null
group by track_id
on conflict do nothing;

-- step: upsert_albums
insert into albums by name
select
    album_id,
    max(album) as name,
    max(release_date) as release_date,
    max(image_url) as image_url
from songs
where album_id is not null and album is not null
group by album_id
on conflict (album_id) do update set
    name = case
        when contains(albums.name, chr(65533)) then excluded.name
        else greatest(albums.name, excluded.name)
    end,
    release_date = coalesce(excluded.release_date, albums.release_date),
    image_url = coalesce(excluded.image_url, albums.image_url);

-- step: find_names
-- The names that Spotify tells are told as a record tells them: they reveal the ids of local ones.
create or replace temp table fresh_names as
select 'track' as entity, name_key(artist) || chr(31) || name_key(title) as name_key, track_id as id
from songs
where artist is not null
union
select 'track', name_key(album_artist) || chr(31) || name_key(title), track_id
from songs
where album_artist is not null
union
select 'album', name_key(artist) || chr(31) || name_key(album), album_id
from songs
where artist is not null and album is not null and album_id is not null
union
select 'album', name_key(album_artist) || chr(31) || name_key(album), album_id
from songs
where album_artist is not null and album is not null and album_id is not null
union
select 'artist', name_key(artist), artist_id
from songs
where artist is not null and artist_id is not null;

-- step: update_artist
update artists
set image_url = coalesce($image_url, image_url), genres = coalesce($genres::varchar[], genres)
where artist_id = $artist_id;

-- step: update_album
update albums
set release_date = coalesce($release_date, release_date),
    image_url = coalesce($image_url, image_url)
where album_id = $album_id;

-- step: put_features
insert or replace into audio_features by name
select
    $track_id as track_id, $danceability as danceability, $energy as energy, $key as key,
    $loudness as loudness, $mode as mode, $speechiness as speechiness,
    $acousticness as acousticness, $instrumentalness as instrumentalness,
    $liveness as liveness, $valence as valence, $tempo as tempo,
    $time_signature as time_signature;

-- step: settle
insert into enrich_queue by name
select
    unnest($entities::varchar[]) as entity,
    unnest($ids::varchar[]) as id,
    unnest($states::varchar[]) as state,
    unnest($tries::integer[]) as tries,
    unnest($next_tries::timestamptz[]) as next_try_at,
    $now::timestamptz as changed_at
on conflict (entity, id) do update set
    state = excluded.state,
    tries = excluded.tries,
    next_try_at = excluded.next_try_at,
    changed_at = excluded.changed_at;

-- step: abilities
select ability, is_available, epoch_us(checked_at) from app_abilities where client_id = $client_id;

-- step: set_ability
insert into app_abilities by name
select
    $client_id as client_id, $ability as ability, $is_available as is_available,
    $now::timestamptz as checked_at
on conflict (client_id, ability) do update set
    is_available = excluded.is_available,
    checked_at = excluded.checked_at;

-- step: forget_lacking
delete from app_abilities where client_id = $client_id and not is_available;

-- step: spent
-- Requests of the last 24 hours, those included that a run still at work has reserved, and when the
-- first of them fall out of it. A run counts from its end on; one whose end lies far ahead is of a
-- clock that was wrong.
select
    sum((stats ->> 'requests')::bigint)::bigint,
    epoch_us(min(finished_at) + interval 24 hours)
from job_runs
where
    job = 'enrich'
    and (stats ->> 'requests')::bigint > 0
    and finished_at > $now::timestamptz - interval 24 hours
    and finished_at < $now::timestamptz + interval 24 hours;

-- step: close_cut_off
update job_runs
set status = 'failed', error = 'The run was cut off.'
where job = 'enrich' and status = 'running';

-- step: begin_run
insert into job_runs by name
select
    coalesce((select max(run_id) from job_runs), 0)::integer + 1 as run_id,
    'enrich' as job, $now::timestamptz as started_at, $now::timestamptz as finished_at,
    'running' as status, $stats::json as stats
returning run_id;

-- step: tell_run
update job_runs
set finished_at = $now::timestamptz, status = $status, stats = $stats::json, error = $error
where run_id = $run_id;
