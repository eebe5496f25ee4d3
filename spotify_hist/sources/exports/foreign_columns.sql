-- The columns of a table, and how each is hidden: 2 and 3 are computed when they are read.
select
    lower(name),
    hidden
from pragma_table_xinfo(?)
