-- name: clusters
-- summary: Groups of taste among the 200 most played artists. A few artists that hardly meet are chosen, and each other artist goes with the one it is heard with most, compared with chance, in the same quarter of a day; a common genre doubles that. A rough map: each is put somewhere.
-- grain: one row per artist of the 200 most played of the period, each in one group
-- uses: plays limit offset
-- param groups: integer = 4 [3..6]  How many groups, at the most.
-- param limit: integer = 200 [1..1000]  Most rows to return.
-- column group_number: The group, 1 first: that of the most played artist.
-- column group_name: Its three most played artists.
-- column artist: The artist.
-- column plays: Counted plays of the artist.
-- column share: Their share of all counted plays, 0 to 1.
-- column typical_hour: The local hour in which most of the plays ended, 0 to 23.
-- column genre: The genre that most of the 200 artists have, of those Spotify tells of this one; empty where it tells none.
-- column closeness: In how many quarters of a local day (six hours, from midnight on) both the artist and the one its group is gathered around are heard, by how many chance would give; both numbers are raised by one, and it is doubled where Spotify tells a common genre. Empty for that one itself.
-- example: --days 365 --groups 5
with recursive

hours as (
    select
        artist_id,
        extract(hour from local_at) as hour,
        max(artist) as artist,
        count(*) as plays
    from counted_plays
    group by 1, 2
),

artists as (
    select
        artist_id,
        max(artist) as artist,
        sum(plays)::bigint as plays
    from hours
    group by artist_id
),

top as (
    select
        artist_id,
        artist,
        plays,
        row_number() over (order by plays desc, artist, artist_id) as rank
    from artists
    where artist_id is not null
    qualify row_number() over (order by plays desc, artist, artist_id) <= 200
),

-- A part is a quarter of a local day: who is heard in the same one meets, at a like hour.
heard as (
    select distinct
        top.rank,
        date_diff('day', date '2000-01-01', plays.local_at::date) * 4
        + floor(extract(hour from plays.local_at) / 6)::bigint as part
    from counted_plays as plays
    inner join top on plays.artist_id = top.artist_id
),

nodes as (
    select
        rank,
        count(*) as parts,
        (select count(distinct part) from heard) as all_parts
    from heard
    group by rank
),

genres as (
    select top.rank, v_genres.genre
    from top
    inner join v_genres on top.artist_id = v_genres.artist_id
),

-- In each round the artist that is least close to all chosen so far is chosen too, and whoever is
-- closer to it than to those goes over to it.
rounds as (
    select
        0 as round,
        rank,
        parts,
        0 as group_number,
        false as is_chosen,
        0::double as closeness,
        1::bigint as next_rank
    from nodes
    union all
    select
        *,
        first_value(rank) over (order by is_chosen, closeness, rank) as next_rank
    from (
        select
            before.round + 1 as round,
            before.rank,
            before.parts,
            case
                when before.rank = before.next_rank then before.round + 1
                when not before.is_chosen and weights.weight > before.closeness
                    then before.round + 1
                else before.group_number
            end as group_number,
            before.is_chosen or before.rank = before.next_rank as is_chosen,
            greatest(before.closeness, weights.weight) as closeness
        from rounds as before
        inner join (
            select
                others.rank,
                (coalesce(meetings.parts, 0) + 1)
                / (others.parts * chosen.parts / others.all_parts::double + 1)
                * case when alike.rank is null then 1 else 2 end as weight
            from nodes as others
            inner join nodes as chosen on chosen.rank = (select max(next_rank) from rounds)
            left join (
                select rank, count(*) as parts
                from heard
                where part in (
                    select part
                    from heard
                    where rank = (select max(next_rank) from rounds)
                )
                group by rank
            ) as meetings on others.rank = meetings.rank
            left join (
                select distinct rank
                from genres
                where genre in (
                    select genre
                    from genres
                    where rank = (select max(next_rank) from rounds)
                )
            ) as alike on others.rank = alike.rank
        ) as weights on before.rank = weights.rank
        where before.round < $groups and before.round < (select count(*) from nodes)
    ) as weighed
),

grouped as (
    select
        rank,
        group_number,
        case when not is_chosen then closeness end as closeness
    from rounds
    qualify row_number() over (partition by rank order by round desc) = 1
),

names as (
    select group_number, string_agg(artist, ', ' order by rank) as group_name
    from (
        select grouped.group_number, top.artist, top.rank
        from grouped
        inner join top on grouped.rank = top.rank
        qualify row_number() over (partition by grouped.group_number order by top.rank) <= 3
    ) as most_played
    group by group_number
),

typical_hours as (
    select top.rank, hours.hour
    from hours
    inner join top on hours.artist_id = top.artist_id
    qualify row_number() over (partition by top.rank order by hours.plays desc, hours.hour) = 1
),

common_genres as (
    select genres.rank, genres.genre
    from genres
    inner join (
        select genre, count(*) as artists
        from genres
        group by genre
    ) as sizes on genres.genre = sizes.genre
    qualify row_number() over (
        partition by genres.rank order by sizes.artists desc, genres.genre
    ) = 1
)

select
    grouped.group_number,
    names.group_name,
    top.artist,
    top.plays,
    round(top.plays / (select sum(plays) from artists)::double, 4) as share,
    typical_hours.hour as typical_hour,
    common_genres.genre,
    round(grouped.closeness, 4) as closeness
from grouped
inner join top on grouped.rank = top.rank
inner join names on grouped.group_number = names.group_number
inner join typical_hours on grouped.rank = typical_hours.rank
left join common_genres on grouped.rank = common_genres.rank
order by grouped.group_number, top.rank
limit $limit offset $offset
