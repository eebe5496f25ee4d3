-- Writing the file anew, and what remembers that it has to be.

-- step: owe
insert into job_runs by name
select
    coalesce((select max(run_id) from job_runs), 0)::integer + 1 as run_id,
    'rewrite' as job, $now::timestamptz as started_at, $now::timestamptz as finished_at,
    'running' as status, json_object('removed', $removed) as stats;

-- step: owed
select count(*), count(*) filter (stats ->> 'removed' = $removed)
from job_runs
where job = 'rewrite' and status = 'running';

-- step: settle
delete from job_runs
where job = 'rewrite' and status = 'running';

-- step: schema
-- All that a database is made of but rows, also what a person has added: what it is, where, its
-- name, and what it says.
select 'table', schema_name, table_name, concat_ws(' -- ', sql, comment)
from duckdb_tables()
where database_name = $database and not internal
union all
select 'comment', schema_name, table_name || '.' || column_name, comment
from duckdb_columns()
where database_name = $database and not internal and comment is not null
union all
select 'index', schema_name, index_name, concat_ws(' -- ', sql, comment)
from duckdb_indexes()
where database_name = $database
union all
select 'view', schema_name, view_name, concat_ws(' -- ', sql, comment)
from duckdb_views()
where database_name = $database and not internal
union all
select 'sequence', schema_name, sequence_name, concat_ws(' -- ', sql, comment)
from duckdb_sequences()
where database_name = $database
union all
select 'trigger', schema_name, trigger_name, concat_ws(' -- ', sql, comment)
from duckdb_triggers()
where database_name = $database
union all
select
    'macro', schema_name, function_name,
    concat_ws(' -- ', parameters::varchar, macro_definition, comment)
from duckdb_functions()
where database_name = $database and not internal
union all
select 'type', schema_name, type_name, concat_ws(' -- ', logical_type, labels::varchar, comment)
from duckdb_types()
where database_name = $database and not internal
union all
select 'schema', schema_name, '', ''
from duckdb_schemas()
where database_name = $database and not internal
order by all;

-- step: sums
select count(*), coalesce(sum(hash(*columns(*))), 0)::varchar
from {table};
