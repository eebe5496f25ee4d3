"""Owns the options every command understands after its name too, and words for a name misspelt.

Never runs a command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spotify_hist.faces.cli.context import App
from spotify_hist.faces.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PATHS = ("DIR", "FILE")
_COMMON = ("--user", "--verbose", "--quiet")


def _name_user(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None and (app := ctx.find_object(App)) is not None:
        app.user = value


def _say_more(ctx: click.Context, _param: click.Parameter, value: int) -> None:
    if value and (app := ctx.find_object(App)) is not None:
        app.out.verbose += value
        app.out.quiet = False


def _say_less(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and (app := ctx.find_object(App)) is not None:
        app.out.verbose, app.out.quiet = 0, True


def _options() -> tuple[click.Option, ...]:
    """The options as every command gets them. What is given last, after the command, holds."""
    return (
        click.Option(
            ["--user", "common_user"],
            metavar="NAME",
            type=Text(),
            expose_value=False,
            callback=_name_user,
            help="The listener, where several share the history.",
        ),
        click.Option(
            ["-v", "--verbose", "common_verbose"],
            count=True,
            expose_value=False,
            callback=_say_more,
            help="Say more.",
        ),
        click.Option(
            ["-q", "--quiet", "common_quiet"],
            is_flag=True,
            expose_value=False,
            callback=_say_less,
            help="Say nothing but data and errors.",
        ),
    )


def common_words(args: Sequence[str]) -> int:
    """How many words in front are common options: a word that names a command may come then."""
    at = 0
    while at < len(args) and _is_common(args[at]):
        at += 2 if args[at] == "--user" else 1
    return at


def _is_common(word: str) -> bool:
    # No pattern: compiling one would be a part of the start of every command.
    is_short = word.startswith("-") and word.strip("vq") == "-"
    return (is_short and len(word) > 1) or word.partition("=")[0] in _COMMON


class Text(click.ParamType[str]):
    """Text that can be looked up, kept and shown: no bytes that are not UTF-8."""

    name = "text"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The text as it is."""
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"'{printable(text)}' is not valid UTF-8.", param, ctx)
        return text


def _take_text(param: click.Parameter) -> None:
    """Let a parameter take nothing that is not UTF-8, but for the paths of files."""
    if type(param.type) is type(click.STRING) and param.metavar not in _PATHS:
        if param.metavar is None and isinstance(param, click.Option):
            param.metavar = "TEXT"
        param.type = Text()


def with_common_options(command: click.Command) -> click.Command:
    """The command, and those in it, with the common options beside its own.

    An option of its own with the same name stays what it is.
    """
    if any(param.name == "common_quiet" for param in command.params):
        return command
    own = {text for param in command.params for text in param.opts}
    for param in command.params:
        _take_text(param)
    command.params += [option for option in _options() if not own & set(option.opts)]
    if isinstance(command, click.Group):
        for each in command.commands.values():
            with_common_options(each)
    return command


def nearest(name: str, known: Iterable[str]) -> str:
    """'Did you mean …?' with the known names that are like it, or ''."""
    import difflib

    close = difflib.get_close_matches(name, list(known), n=3)
    return f"Did you mean {' or '.join(close)}?" if close else ""
