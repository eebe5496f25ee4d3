-- name: top-albums
-- summary: Albums ranked by counted plays in a period.
-- grain: one row per album
-- core: yes
-- chart: bar album plays
-- uses: plays by limit offset
-- column rank: Place in the ranking, 1 first.
-- column album: The album; for episodes the show, for audiobook chapters the book.
-- column artist: Its artist, or the author; of several, the one played most.
-- column plays: Counted plays of its tracks, where they were played from this very album.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column tracks: How many different tracks of it.
-- column last_played_at: When the latest of these plays ended (UTC).
-- column uri: The Spotify URI, where a source knows it.
-- example: --year 2024
with

names as (
    select
        album_id,
        max(album) as album,
        case
            when album_id not like 'local:%'
                then 'spotify:' || max(case kind when 'track' then 'album' else 'show' end) || ':'
                    || album_id
        end as uri
    from v_tracks
    where album_id is not null
    group by album_id
),

artists as (
    select
        album_id,
        artist,
        sum(plays) as plays,
        sum(listened_ms) as listened_ms,
        count(distinct track_id) as tracks,
        max(last_played_at) as last_played_at
    from counted_tracks
    where album_id is not null
    group by album_id, artist
),

placed as (
    select
        *,
        row_number() over (
            partition by album_id order by artist is null, plays desc, artist
        ) as place
    from artists
),

albums as (
    select
        album_id,
        max(artist) filter (where place = 1) as artist,
        sum(plays)::bigint as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        sum(tracks)::bigint as tracks,
        max(last_played_at) as last_played_at
    from placed
    group by album_id
)

select
    row_number() over (
        order by
            case $by when 'time' then albums.listened_ms else albums.plays end desc,
            albums.plays desc,
            albums.listened_ms desc,
            names.album,
            albums.artist,
            albums.album_id
    ) as rank,
    names.album,
    albums.artist,
    albums.plays,
    albums.listened_ms,
    albums.tracks,
    albums.last_played_at,
    names.uri
from albums
inner join names on albums.album_id = names.album_id
order by rank
limit $limit offset $offset
