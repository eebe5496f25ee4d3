-- grain: one artist of this name, id or URI
select artist_id, min(artist) as name
from heard_tracks
where name_key(artist) = name_key($given) or artist_id = $id or own_artist_id = $id
group by artist_id
order by artist_id
