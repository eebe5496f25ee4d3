-- The artist of this name, id or URI who was played most.
with

named as (
    select distinct artist_id, artist
    from heard_tracks
    where name_key(artist) = name_key($given) or artist_id = $id or own_artist_id = $id
),

-- Counted only where several have the name.
played as (
    select artist_id, count(*) as plays
    from kept_plays
    where
        (select count(distinct artist_id) > 1 from named)
        and artist_id in (select artist_id from named)
    group by artist_id
)

select named.artist_id, named.artist
from named
left join played using (artist_id)
group by named.artist_id, named.artist
order by max(played.plays) desc nulls last, named.artist_id
limit 1
