-- name: audio-profile
-- summary: How the music sounds: mean and median of Spotify's audio features over the counted plays. Needs features, which Spotify tells only some apps: without any there are no rows.
-- grain: one row per local month or year, or of all, and audio feature
-- uses: plays
-- param step: text = all {all|year|month}  The length of a row's time.
-- column period: The local month (2024-06) or year (2024), or all.
-- column feature: tempo (beats a minute), loudness (decibels), or energy, valence, danceability, acousticness, instrumentalness or speechiness (0 to 1).
-- column mean: Mean over the plays the feature is known of.
-- column median: The least value that half of these plays do not exceed.
-- column plays: Counted plays the feature is known of.
-- column share: Their share of all counted plays of that time, 0 to 1.
-- example: --step year
with

songs as (
    select
        case
            when $step = 'all' then null
            else date_trunc(case $step when 'year' then 'year' else 'month' end, local_at)::date
        end as starts_on,
        track_id,
        count(*) as plays
    from counted_plays
    group by 1, 2
),

times as (
    select starts_on, sum(plays)::bigint as all_plays
    from songs
    group by starts_on
),

-- A song on several albums may have features under several ids: its own go first.
features as (
    select
        v_tracks.track_id as song_id,
        audio_features.*
    from audio_features
    inner join v_tracks on audio_features.track_id = v_tracks.own_track_id
    qualify row_number() over (
        partition by v_tracks.track_id
        order by
            case when v_tracks.track_id = audio_features.track_id then 0 else 1 end,
            audio_features.track_id
    ) = 1
),

known as (
    select songs.starts_on, songs.plays, features.*
    from songs
    inner join features on songs.track_id = features.song_id
),

valued as (
    select starts_on, plays, 1 as place, 'tempo' as feature, tempo as value from known
    union all
    select starts_on, plays, 2, 'loudness', loudness from known
    union all
    select starts_on, plays, 3, 'energy', energy from known
    union all
    select starts_on, plays, 4, 'valence', valence from known
    union all
    select starts_on, plays, 5, 'danceability', danceability from known
    union all
    select starts_on, plays, 6, 'acousticness', acousticness from known
    union all
    select starts_on, plays, 7, 'instrumentalness', instrumentalness from known
    union all
    select starts_on, plays, 8, 'speechiness', speechiness from known
),

weighted as (
    select starts_on, place, feature, value, sum(plays) as plays
    from valued
    where value is not null
    group by starts_on, place, feature, value
),

ordered as (
    select
        *,
        sum(plays) over (partition by starts_on, place order by value) as plays_up_to,
        sum(plays) over (partition by starts_on, place) as known_plays
    from weighted
),

profiles as (
    select
        starts_on,
        place,
        feature,
        sum(value * plays) / sum(plays) as mean,
        min(value) filter (where plays_up_to * 2 >= known_plays) as median,
        sum(plays)::bigint as plays
    from ordered
    group by starts_on, place, feature
)

select
    case $step
        when 'all' then 'all'
        when 'year' then strftime(profiles.starts_on, '%Y')
        else strftime(profiles.starts_on, '%Y-%m')
    end as period,
    profiles.feature,
    round(profiles.mean, 4) as mean,
    round(profiles.median, 4) as median,
    profiles.plays,
    round(profiles.plays / times.all_plays::double, 4) as share
from profiles
inner join times on profiles.starts_on is not distinct from times.starts_on
order by profiles.starts_on, profiles.place
