-- name: top-tracks
-- summary: Tracks ranked by counted plays in a period.
-- grain: one row per track, however many ids Spotify has for it (with raw, one per id)
-- core: yes
-- chart: bar track plays
-- uses: plays by limit offset
-- column rank: Place in the ranking, 1 first.
-- column track: The track; or the episode or chapter, as kind says.
-- column artist: Its artist, show or author.
-- column album: Its album, show or book; of several, the one it was played from most.
-- column plays: Counted plays.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column last_played_at: When the latest of these plays ended (UTC).
-- column uri: The Spotify URI, where a source knows it.
-- example: --year 2024 --limit 10
with

versions as (
    select track_id, album_id, plays, listened_ms, last_played_at
    from counted_tracks
),

tracks as (
    select
        track_id,
        sum(plays)::bigint as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        max(last_played_at) as last_played_at
    from versions
    group by track_id
),

page as (
    select
        tracks.track_id,
        v_songs.track,
        v_songs.artist,
        tracks.plays,
        tracks.listened_ms,
        tracks.last_played_at,
        v_songs.uri,
        case $by when 'time' then tracks.listened_ms else tracks.plays end as score
    from tracks
    left join v_songs on tracks.track_id = v_songs.track_id
    order by
        score desc,
        tracks.plays desc,
        tracks.listened_ms desc,
        v_songs.track,
        v_songs.artist,
        tracks.track_id
    limit $limit offset $offset
),

albums as (
    select album_id, max(album) as album
    from v_tracks
    group by album_id
),

on_albums as (
    select versions.track_id, versions.album_id, sum(versions.plays) as plays
    from versions
    inner join page on versions.track_id is not distinct from page.track_id
    group by versions.track_id, versions.album_id
),

placed as (
    select
        on_albums.track_id,
        albums.album,
        row_number() over (
            partition by on_albums.track_id
            order by
                albums.album is null, on_albums.plays desc, albums.album, on_albums.album_id
        ) as place
    from on_albums
    left join albums on on_albums.album_id = albums.album_id
)

select
    $offset + row_number() over (
        order by
            page.score desc, page.plays desc, page.listened_ms desc, page.track, page.artist,
            page.track_id
    ) as rank,
    page.track,
    page.artist,
    placed.album,
    page.plays,
    page.listened_ms,
    page.last_played_at,
    page.uri
from page
left join placed on page.track_id is not distinct from placed.track_id and placed.place = 1
order by rank
