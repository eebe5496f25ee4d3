-- grain: one id a source told (told_id), with the Spotify id and names it stands for by itself
create or replace temp view named_tracks as
select
    told_id, own_track_id, own_track, own_artist_id, own_artist, own_track_id as track_id, kind,
    own_track as track, own_artist_id as artist_id, own_artist as artist, album_id, album,
    duration_ms, isrc, release_date, image_url, told_key, own_track_key as track_key,
    own_artist_key as artist_key, album_key, linked_kind
from identity
