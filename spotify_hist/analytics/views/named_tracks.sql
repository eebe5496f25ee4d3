-- grain: one id a source told (told_id), with the song and the names it counts under
create or replace temp view named_tracks as
select
    told_id, own_track_id, own_track, own_artist_id, own_artist, track_id, kind, track, artist_id,
    artist, album_id, album, duration_ms, isrc, release_date, image_url,
    -- Numbers that stand for ids, as those are grouped and sorted in half the time.
    told_key,
    hash(track_id) as track_key,
    case when artist_id is not null then hash(artist_id) end as artist_key,
    -- Old account files call an episode a track: what their local id is linked to says better.
    case when own_track_id <> told_id then kind end as linked_kind
from identity
