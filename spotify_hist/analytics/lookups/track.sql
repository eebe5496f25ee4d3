-- The track of this title ("title" or "title - artist"), id or URI that was played most.
with

named as (
    select distinct track_id, track || coalesce(' - ' || artist, '') as name
    from heard_tracks
    where
        name_key(track) = name_key($given)
        or name_key(track || ' - ' || artist) = name_key($given)
        or track_id = $id or own_track_id = $id or told_id = $id
)

select named.track_id, max(named.name)
from named
left join kept_plays using (track_id)
group by named.track_id
order by count(kept_plays.play_id) desc, named.track_id
limit 1
