-- DuckDB's own tables about itself without the paths it tells in them. A name without a schema
-- means these, in a foreign statement and within DuckDB's views alike.
create or replace temp macro duckdb_settings() as table
    from system.main.duckdb_settings()
    where value = '' or not regexp_matches(name, 'path|director');

create or replace temp macro duckdb_databases() as table
    select * replace (null::varchar as path)
    from system.main.duckdb_databases();
