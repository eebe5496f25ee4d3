-- name: discoveries
-- summary: Artists or tracks first heard in the period, and whether they stuck: played on at least 3 different local days, until now.
-- grain: one row per artist or track whose first counted play ever lies in the period
-- core: yes
-- chart: bar name plays
-- uses: plays limit offset
-- param of: text = artists {artists|tracks}  What was discovered.
-- column first_played_at: When the first counted play ever ended (UTC).
-- column name: The artist or the track.
-- column artist: The artist; of a track, whose it is.
-- column first_track: The track it began with; of a track, itself.
-- column plays: Counted plays in the period.
-- column plays_until_now: Counted plays ever, those after the period too.
-- column days_active: Different local days on which it was played, until now.
-- column is_kept: Whether it stuck: played on at least 3 different local days.
-- column last_played_at: When the latest counted play ever ended (UTC).
-- example: --days 90 --of artists
with

-- Read anew each time: every step needs a few of the columns alone.
kept as not materialized (
    select
        case $of when 'tracks' then track_key else artist_key end as thing_key,
        track_key, played_at, local_at
    from kept_plays
),

firsts as (
    select thing_key, min(played_at) as first_played_at
    from kept
    where thing_key is not null
    group by thing_key
    having
        (min(played_at) >= $since::timestamptz or $since is null)
        and (min(played_at) < $until::timestamptz or $until is null)
),

days as (
    select
        kept.thing_key,
        kept.local_at::date as played_on,
        count(*) as plays_until_now,
        count(*) filter (
            where kept.played_at < $until::timestamptz or $until is null
        ) as plays,
        max(kept.played_at) as last_played_at
    from kept
    inner join firsts on kept.thing_key = firsts.thing_key
    group by kept.thing_key, kept.local_at::date
),

found as (
    select
        thing_key,
        sum(plays)::bigint as plays,
        sum(plays_until_now)::bigint as plays_until_now,
        count(*) as days_active,
        max(last_played_at) as last_played_at
    from days
    group by thing_key
),

first_plays as (
    select distinct firsts.thing_key, firsts.first_played_at, kept.track_key
    from firsts
    inner join kept on firsts.first_played_at = kept.played_at and firsts.thing_key = kept.thing_key
),

first_tracks as (
    select
        first_plays.thing_key,
        first_plays.first_played_at,
        min(case $of when 'tracks' then v_songs.track_id else v_songs.artist_id end) as thing_id,
        min(v_songs.track) as first_track,
        max(v_songs.artist) as artist
    from first_plays
    inner join v_songs on first_plays.track_key = v_songs.track_key
    group by first_plays.thing_key, first_plays.first_played_at
)

select
    first_tracks.first_played_at,
    case $of when 'tracks' then first_tracks.first_track else first_tracks.artist end as name,
    first_tracks.artist,
    first_tracks.first_track,
    found.plays,
    found.plays_until_now,
    found.days_active,
    found.days_active >= 3 as is_kept,
    found.last_played_at
from found
inner join first_tracks on found.thing_key = first_tracks.thing_key
order by
    found.plays desc,
    found.plays_until_now desc,
    first_tracks.first_played_at,
    name,
    first_tracks.artist,
    first_tracks.thing_id
limit $limit offset $offset
