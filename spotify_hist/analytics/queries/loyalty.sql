-- name: loyalty
-- summary: How faithful a listener is: each year's share and rank of the most played artists of the period.
-- grain: one row per local year and artist, of the most played artists of the period
-- uses: plays
-- param artists: integer = 10 [1..100]  How many artists, the most played of the period first.
-- column year: The local year; one in which the artist was not played has no row.
-- column artist: The artist.
-- column plays: Counted plays of the artist in that year.
-- column share: Their share of all counted plays of that year, 0 to 1.
-- column rank: The artist's place among all artists of that year, 1 first.
-- example: --artists 5
with

years as (
    select
        extract(year from local_at) as year,
        artist_id,
        max(artist) as artist,
        count(*) as plays
    from counted_plays
    group by 1, 2
),

ranked as (
    select
        year,
        artist_id,
        artist,
        plays,
        sum(plays) over (partition by year) as year_plays,
        row_number() over (partition by year order by plays desc, artist, artist_id) as rank
    from years
),

favourites as (
    select artist_id
    from years
    where artist_id is not null
    group by artist_id
    order by sum(plays) desc, max(artist), artist_id
    limit $artists
)

select
    ranked.year,
    ranked.artist,
    ranked.plays,
    round(ranked.plays / ranked.year_plays::double, 4) as share,
    ranked.rank
from ranked
inner join favourites on ranked.artist_id = favourites.artist_id
order by ranked.year, ranked.rank
