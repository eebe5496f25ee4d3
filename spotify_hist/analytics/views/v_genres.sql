-- grain: one artist that plays count under, and one of the genres Spotify tells of it
create or replace temp view v_genres as
select distinct of_artists.artist_id, genres.genre
from (
    select distinct v_tracks.artist_id, artists.genres
    from v_tracks
    inner join artists on v_tracks.own_artist_id = artists.artist_id
    where artists.genres is not null
) as of_artists
cross join unnest(of_artists.genres) as genres (genre)
