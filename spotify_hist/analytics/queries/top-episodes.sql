-- name: top-episodes
-- summary: Episodes of shows ranked by counted plays in a period.
-- grain: one row per episode
-- chart: bar episode listened_ms
-- uses: period timezone travel min_ms raw user by limit offset
-- column rank: Place in the ranking, 1 first.
-- column episode: The episode.
-- column show_name: Its show.
-- column plays: Counted plays; listening to it in three sittings makes three.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column first_played_at: When the first of these plays ended (UTC).
-- column last_played_at: When the latest of these plays ended (UTC).
-- column uri: The Spotify URI, where a source knows it.
-- example: --year 2024 --by time
with

counted as (
    select track_id, listened_ms, played_at
    from counted_plays
    where kind = 'episode'
),

episodes as (
    select
        track_id,
        count(*) as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at
    from counted
    group by track_id
)

select
    row_number() over (
        order by
            case $by when 'time' then episodes.listened_ms else episodes.plays end desc,
            episodes.plays desc,
            episodes.listened_ms desc,
            v_songs.track,
            v_songs.artist,
            episodes.track_id
    ) as rank,
    v_songs.track as episode,
    v_songs.artist as show_name,
    episodes.plays,
    episodes.listened_ms,
    episodes.first_played_at,
    episodes.last_played_at,
    v_songs.uri
from episodes
left join v_songs on episodes.track_id = v_songs.track_id
order by rank
limit $limit offset $offset
