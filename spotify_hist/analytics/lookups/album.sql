-- grain: one album of this title ("title" or "title - artist"), id or URI
select album_id, min(album || coalesce(' - ' || artist, '')) as name
from heard_tracks
where
    name_key(album) = name_key($given)
    or (strpos($given, '-') > 0 and name_key(album || ' - ' || artist) = name_key($given))
    or album_id = $id
group by album_id
order by album_id
