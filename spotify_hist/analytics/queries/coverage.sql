-- name: coverage
-- summary: Which months the history covers, by which sources, and where plays are known to be missing.
-- grain: one row per local month with a play, or in which a known gap begins
-- core: yes
-- chart: bar month plays
-- uses: period timezone travel raw user limit offset
-- param limit: integer = 1200 [1..12000]  Most rows to return.
-- column month: The local calendar month.
-- column plays: All plays of every kind, counted or not.
-- column extended: Plays the extended streaming history tells of.
-- column account: Plays the account-data export tells of.
-- column api: Plays the polls caught.
-- column services: Plays that other services noted (Last.fm, ListenBrainz and the like).
-- column days: Local days with at least one play.
-- column gaps: Stretches in which plays are known to be missing, in the month each begins; those begun before the period are in its first month.
-- example: --year 2024
with

days as (
    select local_at::date as day, sources, count(*) as plays
    from counted_plays
    group by 1, 2
),

months as (
    select
        date_trunc('month', day)::date as month,
        sum(plays)::bigint as plays,
        (sum(plays) filter (where list_contains(sources, 'extended')))::bigint as extended,
        (sum(plays) filter (where list_contains(sources, 'account')))::bigint as account,
        (sum(plays) filter (where list_contains(sources, 'api')))::bigint as api,
        (
            sum(plays) filter (
                where list_has_any(
                    sources, ['your_spotify', 'maloja', 'koito', 'listenbrainz', 'lastfm']
                )
            )
        )::bigint as services,
        count(distinct day) as days
    from days
    group by 1
),

gaps as (
    select date_trunc('month', local_at)::date as month, count(*) as gaps
    from open_gaps
    group by 1
)

select
    strftime(month, '%Y-%m') as month,
    coalesce(plays, 0) as plays,
    coalesce(extended, 0) as extended,
    coalesce(account, 0) as account,
    coalesce(api, 0) as api,
    coalesce(services, 0) as services,
    coalesce(days, 0) as days,
    coalesce(gaps, 0) as gaps
from months
full join gaps using (month)
order by 1
limit $limit offset $offset
