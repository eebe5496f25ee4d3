-- grain: one track of this title ("title" or "title - artist"), id or URI
select track_id, max(track || coalesce(' - ' || artist, '')) as name
from heard_tracks
where
    name_key(track) = name_key($given)
    or (strpos($given, '-') > 0 and name_key(track || ' - ' || artist) = name_key($given))
    or track_id = $id or own_track_id = $id or told_id = $id
group by track_id
order by track_id
