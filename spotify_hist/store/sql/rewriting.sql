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
select 'table', schema_name, table_name, sql
from duckdb_tables()
where database_name = $database and not internal
union all
select 'index', schema_name, index_name, sql
from duckdb_indexes()
where database_name = $database
union all
select 'view', schema_name, view_name, sql
from duckdb_views()
where database_name = $database and not internal
union all
select 'sequence', schema_name, sequence_name, start_value::varchar
from duckdb_sequences()
where database_name = $database
order by all;

-- step: sums
select count(*), coalesce(sum(hash(row_of)), 0)::varchar
from {table} as row_of;
