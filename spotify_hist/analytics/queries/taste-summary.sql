-- name: taste-summary
-- summary: A listener's taste at a glance: totals, favourites, concentration, repeats, rhythm, gaps and, where Spotify told them, audio features.
-- grain: one row per fact
-- core: yes
-- uses: plays
-- column section: totals, window, top artists, top tracks, top albums, concentration, rhythm, parts of the week, coverage or audio profile.
-- column rank: Place within the section, 1 first.
-- column name: What the value is of.
-- column value: The value.
-- column unit: plays, hours, tracks, artists, albums, days, gaps, share (0 to 1), plays per track, Gini coefficient (0 is even, 1 is one artist alone), beats per minute, or 0 to 1.
-- example: --days 365
with

-- what was played, and when: two ways through the plays of the period, and no other
clock as (
    select local_at
    from counted_plays
),

hours as (
    select local_at::date as day, extract(hour from local_at) as hour, count(*) as plays
    from clock
    group by 1, 2
),

named as (
    select track_id, track, artist_id, artist, album_id, plays, listened_ms
    from counted_tracks
),

albums as (
    select album_id, max(album) as album
    from v_tracks
    where album_id is not null
    group by album_id
),

by_artist as (
    select
        artist_id,
        name,
        plays,
        row_number() over (order by plays desc, name, artist_id) as place,
        row_number() over (order by artist_id is null, plays, artist_id) as place_from_last
    from (
        select artist_id, max(artist) as name, sum(plays) as plays
        from named
        group by artist_id
    )
),

by_track as (
    select
        track_id,
        max(track) || coalesce(' - ' || max(artist), '') as name,
        sum(plays) as plays,
        sum(listened_ms) as listened_ms
    from named
    group by track_id
),

by_album as (
    select
        named.album_id,
        max(albums.album) || coalesce(' - ' || max(named.artist), '') as name,
        sum(named.plays) as plays
    from named
    inner join albums on named.album_id = albums.album_id
    group by named.album_id
),

top_tracks as (
    select * from by_track order by plays desc, name, track_id limit 5
),

top_albums as (
    select * from by_album order by plays desc, name, album_id limit 5
),

by_day as (
    select day, sum(plays) as plays
    from hours
    group by day
),

by_weekday as (
    select isodow(day) as weekday, strftime(min(day), '%A') as name, sum(plays) as plays
    from hours
    group by 1
),

by_hour as (
    select hour, lpad(hour::varchar, 2, '0') || ':00' as name, sum(plays) as plays
    from hours
    group by hour
),

total as (
    select
        coalesce(sum(plays), 0) as plays,
        coalesce(sum(listened_ms), 0) as listened_ms,
        count(track_id) as tracks,
        sum(plays) filter (where track_id is not null) as track_plays
    from by_track
),

artists as (
    select
        count(artist_id) as artists,
        sum(plays) filter (where artist_id is not null) as plays,
        sum(plays * place_from_last) filter (where artist_id is not null) as weighted,
        sum(plays) filter (where place <= 10) as top_plays
    from by_artist
),

albums_played as (
    select count(*) as albums
    from by_album
),

days as (
    select
        count(distinct day) as days,
        min(day) as first_day,
        max(day) as last_day,
        coalesce(sum(plays) filter (where hour < 6), 0) as night,
        coalesce(sum(plays) filter (where hour >= 6 and hour < 12), 0) as morning,
        coalesce(sum(plays) filter (where hour >= 12 and hour < 18), 0) as afternoon,
        coalesce(sum(plays) filter (where hour >= 18), 0) as evening,
        coalesce(sum(plays) filter (where isodow(day) >= 6), 0) as weekend
    from hours
),

-- of a song with several versions, what is told of the one it is shown by, or of the first
features as (
    select
        v_tracks.track_id,
        audio_features.tempo,
        audio_features.energy,
        audio_features.valence,
        audio_features.danceability
    from audio_features
    inner join v_tracks on audio_features.track_id = v_tracks.own_track_id
    qualify row_number() over (
        partition by v_tracks.track_id
        order by audio_features.track_id <> v_tracks.track_id, audio_features.track_id
    ) = 1
),

profile as (
    select
        sum(plays) as plays,
        sum(plays * tempo) / sum(case when tempo is not null then plays end) as tempo,
        sum(plays * energy) / sum(case when energy is not null then plays end) as energy,
        sum(plays * valence) / sum(case when valence is not null then plays end) as valence,
        sum(plays * danceability)
            / sum(case when danceability is not null then plays end) as danceability
    from by_track
    inner join features on by_track.track_id = features.track_id
),

gaps as (
    select count(*) as gaps
    from open_gaps
),

-- the facts that are one number each
wanted (section_order, section, rank, name, unit) as (
    values
        (1, 'totals', 1, 'plays', 'plays'),
        (1, 'totals', 2, 'listened time', 'hours'),
        (1, 'totals', 3, 'different tracks', 'tracks'),
        (1, 'totals', 4, 'different artists', 'artists'),
        (1, 'totals', 5, 'different albums', 'albums'),
        (1, 'totals', 6, 'days with music', 'days'),
        (6, 'concentration', 1, 'the ten most played artists', 'share'),
        (6, 'concentration', 2, 'times each track came round', 'plays per track'),
        (6, 'concentration', 3, 'how unevenly artists share the plays', 'Gini coefficient'),
        (6, 'concentration', 4, 'plays of a track already played', 'share'),
        (8, 'parts of the week', 1, 'night, 0:00 to 6:00', 'share'),
        (8, 'parts of the week', 2, 'morning, 6:00 to 12:00', 'share'),
        (8, 'parts of the week', 3, 'afternoon, 12:00 to 18:00', 'share'),
        (8, 'parts of the week', 4, 'evening, 18:00 to 24:00', 'share'),
        (8, 'parts of the week', 5, 'Saturday and Sunday', 'share'),
        (9, 'coverage', 1, 'known gaps', 'gaps'),
        (10, 'audio profile', 1, 'plays whose features are known', 'plays'),
        (10, 'audio profile', 2, 'tempo', 'beats per minute'),
        (10, 'audio profile', 3, 'energy', '0 to 1'),
        (10, 'audio profile', 4, 'valence', '0 to 1'),
        (10, 'audio profile', 5, 'danceability', '0 to 1')
),

numbers as (
    select
        wanted.*,
        case wanted.section_order * 100 + wanted.rank
            when 101 then total.plays
            when 102 then round(total.listened_ms / 3600000.0, 2)
            when 103 then total.tracks
            when 104 then artists.artists
            when 105 then albums_played.albums
            when 106 then days.days
            when 601 then round(artists.top_plays / nullif(total.plays, 0)::double, 4)
            when 602 then round(total.plays / nullif(total.tracks, 0)::double, 2)
            when 603
                then round(
                    2.0 * artists.weighted / (artists.artists * nullif(artists.plays, 0))
                    - (artists.artists + 1.0) / nullif(artists.artists, 0),
                    4
                )
            when 604
                then round((total.track_plays - total.tracks) / nullif(total.plays, 0)::double, 4)
            when 801 then round(days.night / nullif(total.plays, 0)::double, 4)
            when 802 then round(days.morning / nullif(total.plays, 0)::double, 4)
            when 803 then round(days.afternoon / nullif(total.plays, 0)::double, 4)
            when 804 then round(days.evening / nullif(total.plays, 0)::double, 4)
            when 805 then round(days.weekend / nullif(total.plays, 0)::double, 4)
            when 901 then gaps.gaps
            when 1001 then profile.plays
            when 1002 then round(profile.tempo, 1)
            when 1003 then round(profile.energy, 4)
            when 1004 then round(profile.valence, 4)
            when 1005 then round(profile.danceability, 4)
        end::double as value
    from wanted
    cross join total
    cross join days
    cross join artists
    cross join albums_played
    cross join profile
    cross join gaps
),

facts as (
    select section_order, section, rank, name, value, unit
    from numbers
    where value is not null
    union all
    select 2, 'window', 1, first_day::varchar || ' to ' || last_day::varchar,
        date_diff('day', first_day, last_day) + 1, 'days'
    from days
    where days > 0
    union all
    select 3, 'top artists', place, name, plays, 'plays' from by_artist where place <= 5
    union all
    select 4, 'top tracks', row_number() over (order by plays desc, name, track_id), name, plays,
        'plays'
    from top_tracks
    union all
    select 5, 'top albums', row_number() over (order by plays desc, name, album_id), name, plays,
        'plays'
    from top_albums
    union all
    select 7, 'rhythm', 1, 'busiest weekday: ' || name, plays, 'plays'
    from by_weekday
    qualify row_number() over (order by plays desc, weekday) = 1
    union all
    select 7, 'rhythm', 2, 'busiest hour: ' || name, plays, 'plays'
    from by_hour
    qualify row_number() over (order by plays desc, hour) = 1
    union all
    select 7, 'rhythm', 3, 'busiest day: ' || day::varchar, plays, 'plays'
    from by_day
    qualify row_number() over (order by plays desc, day) = 1
)

select section, rank::integer as rank, name, value, unit
from facts
order by section_order, rank
