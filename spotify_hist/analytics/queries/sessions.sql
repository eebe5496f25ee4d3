-- name: sessions
-- summary: Sittings: counted plays with no more than a pause between the end of one and the start of the next, newest or longest first.
-- grain: one row per sitting
-- chart: line started_at duration_ms
-- uses: plays gap limit offset
-- param order: text = newest {newest|longest}  Which sittings come first.
-- param limit: integer = 20 [1..10000]  Most rows to return.
-- column started_at: When its first play began (UTC); where its listened time is not known, when it ended.
-- column ended_at: When its last play ended (UTC).
-- column duration_ms: From its start to its end, in milliseconds.
-- column plays: Counted plays.
-- column listened_ms: Listened time in milliseconds, told or estimated.
-- column tracks: How many different tracks.
-- column artists: How many different artists.
-- column first_track: The track it began with.
-- column last_track: The track it ended with.
-- column top_artist: The artist most played in it.
-- example: --days 90 --order longest --limit 5
with

page as (
    select started_at, ended_at, first_ended_at, plays, listened_ms, duration_ms
    from sittings
    order by case $order when 'longest' then duration_ms end desc, ended_at desc
    limit $limit offset $offset
),

songs as (
    select
        page.ended_at,
        plays.track_id,
        count(*) as plays,
        sum(plays.listened_ms) as listened_ms
    from counted_plays as plays
    inner join page
        on plays.played_at >= page.first_ended_at and plays.played_at <= page.ended_at
    group by page.ended_at, plays.track_id
),

artists as (
    select
        songs.ended_at,
        v_songs.artist_id,
        max(v_songs.artist) as artist,
        count(songs.track_id) as tracks,
        sum(songs.plays) as plays,
        coalesce(sum(songs.listened_ms), 0) as listened_ms
    from songs
    left join v_songs on songs.track_id = v_songs.track_id
    group by songs.ended_at, v_songs.artist_id
),

contents as (
    select ended_at, sum(tracks)::bigint as tracks, count(artist_id) as artists
    from artists
    group by ended_at
),

first_tracks as (
    select page.ended_at, plays.track
    from page
    inner join counted_plays as plays on page.first_ended_at = plays.played_at
    qualify row_number() over (
        partition by page.ended_at order by plays.listened_ms desc nulls last, plays.play_id
    ) = 1
),

last_tracks as (
    select page.ended_at, plays.track
    from page
    inner join counted_plays as plays on page.ended_at = plays.played_at
    qualify row_number() over (
        partition by page.ended_at order by plays.listened_ms nulls first, plays.play_id desc
    ) = 1
),

top_artists as (
    select ended_at, artist
    from artists
    qualify row_number() over (
        partition by ended_at order by plays desc, listened_ms desc, artist, artist_id
    ) = 1
)

select
    page.started_at,
    page.ended_at,
    page.duration_ms,
    page.plays,
    page.listened_ms,
    contents.tracks,
    contents.artists,
    first_tracks.track as first_track,
    last_tracks.track as last_track,
    top_artists.artist as top_artist
from page
inner join contents on page.ended_at = contents.ended_at
inner join first_tracks on page.ended_at = first_tracks.ended_at
inner join last_tracks on page.ended_at = last_tracks.ended_at
inner join top_artists on page.ended_at = top_artists.ended_at
order by case $order when 'longest' then page.duration_ms end desc, page.ended_at desc
