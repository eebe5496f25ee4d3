"""Owns what connects each assistant to this program: the text to paste, and where it goes.

Never writes into an assistant's files, and never tells a secret.
"""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from spotify_hist.settings import Option, Settings

NAME = "spotify-hist"
_TUNNEL = "TUNNEL_ID"


@dataclass(frozen=True, slots=True)
class Started:
    """How an assistant starts serve-tools: the words, and what it needs in its environment."""

    words: Sequence[str]
    environment: Mapping[str, str]

    @property
    def entry(self) -> dict[str, object]:
        """A server as the JSON files of assistants hold it."""
        program, *arguments = self.words
        found: dict[str, object] = {"command": program, "args": arguments}
        return found | ({"env": dict(self.environment)} if self.environment else {})


def started(settings: Settings, *, user: str | None, tools: str | None) -> Started:
    """How serve-tools is started on stdio, with this program, this home and these settings.

    An assistant does not see the variables of a shell, so the settings that come from some go
    along, but for secrets.
    """
    words = program(sys.argv[0])
    if settings.config_dir == settings.data_dir:
        words += ["--home", str(settings.data_dir)]
    if user is not None:
        words += ["--user", user]
    words += ["serve-tools", "--stdio"]
    if tools is not None:
        words += ["--tools", tools]
    environment = {
        option.variable: str(settings.get(option.key))
        for option in _from_variables(settings)
        if not option.secret
    }
    return Started(words, environment)


def program(called: str) -> list[str]:
    """The words that start this program from anywhere, told from what it was called by."""
    path = Path(called)
    if path.name == NAME and path.exists():
        return [str(path.absolute())]
    beside = Path(sys.executable).parent / NAME
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "spotify_hist"]


def left_out(settings: Settings) -> list[str]:
    """The variables with secrets that the shell has and the assistant will not have."""
    return [option.variable for option in _from_variables(settings) if option.secret]


def _from_variables(settings: Settings) -> list[Option]:
    from spotify_hist.settings import OPTIONS

    return [
        option
        for option in OPTIONS
        if settings.origins[option.key].startswith(option.variable)
        and option.key not in _OF_THE_SERVER
    ]


# What serving by HTTP needs and a process on stdio does not.
_OF_THE_SERVER = {"tools_token", "admin_token"}


def _claude_desktop(start: Started) -> str:
    return _json({"mcpServers": {NAME: start.entry}})


def _vscode(start: Started) -> str:
    return _json({"servers": {NAME: {"type": "stdio", **start.entry}}})


def _claude_code(start: Started) -> str:
    variables = [
        word for name, value in start.environment.items() for word in ("--env", f"{name}={value}")
    ]
    # --env takes every word up to the next option.
    before = ["claude", "mcp", "add", *variables, "--scope", "user", "--transport", "stdio", NAME]
    return shlex.join([*before, "--", *start.words])


def _chatgpt(start: Started) -> str:
    variables = [f"{name}={value}" for name, value in start.environment.items()]
    command = shlex.join([*(["env", *variables] if variables else []), *start.words])
    init = ["tunnel-client", "init", "--sample", "sample_mcp_stdio_local", "--profile", NAME]
    init += ["--tunnel-id", _TUNNEL, "--mcp-command", command]
    return "\n".join(
        [
            shlex.join(init),
            f"tunnel-client doctor --profile {NAME} --explain",
            f"tunnel-client run --profile {NAME}",
        ]
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Assistant:
    """An assistant: how its text is written, and where a person puts it."""

    write: Callable[[Started], str]
    where: str


ASSISTANTS: Mapping[str, Assistant] = {
    "claude-desktop": Assistant(
        _claude_desktop,
        "Put this into claude_desktop_config.json (Settings, Developer, Edit Config), then quit "
        "Claude Desktop and start it again.",
    ),
    "claude-code": Assistant(_claude_code, "Run this command."),
    "chatgpt": Assistant(
        _chatgpt,
        f"Run these commands with OpenAI's tunnel-client; {_TUNNEL} is that of your tunnel, and "
        "CONTROL_PLANE_API_KEY must be set. See docs/assistants.md.",
    ),
    "vscode": Assistant(
        _vscode,
        "Put this into .vscode/mcp.json of a folder, or into the file that the command 'MCP: Open "
        "User Configuration' opens.",
    ),
}
