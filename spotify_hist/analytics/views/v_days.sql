-- grain: one day that the calendar of the listener's zone has, numbered in order: from the eve of
-- Spotify's first year to the end of the last year that plays are taken of
create or replace temp view v_days as
select
    date '2005-12-31' + v_numbers.n as day,
    row_number() over (order by v_numbers.n)::integer as nth
from v_numbers
where
    date '2005-12-31' + v_numbers.n < date '2100-01-02'
    and date '2005-12-31' + v_numbers.n not in (select left_out_days.day from left_out_days)
