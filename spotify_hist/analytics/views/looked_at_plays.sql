-- grain: one play that is looked at, with the names of what it counts as, and (own_..., album, uri) of
-- the very version that was played; old account files call an episode a track, and what their local
-- id is linked to says better; half_hour numbers the half hours since 1970
-- The counting rule, for every question: of the kind asked for, and listened to for at least min_ms.
-- Where only the API or a scrobbler saw a play its listened time may not be known: it counts (DESIGN 1).
create or replace temp view {name} as
select
    *,
    local_clock(played_at, country) as local_at,
    epoch_us(played_at) // 1800000000 as half_hour
from (
    select
        plays.play_id,
        plays.user_id,
        plays.played_at,
        plays.played_at - to_milliseconds(plays.ms_played) as started_at,
        plays.ms_played,
        plays.listened_ms,
        plays.is_estimated,
        case when v_tracks.linked_kind is null then plays.kind else v_tracks.linked_kind end as kind,
        plays.track_id as told_id,
        v_tracks.track_id,
        v_tracks.track_key,
        v_tracks.track,
        v_tracks.artist_id,
        v_tracks.artist_key,
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
    from timed_plays as plays
    left join (
        -- Said once for each track: for each play it would cost a question a sixth of its time. Keys
        -- are numbers that stand for ids, as those are grouped and sorted in half the time.
        select
            *,
            case when own_track_id <> told_id then kind end as linked_kind,
            hash(track_id) as track_key,
            case when artist_id is not null then hash(artist_id) end as artist_key
        from v_tracks
    ) as v_tracks on plays.track_id = v_tracks.told_id
) as named
where
    (kind = {kind} or {kind} = 'all')
    and (ms_played >= {min_ms} or ms_played is null)
    and {conditions}
