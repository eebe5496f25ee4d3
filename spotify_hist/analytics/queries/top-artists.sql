-- name: top-artists
-- summary: Artists ranked by counted plays in a period.
-- grain: one row per artist
-- core: yes
-- chart: bar artist plays
-- uses: plays by limit offset
-- column rank: Place in the ranking, 1 first.
-- column artist: The artist; for episodes the show, for audiobook chapters the author.
-- column plays: Counted plays.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column tracks: How many different tracks.
-- column last_played_at: When the latest of these plays ended (UTC).
-- example: --days 90
with

artists as (
    select
        artist_id,
        max(artist) as artist,
        sum(plays)::bigint as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        count(distinct track_id) as tracks,
        max(last_played_at) as last_played_at
    from counted_tracks
    group by artist_id
)

select
    row_number() over (
        order by
            case $by when 'time' then listened_ms else plays end desc,
            plays desc,
            listened_ms desc,
            artist,
            artist_id
    ) as rank,
    artist,
    plays,
    listened_ms,
    tracks,
    last_played_at
from artists
order by rank
limit $limit offset $offset
