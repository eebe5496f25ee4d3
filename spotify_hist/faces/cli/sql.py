"""Owns `query sql`: free SQL from the command line or stdin, and its rows in every format.

Never runs the SQL: `analytics.sql` does, in a process that can do nothing else.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, cast

import click

from spotify_hist.analytics.sql.sandboxed import DEFAULT_LIMIT, LONGEST_SQL, MOST_ROWS, ask_sql
from spotify_hist.errors import UsageError
from spotify_hist.faces.cli.output import FORMATS, Format

if TYPE_CHECKING:
    from spotify_hist.analytics.answers import Answer
    from spotify_hist.faces.cli.context import App

SUMMARY = "Any SELECT of your own over the history; it can read nothing else and change nothing."


@click.command("sql", short_help=SUMMARY)
@click.argument("statement", metavar="SQL")
@click.option(
    "--limit",
    type=click.IntRange(1, MOST_ROWS),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="Most rows to return.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How the answer is written.",
)
@click.pass_obj
def sql(app: App, statement: str, limit: int, form: str) -> None:
    """Any SELECT of your own over the history; - reads it from standard input.

    The views v_plays, v_song_plays, v_artists, v_albums, v_daily, v_sessions, v_tracks, v_gaps and
    v_imports are about one listener and stay what they are; 'describe v_plays' lists the columns of
    one, and docs/schema.md says what they mean. It runs apart, reads the history and nothing else,
    and is ended after SPOTIFY_HIST_QUERY_SQL_TIMEOUT_S seconds.

    \b
    Example:
      spotify-hist query sql "select artist, plays from v_artists order by plays desc limit 5"
    """
    text = _stdin() if statement == "-" else statement
    answer = ask_sql(
        app.settings,
        text,
        now=app.now(),
        user=app.user,
        limit=limit,
        on_wait=app.waiting,
    )
    _tell(app, answer, cast("Format", form))


def _stdin() -> str:
    """The statement that is piped in; a byte too many is enough to refuse it."""
    try:
        return sys.stdin.buffer.read(4 * LONGEST_SQL + 1).decode()
    except UnicodeDecodeError:
        raise UsageError("The SQL on standard input is not valid UTF-8.") from None


def _tell(app: App, answer: Answer, form: Format) -> None:
    if form == "json":
        app.out.answer(answer, form, "UTC")
        return
    if form == "table" and not answer.rows:
        app.out.line("No rows.")
    elif form == "table":
        rows = [tuple(map(_said, row)) for row in answer.rows]
        app.out.table(answer.columns, rows, str(answer.params["timezone"]))
    else:
        rows = answer.rows if form == "ndjson" else [tuple(map(_said, row)) for row in answer.rows]
        app.out.rows([column.name for column in answer.columns], rows, form)
    for note in answer.notes:
        app.out.note(f"Note: {note}")
    if answer.truncated:
        app.out.note("Note: there are more rows; ask for them with --limit.")


def _said(value: object) -> object:
    """What has an inside is said as JSON; a plain list as everywhere else."""
    inner = value if isinstance(value, list) else []
    if isinstance(value, dict) or any(isinstance(each, (list, dict, type(None))) for each in inner):
        return json.dumps(value, ensure_ascii=False)
    return value
