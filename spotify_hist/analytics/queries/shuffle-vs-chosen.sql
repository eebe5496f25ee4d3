-- name: shuffle-vs-chosen
-- summary: How plays begin: chosen by hand, gone on by itself, after a skip and so on, with shuffle on or off.
-- grain: one row per way a play began and state of shuffle
-- uses: plays
-- param min_ms: integer = 0 [0..86400000]  Shortest listened time that is looked at, in milliseconds. Most skips are short.
-- column began: chosen by hand, went on by itself, after a skip, went back, app start, remote control, after an error, other; unknown where no source tells it.
-- column is_shuffled: Whether shuffle was on; empty where no source tells it.
-- column plays: Plays that began so.
-- column share: Their share of all plays, 0 to 1.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column skip_share: Share that ended with the next-track button, of those whose reason to end is known, 0 to 1; empty where none is.
-- example: --year 2024
with

reasons as (
    select
        reason_start,
        shuffle,
        count(*) as plays,
        sum(listened_ms) as listened_ms,
        count(reason_end) as ended,
        count(*) filter (where reason_end = 'fwdbtn') as skips
    from counted_plays
    group by reason_start, shuffle
),

named as (
    select
        case
            when reason_start is null or reason_start in ('unknown', '') then 'unknown'
            when
                reason_start in (
                    'clickrow', 'click-row', 'clickside', 'playbtn', 'popup', 'search', 'uriopen'
                )
                then 'chosen by hand'
            when reason_start in ('trackdone', 'endplay') then 'went on by itself'
            when reason_start in ('fwdbtn', 'nextbtn') then 'after a skip'
            when reason_start in ('backbtn', 'prevbtn') then 'went back'
            when reason_start in ('appload', 'persisted') then 'app start'
            when reason_start = 'remote' then 'remote control'
            when reason_start = 'trackerror' then 'after an error'
            else 'other'
        end as began,
        shuffle as is_shuffled,
        plays,
        listened_ms,
        ended,
        skips
    from reasons
),

ways as (
    select
        began,
        is_shuffled,
        sum(plays)::bigint as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        sum(ended) as ended,
        sum(skips) as skips
    from named
    group by began, is_shuffled
)

select
    began,
    is_shuffled,
    plays,
    round(plays / sum(plays) over ()::double, 4) as share,
    listened_ms,
    round(skips / nullif(ended, 0)::double, 4) as skip_share
from ways
order by plays desc, began, is_shuffled nulls last
