-- As maloja.sql, for a database of before Maloja knew albums.
with
    track_credits as (
        select trackartists.track_id, group_concat(artists.name, char(31)) as names
        from trackartists
        join artists on artists.id = trackartists.artist_id
        group by trackartists.track_id
    )
select
    scrobbles.timestamp,
    scrobbles.duration,
    scrobbles.origin,
    tracks.title,
    track_credits.names,
    null,
    null
from scrobbles
left join tracks on tracks.id = scrobbles.track_id
left join track_credits on track_credits.track_id = tracks.id
order by scrobbles.timestamp
