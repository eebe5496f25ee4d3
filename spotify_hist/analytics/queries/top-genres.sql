-- name: top-genres
-- summary: Genres ranked by counted plays in a period. Needs enrichment, which asks Spotify for the artists' genres: without it there are no rows.
-- grain: one row per genre; an artist with several genres counts for each
-- chart: bar genre plays
-- uses: plays by limit offset
-- column rank: Place in the ranking, 1 first.
-- column genre: The genre, as Spotify calls it.
-- column plays: Counted plays of its artists.
-- column share: Share of the plays whose artist's genres are known, 0 to 1; the shares add up to more than 1.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column artists: How many different artists.
-- column tracks: How many different tracks.
-- column artist: Its artist that was played most.
-- column last_played_at: When the latest of these plays ended (UTC).
-- example: --year 2024
with

artists as (
    select
        artist_id,
        artist,
        sum(plays) as plays,
        sum(listened_ms) as listened_ms,
        count(distinct track_id) as tracks,
        max(last_played_at) as last_played_at
    from counted_tracks
    where artist_id is not null
    group by artist_id, artist
),

placed as (
    select
        v_genres.genre,
        artists.*,
        row_number() over (
            partition by v_genres.genre
            order by artists.plays desc, artists.artist, artists.artist_id
        ) as place,
        row_number() over (partition by artists.artist_id order by v_genres.genre) as genre_place
    from artists
    inner join v_genres on artists.artist_id = v_genres.artist_id
),

known as (
    select sum(plays) filter (where genre_place = 1) as plays
    from placed
),

genres as (
    select
        genre,
        sum(plays)::bigint as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        count(*) as artists,
        sum(tracks)::bigint as tracks,
        max(artist) filter (where place = 1) as artist,
        max(last_played_at) as last_played_at
    from placed
    group by genre
)

select
    row_number() over (
        order by
            case $by when 'time' then genres.listened_ms else genres.plays end desc,
            genres.plays desc,
            genres.listened_ms desc,
            genres.genre
    ) as rank,
    genres.genre,
    genres.plays,
    round(genres.plays / known.plays::double, 4) as share,
    genres.listened_ms,
    genres.artists,
    genres.tracks,
    genres.artist,
    genres.last_played_at
from genres
cross join known
order by rank
limit $limit offset $offset
