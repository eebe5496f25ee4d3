-- name: top-shows
-- summary: Podcasts and other shows ranked by counted plays of their episodes in a period.
-- grain: one row per show
-- chart: bar show_name plays
-- uses: period timezone travel min_ms raw user by limit offset
-- column rank: Place in the ranking, 1 first.
-- column show_name: The show.
-- column plays: Counted plays of its episodes.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column episodes: How many different episodes.
-- column first_played_at: When the first of these plays ended (UTC).
-- column last_played_at: When the latest of these plays ended (UTC).
-- example: --year 2024 --by time
with

counted as (
    select artist_id, artist, track_id, listened_ms, played_at
    from counted_plays
    where kind = 'episode'
),

shows as (
    select
        artist_id,
        max(artist) as show_name,
        count(*) as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        count(distinct track_id) as episodes,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at
    from counted
    group by artist_id
)

select
    row_number() over (
        order by
            case $by when 'time' then listened_ms else plays end desc,
            plays desc,
            listened_ms desc,
            show_name,
            artist_id
    ) as rank,
    show_name,
    plays,
    listened_ms,
    episodes,
    first_played_at,
    last_played_at
from shows
order by rank
limit $limit offset $offset
