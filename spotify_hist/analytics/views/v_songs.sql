-- grain: one id that plays count under (track_id), with its names, its keys (numbers
-- that stand for ids) and its URI where Spotify knows it
create or replace temp view v_songs as
select
    track_id,
    track_key,
    max(track) as track,
    max(artist_id) as artist_id,
    max(artist_key) as artist_key,
    max(artist) as artist,
    case
        when track_id not like 'local:%'
            then 'spotify:' || max(case kind when 'track' then 'track' else 'episode' end) || ':'
                || track_id
    end as uri
from named_tracks
group by track_id, track_key
