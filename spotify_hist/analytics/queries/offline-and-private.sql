-- name: offline-and-private
-- summary: How much was heard online, offline and in private sessions.
-- grain: one row per mode
-- chart: bar mode plays
-- uses: plays
-- column mode: private session, on- or offline; else offline or online; unknown where no source tells it.
-- column plays: Counted plays.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column share: Share of all counted plays, 0 to 1.
-- example: --days 365
with

modes as (
    select offline, incognito, count(*) as plays, sum(listened_ms) as listened_ms
    from counted_plays
    group by offline, incognito
),

named as (
    select
        case
            when incognito then 'private session'
            when offline then 'offline'
            when not offline then 'online'
            else 'unknown'
        end as mode,
        sum(plays)::bigint as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms
    from modes
    group by 1
)

select mode, plays, listened_ms, round(plays / sum(plays) over ()::double, 4) as share
from named
order by plays desc, mode
