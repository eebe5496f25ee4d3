-- name: listening-by-listener
-- summary: The listeners of this history side by side, each without what is hidden from their own questions.
-- grain: one row per listener, those who played nothing too
-- scope: household
-- chart: bar listener plays
-- uses: plays
-- param user: text  Whose time zone is taken; where none is given, the default listener's or the first one's.
-- column listener: The listener's name.
-- column plays: Counted plays.
-- column listened_ms: Listened time in milliseconds, told or estimated.
-- column share: The part of the plays of all listeners, 0 to 1.
-- column artists: How many different artists.
-- column tracks: How many different tracks.
-- column active_days: Local days with at least one counted play.
-- column top_artist: The most played artist.
-- column top_track: The most played track, with its artist.
-- example: --days 30
with

songs as (
    select user_id, track_key, count(*) as plays, coalesce(sum(listened_ms), 0) as listened_ms
    from household_plays
    group by user_id, track_key
),

named as (
    select
        songs.user_id,
        v_songs.track_id,
        v_songs.track || coalesce(' - ' || v_songs.artist, '') as track,
        v_songs.artist_id,
        v_songs.artist,
        songs.plays,
        songs.listened_ms
    from songs
    left join v_songs on songs.track_key = v_songs.track_key
),

totals as (
    select
        user_id,
        sum(plays)::bigint as plays,
        sum(listened_ms)::bigint as listened_ms,
        count(distinct artist_id) as artists,
        count(track_id) as tracks
    from named
    group by user_id
),

days as (
    select user_id, count(distinct local_at::date) as active_days
    from household_plays
    group by user_id
),

artists as (
    select
        user_id,
        artist_id,
        max(artist) as artist,
        sum(plays) as plays,
        sum(listened_ms) as listened_ms
    from named
    group by user_id, artist_id
),

top_artists as (
    select user_id, artist
    from artists
    qualify row_number() over (
        partition by user_id order by plays desc, listened_ms desc, artist, artist_id
    ) = 1
),

most as (
    select user_id, max(plays) as plays
    from named
    group by user_id
),

top_tracks as (
    select named.user_id, named.track
    from named
    inner join most on named.user_id = most.user_id and named.plays = most.plays
    qualify row_number() over (
        partition by named.user_id
        order by named.listened_ms desc, named.track, named.track_id
    ) = 1
)

select
    users.name as listener,
    coalesce(totals.plays, 0) as plays,
    coalesce(totals.listened_ms, 0) as listened_ms,
    coalesce(round(totals.plays::double / sum(totals.plays) over (), 4), 0) as share,
    coalesce(totals.artists, 0) as artists,
    coalesce(totals.tracks, 0) as tracks,
    coalesce(days.active_days, 0) as active_days,
    top_artists.artist as top_artist,
    top_tracks.track as top_track
from users
left join totals on users.user_id = totals.user_id
left join days on users.user_id = days.user_id
left join top_artists on users.user_id = top_artists.user_id
left join top_tracks on users.user_id = top_tracks.user_id
order by coalesce(totals.plays, 0) desc, coalesce(totals.listened_ms, 0) desc, users.name
