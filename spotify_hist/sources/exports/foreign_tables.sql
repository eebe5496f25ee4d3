-- The tables of a SQLite file: views and virtual tables could run anything.
select name
from sqlite_master
where type = 'table'
    and rootpage > 0
    and sql like 'create table%'
