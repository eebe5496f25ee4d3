-- name: countries
-- summary: Where the listening took place: the countries the plays were heard in.
-- grain: one row per country
-- chart: bar country plays
-- uses: plays limit offset
-- column country: The country as an ISO 3166 code; ZZ where it is not known.
-- column plays: Counted plays.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column days: Local days with at least one of these plays.
-- column first_played_at: When the first of these plays ended (UTC).
-- column last_played_at: When the latest of these plays ended (UTC).
-- example: --year 2024
with

days as (
    select
        coalesce(country, 'ZZ') as country,
        local_at::date as played_on,
        count(*) as plays,
        sum(listened_ms) as listened_ms,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at
    from counted_plays
    group by 1, 2
)

select
    country,
    sum(plays)::bigint as plays,
    coalesce(sum(listened_ms), 0)::bigint as listened_ms,
    count(*) as days,
    min(first_played_at) as first_played_at,
    max(last_played_at) as last_played_at
from days
group by country
order by sum(plays) desc, country
limit $limit offset $offset
