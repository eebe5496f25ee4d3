-- name: top-tracks
-- summary: Tracks ranked by counted plays in a period.
-- grain: one row per track id
-- chart: bar track plays
-- uses: plays limit offset
-- column rank: Place in the ranking, 1 first.
-- column track: The track; or the episode or chapter, as kind says.
-- column artist: Its artist, show or author.
-- column album: Its album, show or book.
-- column plays: Counted plays.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column last_played_at: When the latest of these plays ended (UTC).
-- column uri: The Spotify URI, where a source knows it.
-- example: --year 2024 --limit 10
with

counted as (
    select track_id, track, artist, album, uri, ms_played, played_at
    from counted_plays
),

tracks as (
    select
        track_id,
        max(track) as track,
        max(artist) as artist,
        max(album) as album,
        max(uri) as uri,
        count(*) as plays,
        coalesce(sum(ms_played), 0)::bigint as listened_ms,
        max(played_at) as last_played_at
    from counted
    group by track_id
)

select
    row_number() over (order by plays desc, listened_ms desc, track, artist, track_id) as rank,
    track,
    artist,
    album,
    plays,
    listened_ms,
    last_played_at,
    uri
from tracks
order by rank
limit $limit offset $offset
