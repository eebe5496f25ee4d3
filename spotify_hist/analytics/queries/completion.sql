-- name: completion
-- summary: How much of the tracks is listened to, of plays whose listened time a source tells.
-- grain: one row per quarter of a track's length, or per artist
-- chart: bar name plays
-- uses: plays limit offset
-- param of: text = shares {shares|artists}  Plays by the share of the track that was heard, or the mean share of each artist.
-- param min_ms: integer = 0 [0..86400000]  Shortest listened time that is looked at, in milliseconds.
-- column name: The share heard, or the artist.
-- column plays: Plays with a known listened time.
-- column share: Their share of all such plays, 0 to 1.
-- column mean_share: The mean share of the track that was heard, 0 to 1.
-- column estimated_plays: Those of the plays whose track's length nobody told. The longest it was ever listened to stands for it, so that their share is rather too high: of a track heard once it is 1.
-- example: --of artists --days 365
with

lengths as (
    select
        track_key,
        nullif(max(duration_ms), 0) is null as is_estimated,
        coalesce(nullif(max(duration_ms), 0), max(ms_played)) as length_ms
    from kept_plays
    group by track_key
),

heard as (
    select
        plays.artist_id,
        plays.artist,
        lengths.is_estimated,
        least(plays.ms_played / lengths.length_ms::double, 1.0) as heard_share
    from counted_plays as plays
    inner join lengths on plays.track_key = lengths.track_key
    where plays.ms_played is not null and lengths.length_ms > 0
),

grouped as (
    select
        case
            when $of = 'artists' then artist_id
            when heard_share < 0.25 then '0-25 %'
            when heard_share < 0.5 then '25-50 %'
            when heard_share < 0.75 then '50-75 %'
            else '75-100 %'
        end as id,
        artist,
        is_estimated,
        heard_share
    from heard
),

found as (
    select
        id,
        case when $of = 'artists' then max(artist) else id end as name,
        count(*) as plays,
        round(avg(heard_share), 4) as mean_share,
        count(*) filter (where is_estimated) as estimated_plays
    from grouped
    group by id
)

select
    name,
    plays,
    round(plays / sum(plays) over ()::double, 4) as share,
    mean_share,
    estimated_plays
from found
order by case when $of = 'artists' then plays end desc, name, id
limit $limit offset $offset
