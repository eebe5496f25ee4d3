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

-- Read anew each time: the second time little of it is wanted.
kept as not materialized (
    select
        case $of when 'tracks' then track_key when 'artists' then artist_key else album_key end
            as thing_key,
        played_at,
        local_at,
        (played_at >= $since::timestamptz or $since is null)
        and (played_at < $until::timestamptz or $until is null) as is_in_period
    from kept_plays
),

loved as (
    select
        thing_key,
        count(*) filter (where is_in_period) as plays,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at
    from kept
    where thing_key is not null
    group by thing_key
    having count(*) filter (where is_in_period) >= $min_plays
),

silent as (
    select
        *,
        floor((epoch($now::timestamptz) - epoch(last_played_at)) / 86400.0)::bigint as silent_days
    from loved
),

forgotten as (
    select *
    from silent
    where silent_days >= $silent
),

years as (
    select
        kept.thing_key,
        extract(year from kept.local_at) as year,
        count(*) filter (where kept.is_in_period) as plays
    from kept
    inner join forgotten on kept.thing_key = forgotten.thing_key
    group by 1, 2
),

peaks as (
    select thing_key, year
    from years
    qualify row_number() over (partition by thing_key order by plays desc, year) = 1
)

select
    things.name,
    things.artist,
    forgotten.plays,
    forgotten.first_played_at,
    forgotten.last_played_at,
    forgotten.silent_days,
    peaks.year as peak_year
from forgotten
inner join v_things as things on forgotten.thing_key = things.thing_key and things.thing = $of
inner join peaks on forgotten.thing_key = peaks.thing_key
order by
    forgotten.plays desc, forgotten.last_played_at desc, things.name, things.artist, things.thing_id
limit $limit offset $offset
