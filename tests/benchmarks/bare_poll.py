"""Owns the least that asks for the last plays and keeps them: `bare_poll.py DATABASE URL`.

Imports what a poll imports, takes its access token from TOKEN, decrypts nothing, knows no plays of
before, and never imports spotify_hist.
"""

import json
import os

import click
import cryptography.fernet  # noqa: F401 - imported by what it is compared with
import duckdb
import httpx
import pydantic  # noqa: F401 - imported by what it is compared with


@click.command()
@click.argument("database")
@click.argument("url")
def main(database: str, url: str) -> None:
    """Insert the last 50 plays into the table `recent` of DATABASE."""
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    with httpx.Client(timeout=20.0) as client:
        answer = client.get(
            f"{url}/v1/me/player/recently-played", params={"limit": 50}, headers=headers
        )
    answer.raise_for_status()
    items = json.loads(answer.content)["items"]
    rows = [
        (
            item["played_at"],
            item["track"]["uri"],
            item["track"]["name"],
            item["track"]["artists"][0]["name"],
            item["track"]["album"]["name"],
            item["track"]["duration_ms"],
        )
        for item in items
    ]
    connection = duckdb.connect(database)
    connection.begin()
    connection.execute(
        "insert into recent select unnest($1::timestamptz[]), unnest($2::varchar[]), "
        "unnest($3::varchar[]), unnest($4::varchar[]), unnest($5::varchar[]), unnest($6::bigint[])",
        [list(column) for column in zip(*rows, strict=True)],
    )
    connection.commit()
    connection.close()
    click.echo(f"{len(rows)} plays")


if __name__ == "__main__":
    main()
