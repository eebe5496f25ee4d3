-- The scrobbles of malojadb.sqlite in the shape of Maloja's export (krateng/maloja,
-- maloja/database/sqldb.py). Names are parted by U+001F.
with
    track_credits as (
        select trackartists.track_id, group_concat(artists.name, char(31)) as names
        from trackartists
        join artists on artists.id = trackartists.artist_id
        group by trackartists.track_id
    ),
    album_credits as (
        select albumartists.album_id, group_concat(artists.name, char(31)) as names
        from albumartists
        join artists on artists.id = albumartists.artist_id
        group by albumartists.album_id
    )
select
    scrobbles.timestamp,
    scrobbles.duration,
    scrobbles.origin,
    tracks.title,
    track_credits.names,
    albums.albtitle,
    album_credits.names
from scrobbles
left join tracks on tracks.id = scrobbles.track_id
left join track_credits on track_credits.track_id = tracks.id
left join albums on albums.id = tracks.album_id
left join album_credits on album_credits.album_id = albums.id
order by scrobbles.timestamp
