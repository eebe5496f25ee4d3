-- The real tables of a database: views and virtual tables could run anything.
select name from sqlite_master where type = 'table' and rootpage > 0
