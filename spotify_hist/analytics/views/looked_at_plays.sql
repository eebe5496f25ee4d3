-- grain: one play that is looked at, with the names of what it counts as, and (own_..., album, uri) of
-- the very version that was played; ..._key are numbers that stand for ids, and half_hour numbers the
-- half hours since 1970
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
        case when tracks.linked_kind is null then plays.kind else tracks.linked_kind end as kind,
        plays.track_key as told_key,
        tracks.track_id,
        tracks.track_key,
        tracks.track,
        tracks.artist_id,
        tracks.artist_key,
        tracks.artist,
        tracks.album_id,
        tracks.album_key,
        tracks.album,
        tracks.duration_ms,
        tracks.isrc,
        tracks.release_date,
        tracks.image_url,
        tracks.own_track,
        tracks.own_artist,
        case
            when tracks.own_track_id like 'local:%' then null
            when tracks.kind = 'track' then 'spotify:track:' || tracks.own_track_id
            when tracks.kind in ('episode', 'audiobook_chapter')
                then 'spotify:episode:' || tracks.own_track_id
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
    left join named_tracks as tracks on plays.track_key = tracks.told_key
) as named
where
    (kind = {kind} or {kind} = 'all')
    and (ms_played >= {min_ms} or ms_played is null)
    and {conditions}
