-- DuckDB's own tables about itself without the paths it tells in them. A name without a schema
-- means these, in a foreign statement and within DuckDB's views alike.
create or replace temp macro duckdb_settings() as table
    from system.main.duckdb_settings()
    where value = '' or not regexp_matches(name, 'path|director');

create or replace temp macro duckdb_databases() as table
    select * replace (null::varchar as path)
    from system.main.duckdb_databases();

-- Our own tables hold paths too: where an export lay, and what was said of a file. Only the names
-- of files are told. The folders of a text are found by their look, as it is free.
create or replace temp macro without_folders(said) as regexp_replace(
    said, '(^|[\s"''(\[=])(?:/[^/\s"'']+)+/([^/\s"'']*)', '\1\2', 'g'
);

create or replace temp view import_files as
select * replace (
    regexp_replace(package, '^/([^!]*/)?', '') as package,
    without_folders(damage) as damage
)
from history.main.import_files;

create or replace temp view job_runs as
select * replace (
    without_folders(error) as error,
    without_folders(stats::varchar)::json as stats
)
from history.main.job_runs;

create or replace temp view logs as
select * replace (without_folders(message) as message)
from history.main.logs;
