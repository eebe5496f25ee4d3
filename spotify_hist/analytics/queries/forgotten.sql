-- name: forgotten
-- summary: What was loved in the period and has been silent ever since, until now.
-- grain: one row per track, artist or album
-- core: yes
-- chart: bar name plays
-- uses: plays limit offset
-- param of: text = tracks {tracks|artists|albums}  What was forgotten.
-- param min_plays: integer = 20 [1..1000000]  Fewest counted plays in the period that show it was loved.
-- param silent: integer = 365 [1..36500]  Fewest days since its last counted play, up to now.
-- column name: The track, artist or album.
-- column artist: The artist; of a track or album, whose it is.
-- column plays: Counted plays in the period.
-- column first_played_at: When the first counted play ever ended (UTC).
-- column last_played_at: When the last counted play ever ended (UTC).
-- column silent_days: Whole days since then, up to now.
-- column peak_year: The local year with most of these plays, the earliest of equals.
-- example: --min-plays 50 --of artists
with

kept as (
    select
        case $of when 'tracks' then track_id when 'artists' then artist_id else album_id end as id,
        case $of when 'tracks' then track when 'artists' then artist else album end as name,
        artist,
        played_at,
        extract(year from local_at) as year,
        (played_at >= $since::timestamptz or $since is null)
        and (played_at < $until::timestamptz or $until is null) as is_in_period
    from kept_plays
),

years as (
    select
        id,
        year,
        max(name) as name,
        max(artist) as artist,
        count(*) filter (where is_in_period) as plays,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at
    from kept
    where id is not null
    group by id, year
),

peaks as (
    select
        id, name, artist, plays, first_played_at, last_played_at,
        first_value(year) over (partition by id order by plays desc, year) as peak_year
    from years
),

loved as (
    select
        id,
        max(name) as name,
        max(artist) as artist,
        sum(plays)::bigint as plays,
        min(first_played_at) as first_played_at,
        max(last_played_at) as last_played_at,
        min(peak_year) as peak_year
    from peaks
    group by id
    having sum(plays) >= $min_plays
),

silent as (
    select
        *,
        floor(
            date_diff('millisecond', last_played_at, $now::timestamptz) / 86400000.0
        )::bigint as silent_days
    from loved
)

select name, artist, plays, first_played_at, last_played_at, silent_days, peak_year
from silent
where silent_days >= $silent
order by plays desc, last_played_at desc, name, artist, id
limit $limit offset $offset
