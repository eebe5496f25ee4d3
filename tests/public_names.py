"""Every public name of the program, read off the program itself.

`python -m tests.public_names` prints them; `public_names.txt` beside this file lists those that
others build on. What the list has stays: `test_public_names.py` compares the two.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from unittest import mock

import click
from starlette.applications import Starlette
from starlette.routing import Route

from spotify_hist import errors, settings
from spotify_hist.analytics import catalogue
from spotify_hist.analytics.sql import promised
from spotify_hist.faces.cli import auth
from spotify_hist.faces.cli.context import App
from spotify_hist.faces.cli.main import cli, run
from spotify_hist.faces.cli.output import Output
from spotify_hist.faces.server import app, prompts, resources
from spotify_hist.faces.server.guard import Rules
from spotify_hist.faces.server.tool import input_schema
from spotify_hist.faces.server.tools import ALIASES, Tools, all_tools
from spotify_hist.sandbox import browser
from spotify_hist.sandbox.exports import write_exports
from spotify_hist.sandbox.life import live
from spotify_hist.sandbox.server import Sandbox

LIST = Path(__file__).with_name("public_names.txt")
_START = datetime(2026, 1, 1, tzinfo=UTC)
# Objects whose keys are data, or are listed as a question's columns.
_OPEN = frozenset({"params", "stats", "rows[]"})


def everything() -> set[str]:
    """All public names, one a line."""
    return {*_commands(cli, ""), *_codes(), *_settings(), *_answers(), *_served(), *_json_keys()}


def listed() -> set[str]:
    """The names of the list."""
    return set(LIST.read_text(encoding="utf-8").splitlines())


def _commands(command: click.Command, path: str) -> Iterator[str]:
    """Commands, their options with what may be chosen, and their arguments."""
    here = path or "spotify-hist"
    yield f"command {here}"
    for param in command.params:
        if isinstance(param, click.Argument):
            yield f"argument {here} {param.human_readable_name.strip('[].').upper()}"
            continue
        for name in (*param.opts, *param.secondary_opts):
            yield f"option {here} {name}"
            if isinstance(param.type, click.Choice):
                yield from (f"choice {here} {name} {choice}" for choice in param.type.choices)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _commands(inner, f"{path} {name}".strip())


def _codes() -> Iterator[str]:
    yield from (f"exit {code.value} {code.name}" for code in errors.ExitCode)
    waiting: list[type[errors.SpotifyHistError]] = [errors.SpotifyHistError]
    while waiting:
        error = waiting.pop()
        yield f"error {error.code}"
        waiting += [each for each in error.__subclasses__() if each.__module__ == errors.__name__]


def _settings() -> Iterator[str]:
    for option in settings.OPTIONS:
        yield f"setting {option.key}"
        yield f"variable {option.variable}"


def _answers() -> Iterator[str]:
    """Questions with the columns of their answers, and the promised views with theirs."""
    for query in catalogue.all_queries():
        yield f"question {query.name}"
        yield from (f"question {query.name} column {name}" for name in query.columns)
    for name in promised.NAMES:
        view = promised.load(name)
        yield from (f"view {view.name} {column}" for column in view.columns)


def _served() -> Iterator[str]:
    """Tools with their arguments, aliases, prompts, resources and routes."""
    for tool in all_tools():
        yield f"tool {tool.name}"
        names = input_schema(tool)["properties"]
        assert isinstance(names, Mapping)
        yield from (f"tool {tool.name} argument {name}" for name in names)
    yield from (f"alias {alias} {name}" for alias, name in ALIASES.items())
    for prompt in prompts.PROMPTS:
        yield f"prompt {prompt.name}"
        yield from (f"prompt {prompt.name} argument {param.name}" for param in prompt.params)
    yield from (f"resource {resource.uri}" for resource in resources.RESOURCES)
    yield f"resource {resources.ONE_QUESTION}"
    with tempfile.TemporaryDirectory() as folder:
        guard = app.build(Tools(settings.load(folder, {}), now=lambda: _START), Rules())
    inner = vars(guard)["_app"]
    assert isinstance(inner, Starlette)
    for route in inner.routes:
        assert isinstance(route, Route)
        yield from (f"route {method} {route.path}" for method in route.methods or ("POST",))


def _json_keys() -> Iterator[str]:
    """The keys of what each command prints as JSON, seen in a whole run against the sandbox."""
    life = live(11, start=_START, end=_START + timedelta(days=40))
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(life, now=_START + timedelta(days=20)) as sandbox,
    ):
        ours = {
            "SPOTIFY_HIST_HOME": f"{folder}/home",
            "SPOTIFY_HIST_CLIENT_ID": sandbox.client_id,
            "SPOTIFY_HIST_API_URL": sandbox.url,
            "SPOTIFY_HIST_ACCOUNTS_URL": sandbox.url,
        }
        with mock.patch.dict(os.environ, ours):
            archive = write_exports(life, Path(folder), formats=("extended",))["extended"]
            spoiled = Path(folder, "Streaming_History_Audio_2020.json")
            spoiled.write_text('[{"ts": "never", "ms_played": 1}]', encoding="utf-8")
            _log_in(Path(folder, "home"))
            yield from _printed("poll --format json")
            sandbox.advance(_START + timedelta(days=30))  # far more than Spotify keeps
            for command in _story(str(archive), str(spoiled), folder):
                yield from _printed(command)


def _story(archive: str, spoiled: str, folder: str) -> Iterator[str]:
    """What a listener does, every command that prints JSON at least once."""
    yield "poll --format json"
    yield "backfill --max-requests 2 --format json"
    yield f"import {spoiled} --format json"
    yield f"import {archive} --format json"
    yield "import list --format json"
    yield "import show 1 --format json"
    yield "import show 2 --format json"
    yield "enrich --budget 2 --format json"
    yield "sync --format json"
    yield "artists merge 'The Bitter Pilots' 'Hollow Weather'"
    yield "artists list --format json"
    yield "tracks list --format json"
    yield "ignore add kind episode"
    yield "ignore list --format json"
    yield "tokens create --for Anna --expires 90d"
    yield "tokens list --format json"
    for command in ("users list", "auth status", "query --list"):
        yield f"{command} --format json"
    yield "query top-artists --format json"
    yield "query recent --format json"
    yield "query sql 'select 1 as one' --format json"
    yield f"export {folder}/out --format csv --json"
    yield "import undo 1 --yes --format json"
    yield "query nothing --format json"
    nobody = {"SPOTIFY_HIST_API_URL": "http://127.0.0.1:9", "SPOTIFY_HIST_HTTP_RETRIES": "0"}
    with mock.patch.dict(os.environ, nobody):
        yield "poll --format json"
    for command in ("status", "jobs", "logs"):
        yield f"{command} --format json"


def _printed(command: str) -> Iterator[str]:
    """The key paths of one command's JSON: of its answer, else of its error."""
    import shlex

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        run(shlex.split(command))
    name = " ".join(word for word in _words(command))
    said = out.getvalue() or err.getvalue().strip().rpartition("\n")[2]
    with contextlib.suppress(json.JSONDecodeError):
        yield from (f"json {name}: {path}" for path in _paths(json.loads(said), ""))


def _words(command: str) -> list[str]:
    """The words that name a command, without arguments."""
    words = re.split(r" (?=-)| (?=')", command)[0].split()
    return (
        words[:2]
        if words[0] in {"auth", "users", "query", "ignore", "tokens", "tracks"}
        or (len(words) > 1 and words[1] in {"list", "show", "undo"})
        else words[:1]
    )


def _paths(value: object, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _paths(each, f"{path}[]")
    elif isinstance(value, dict) and not path.endswith(tuple(_OPEN)):
        for key, each in value.items():
            here = f"{path}.{key}" if path else key
            yield here
            yield from _paths(each, here)


def _log_in(home: Path) -> None:
    def agree(url: str) -> None:
        Thread(target=lambda: browser.visit(browser.agree(url)), daemon=True).start()

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        auth.log_in(App(str(home), None, Output()), agree)


if __name__ == "__main__":
    sys.stdout.write("\n".join(sorted(everything())) + "\n")
