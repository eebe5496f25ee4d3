"""Owns the command line's frame: global options, the list of commands, errors to exit codes.

Never does a command's work: each has a file of its own, imported when it is run.
"""

from __future__ import annotations

import errno
import gc
import importlib
import json
import os
import sys
from itertools import pairwise
from typing import NoReturn

import click

from spotify_hist import __version__, interrupts, warn
from spotify_hist.errors import (
    BadInput,
    ExitCode,
    Interrupted,
    OutputLost,
    SpotifyHistError,
    UsageError,
)
from spotify_hist.faces.cli.context import App
from spotify_hist.faces.cli.output import (
    Output,
    flush_stdout,
    lost,
    silence_stdout,
    take_any_text,
)
from spotify_hist.private_files import keep_private

_COMMANDS = {
    "artists": ("identities", "artists", "Which names and ids count as one artist."),
    "auth": ("auth", "auth", "Log in to Spotify, and see how long the login lasts."),
    "backfill": ("backfill", "backfill", "Go back as far as Spotify lets each listener go."),
    "demo": ("demo", "demo", "The whole path against a local stand-in for Spotify."),
    "enrich": ("enrich", "enrich", "Ask Spotify for details of what you played."),
    "ignore": ("ignore", "ignore", "Hide things from the questions, without deleting a play."),
    "export": ("export", "export", "Everything out again, as files of your choice."),
    "import": ("imports", "import_", "Bring in 'Download your data' archives."),
    "jobs": ("jobs", "jobs", "What ran, newest first, and what came of it."),
    "logs": ("logs", "logs", "What unattended runs had to say."),
    "poll": ("poll", "poll", "Capture the last plays of every listener."),
    "query": ("query", "query", "Ask a question of the catalogue."),
    "serve-tools": ("serve", "serve", "Serve the questions as tools to AI assistants."),
    "status": ("status", "status", "How everything stands, and what to do next."),
    "sync": ("sync", "sync", "What the timer runs: all that is due, once or in a loop."),
    "tokens": ("tokens", "tokens", "Who may use serve-tools, and for how long."),
    "tracks": ("identities", "tracks", "Which ids count as one track."),
    "users": ("users", "users", "The listeners who share this history."),
}
# Beside 'query', last words of commands that change nothing: what they say is all they do.
_ASKING = frozenset({"jobs", "list", "logs", "serve-tools", "show", "status"})
_IN_FRONT = ("--home", "--log-format")
_AFTER_LOSS = "See to the place it goes to; the work need not be done again."
_NAME = "spotify-hist"
_COMPLETING = "_SPOTIFY_HIST_COMPLETE"
_MADE_AT_START = 50_000


class LazyGroup(click.Group):
    """Commands by name; a command's module is imported when it is run, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        found = getattr(importlib.import_module(f"spotify_hist.faces.cli.{module}"), attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"{module}.{attribute} is no command")
        from spotify_hist.faces.cli.common import with_common_options

        return with_common_options(found)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in _COMMANDS or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from spotify_hist.faces.cli.common import nearest

        meant = _question_meant(name) or nearest(name, _COMMANDS)
        raise UsageError(
            f"There is no command called '{name}'.",
            hint=f"{meant} See 'spotify-hist --help'.".lstrip(),
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][2]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="spotify-hist")
@click.option("--home", metavar="DIR", help="Directory of everything (or SPOTIFY_HIST_HOME).")
@click.option("--user", metavar="NAME", help="The listener, where several share the history.")
@click.option("-v", "--verbose", count=True, help="Say more.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but data and errors.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How notes and errors are written.",
)
@click.pass_context
def cli(
    ctx: click.Context,
    home: str | None,
    user: str | None,
    verbose: int,
    quiet: bool,
    log_format: str,
) -> None:
    """Own your whole Spotify listening history: collect it, import it, ask it anything."""
    out = Output(
        verbose=verbose, quiet=quiet, log_json=log_format == "json", is_report=_has_work_to_report
    )
    ctx.obj = App(home, user, out)


def main() -> NoReturn:
    """Run the program and end the process with the exit codes of DESIGN 7."""
    interrupts.install()
    # Starting makes tens of thousands of objects that all stay: looking through them again and
    # again takes a twentieth of a short command's time.
    gc.set_threshold(_MADE_AT_START)
    keep_private()
    take_any_text()
    code = run(sys.argv[1:])
    if code == interrupts.exit_code():
        silence_stdout()  # the rest of what was cut short
        interrupts.leave(code)
    gc.freeze()  # nor are they looked through at the end: the process gives them all back
    interrupts.finish(code)


def invoke(arguments: list[str]) -> object:
    """Run one command in this process; what it returns, and its errors as they are.

    Not by click's `main`, which makes failures and lines of its own of Ctrl-C and broken pipes.
    """
    if _COMPLETING in os.environ:
        return _complete(arguments)
    try:
        with cli.make_context(_NAME, arguments) as ctx:
            return cli.invoke(ctx)
    except click.exceptions.Exit as ended:
        return ended.exit_code


def _complete(arguments: list[str]) -> object:
    """What a shell asks for by variables of its own. UsageError where they are not as it sets
    them."""
    try:
        return cli.main(arguments, prog_name=_NAME)
    except (KeyError, ValueError):
        said = "This is for shells: COMP_WORDS and COMP_CWORD do not tell what is to be completed."
        raise UsageError(said, hint=f"Unset {_COMPLETING} to run a command.") from None
    except SystemExit as ended:
        if ended.code == 1:
            said = f"{_COMPLETING} is '{os.environ[_COMPLETING]}', which asks for nothing."
            hint = "Use bash_source, zsh_source or fish_source."
            raise UsageError(said, hint=hint) from None
        raise


def run(arguments: list[str]) -> int:
    """Run one command; its exit code. Every error is said in one line with its next step."""
    log_json = _says_json(arguments, "--log-format")
    as_json = _says_json(arguments, "--format")
    out = Output(log_json=log_json)
    stopped = Interrupted("Stopped. Nothing is half done.", hint="Run it again to go on.")
    said = json.dumps({"error": stopped.as_dict()})
    lost.clear()
    warn.forget()
    try:
        interrupts.begin(said if log_json or as_json else f"{stopped.message} {stopped.hint}")
        return _code(out, arguments, as_json=as_json)
    except KeyboardInterrupt:
        out.farewell(stopped, as_json=as_json)
        return interrupts.exit_code()


def _code(out: Output, arguments: list[str], *, as_json: bool) -> int:
    try:
        result = invoke(arguments)
        flush_stdout()
    except (Exception, BaseExceptionGroup) as error:
        if interrupts.asked() is not None or not isinstance(error, Exception):
            # Whatever failed, it did so on the way to the end that was asked for. Tasks that run
            # side by side tell of it in a group.
            raise KeyboardInterrupt from error
        return _failed(out, error, as_json=as_json)
    code = result if isinstance(result, int) else int(ExitCode.OK)
    why = next((error for error in lost if error.errno != errno.EPIPE), None)
    if why is None:
        return code
    done = "What it has to say" if code else "The work is done, but what it has to say"
    problem = OutputLost(f"{done} could not be written: {why.strerror}.", hint=_AFTER_LOSS)
    return code or _fail(out, problem, as_json=as_json)


def _failed(out: Output, error: Exception, *, as_json: bool) -> int:
    """Say why a command failed, in one line; its exit code."""
    if isinstance(error, BrokenPipeError):
        silence_stdout()  # whoever read enough of a pipe is content
        return int(ExitCode.OK)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        out.line(error.format_message())
        return int(ExitCode.USAGE)
    known = _as_ours(error)
    if known is None:
        import traceback

        out.trace("".join(traceback.format_exception(error)))
        known = SpotifyHistError(
            "This is a bug in spotify-hist. Your history is whole: what was finished before stays, "
            "and nothing is half done.",
            hint="Please report it with the lines above.",
            code="bug",
        )
    return _fail(out, known, as_json=as_json)


def _fail(out: Output, error: SpotifyHistError, *, as_json: bool) -> int:
    out.error(error, as_json=as_json)
    return int(error.exit_code)


def _as_ours(error: Exception) -> SpotifyHistError | None:
    """An error as one of ours; None for what is our bug."""
    if isinstance(error, SpotifyHistError):
        return error
    if isinstance(error, click.ClickException):
        hint = "See 'spotify-hist --help'."
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f"See '{error.ctx.command_path} --help'."
        if isinstance(error, click.NoSuchOption) and error.option_name in _IN_FRONT:
            return UsageError(
                f"{error.option_name} goes in front of the command.",
                hint=f"Such as 'spotify-hist {error.option_name} … status'.",
            )
        return UsageError(error.format_message(), hint=hint)
    if isinstance(error, MemoryError):
        return BadInput("There is not memory enough for this.", hint="Close other programs.")
    if not isinstance(error, OSError):
        return None
    from spotify_hist import system_errors

    known = system_errors.meaning(error)
    if known is None and error in lost:
        return BadInput(f"The output cannot be written: {error.strerror}.", hint=_AFTER_LOSS)
    return known


def _question_meant(name: str) -> str:
    from spotify_hist.analytics import catalogue

    return f"Did you mean query {name}?" if name in (*catalogue.names(), "sql") else ""


def _has_work_to_report() -> bool:
    """Whether the command at work changes something, so that its output only tells of that."""
    ctx = click.get_current_context(silent=True)
    words = ctx.command_path.split()[1:] if ctx is not None else []
    if ctx is None or not words or ctx.params.get("dry_run"):
        return False
    return words[0] != "query" and words[-1] not in _ASKING


def _says_json(arguments: list[str], option: str) -> bool:
    """Whether `option` is given as json: errors must be told so even where parsing them fails."""
    pairs = pairwise([*arguments, ""])
    return f"{option}=json" in arguments or (option, "json") in pairs
