-- name: top-contexts
-- summary: What music was played from: playlists, albums, artists and the saved songs, ranked by counted plays in a period. Only the polls tell it; plays that only an export knows are left out.
-- grain: one row per context
-- chart: bar context_uri plays
-- uses: plays by limit offset
-- column rank: Place in the ranking, 1 first.
-- column context_uri: The Spotify URI of the playlist, album, artist or the like.
-- column type: playlist, album, artist, collection (the saved songs), show or other.
-- column name: Its name: of albums and artists that the history knows; Spotify does not tell those of playlists here.
-- column plays: Counted plays.
-- column share: Share of the plays whose context is known, 0 to 1.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column tracks: How many different tracks.
-- column last_played_at: When the latest of these plays ended (UTC).
-- example: --days 90
with

counted as (
    select context_uri, track_id, listened_ms, played_at
    from counted_plays
    where context_uri is not null
),

contexts as (
    select
        context_uri,
        case
            when context_uri like '%:collection%' then 'collection'
            when context_uri like '%:playlist:%' then 'playlist'
            when context_uri like 'spotify:album:%' then 'album'
            when context_uri like 'spotify:artist:%' then 'artist'
            when context_uri like 'spotify:show:%' then 'show'
            else 'other'
        end as type,
        split_part(context_uri, ':', 3) as id,
        count(*) as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        count(distinct track_id) as tracks,
        max(played_at) as last_played_at
    from counted
    group by context_uri
)

select
    row_number() over (
        order by
            case $by when 'time' then contexts.listened_ms else contexts.plays end desc,
            contexts.plays desc,
            contexts.listened_ms desc,
            contexts.context_uri
    ) as rank,
    contexts.context_uri,
    contexts.type,
    case contexts.type when 'album' then albums.name when 'artist' then artists.name end as name,
    contexts.plays,
    round(contexts.plays / (sum(contexts.plays) over ())::double, 4) as share,
    contexts.listened_ms,
    contexts.tracks,
    contexts.last_played_at
from contexts
left join albums on contexts.id = albums.album_id
left join artists on contexts.id = artists.artist_id
order by rank
limit $limit offset $offset
