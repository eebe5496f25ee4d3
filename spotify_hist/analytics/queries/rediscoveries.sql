-- name: rediscoveries
-- summary: Tracks or artists that came back in the period after a long silence.
-- grain: one row per track or artist and return
-- uses: plays limit offset
-- param of: text = tracks {tracks|artists}  What came back.
-- param silence: integer = 365 [1..36500]  Fewest days without a counted play.
-- column name: The track or the artist.
-- column artist: The artist; of a track, whose it is.
-- column silent_from_at: When the last counted play before the silence ended (UTC).
-- column back_at: When the first counted play after it ended (UTC); it lies in the period.
-- column silent_days: Whole days in between.
-- column plays_before: Counted plays ever before the silence.
-- column plays_after: Counted plays from the return until now.
-- example: --year 2024 --silence 730
with

kept as (
    select
        case $of when 'tracks' then track_key else artist_key end as thing_key,
        played_at,
        floor(epoch(played_at) / (86400.0 * $silence))::bigint as stretch
    from kept_plays
),

-- A stretch is not longer than the silence looked for, so that none lies within one.
stretches as (
    select
        thing_key,
        stretch,
        count(*) as plays,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at
    from kept
    where thing_key is not null
    group by thing_key, stretch
),

following as (
    select
        thing_key,
        plays,
        first_played_at as back_at,
        lag(last_played_at) over (partition by thing_key order by stretch) as silent_from_at,
        sum(plays) over (partition by thing_key) as all_plays,
        sum(plays) over (partition by thing_key order by stretch) as plays_so_far
    from stretches
),

returns as (
    select
        thing_key,
        silent_from_at,
        back_at,
        floor((epoch(back_at) - epoch(silent_from_at)) / 86400.0)::bigint as silent_days,
        (plays_so_far - plays)::bigint as plays_before,
        (all_plays - plays_so_far + plays)::bigint as plays_after
    from following
    where
        (back_at >= $since::timestamptz or $since is null)
        and (back_at < $until::timestamptz or $until is null)
)

select
    things.name,
    things.artist,
    returns.silent_from_at,
    returns.back_at,
    returns.silent_days,
    returns.plays_before,
    returns.plays_after
from returns
inner join v_things as things on returns.thing_key = things.thing_key and things.thing = $of
where returns.silent_days >= $silence
order by
    returns.plays_after desc, returns.plays_before desc, returns.back_at, things.name,
    things.artist, things.thing_id
limit $limit offset $offset
