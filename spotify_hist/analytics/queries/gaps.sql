-- name: gaps
-- summary: The stretches in which plays are known to be missing, and those that were filled since, newest first.
-- grain: one row per stretch that lies in the period, or partly
-- uses: period timezone raw user limit offset
-- param state: text = open {open|closed|all}  Only those with plays still missing, only those filled, or all.
-- param limit: integer = 100 [1..10000]  Most rows to return.
-- column after_at: The last play known before it (UTC).
-- column before_at: The first play known after it (UTC).
-- column hours: How long it is.
-- column estimated_missing: How many plays may be missing: as many as fell to as many hours of the 28 days before it, all kinds and lengths taken; a guess, not a count.
-- column found_at: When it was noticed (UTC).
-- column closed_at: When it was filled (UTC); empty while it is open.
-- example: --state all
with

gaps as (
    select
        after_at,
        before_at,
        date_diff('second', after_at, before_at) / 3600.0 as hours,
        found_at,
        closed_at
    from known_gaps
    where
        case $state
            when 'closed' then closed_at is not null
            when 'all' then true
            else closed_at is null
        end
),

paces as (
    select gaps.after_at, gaps.before_at, count(plays.play_id) / (28 * 24.0) as plays_per_hour
    from gaps
    left join kept_plays as plays
        on plays.played_at <= gaps.after_at
        and plays.played_at > gaps.after_at - interval 28 day
    group by gaps.after_at, gaps.before_at
)

select
    gaps.after_at,
    gaps.before_at,
    round(gaps.hours, 2)::double as hours,
    round(paces.plays_per_hour * gaps.hours)::bigint as estimated_missing,
    gaps.found_at,
    gaps.closed_at
from gaps
inner join paces on gaps.after_at = paces.after_at and gaps.before_at = paces.before_at
order by gaps.after_at desc, gaps.before_at desc
limit $limit offset $offset
