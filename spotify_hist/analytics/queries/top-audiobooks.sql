-- name: top-audiobooks
-- summary: Audiobooks ranked by counted plays of their chapters in a period.
-- grain: one row per book
-- chart: bar book listened_ms
-- uses: period timezone travel min_ms raw user by limit offset
-- column rank: Place in the ranking, 1 first.
-- column book: The book.
-- column author: Its author, where a source names one.
-- column plays: Counted plays of its chapters.
-- column listened_ms: Listened time in milliseconds, where it is known.
-- column chapters: How many different chapters.
-- column first_played_at: When the first of these plays ended (UTC).
-- column last_played_at: When the latest of these plays ended (UTC).
-- column uri: The Spotify URI, where a source knows it.
-- example: --by time
with

counted as (
    select album_id, album, artist, track_id, listened_ms, played_at
    from counted_plays
    where kind = 'audiobook_chapter'
),

books as (
    select
        album_id,
        max(album) as book,
        max(artist) as author,
        count(*) as plays,
        coalesce(sum(listened_ms), 0)::bigint as listened_ms,
        count(distinct track_id) as chapters,
        min(played_at) as first_played_at,
        max(played_at) as last_played_at
    from counted
    group by album_id
)

select
    row_number() over (
        order by
            case $by when 'time' then listened_ms else plays end desc,
            plays desc,
            listened_ms desc,
            book,
            author,
            album_id
    ) as rank,
    book,
    author,
    plays,
    listened_ms,
    chapters,
    first_played_at,
    last_played_at,
    case when album_id not like 'local:%' then 'spotify:show:' || album_id end as uri
from books
order by rank
limit $limit offset $offset
