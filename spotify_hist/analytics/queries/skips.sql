-- name: skips
-- summary: What gets skipped: plays that ended with the next-track button, of those whose end a source tells the reason of.
-- grain: one row per artist, track or local hour of the day with enough such plays
-- chart: bar name skip_share
-- uses: plays limit offset
-- param of: text = artists {artists|tracks|hours}  What is ranked.
-- param min_ms: integer = 0 [0..86400000]  Shortest listened time that is looked at, in milliseconds. Most skips are short.
-- param min_plays: integer = 10 [1..1000000]  Fewest plays with a known reason for their end.
-- column name: The artist, the track, or the hour in which the plays ended.
-- column artist: The artist; of a track, whose it is; empty for an hour.
-- column plays_started: Plays, of whatever length, whose reason to end is known; only the extended history tells it.
-- column skips: Those of them that ended with the next-track button (fwdbtn). The back button, a click on something else and the end of the app are no skips, and what Spotify's own mark says is not used: it is missing for whole years.
-- column skip_share: Share of skips, 0 to 1.
-- column mean_before_skip_ms: Mean listened time before the skip, in milliseconds; empty without a skip.
-- example: --of tracks --year 2024
with

ended as (
    select
        case $of
            when 'hours' then lpad(extract(hour from local_at)::varchar, 2, '0') || ':00'
            when 'tracks' then track_id
            else artist_id
        end as id,
        track,
        artist,
        reason_end = 'fwdbtn' as is_skip,
        ms_played
    from counted_plays
    where reason_end is not null
),

found as (
    select
        id,
        max(track) as track,
        max(artist) as artist,
        count(*) as plays_started,
        count(*) filter (where is_skip) as skips,
        sum(ms_played) filter (where is_skip) as before_skip_ms,
        count(ms_played) filter (where is_skip) as known_skips
    from ended
    group by id
    having count(*) >= $min_plays
)

select
    case $of when 'hours' then id when 'tracks' then track else artist end as name,
    case when $of <> 'hours' then artist end as artist,
    plays_started,
    skips,
    round(skips / plays_started::double, 4) as skip_share,
    round(before_skip_ms / nullif(known_skips, 0)::double)::bigint as mean_before_skip_ms
from found
order by skips / plays_started::double desc, skips desc, name, artist, id
limit $limit offset $offset
