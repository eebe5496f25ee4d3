-- name: sources
-- summary: What each source tells: how many plays of each kind, how many that no other source tells, from when to when, and which imports they came with.
-- grain: one row per source and kind
-- chart: bar source plays
-- uses: period timezone raw user
-- column source: api (the polls), extended, account, or another service by name.
-- column kind: track, episode, audiobook_chapter or unknown.
-- column plays: Plays it tells of, of every length.
-- column plays_alone: Those of them that no other source tells.
-- column first_played_at: When the first of these plays ended (UTC).
-- column last_played_at: When the last of them ended (UTC).
-- column imports: The numbers of the imports that brought files of this source and kind; empty for polls.
-- example: --year 2024
with

told as (
    select
        sources,
        kind,
        count(*) as plays,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at
    from counted_plays
    group by sources, kind
),

by_source as (
    select
        v_sources.source,
        told.kind,
        sum(told.plays)::bigint as plays,
        coalesce(
            sum(told.plays) filter (where array_length(told.sources, 1) = 1), 0
        )::bigint as plays_alone,
        min(told.first_played_at) as first_played_at,
        max(told.last_played_at) as last_played_at
    from told
    inner join v_sources on list_contains(told.sources, v_sources.source)
    group by v_sources.source, told.kind
),

brought as (
    select distinct
        by_source.source,
        by_source.kind,
        v_import_kinds.import_id
    from by_source
    inner join v_import_kinds
        on by_source.source = v_import_kinds.source
        and by_source.kind = v_import_kinds.kind
        and by_source.first_played_at <= v_import_kinds.last_played_at
        and by_source.last_played_at >= v_import_kinds.first_played_at
    where v_import_kinds.user_id = $user_id
),

imports as (
    select source, kind, string_agg(import_id::varchar, ', ' order by import_id) as imports
    from brought
    group by source, kind
)

select
    by_source.source,
    by_source.kind,
    by_source.plays,
    by_source.plays_alone,
    by_source.first_played_at,
    by_source.last_played_at,
    imports.imports
from by_source
left join imports on by_source.source = imports.source and by_source.kind = imports.kind
order by by_source.plays desc, by_source.source, by_source.kind
