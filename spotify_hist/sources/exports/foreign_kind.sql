-- What SQLite itself takes a name for, whatever its schema says of it (since 3.37).
select type
from pragma_table_list(?)
where schema = 'main'
