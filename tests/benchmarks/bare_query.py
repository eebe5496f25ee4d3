"""Owns the least that asks a question and prints it: `bare_query.py DATABASE STATEMENTS [--json]`.

STATEMENTS is a JSON file of [SQL, parameters]; the rows of the last are printed, as a table of rich
or, without importing that, as JSON. Never imports spotify_hist.
"""

import json
import sys
from pathlib import Path

import click
import duckdb


@click.command()
@click.argument("database")
@click.argument("statements", type=click.Path(path_type=Path))
@click.option("--json", "is_json", is_flag=True)
def main(database: str, statements: Path, *, is_json: bool) -> None:
    """Print the rows of the last of the statements."""
    connection = duckdb.connect(database, read_only=True)
    connection.execute("set timezone = 'UTC'")
    found = connection
    for text, parameters in json.loads(statements.read_text(encoding="utf-8")):
        found = connection.execute(text, parameters)
    names = [column[0] for column in found.description or ()]
    rows = found.fetchall()
    if is_json:
        sys.stdout.write(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*names, box=None)
    for row in rows:
        table.add_row(*map(str, row))
    Console(file=sys.stdout, width=200).print(table)


if __name__ == "__main__":
    main()
