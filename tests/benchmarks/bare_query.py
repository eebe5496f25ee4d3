"""Owns the least that asks a question and prints a table: `bare_query.py DATABASE SQL VIEW…`.

Never imports spotify_hist.
"""

import sys
from pathlib import Path

import click
import duckdb
from rich.console import Console
from rich.table import Table


@click.command()
@click.argument("database")
@click.argument("statement", type=click.Path(path_type=Path))
@click.argument("views", nargs=-1, type=click.Path(path_type=Path))
def main(database: str, statement: Path, views: tuple[Path, ...]) -> None:
    """Print the rows of the statement in the file STATEMENT."""
    connection = duckdb.connect(database, read_only=True)
    connection.execute("set timezone = 'UTC'")
    for view in views:
        connection.execute(view.read_text(encoding="utf-8"))
    found = connection.execute(statement.read_text(encoding="utf-8"))
    table = Table(*[column[0] for column in found.description or ()], box=None)
    for row in found.fetchall():
        table.add_row(*map(str, row))
    Console(file=sys.stdout, width=200).print(table)


if __name__ == "__main__":
    main()
