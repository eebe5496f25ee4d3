-- grain: one id a source told (told_id), with the Spotify id and names it stands for by itself
create or replace temp view named_tracks as
select
    told_id, own_track_id, own_track, own_artist_id, own_artist, own_track_id as track_id, kind,
    own_track as track, own_artist_id as artist_id, own_artist as artist, album_id, album,
    duration_ms, isrc, release_date, image_url,
    -- Numbers that stand for ids, as those are grouped and sorted in half the time.
    told_key,
    hash(own_track_id) as track_key,
    case when own_artist_id is not null then hash(own_artist_id) end as artist_key,
    -- Old account files call an episode a track: what their local id is linked to says better.
    case when own_track_id <> told_id then kind end as linked_kind
from identity
