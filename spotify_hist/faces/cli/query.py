"""Owns `query`: one subcommand for each question of the catalogue, made from its header.

Never knows a question by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from spotify_hist.analytics import catalogue
from spotify_hist.errors import SpotifyHistError, UnknownQuery
from spotify_hist.faces.cli.common import with_common_options
from spotify_hist.faces.cli.output import FORMATS, Format

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spotify_hist.analytics.answers import Answer
    from spotify_hist.analytics.header import Query
    from spotify_hist.analytics.params import Param
    from spotify_hist.faces.cli.context import App

_SQL = "sql"

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How the answer is written.",
)


class QueryGroup(click.Group):
    """The catalogue as subcommands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted([*catalogue.names(), _SQL])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name == _SQL:
            from spotify_hist.faces.cli.sql import sql

            return with_common_options(sql)
        return with_common_options(_command(catalogue.load(cmd_name)))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        if not args:
            raise UnknownQuery("Which question?", hint="List them with 'query --list'.")
        return args[0], self.get_command(ctx, args[0]), args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Questions"):
            formatter.write_dl([(each.name, each.summary) for each in catalogue.all_queries()])
        with formatter.section("Your own"):
            formatter.write_dl([(_SQL, "Any SELECT over the history, in quotes.")])


@click.group(cls=QueryGroup, invoke_without_command=True)
@click.option("--list", "is_list", is_flag=True, help="List the questions.")
@format_option
@click.pass_context
def query(ctx: click.Context, is_list: bool, form: str) -> None:
    """Ask a question of the catalogue.

    For example: spotify-hist query top-artists --days 90
    """
    if ctx.invoked_subcommand is not None:
        # 'query --format csv recent' means what 'query recent --format csv' does.
        ctx.default_map = {ctx.invoked_subcommand: {"form": form}}
        return
    if not is_list:
        raise UnknownQuery("Which question?", hint="List them with 'spotify-hist query --list'.")
    app: App = ctx.obj
    names = ("name", "summary", "grain")
    rows = [(each.name, each.summary, each.grain) for each in catalogue.all_queries()]
    if form == "json":
        app.out.json([dict(zip(names, row, strict=True)) for row in rows])
    elif form == "table":
        app.out.mapping({name: summary for name, summary, _ in rows})
    else:
        app.out.rows(names, rows, cast("Format", form))


class _Question(click.Command):
    """One question, whose help explains what its rows and columns are."""

    def __init__(self, question: Query) -> None:
        super().__init__(
            question.name,
            callback=_asking(question),
            params=[_option(param) for param in question.params],
            help=question.summary,
            short_help=question.summary,
        )
        self._question = question

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        question = self._question
        with formatter.section("Grain"):
            formatter.write_text(f"{question.grain}.")
        with formatter.section("Columns"):
            formatter.write_dl([*question.columns.items()])
        with formatter.section("Example"):
            formatter.write_text(f"spotify-hist query {question.name} {question.example}".rstrip())


def _command(question: Query) -> click.Command:
    chart = click.option(
        "--chart",
        metavar="FILE",
        hidden=question.chart is None,
        help="Draw the answer too, into a file that ends in .svg or .html.",
    )
    return format_option(chart(_Question(question)))


def _asking(question: Query) -> Callable[..., None]:
    """What the command does: ask, draw where a picture is wanted, and say the answer."""

    @click.pass_obj
    def ask(app: App, /, form: str, chart: str | None, **arguments: object) -> None:
        from spotify_hist.analytics.run import answer

        file = None if chart is None else _place(question, chart)
        given = {name: value for name, value in arguments.items() if value is not None}
        if app.user is not None and "user" in arguments:
            given.setdefault("user", app.user)
        result = answer(app.database, app.settings, question.name, given, now=app.now())
        timezone = str(result.params.get("timezone", "UTC"))
        failure = None if file is None else _draw(result, timezone, file)
        app.out.answer(result, cast("Format", form), timezone)
        if failure is not None:
            raise failure
        if file is not None:
            app.out.note(f"The picture is in {file}")

    return ask


def _place(question: Query, file: str) -> Path:
    from spotify_hist.faces.cli import pictures

    return pictures.place(question, file)


def _draw(result: Answer, timezone: str, file: Path) -> SpotifyHistError | None:
    """Why there is no picture, for after the answer: it is said all the same."""
    from spotify_hist.faces.cli import pictures

    try:
        pictures.write(result, timezone, file)
    except SpotifyHistError as error:
        return error
    return None


def _option(param: Param) -> click.Option:
    if param.type == "boolean":
        return click.Option(
            [f"--{param.option}", param.name], is_flag=True, default=None, help=param.help
        )
    if param.choices:
        kind: click.ParamType[Any] = click.Choice(param.choices)
    else:
        kind = click.INT if param.type == "integer" else click.STRING
    default = "" if param.default is None else f" [default: {param.default}]"
    required = " [required]" if param.is_required else ""
    return click.Option(
        [f"--{param.option}", param.name],
        type=kind,
        default=None,
        help=param.help + default + required,
    )
