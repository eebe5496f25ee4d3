-- grain: one track, artist or album that plays count under (thing says which of them), with its name
create or replace temp view v_things as
select 'tracks' as thing, track_key as thing_key, track_id as thing_id, track as name, artist
from v_songs
union all
select 'artists', artist_key, max(artist_id), max(artist), max(artist)
from v_songs
where artist_key is not null
group by artist_key
union all
select 'albums', album_key, max(album_id), max(album), max(artist)
from named_tracks
where album_key is not null
group by album_key
