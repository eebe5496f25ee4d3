-- grain: one whole number from 0 on, as many as there are days from 2005 to 2100
create or replace temp view v_numbers as
select numbers.n::integer as n
from range(0, 34700) as numbers (n)
