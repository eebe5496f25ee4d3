"""Owns `import`: the paths given, the progress shown, the receipt told, and the words below it.

Never reads a file and never changes the history itself; `collect` does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from spotify_hist.faces import shapes
from spotify_hist.faces.cli import receipts
from spotify_hist.faces.cli.common import common_words, with_common_options
from spotify_hist.faces.cli.import_accounts import WORDS

if TYPE_CHECKING:
    from spotify_hist.faces.cli.context import App


class _Import(click.Command):
    """`import PATH…` but where the first word is one of `WORDS`, which is a command of its own."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        at = common_words(args)
        if at < len(args) and args[at] in WORDS:
            command = with_common_options(WORDS[args[at]])
            given = [*args[:at], *args[at + 1 :]]
            return command.make_context(f"{info_name} {args[at]}", given, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, word.get_short_help_str(limit=60)) for name, word in WORDS.items()]
            )


def _complete(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Paths, and the words that may stand in the place of the first."""
    words = [CompletionItem(word) for word in WORDS if begun and word.startswith(begun)]
    return [*words, CompletionItem(begun, type="file")]


@click.command("import", cls=_Import)
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, allow_dash=True),
    shell_complete=_complete,
)
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and change nothing.")
@click.option(
    "--keep-private",
    is_flag=True,
    help="Keep IP address, user agent, user name and place too; they are dropped otherwise.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def import_(app: App, paths: tuple[Path, ...], dry_run: bool, keep_private: bool, form: str) -> int:
    """Bring in 'Download your data' archives: ZIPs, folders or single files; - is standard input.

    Extended streaming history and account data, of any year, in any order, as often as you like:
    each play counts once. Imports can be listed, shown again and undone with the commands below;
    a file that is called like one of them is given as ./list.
    """
    from spotify_hist.collect.imports import import_paths
    from spotify_hist.collect.inputs import STDIN
    from spotify_hist.faces.cli import progress

    with progress.reading(is_quiet=app.out.quiet) as bar:
        app.waiting.pause, app.waiting.go_on = bar.pause, bar.go_on
        receipt = import_paths(
            app.settings,
            app.database,
            app.now,
            paths,
            user=app.user,
            keep_private=keep_private,
            dry_run=dry_run,
            stdin=sys.stdin.buffer if sys.stdin and STDIN in paths else None,
            on_progress=bar.reading,
            on_merge=bar.merging,
        )
    if form == "json":
        app.out.json(shapes.receipt(receipt))
    else:
        receipts.tell(app.out, receipt, receipts.zone_of(app.settings, receipt))
    for error in receipt.failed:
        app.out.error(error, as_json=form == "json")
    return receipts.exit_code(receipt)
