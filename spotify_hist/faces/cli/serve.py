"""Owns the command `serve-tools`.

Never imports the server before it is asked for: that costs most of a second (FACTS 8.2).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import click

from spotify_hist.errors import SpotifyHistError

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
@click.pass_obj
def serve(app: App, host: str, port: int, stdio: bool) -> None:
    """Answer questions for AI assistants (MCP) and programs (HTTP with OpenAPI).

    Serves this machine only. To serve others give --host and set SPOTIFY_HIST_TOOLS_TOKEN, which
    every request must then carry as 'Authorization: Bearer TOKEN'.
    """
    _relay_logs(app.out)
    if stdio:
        from spotify_hist.faces.server import stdio as server

        server.serve(app.settings, user=app.user, now=app.now)
    else:
        from spotify_hist.faces.server import serving

        serving.serve(
            app.settings, host=host, port=port, user=app.user, now=app.now, announce=app.out.note
        )


class _Relay(logging.Handler):
    """The server's log lines said as this program says everything else."""

    def __init__(self, out: Output) -> None:
        super().__init__()
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._out.error(SpotifyHistError(text, code="internal"))
        else:
            self._out.detail(text)


def _relay_logs(out: Output) -> None:
    logger = logging.getLogger("spotify_hist.faces.server")
    logger.handlers[:] = [_Relay(out)]
    logger.setLevel(logging.INFO if out.verbose else logging.ERROR)
