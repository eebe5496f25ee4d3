-- The track of this title ("title" or "title - artist"), id or URI that was played most.
with

named as (
    select distinct track_id, track || coalesce(' - ' || artist, '') as name
    from heard_tracks
    where
        name_key(track) = name_key($given)
        or (strpos($given, '-') > 0 and name_key(track || ' - ' || artist) = name_key($given))
        or track_id = $id or own_track_id = $id or told_id = $id
),

-- Counted only where several have the name.
played as (
    select track_id, count(*) as plays
    from kept_plays
    where
        (select count(distinct track_id) > 1 from named)
        and track_id in (select track_id from named)
    group by track_id
)

select named.track_id, max(named.name)
from named
left join played using (track_id)
group by named.track_id
order by max(played.plays) desc nulls last, named.track_id
limit 1
