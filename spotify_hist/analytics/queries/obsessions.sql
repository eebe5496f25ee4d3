-- name: obsessions
-- summary: Days with one track on repeat.
-- grain: one row per local day and track that was played often on it
-- chart: bar track plays
-- uses: plays limit offset
-- param times: integer = 5 [2..1000]  Fewest counted plays of the track on one local day.
-- column played_on: The local day.
-- column track: The track.
-- column artist: Its artist.
-- column plays: Counted plays of the track on that day.
-- column share: Their share of all counted plays of that day, 0 to 1.
-- example: --times 10 --year 2024
with

tracks as (
    select local_at::date as played_on, track_key, count(*) as plays
    from counted_plays
    group by 1, 2
),

days as (
    select played_on, sum(plays)::bigint as plays
    from tracks
    group by played_on
),

often as (
    select *
    from tracks
    where plays >= $times and track_key is not null
)

select
    often.played_on,
    v_songs.track,
    v_songs.artist,
    often.plays,
    round(often.plays / days.plays::double, 4) as share
from often
inner join days on often.played_on = days.played_on
left join v_songs on often.track_key = v_songs.track_key
order by often.plays desc, often.played_on desc, v_songs.track, v_songs.artist, v_songs.track_id
limit $limit offset $offset
