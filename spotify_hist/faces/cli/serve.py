"""Owns the command `serve-tools`.

Never imports the server before it is asked for: that costs most of a second (FACTS 8.2).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from spotify_hist.errors import SpotifyHistError
from spotify_hist.faces.cli.assistants import ASSISTANTS, left_out, started

if TYPE_CHECKING:
    from spotify_hist.faces.cli.context import App
    from spotify_hist.faces.cli.output import Output


@click.command("serve-tools")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Port to serve on; 0 finds a free one.",
)
@click.option("--stdio", is_flag=True, help="Speak MCP on stdin and stdout instead of HTTP.")
@click.option(
    "--tools",
    type=click.Choice(["core", "all"]),
    help="Which tools assistants are shown: the ones most asked for, or all. By default core, or "
    "what the setting server.tools says.",
)
@click.option(
    "--print-config",
    "assistant",
    type=click.Choice(list(ASSISTANTS)),
    help="Print what connects this assistant, and serve nothing.",
)
@click.pass_obj
def serve(
    app: App, host: str, port: int, stdio: bool, tools: str | None, assistant: str | None
) -> None:
    """Answer questions for AI assistants (MCP) and programs (HTTP with OpenAPI).

    Serves this machine only. To serve others give --host and make a token with 'tokens create',
    which every request must then carry as 'Authorization: Bearer TOKEN'.
    """
    if assistant is not None:
        _print_config(app, assistant, tools)
        return
    settings = app.settings
    if tools is not None:
        settings = replace(settings, values={**settings.values, "server.tools": tools})
    _relay_logs(app.out)
    if stdio:
        from spotify_hist.faces.server import stdio as server

        server.serve(settings, user=app.user, now=app.now)
    else:
        from spotify_hist.faces.server import serving

        serving.serve(
            settings, host=host, port=port, user=app.user, now=app.now, announce=app.out.note
        )


def _print_config(app: App, assistant: str, tools: str | None) -> None:
    """The text on stdout, so that it can go into a file; what to do with it on stderr."""
    chosen = ASSISTANTS[assistant]
    app.out.note(chosen.where)
    secrets = left_out(app.settings)
    if secrets:
        app.out.note(
            f"{', '.join(secrets)} is not in it: an assistant's file is no place for a secret. "
            "Without it the tools that ask Spotify will not work there."
        )
    app.out.line(chosen.write(started(app.settings, user=app.user, tools=tools)))


class _Relay(logging.Handler):
    """The server's log lines said as this program says everything else."""

    def __init__(self, out: Output) -> None:
        super().__init__()
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._out.error(SpotifyHistError(text, code="internal"))
        elif isinstance(fields := getattr(record, "request", None), dict):
            self._out.event(text, fields)
        else:
            self._out.detail(text)


def _relay_logs(out: Output) -> None:
    logger = logging.getLogger("spotify_hist.faces.server")
    logger.handlers[:] = [_Relay(out)]
    logger.setLevel(logging.INFO if out.tells_events else logging.ERROR)
