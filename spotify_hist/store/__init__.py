"""The one owner of the DuckDB file."""
