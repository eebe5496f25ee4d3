"""Owns the command line's frame: global options, the list of commands, errors to exit codes.

Never does a command's work: each has a file of its own, imported when it is run.
"""

from __future__ import annotations

import errno
import gc
import importlib
import sys
from contextlib import suppress
from itertools import pairwise
from typing import NoReturn

import click

from spotify_hist import __version__
from spotify_hist.disk import FULL
from spotify_hist.errors import BadInput, ExitCode, SpotifyHistError, StorageFull, UsageError
from spotify_hist.faces.cli.context import App
from spotify_hist.faces.cli.output import Output, silence_broken_pipe, write_any_text
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
        return found

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # click would call this a failure; whoever read enough of a pipe is content.
            silence_broken_pipe()
            return int(ExitCode.OK)

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
    ctx.obj = App(home, user, Output(verbose=verbose, quiet=quiet, log_json=log_format == "json"))


def main() -> NoReturn:
    """Run the program and end the process with the exit codes of DESIGN 7."""
    # Starting makes tens of thousands of objects that all stay: looking through them again and
    # again takes a twentieth of a short command's time.
    gc.set_threshold(_MADE_AT_START)
    keep_private()
    write_any_text()
    code = run(sys.argv[1:])
    gc.freeze()  # nor are they looked through at the end: the process gives them all back
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command; its exit code. Every error is said in one line with its next step."""
    out = Output(log_json=_says_json(arguments, "--log-format"))
    as_json = _says_json(arguments, "--format")
    try:
        result = cli.main(arguments, prog_name="spotify-hist", standalone_mode=False)
    except SpotifyHistError as error:
        return _fail(out, error, as_json=as_json)
    except click.exceptions.NoArgsIsHelpError as error:
        out.line(error.format_message())
        return int(ExitCode.USAGE)
    except click.ClickException as error:
        hint = "See 'spotify-hist --help'."
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f"See '{error.ctx.command_path} --help'."
        return _fail(out, UsageError(error.format_message(), hint=hint), as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except Exception as error:  # noqa: BLE001 - the last line of defence names it as our bug
        of_disk = _of_disk(error)
        if of_disk is not None:
            return _fail(out, of_disk, as_json=as_json)
        bug = SpotifyHistError(
            "This is a bug in spotify-hist; your history was not changed by this step.",
            hint="Please report it with the lines above.",
            code="bug",
        )
        with suppress(OSError):
            import traceback

            out.trace(traceback.format_exc())
        return _fail(out, bug, as_json=as_json)
    return result if isinstance(result, int) else 0


def _fail(out: Output, error: SpotifyHistError, *, as_json: bool) -> int:
    """Say an error; its exit code, which still tells whoever nothing can be said to."""
    with suppress(OSError):
        out.error(error, as_json=as_json)
    return int(error.exit_code)


def _of_disk(error: Exception) -> SpotifyHistError | None:
    """What a full or broken disk behind stdout or a file of ours is told as; None for all else."""
    number = error.errno if isinstance(error, OSError) else None
    if number in FULL:
        return StorageFull("There is no space left for what is written.")
    if number == errno.EIO:
        return BadInput(
            "The disk or the terminal failed to read or write something.",
            hint="Check it, then run the same command again; nothing was lost.",
        )
    return None


def _says_json(arguments: list[str], option: str) -> bool:
    """Whether `option` is given as json: errors must be told so even where parsing them fails."""
    pairs = pairwise([*arguments, ""])
    return f"{option}=json" in arguments or (option, "json") in pairs
