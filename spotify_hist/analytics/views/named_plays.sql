-- grain: one play, with the names of what it counts as, and (own_..., album, uri) of the very version
-- that was played; old account files call an episode a track, and what their local id is linked to
-- says better
create or replace temp view named_plays as
select
    plays.play_id,
    plays.user_id,
    plays.played_at,
    plays.played_at - to_milliseconds(plays.ms_played) as started_at,
    plays.ms_played,
    case
        when v_tracks.own_track_id <> plays.track_id then v_tracks.kind else plays.kind
    end as kind,
    v_tracks.track_id,
    v_tracks.track,
    v_tracks.artist_id,
    v_tracks.artist,
    v_tracks.album_id,
    v_tracks.album,
    v_tracks.duration_ms,
    v_tracks.isrc,
    v_tracks.release_date,
    v_tracks.image_url,
    v_tracks.own_track,
    v_tracks.own_artist,
    case
        when v_tracks.own_track_id like 'local:%' then null
        when v_tracks.kind = 'track' then 'spotify:track:' || v_tracks.own_track_id
        when v_tracks.kind in ('episode', 'audiobook_chapter')
            then 'spotify:episode:' || v_tracks.own_track_id
    end as uri,
    plays.platform,
    plays.country,
    plays.reason_start,
    plays.reason_end,
    plays.shuffle,
    plays.skipped,
    plays.offline,
    plays.incognito,
    plays.context_uri,
    plays.sources
from plays
left join v_tracks on plays.track_id = v_tracks.told_id
