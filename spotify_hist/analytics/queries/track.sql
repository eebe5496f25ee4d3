-- name: track
-- summary: Everything about one track: totals, rank, first and last play, years, months, its versions, how far it is listened to, and what is played around it.
-- grain: one row per fact
-- core: yes
-- uses: plays
-- param track: track required  The track, by title ("title" or "title - artist"), Spotify id or URI.
-- column section: totals, first and last, by year, rank by year, by month, versions, completion or neighbours.
-- column rank: Place within the section, 1 first.
-- column name: What the value is of; a version with its album and URI, a neighbour with its artist.
-- column value: The value; empty where the fact is an instant.
-- column unit: plays, hours, days, place (in the ranking of tracks) or share (0 to 1).
-- column played_at: When the play ended (UTC), where the fact is about one.
-- example: --track "Bohemian Rhapsody"
with

theirs as (
    select
        play_id, played_at, local_at, half_hour, own_track, album_id, album, uri, duration_ms,
        ms_played, listened_ms, reason_end
    from counted_plays
    where track_id = $track
),

-- Half hours around its plays. In one that has such a play every play is near it; in the ones
-- before and after it depends on the minutes.
half_hours as (
    select
        half_hour,
        min(played_at) as first_at,
        max(played_at) as last_at
    from theirs
    group by 1
),

near as (
    select
        half_hours.half_hour + steps.n as half_hour,
        min(case when steps.n <= 0 then half_hours.first_at - interval 30 minutes end) as from_at,
        max(case when steps.n > 0 then half_hours.last_at + interval 30 minutes end) as until_at
    from half_hours
    cross join (values (-1), (0), (1)) as steps (n)
    group by 1
),

everyone as (
    select
        plays.track_key,
        extract(year from plays.local_at) as year,
        count(*) as plays,
        sum(plays.listened_ms) as listened_ms,
        count(*) filter (
            where plays.played_at >= near.from_at or plays.played_at <= near.until_at
        ) as near_plays
    from counted_plays as plays
    left join near on plays.half_hour = near.half_hour
    group by 1, 2
),

years as (
    select
        v_songs.track_id,
        everyone.year,
        everyone.plays,
        row_number() over (
            partition by everyone.year
            order by
                everyone.plays desc, coalesce(everyone.listened_ms, 0) desc, v_songs.track,
                v_songs.artist, v_songs.track_id
        ) as place
    from everyone
    left join v_songs on everyone.track_key = v_songs.track_key
),

tracks as (
    select
        track_key,
        sum(plays) as plays,
        coalesce(sum(listened_ms), 0) as listened_ms,
        sum(near_plays) as near_plays
    from everyone
    group by track_key
),

ranked as (
    select
        v_songs.track_id,
        v_songs.track || coalesce(' - ' || v_songs.artist, '') as name,
        tracks.plays,
        tracks.near_plays,
        tracks.plays / (sum(tracks.plays) over ())::double as share,
        row_number() over (
            order by
                tracks.plays desc, tracks.listened_ms desc, v_songs.track, v_songs.artist,
                v_songs.track_id
        ) as place
    from tracks
    left join v_songs on tracks.track_key = v_songs.track_key
),

total as (
    select
        count(*) as plays,
        coalesce(sum(listened_ms), 0)::double as listened_ms,
        count(distinct local_at::date) as days,
        count(reason_end) as ended,
        count(*) filter (where reason_end = 'trackdone') as finished,
        count(*) filter (where reason_end = 'fwdbtn') as skips,
        avg(least(ms_played / duration_ms::double, 1.0)) filter (
            where duration_ms > 0
        ) as heard
    from theirs
),

edges as (
    (select played_at, 1 as rank from theirs order by played_at, play_id limit 1)
    union all
    (select played_at, 2 from theirs order by played_at desc, play_id desc limit 1)
),

months as (
    select strftime(date_trunc('month', local_at)::date, '%Y-%m') as name, count(*) as plays
    from theirs
    group by 1
),

versions as (
    select
        own_track || coalesce(' - ' || max(album), '') || coalesce(' (' || uri || ')', '') as name,
        album_id,
        count(*) as plays
    from theirs
    group by own_track, uri, album_id
),

facts as (
    select 1 as section_order, 'totals' as section, 1 as rank, 'plays' as name,
        plays::double as value, 'plays' as unit, null::timestamptz as played_at
    from total
    union all
    select 1, 'totals', 2, 'listened time', round(listened_ms / 3600000, 2), 'hours', null
    from total
    union all
    select 1, 'totals', 3, 'days with a play', days, 'days', null from total
    union all
    select 1, 'totals', 4, 'share of all plays', round(share, 4), 'share', null
    from ranked
    where track_id = $track
    union all
    select 1, 'totals', 5, 'rank among tracks', place, 'place', null
    from ranked
    where track_id = $track
    union all
    select 2, 'first and last', rank,
        case rank when 1 then 'first play' else 'last play' end, null, null, played_at
    from edges
    union all
    select 3, 'by year', row_number() over (order by year), year::varchar, plays, 'plays', null
    from years
    where track_id = $track
    union all
    select 4, 'rank by year', row_number() over (order by year), year::varchar, place, 'place',
        null
    from years
    where track_id = $track
    union all
    select 5, 'by month', row_number() over (order by name), name, plays, 'plays', null
    from months
    union all
    select 6, 'versions', row_number() over (order by plays desc, name, album_id), name, plays,
        'plays', null
    from versions
    union all
    select 7, 'completion', 1, 'heard of its length on average', round(heard, 4), 'share', null
    from total
    where heard is not null
    union all
    select 7, 'completion', 2, 'played to the end', round(finished / ended::double, 4), 'share',
        null
    from total
    where ended > 0
    union all
    select 7, 'completion', 3, 'ended with the next-track button', round(skips / ended::double, 4),
        'share', null
    from total
    where ended > 0
    union all
    select 8, 'neighbours', row_number() over (order by near_plays desc, name, track_id), name,
        near_plays, 'plays', null
    from ranked
    where track_id <> $track and near_plays > 0 and name is not null
    qualify row_number() over (order by near_plays desc, name, track_id) <= 10
)

select section, rank::integer as rank, name, value, unit, played_at
from facts
order by section_order, rank
