-- The artist of this name, id or URI who was played most.
with

named as (
    select distinct artist_id, artist
    from heard_tracks
    where name_key(artist) = name_key($given) or artist_id = $id or own_artist_id = $id
)

select named.artist_id, named.artist
from named
left join kept_plays using (artist_id)
group by named.artist_id, named.artist
order by count(kept_plays.play_id) desc, named.artist_id
limit 1
