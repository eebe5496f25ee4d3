-- grain: one id a source told (told_id), with the id and names it stands for
create or replace temp view v_tracks as
select
    told.track_id as told_id,
    known.track_id,
    known.kind,
    known.title as track,
    coalesce(artist_link.spotify_id, known.artist_id) as artist_id,
    artists.name as artist,
    coalesce(album_link.spotify_id, known.album_id) as album_id,
    albums.name as album
from tracks as told
left join track_links as track_link
    on told.track_id = track_link.local_id and track_link.entity = 'track'
inner join tracks as known on coalesce(track_link.spotify_id, told.track_id) = known.track_id
left join track_links as artist_link
    on known.artist_id = artist_link.local_id and artist_link.entity = 'artist'
left join artists on coalesce(artist_link.spotify_id, known.artist_id) = artists.artist_id
left join track_links as album_link
    on known.album_id = album_link.local_id and album_link.entity = 'album'
left join albums on coalesce(album_link.spotify_id, known.album_id) = albums.album_id
