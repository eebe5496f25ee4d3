-- The artists whose names look most like the one given.
select artist
from (select distinct artist from heard_tracks where artist is not null)
where
    jaro_winkler_similarity(name_key(artist), name_key($given)) >= 0.8
    or contains(name_key(artist), name_key($given)) and strlen($given) >= 3
order by jaro_winkler_similarity(name_key(artist), name_key($given)) desc, artist
limit 3
