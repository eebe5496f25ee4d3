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
    select
        track_id,
        album_id,
        sum(plays) as plays,
        sum(listened_ms) as listened_ms,
        max(last_played_at) as last_played_at
    from counted_tracks
    group by track_id, album_id
),

albums as (
    select album_id, max(album) as album
    from v_tracks
    group by album_id
),

placed as (
    select
        versions.track_id,
        versions.plays,
        versions.listened_ms,
        versions.last_played_at,
        albums.album,
        row_number() over (
            partition by versions.track_id
            order by
                albums.album is null, versions.plays desc, albums.album, versions.album_id
        ) as place
    from versions
    left join albums on versions.album_id = albums.album_id
),

tracks as (
    select
        track_id,
        sum(plays)::bigint as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        max(last_played_at) as last_played_at,
        max(album) filter (where place = 1) as album
    from placed
    group by track_id
)

select
    row_number() over (
        order by
            case $by when 'time' then tracks.listened_ms else tracks.plays end desc,
            tracks.plays desc,
            tracks.listened_ms desc,
            v_songs.track,
            v_songs.artist,
            tracks.track_id
    ) as rank,
    v_songs.track,
    v_songs.artist,
    tracks.album,
    tracks.plays,
    tracks.listened_ms,
    tracks.last_played_at,
    v_songs.uri
from tracks
left join v_songs on tracks.track_id = v_songs.track_id
order by rank
limit $limit offset $offset
