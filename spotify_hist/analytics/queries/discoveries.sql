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

found as (
    select
        thing_key,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at,
        count(*) as plays_until_now,
        count(*) filter (where played_at < $until::timestamptz or $until is null) as plays
    from kept
    where thing_key is not null
    group by thing_key
    having
        (min(played_at) >= $since::timestamptz or $since is null)
        and (min(played_at) < $until::timestamptz or $until is null)
),

page as (
    select found.*, things.name, things.artist, things.thing_id
    from found
    inner join v_things as things
        on found.thing_key = things.thing_key and things.thing = $of
    order by
        found.plays desc,
        found.plays_until_now desc,
        found.first_played_at,
        things.name,
        things.artist,
        things.thing_id
    limit $limit offset $offset
),

days as (
    select kept.thing_key, count(distinct kept.local_at::date) as days_active
    from kept
    inner join page on kept.thing_key = page.thing_key
    group by kept.thing_key
),

first_plays as (
    select distinct page.thing_key, kept.track_key
    from page
    inner join kept on page.first_played_at = kept.played_at and page.thing_key = kept.thing_key
),

first_tracks as (
    select first_plays.thing_key, min(v_songs.track) as track
    from first_plays
    inner join v_songs on first_plays.track_key = v_songs.track_key
    group by first_plays.thing_key
)

select
    page.first_played_at,
    page.name,
    page.artist,
    first_tracks.track as first_track,
    page.plays,
    page.plays_until_now,
    days.days_active,
    days.days_active >= 3 as is_kept,
    page.last_played_at
from page
inner join days on page.thing_key = days.thing_key
inner join first_tracks on page.thing_key = first_tracks.thing_key
order by
    page.plays desc, page.plays_until_now desc, page.first_played_at, page.name, page.artist,
    page.thing_id
