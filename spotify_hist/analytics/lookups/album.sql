-- The album of this title ("title" or "title - artist"), id or URI that was played most.
with

named as (
    select distinct album_id, album || coalesce(' - ' || artist, '') as name
    from heard_tracks
    where
        name_key(album) = name_key($given)
        or (strpos($given, '-') > 0 and name_key(album || ' - ' || artist) = name_key($given))
        or album_id = $id
),

-- Counted only where several have the name.
played as (
    select album_id, count(*) as plays
    from kept_plays
    where
        (select count(distinct album_id) > 1 from named)
        and album_id in (select album_id from named)
    group by album_id
)

select named.album_id, min(named.name)
from named
left join played using (album_id)
group by named.album_id
order by max(played.plays) desc nulls last, named.album_id
limit 1
