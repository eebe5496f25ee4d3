"""Timed comparisons with bare DuckDB. Run by hand: `python -m tests.benchmarks`."""
