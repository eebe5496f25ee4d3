-- grain: one id a source told (told_id), with the song and the names it counts under
create or replace temp view named_tracks as
select
    told_id, own_track_id, own_track, own_artist_id, own_artist, track_id, kind, track, artist_id,
    artist, album_id, album, duration_ms, isrc, release_date, image_url, told_key, track_key,
    artist_key, album_key, linked_kind
from identity
