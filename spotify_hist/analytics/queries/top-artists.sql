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

counted as (
    select track_id, listened_ms, played_at
    from counted_plays
),

songs as (
    select
        track_id,
        count(*) as plays,
        sum(listened_ms) as listened_ms,
        max(played_at) as last_played_at
    from counted
    group by track_id
),

artists as (
    select
        v_songs.artist_id,
        max(v_songs.artist) as artist,
        sum(songs.plays)::bigint as plays,
        coalesce(sum(songs.listened_ms), 0)::bigint as listened_ms,
        count(songs.track_id) as tracks,
        max(songs.last_played_at) as last_played_at
    from songs
    left join v_songs on songs.track_id = v_songs.track_id
    group by v_songs.artist_id
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
