"""Owns `export`: everything out again, as files, and the receipt of it.

Never writes a file itself; `store.exporting` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from spotify_hist.disk import unusable_name
from spotify_hist.errors import UsageError
from spotify_hist.faces.cli.listing import counted

if TYPE_CHECKING:
    from spotify_hist.faces.cli.context import App
    from spotify_hist.store.exporting import Form

_OTHER_NAME = "Give a directory of another name."
_FORMS = ("parquet", "csv", "ndjson", "listenbrainz", "duckdb")
_WORDS = {"records": "record", "plays": "play", "listens": "listen"}
_REASONS = {
    "episode": "podcast episodes",
    "audiobook_chapter": "audiobook chapters",
    "unknown": "nameless rows",
    "under 30 seconds": "tracks heard for less than 30 seconds",
    "without a name": "tracks without a name",
}


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMS),
    required=True,
    help="What kind of files: see above.",
)
@click.option("--force", is_flag=True, help="Replace the export that is in DIR, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Tell what was written as JSON.")
@click.pass_obj
def export(app: App, directory: Path, form: str, force: bool, as_json: bool) -> None:
    """Everything out again, of all listeners or with --user of one, into a new directory.

    \b
    ndjson, csv   what every source said, one file a listener;
                  'import' takes them back, and every play with them
    parquet       plays with their names, and what every source said,
                  by listener and year, for other programs
    listenbrainz  a ZIP a listener for ListenBrainz' importer: counted
                  plays of tracks alone
    duckdb        the history itself, without this machine's job runs
                  and messages; it can be another machine's history
    """
    from spotify_hist.store import exporting

    try:
        why = unusable_name(directory.expanduser().absolute())
    except RuntimeError:
        why = "there is no user of that name"
    if why is not None:
        raise UsageError(f"Nothing can be exported to {directory}: {why}.", hint=_OTHER_NAME)
    done = exporting.export(
        app.database,
        directory,
        cast("Form", form),
        now=app.now(),
        user=app.user,
        force=force,
        memory_mb=int(app.settings.number("import.memory_mb")),
    )
    if as_json:
        app.out.json(done.as_dict())
        return
    for each in done.listeners:
        told = " and ".join(counted(count, _WORDS[what]) for what, count in each.rows.items())
        app.out.line(f"{each.user}: {told} in {', '.join(each.files)}")
        if each.left_out:
            left = ", ".join(
                f"{count:,} {_REASONS.get(reason, reason)}"
                for reason, count in each.left_out.items()
            )
            app.out.line(f"  left out, as {form} has no place for them: {left}")
    app.out.note(f"Written to {done.directory}")
