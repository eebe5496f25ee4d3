-- The albums whose titles look most like the one given.
select name
from (
    select distinct album, album || coalesce(' - ' || artist, '') as name
    from heard_tracks
    where album is not null
)
where
    greatest(
        jaro_winkler_similarity(name_key(album), name_key($given)),
        jaro_winkler_similarity(name_key(name), name_key($given))
    ) >= 0.85
    or contains(name_key(name), name_key($given)) and strlen($given) >= 3
order by
    greatest(
        jaro_winkler_similarity(name_key(album), name_key($given)),
        jaro_winkler_similarity(name_key(name), name_key($given))
    ) desc,
    name
limit 3
