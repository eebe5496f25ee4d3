-- name: recent
-- summary: The latest plays of every kind, counted or not, newest first.
-- grain: one row per play
-- core: yes
-- uses: plays limit offset
-- param kind: text = all {track|episode|audiobook_chapter|unknown|all}  What was played.
-- param min_ms: integer = 0 [0..86400000]  Shortest listened time shown, in milliseconds.
-- param limit: integer = 20 [1..1000000]  Most rows to return.
-- column played_at: When the play ended (UTC); where only another service noted it, perhaps when it began.
-- column ms_played: Listened time in milliseconds; empty where no source tells it.
-- column kind: track, episode, audiobook_chapter or unknown.
-- column track: The track, episode or chapter.
-- column artist: Its artist; for an episode the show, for a chapter the author.
-- column album: Its album; for an episode the show, for a chapter the book.
-- column uri: The Spotify URI, where a source knows it.
-- column sources: Which sources tell of this play: account, api, extended, or another service by name.
-- example: --limit 50
select
    played_at, ms_played, kind, own_track as track, own_artist as artist, album, uri, sources
from counted_plays
order by played_at desc, play_id
limit $limit offset $offset
