-- grain: one play of the listeners looked at whose listened time no source tells, but whose track's length is
-- known: that length, at most the time since the play before it ended
create or replace temp table estimates as
with

unknown as (
    select distinct epoch_us(played_at) // 3600000000 as hour
    from plays
    where
        list_contains($user_ids, user_id)
        and ms_played is null
        and (
            ((played_at >= $since or $since is null) and (played_at < $until or $until is null))
            or (played_at >= $earlier_since and played_at < $earlier_until)
        )
),

hours as (
    select hour from unknown
    union
    select hour - 1 from unknown
),

near as (
    select user_id, play_id, track_key, played_at, ms_played
    from plays
    semi join hours on epoch_us(plays.played_at) // 3600000000 = hours.hour
    where list_contains($user_ids, user_id)
),

following as (
    select
        play_id, track_key, ms_played,
        (
            epoch_us(played_at)
            - lag(epoch_us(played_at)) over (partition by user_id order by played_at, play_id)
        ) // 1000 as since_previous_ms
    from near
)

select
    following.play_id,
    least(
        named_tracks.duration_ms,
        coalesce(following.since_previous_ms, named_tracks.duration_ms)
    ) as ms
from following
inner join named_tracks on following.track_key = named_tracks.told_key
where following.ms_played is null and named_tracks.duration_ms > 0
