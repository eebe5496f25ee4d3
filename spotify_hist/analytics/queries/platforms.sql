-- name: platforms
-- summary: What was listened on: Android, iOS, Windows, macOS, Linux, web player, TV, speaker or cast, game console, car, other.
-- grain: one row per family of platforms, or with detail per platform as Spotify names it
-- chart: bar family plays
-- uses: plays limit offset
-- param detail: boolean = false  One row for each platform as Spotify names it.
-- column family: The family of platforms; unknown where no source tells it.
-- column platform: The platform as Spotify names it, with --detail.
-- column plays: Counted plays.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column share: Share of all counted plays, 0 to 1.
-- column first_played_at: When the first of these plays ended (UTC).
-- column last_played_at: When the latest of these plays ended (UTC).
-- example: --detail --days 365
with

told as (
    select
        platform,
        count(*) as plays,
        sum(listened_ms) as listened_ms,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at
    from counted_plays
    group by platform
),

named as (
    select
        coalesce(v_platforms.family, 'unknown') as family,
        case when $detail then told.platform end as platform,
        told.plays,
        told.listened_ms,
        told.first_played_at,
        told.last_played_at
    from told
    left join v_platforms on told.platform = v_platforms.platform
),

found as (
    select
        family,
        platform,
        sum(plays)::bigint as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        min(first_played_at) as first_played_at,
        max(last_played_at) as last_played_at
    from named
    group by family, platform
)

select
    family,
    platform,
    plays,
    listened_ms,
    round(plays / sum(plays) over ()::double, 4) as share,
    first_played_at,
    last_played_at
from found
order by plays desc, family, platform
limit $limit offset $offset
