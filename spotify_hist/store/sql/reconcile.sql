-- plays = f(set of records): which records are one play (FACTS 6.2), for one listener and the
-- stretches of time that changed.

-- step: macros
create or replace temp macro name_key(name) as
    lower(trim(regexp_replace(nfc_normalize(name), '\s+', ' ', 'g')));
create or replace temp macro artist_id_of(uri, name) as
    coalesce(split_part(uri, ':', 3), 'local:' || sha1(name));
create or replace temp macro album_id_of(uri, artist, name) as
    coalesce(split_part(uri, ':', 3), 'local:' || sha1(coalesce(artist, '') || '|' || name));

-- step: bounds
select
    epoch_us(min(played_at)),
    epoch_us(max(played_at)),
    count(*),
    count(*) filter (where source not in ('extended', 'account', 'api')),
    count(*) filter (where source <> 'extended')
from {touched};

-- step: surroundings
-- What lies around a stretch: records of other sources than the extended history just before and
-- just after it; how many records its rules may see, how many of other sources, of scrobblers.
select
    count(*) filter (where is_other and played_at >= $low_link and played_at < $low_touched),
    count(*) filter (where is_other and played_at > $high_touched and played_at <= $high_link),
    count(*) filter (where played_at between $low and $high),
    count(*) filter (where is_other),
    count(*) filter (where is_other and source not in ('account', 'api'))
from (
    select played_at, source, source <> 'extended' as is_other
    from play_records
    where
        user_id = $user_id
        and played_at between least($low_link, $low_far) and greatest($high_link, $high_far)
);

-- step: scope_all
create or replace temp table scope as
select
    record_id, head_id, play_id, source, played_at, ms_played, kind, track_id,
    title, artist, album, album_artist, nth, 0 as island
from play_records
where user_id = $user_id and played_at between $low and $high;

-- step: scope_islands
-- Only what is near a touched instant needs to be rebuilt. Records of the extended history act on
-- no other record than one of another source within reach: a pause without any of these that is
-- twice as long parts two islands, however densely the extended history lies in it.
create or replace temp table scope as
with

instants as (
    select distinct played_at, is_touched
    from (
        select played_at, false as is_touched
        from play_records
        where user_id = $user_id and played_at between $low and $high and source <> 'extended'
        union all
        select played_at, true from {touched}
    )
),

marked as (
    select
        played_at,
        is_touched,
        coalesce(
            played_at - lag(played_at) over (order by played_at) > $link::interval, true
        ) as is_first
    from instants
),

numbered as (
    select
        played_at,
        is_touched,
        sum(is_first::integer) over (order by played_at rows unbounded preceding) as island
    from marked
),

islands as (
    select
        island,
        min(played_at) - $reach::interval as low_at,
        max(played_at) + $reach::interval as high_at
    from numbered
    group by island
    having bool_or(is_touched)
)

select
    play_records.record_id, play_records.head_id, play_records.play_id, play_records.source,
    play_records.played_at, play_records.ms_played, play_records.kind, play_records.track_id,
    play_records.title, play_records.artist, play_records.album, play_records.album_artist,
    play_records.nth,
    islands.island
from play_records
asof inner join islands on play_records.played_at >= islands.low_at
where
    play_records.user_id = $user_id
    and play_records.played_at between $low and $high
    and play_records.played_at <= islands.high_at;

-- step: plain
-- What keeps the records of a stretch, with nothing of another source near, from being a play each:
-- other records than the fresh ones, plays that stood there before, several records of one play,
-- one that is joined to another, tracks without an id.
select
    (
        select count(*)
        from plays
        where user_id = $user_id and played_at between $low and $high
    ) as former,
    count(*) - $changed as known,
    {repeats} as repeats,
    count(*) filter (where play_id <> head_id) as joined,
    count(*) filter (where track_id like 'local:%') as unidentified
from play_records
where user_id = $user_id and played_at between $low and $high;

-- step: count_others
select count(*) filter (where source <> 'extended'), count(*) filter (where track_id like 'local:%')
from scope;

-- step: sources
-- What is in scope, and which rules have anything to say about it: `echoes` are API records soon
-- after another one of the same track, `mixed` islands hold records of several sources.
select
    count(*) filter (where source = 'extended') as extended,
    count(*) filter (where source = 'account') as account,
    count(*) filter (where source = 'api') as api,
    count(*) filter (where source = 'extended' and track_id like 'local:%') as unidentified,
    count(*) filter (where is_echo) as echoes,
    count(*) filter (where is_mixed) as mixed
from (
    select
        source,
        track_id,
        source = 'api' and played_at - lag(played_at) over (
            partition by source, track_id order by played_at
        ) < interval 2 second as is_echo,
        source <> first_value(source) over (partition by island) as is_mixed
    from scope
);

-- step: no_api_heads
create or replace temp table api_heads (record_id uuid, head_id uuid);

-- step: api_heads
-- Within the API the same track under 2 s apart is one play.
create or replace temp table api_heads as
with

ordered as (
    select
        record_id, track_id, played_at,
        played_at - lag(played_at) over (partition by track_id order by played_at, record_id)
            >= interval 2 second as is_next
    from scope
    where source = 'api'
),

chained as (
    select
        record_id, track_id, played_at,
        count(*) filter (where is_next) over (
            partition by track_id order by played_at, record_id rows unbounded preceding
        ) as chain
    from ordered
)

select
    record_id,
    first_value(record_id) over (
        partition by track_id, chain order by played_at, record_id
    ) as head_id
from chained;

-- step: heads
-- grain: one name of what one source says is one play; the record that speaks for it tells the
-- instant. Extended rows far from every other source can match nothing and stay out, unless all are
-- wanted: what lacks a URI, and what scrobblers noted, may be any of them. A whole second is less
-- exact than milliseconds (FACTS 3.7); old account files call an episode a track, newer ones say
-- what it is. Every name counts, so that a later export with another one parts nothing.
create or replace temp table heads as
with

minutes as (
    select distinct unnest([minute - 60, minute, minute + 60, minute + 120]) as minute
    from (
        select distinct (epoch(played_at)::bigint // 60) * 60 as minute
        from scope
        where source in ('account', 'api')
    )
),

near as (
    select
        scope.* exclude (head_id),
        coalesce(api_heads.head_id, scope.head_id) as head_id,
        (epoch(scope.played_at)::bigint // 60) * 60 as minute
    from scope
    left join api_heads using (record_id)
),

ranked as (
    select
        *,
        row_number() over (
            partition by head_id
            order by
                source = 'api' and epoch_ms(played_at) % 1000 = 0,
                kind = 'track',
                played_at,
                record_id
        ) as rank
    from near
    where
        source <> 'extended'
        or $wants_all
        or minute in (select minute from minutes)
),

named as (
    select distinct
        head_id,
        coalesce(name_key(case kind when 'audiobook_chapter' then album else artist end), '')
            as artist_key,
        nullif(name_key(album_artist), '') as album_artist_key,
        coalesce(name_key(title), '') as title_key
    from ranked
)

select
    ranked.head_id, ranked.source, ranked.played_at, ranked.minute, ranked.ms_played, ranked.nth,
    case when ranked.track_id like 'local:%' then null else ranked.track_id end as track_id,
    named.artist_key, named.album_artist_key, named.title_key
from ranked
inner join named using (head_id)
where ranked.rank = 1;

-- step: create_joined
create or replace temp table joined (head_id uuid, into_id uuid);

-- step: propose_identified
-- Rows of the exports before 2021 have no URI (FACTS 5.3): the same row of a later export does.
create or replace temp table candidates as
select
    known.head_id as left_id,
    plain.head_id as right_id,
    row_number() over (order by known.head_id, plain.head_id) as place
from heads as known
inner join heads as plain
    on known.played_at = plain.played_at
    and known.ms_played = plain.ms_played
    and known.artist_key = plain.artist_key
    and known.title_key = plain.title_key
where
    known.source = 'extended' and known.track_id is not null
    and plain.source = 'extended' and plain.track_id is null and plain.title_key <> '';

-- step: propose_api
-- API and extended: the same track within 5 s, the same id before the same names, closest first.
create or replace temp table candidates as
with

extended as (
    select * from heads anti join joined using (head_id) where source = 'extended'
),

api as (
    select *, unnest([minute - 60, minute, minute + 60]) as near_minute
    from heads
    where source = 'api'
),

pairs as (
    select extended.head_id as left_id, api.head_id as right_id, 0 as worse, extended.played_at,
        extended.ms_played, api.played_at as api_at
    from extended
    inner join api
        on extended.minute = api.near_minute and extended.track_id = api.track_id
    union all
    select extended.head_id, api.head_id, 1, extended.played_at, extended.ms_played, api.played_at
    from extended
    inner join api
        on extended.minute = api.near_minute and extended.title_key = api.title_key
    where
        extended.title_key <> ''
        and extended.artist_key in (api.artist_key, api.album_artist_key)
        and coalesce(extended.track_id <> api.track_id, true)
)

select
    left_id,
    right_id,
    row_number() over (
        order by
            worse, abs(epoch_ms(played_at) - epoch_ms(api_at)), ms_played desc, played_at, api_at,
            left_id, right_id
    ) as place
from pairs
where abs(epoch_ms(played_at) - epoch_ms(api_at)) <= 5000;

-- step: propose_account
-- Account rows know the minute of the end: the true end lies in [endTime - 5 s, endTime + 65 s].
-- Equal listened time decides; where minute and listened time (> 0) are both equal, one differing
-- name is no obstacle (FACTS 5.9, 6.2). The API leaves short plays out: the longest row is its.
create or replace temp table candidates as
with

others as (
    select *, unnest([minute - 60, minute, minute + 60]) as near_minute
    from heads anti join joined using (head_id)
    where source in ('extended', 'api')
),

account as (
    select * from heads where source = 'account'
),

named as (
    select
        others.head_id as left_id, account.head_id as right_id,
        others.played_at, others.source, account.nth, account.ms_played as account_ms,
        account.title_key,
        coalesce(account.ms_played = others.ms_played, false) as is_equal_ms,
        greatest(
            epoch_ms(account.played_at) - epoch_ms(others.played_at),
            epoch_ms(others.played_at) - epoch_ms(account.played_at) - 60000,
            0
        ) as outside_ms,
        others.minute <> account.minute as is_outside
    from others
    inner join account
        on others.near_minute = account.minute and others.title_key = account.title_key
    where account.artist_key in (others.artist_key, others.album_artist_key)
),

pairs as (
    select
        left_id, right_id, played_at, nth, is_outside, outside_ms,
        case when is_equal_ms then is_outside::integer else 3 end as worse,
        case when source = 'api' then -account_ms else 0 end as shortness
    from named
    where
        outside_ms <= 5000
        and (is_equal_ms or title_key <> '')
    union all
    select others.head_id, account.head_id, others.played_at, account.nth, false, 0, 2, 0
    from others
    inner join account
        on others.minute = account.minute and others.ms_played = account.ms_played
    where
        others.near_minute = others.minute
        and others.ms_played > 0
        and (
            (others.title_key = account.title_key) <> (others.artist_key = account.artist_key)
            or account.title_key = '' and account.artist_key = ''
        )
)

select
    left_id,
    right_id,
    row_number() over (
        order by worse, is_outside, outside_ms, shortness, nth, played_at, left_id, right_id
    ) as place
from pairs;

-- step: count_service
select count(*) from scope where source = $service;

-- step: spans
-- grain: one stretch of time in which a scrobbler's instant may mean one play, as settled so far
-- (`whole_id`); at first the plays of Spotify's own sources. A scrobbler notes the start or the end
-- of a play: from 2 minutes before its start, for pauses, to 5 s after its end, but no further back
-- than 22 minutes. Where the listened time is not known the play is taken for one of 20 minutes;
-- where only the account data tells of it, its end is somewhere in a minute. `form` is the instant
-- of a scrobbler that is meant: its `start`, its `end`, or `any`.
create or replace temp table spans as
with

told as (
    select
        coalesce(joined.into_id, heads.head_id) as whole_id,
        heads.source,
        epoch_ms(heads.played_at) as end_ms,
        heads.ms_played,
        case
            when heads.source = 'api' and epoch_ms(heads.played_at) % 1000 <> 0 then 0
            when heads.source = 'extended' then 1
            when heads.source = 'api' then 2
            else 3
        end as vagueness
    from heads
    left join joined using (head_id)
    where heads.source in ('extended', 'account', 'api')
),

wholes as (
    select
        whole_id,
        min_by(end_ms, vagueness) as end_ms,
        min_by(ms_played, case source when 'extended' then 0 else 1 end)
            filter (where ms_played is not null) as ms_played,
        bool_and(source = 'account') as is_minute
    from told
    group by whole_id
)

select
    whole_id,
    'any' as form,
    end_ms - least(coalesce(ms_played, 1200000), 1200000) - 120000 as low_ms,
    end_ms + case when is_minute then 65000 else 5000 end as high_ms,
    end_ms - coalesce(ms_played, 0) as start_ms,
    end_ms,
    case when is_minute then 60000 else 0 end as blur_ms
from wholes;

-- step: propose_noted
-- A play that a scrobbler noted, and the plays it may be: the same id before the same names, plays
-- less than 10 minutes away before others. So near, the distance tells repeats of a song not apart
-- (the end of one is the start of the next): they are taken in the order of time, which leaves none
-- over where there is a place for all. Exports name the album's artist (FACTS 5.3), scrobblers the
-- performer: where start or end is told within 5 s, another artist is no obstacle.
create or replace temp table candidates as
with

wholes as (
    select heads.*, coalesce(joined.into_id, heads.head_id) as whole_id
    from heads
    left join joined using (head_id)
),

keys as (
    select whole_id, track_id as key, 0 as worse
    from wholes
    where track_id is not null
    union
    select whole_id, unnest([artist_key, album_artist_key]) || chr(31) || title_key, 1
    from wholes
    where title_key <> ''
    union
    select whole_id, chr(30) || title_key, 2
    from wholes
    where title_key <> ''
),

noted as (
    select distinct
        head_id,
        epoch_ms(played_at) as end_ms,
        epoch_ms(played_at) - coalesce(ms_played, 0) as start_ms
    from heads
    where source = $service
),

points as (
    select head_id, start_ms as noted_ms, 'end' as form, end_ms as point_ms from noted
    union all
    select head_id, start_ms, 'start', start_ms from noted where end_ms - start_ms <= 1200000
),

told as (
    select points.*, point_ms // 1500000 as block, keys.key
    from points
    inner join keys on points.head_id = keys.whole_id
),

marks as (
    select
        spans.*, keys.key, keys.worse,
        unnest(range(low_ms // 1500000, high_ms // 1500000 + 1)) as block
    from spans
    inner join keys using (whole_id)
),

pairs as (
    select
        marks.whole_id as left_id, told.head_id as right_id, marks.worse, told.noted_ms,
        marks.high_ms,
        least(
            greatest(marks.end_ms - point_ms, point_ms - marks.end_ms - blur_ms, 0),
            greatest(marks.start_ms - point_ms, point_ms - marks.start_ms - blur_ms, 0)
        ) as distance_ms
    from told
    inner join marks
        on told.key = marks.key
        and told.block = marks.block
        and told.point_ms between marks.low_ms and marks.high_ms
    where marks.form in ('any', told.form)
)

select
    left_id,
    right_id,
    row_number() over (
        order by worse, distance_ms // 600000, noted_ms, high_ms, left_id, right_id
    ) as place
from pairs
where worse < 2 or distance_ms <= 5000;

-- step: add_spans
-- What one scrobbler noted is known to the next: within 5 s, start and start or end and end. What
-- your_spotify keeps is what the API told it (FACTS 3.3): the end of a play of unknown length.
insert into spans by name
with

noted as (
    select distinct
        coalesce(joined.into_id, heads.head_id) as whole_id,
        heads.source = 'your_spotify' and joined.into_id is null as is_end,
        epoch_ms(heads.played_at) as end_ms,
        heads.ms_played
    from heads
    left join joined using (head_id)
    where heads.source = $service
),

instants as (
    select whole_id, 'end' as form, end_ms as at_ms from noted
    union all
    select whole_id, 'start', end_ms - coalesce(ms_played, 0)
    from noted
    where coalesce(ms_played, 0) <= 1200000
)

select
    whole_id, form, at_ms - 5000 as low_ms, at_ms + 5000 as high_ms, at_ms as start_ms,
    at_ms as end_ms, 0 as blur_ms
from instants
union all
select
    whole_id, 'any', end_ms - least(coalesce(ms_played, 1200000), 1200000) - 120000, end_ms + 5000,
    end_ms - coalesce(ms_played, 0), end_ms, 0
from noted
where is_end;

-- step: choose
-- Best for both sides at once: repeated until nothing is left, this is 'closest first, one to one'.
create or replace temp table chosen as
select left_id, right_id
from candidates
qualify
    place = min(place) over (partition by left_id)
    and place = min(place) over (partition by right_id);

-- step: join_chosen
insert into joined select right_id as head_id, left_id as into_id from chosen;

-- step: drop_settled
delete from candidates
where
    left_id in (select left_id from chosen) or right_id in (select right_id from chosen);

-- step: count_candidates
select count(*) from candidates;

-- step: assign
create or replace temp table assigned as
with

headed as (
    select
        scope.record_id, scope.source, scope.play_id as old_play_id, scope.played_at,
        coalesce(api_heads.head_id, scope.head_id) as head_id
    from scope
    left join api_heads using (record_id)
)

select
    headed.record_id, headed.source, headed.old_play_id, headed.played_at,
    coalesce(joined.into_id, headed.head_id) as play_id
from headed
left join joined using (head_id);

-- step: assign_plain
create or replace temp table assigned as
select record_id, source, play_id as old_play_id, played_at, head_id as play_id from scope;

-- step: count_moved
select count(*) from assigned where play_id <> old_play_id;

-- step: move_records
update play_records
set play_id = assigned.play_id
from assigned
where
    play_records.user_id = $user_id
    and play_records.played_at between $low and $high
    and play_records.record_id = assigned.record_id
    and assigned.play_id <> assigned.old_play_id;

-- step: delete_plays
delete from plays
where
    user_id = $user_id
    and played_at between $low and $high
    and play_id in (select old_play_id from assigned union all select play_id from assigned);

-- step: shared
-- The plays that several records tell of.
create or replace temp table shared as
select play_id from assigned group by play_id having count(*) > 1;

-- step: track_keys
-- grain: one track id of the records that become plays, with the number that stands for it; the same
-- whenever it is made
create or replace temp table track_keys as
select track_id, md5_number_lower(track_id) as track_key
from (
    select distinct track_id
    from play_records
    where
        user_id = $user_id
        and played_at between $low and $high {narrowed}
) as told
where track_id is not null;

-- step: insert_single
-- The plays that one record alone tells of.
insert into plays by name
select
    play_id, user_id, played_at, ms_played, kind, track_id, track_key, platform, country,
    reason_start, reason_end, shuffle, skipped, offline, incognito, context_uri, [source] as sources
from play_records
left join track_keys using (track_id)
where
    user_id = $user_id
    and played_at between $low and $high {narrowed};

-- step: insert_merged
-- Each field from the best record: extended over account over api over scrobblers; context and
-- milliseconds from the api.
insert into plays by name
with

told as (
    select play_records.*
    from play_records
    semi join shared using (play_id)
    where user_id = $user_id and played_at between $low and $high {narrowed}
),

ranked as (
    select
        *,
        row_number() over (
            partition by play_id
            order by
                case source
                    when 'extended' then 0 when 'account' then 1 when 'api' then 2 else 3
                end,
                track_id like 'local:%' nulls last, kind = 'track', record_id
        ) as rank,
        row_number() over (
            partition by play_id
            order by
                case
                    when source = 'api' and epoch_ms(played_at) % 1000 <> 0 then 0
                    when source = 'extended' then 1
                    when source = 'api' then 2
                    when source = 'account' then 3
                    when source = 'your_spotify' then 4
                    when ms_played is not null then 5
                    else 6
                end,
                played_at, record_id
        ) as time_rank,
        row_number() over (
            partition by play_id
            order by
                track_id is null, track_id like 'local:%',
                case source
                    when 'extended' then 0 when 'api' then 1 when 'account' then 2 else 3
                end,
                kind = 'track', record_id
        ) as track_rank
    from told
),

merged as (
    select
        play_id,
        any_value(user_id) as user_id,
        min_by(played_at, time_rank) as played_at,
        min_by(ms_played, rank) filter (where ms_played is not null) as ms_played,
        min_by(kind, rank) filter (where kind <> 'unknown') as known_kind,
        min_by(track_id, track_rank) filter (where track_id is not null) as track_id,
        min_by(platform, rank) filter (where platform is not null) as platform,
        min_by(country, rank) filter (where country is not null) as country,
        min_by(reason_start, rank) filter (where reason_start is not null) as reason_start,
        min_by(reason_end, rank) filter (where reason_end is not null) as reason_end,
        min_by(shuffle, rank) filter (where shuffle is not null) as shuffle,
        min_by(skipped, rank) filter (where skipped is not null) as skipped,
        min_by(offline, rank) filter (where offline is not null) as offline,
        min_by(incognito, rank) filter (where incognito is not null) as incognito,
        min_by(context_uri, rank) filter (where context_uri is not null) as context_uri,
        list_sort(list_distinct(list(source))) as sources
    from ranked
    group by play_id
)

select
    merged.* exclude (known_kind),
    track_keys.track_key,
    coalesce(merged.known_kind, 'unknown') as kind
from merged
left join track_keys using (track_id)
order by merged.played_at;
