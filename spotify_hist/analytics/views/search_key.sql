-- How names are searched: in any case and without accents.
create or replace temp macro search_key(name) as strip_accents(lower(trim(name)))
