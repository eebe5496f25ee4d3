-- grain: one platform as Spotify names it, with its family. The order matters: a web player names the
-- system of its browser, and cars, consoles and TVs the system they run.
create or replace temp view v_platforms as
with

told as (
    select distinct platform, lower(platform) as name
    from plays
    where platform is not null
)

select
    platform,
    case
        when regexp_matches(name, 'web[_ ]?player') then 'web player'
        when regexp_matches(name, 'automotive|android[ _]auto\b|carplay|car[ _]?thing|^(partner )?tesla')
            then 'car'
        when regexp_matches(name, 'playstation|\bps[345]\b|xbox|nintendo') then 'game console'
        when regexp_matches(name, 'chromecast|google cast') then 'speaker or cast'
        when
            regexp_matches(
                name,
                '_tv\b|\btv\b|smart ?tv|web ?os|tizen|roku|apple ?tv|tvos|bravia|\(amazon, aft'
            )
            then 'TV'
        when regexp_matches(name, '^(partner )?android') then 'Android'
        when regexp_matches(name, '^(partner )?(ios|iphone|ipad|ipod)\b') then 'iOS'
        when regexp_matches(name, '^win(dows|32|rt)') then 'Windows'
        when regexp_matches(name, '^(os ?x|mac)') then 'macOS'
        when regexp_matches(name, '^(linux|ubuntu|chrome ?os)') then 'Linux'
        when
            regexp_matches(
                name,
                '^partner|sonos|^ppc|echo|alexa|speaker|bose|denon|heos|harman|yamaha|homepod|librespot'
            )
            then 'speaker or cast'
        else 'other'
    end as family
from told
