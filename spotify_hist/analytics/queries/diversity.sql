-- name: diversity
-- summary: How varied the listening is: entropy, effective artists, concentration and new artists, by month, quarter or year.
-- grain: one row per local month, quarter or year with a counted play
-- chart: line period effective_artists
-- uses: plays
-- param step: text = month {month|quarter|year}  The length of a row's time.
-- column period: The local month (2024-06), quarter (2024-Q2) or year (2024).
-- column plays: Counted plays.
-- column artists: Different artists.
-- column tracks: Different tracks.
-- column entropy: Shannon entropy of the plays over the artists, in bits: 0 for a single artist.
-- column effective_artists: 2 to the power of the entropy: as many artists, equally played, would be as varied.
-- column top_artist_share: The most played artist's share of the plays, 0 to 1.
-- column new_artist_share: Share of the artists whose first counted play ever is one of these plays, 0 to 1.
-- example: --step year
with

tracks as (
    select
        date_trunc($step, local_at)::date as starts_on,
        track_key,
        min(artist_key) as artist_key,
        count(*) as plays
    from counted_plays
    group by 1, 2
),

artists as (
    select
        starts_on,
        artist_key,
        sum(plays)::bigint as plays,
        count(track_key) as tracks
    from tracks
    group by 1, 2
),

firsts as (
    select artists.artist_key, min(artists.starts_on) as starts_on
    from artists
    left join known_artists as known on artists.artist_key = known.artist_key
    where artists.artist_key is not null and known.artist_key is null
    group by artists.artist_key
),

measured as (
    select
        artists.starts_on,
        sum(artists.plays)::bigint as plays,
        count(artists.artist_key) as artists,
        sum(artists.tracks)::bigint as tracks,
        sum(artists.plays) filter (where artists.artist_key is not null) as artist_plays,
        sum(artists.plays * log2(artists.plays)) filter (
            where artists.artist_key is not null
        ) as weighted_bits,
        max(artists.plays) filter (where artists.artist_key is not null) as top_plays,
        count(firsts.artist_key) as new_artists
    from artists
    left join firsts
        on artists.artist_key = firsts.artist_key and artists.starts_on = firsts.starts_on
    group by artists.starts_on
),

varied as (
    select
        *,
        coalesce(greatest(log2(artist_plays) - weighted_bits / artist_plays, 0), 0) as entropy
    from measured
)

select
    case $step
        when 'year' then strftime(starts_on, '%Y')
        when 'quarter'
            then strftime(starts_on, '%Y-Q') || extract(quarter from starts_on)
        else strftime(starts_on, '%Y-%m')
    end as period,
    plays,
    artists,
    tracks,
    round(entropy, 4) as entropy,
    case when artists > 0 then round(pow(2, entropy), 2) else 0 end as effective_artists,
    round(coalesce(top_plays, 0) / plays::double, 4) as top_artist_share,
    coalesce(round(new_artists / nullif(artists, 0)::double, 4), 0) as new_artist_share
from varied
order by starts_on
