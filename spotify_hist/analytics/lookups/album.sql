-- The album of this title ("title" or "title - artist"), id or URI that was played most.
with

named as (
    select distinct album_id, album || coalesce(' - ' || artist, '') as name
    from heard_tracks
    where
        name_key(album) = name_key($given)
        or name_key(album || ' - ' || artist) = name_key($given)
        or album_id = $id
)

select named.album_id, min(named.name)
from named
left join kept_plays using (album_id)
group by named.album_id
order by count(kept_plays.play_id) desc, named.album_id
limit 1
