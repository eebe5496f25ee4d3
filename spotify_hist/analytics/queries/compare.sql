-- name: compare
-- summary: Two periods side by side: the one asked for, or the last 30 days, and the one of the same length before it, or the same days a year before.
-- grain: one row per artist, track or album played in either period; of totals one row
-- core: yes
-- chart: bar name plays_delta
-- uses: plays with by limit offset
-- default: days 30
-- param of: text = artists {artists|tracks|albums|totals}  What is compared.
-- column rank_now: Place in the period, 1 first; empty where it was not played.
-- column rank_before: Place in the earlier period; empty where it was not played.
-- column rank_change: Places gained, or lost where negative; empty where it was not played in both.
-- column name: The artist, or the track or album with its artist.
-- column plays_now: Counted plays in the period.
-- column plays_before: Counted plays in the earlier period.
-- column plays_delta: How many more there are now.
-- column listened_now_ms: Listened time in the period, in milliseconds, told or estimated.
-- column listened_before_ms: Listened time in the earlier period, in milliseconds, told or estimated.
-- example: --year 2024 --of tracks
with

both_periods as (
    select 1 as is_now, track_id, track, artist_id, artist, album_id, album, listened_ms
    from counted_plays
    union all
    select 0, track_id, track, artist_id, artist, album_id, album, listened_ms
    from earlier_plays
),

named as (
    select
        is_now,
        listened_ms,
        case $of
            when 'totals' then 'all'
            when 'tracks' then track_id
            when 'albums' then album_id
            else artist_id
        end as id,
        case $of
            when 'totals' then 'all plays'
            when 'tracks' then track || coalesce(' - ' || artist, '')
            when 'albums' then album || coalesce(' - ' || artist, '')
            else artist
        end as name
    from both_periods
),

compared as (
    select
        id,
        max(name) as name,
        count(*) filter (where is_now = 1) as plays_now,
        count(*) filter (where is_now = 0) as plays_before,
        coalesce(sum(listened_ms) filter (where is_now = 1), 0)::bigint as listened_now_ms,
        coalesce(sum(listened_ms) filter (where is_now = 0), 0)::bigint as listened_before_ms
    from named
    where id is not null or $of <> 'albums'
    group by id
),

placed as (
    select
        *,
        row_number() over (
            order by
                case $by when 'time' then listened_now_ms else plays_now end desc,
                plays_now desc,
                listened_now_ms desc,
                name,
                id
        ) as place_now,
        row_number() over (
            order by
                case $by when 'time' then listened_before_ms else plays_before end desc,
                plays_before desc,
                listened_before_ms desc,
                name,
                id
        ) as place_before
    from compared
),

ranked as (
    select
        *,
        case when plays_now > 0 then place_now end as rank_now,
        case when plays_before > 0 then place_before end as rank_before
    from placed
)

select
    rank_now,
    rank_before,
    rank_before - rank_now as rank_change,
    name,
    plays_now,
    plays_before,
    plays_now - plays_before as plays_delta,
    listened_now_ms,
    listened_before_ms
from ranked
order by rank_now nulls last, rank_before, name, id
limit $limit offset $offset
