"""What the documents tell a person to type exists, runs, and prints what they show."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from spotify_hist import settings
from spotify_hist.analytics import catalogue
from spotify_hist.errors import ExitCode
from spotify_hist.faces.cli.main import cli, run
from spotify_hist.sources.spotify.oauth import LoopbackServer

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "contrib/*.md", "examples/*.md")
    for path in ROOT.glob(pattern)
)
PROGRAM = re.compile(r"(?:\S*/)?spotify-hist")


def _blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _shell_lines(text: str) -> list[str]:
    """Every line a person is told to type: shell blocks, and sessions after their `$ `."""
    typed = [line for block in _blocks(text, "sh") for line in block.splitlines()]
    sessions = [line for block in _blocks(text, "console") for line in block.splitlines()]
    return typed + [line.removeprefix("$ ") for line in sessions if line.startswith("$ ")]


def _our_commands(text: str) -> set[tuple[str, ...]]:
    """The arguments of each `spotify-hist …` in blocks and in inline code."""
    inline = re.findall(r"`(spotify-hist [^`]+)`", text)
    found = set()
    for line in [*_shell_lines(text), *inline]:
        for words in _simple_commands(line):
            if words and PROGRAM.fullmatch(words[0]):
                found.add(tuple(words[1:]))
            elif "--" in words:  # what another program is told to start
                found.add(tuple(words[words.index("--") + 2 :]))
    return found


def _simple_commands(line: str) -> list[list[str]]:
    """The words of each command of a shell line, without assignments and redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("();<>|&"):
            commands.append([])
        elif commands[-1] or not re.match(r"\w+=", word):
            commands[-1].append(word)
    return commands


ALL_COMMANDS = sorted(
    {
        (path.relative_to(ROOT).as_posix(), arguments)
        for path in DOCUMENTS
        for arguments in _our_commands(path.read_text(encoding="utf-8"))
    }
)


def _one_liner(ending: str) -> str:
    (line,) = [
        line
        for line in _shell_lines(README)
        if line.startswith("python3 -m venv .venv && ") and line.endswith(ending)
    ]
    return line


@pytest.mark.parametrize(
    ("document", "arguments"), ALL_COMMANDS, ids=[f"{d}: {' '.join(a)}" for d, a in ALL_COMMANDS]
)
def test_every_command_in_the_documents_exists(
    document: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Subcommands, options and the types of their values, parsed by click and not run."""
    reached: list[str] = []

    def instead(command: click.Command, _: click.Context) -> None:
        reached.append(command.name or "")

    monkeypatch.setattr(click.Command, "invoke", instead)
    cli.main(list(arguments), prog_name="spotify-hist", standalone_mode=False)
    words = {word for word in arguments if not word.startswith("-")}
    assert set(reached) <= {"cli", *words}, document
    assert reached != [] or {"--help", "--version"} & set(arguments)


def test_the_two_commands_of_the_readme_are_one_line_each() -> None:
    """Each makes the environment, installs and does its work, and they share `.venv`."""
    assert "pip install -q ." in _one_liner(".venv/bin/spotify-hist demo").split(" && ")[1]
    assert "-e '.[dev]'" in _one_liner(".venv/bin/pytest").split(" && ")[1]


def test_ci_runs_the_readmes_test_command() -> None:
    """What .ci/run looks for in the README finds that line and no other."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -E '([^']+)' README\.md", script)
    assert pattern is not None
    found = [line for line in README.splitlines() if re.search(pattern[1], line)]
    assert found == [_one_liner(".venv/bin/pytest")]


def test_the_sessions_of_the_readme_print_what_it_shows(tmp_path: Path) -> None:
    """Every `$ ` line of the README, in order, on one fresh history, from the clone."""
    environ = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
        "HOME": str(tmp_path),
        "SPOTIFY_HIST_HOME": str(tmp_path / "home"),
        "TZ": "UTC",
        "PYTHONUTF8": "1",
    }
    for session in _blocks(README, "console"):
        printed = ""
        for line in session.splitlines():
            if not line.startswith("$ "):
                continue
            done = subprocess.run(
                line.removeprefix("$ "),
                shell=True,
                cwd=ROOT,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                check=False,
            )
            assert done.returncode == 0, done.stdout
            printed += f"{line}\n{done.stdout}"
        assert printed == session


def test_the_readme_names_every_command() -> None:
    """A command nobody reads of might as well not be there."""
    names = cli.list_commands(click.Context(cli))
    assert [name for name in names if not re.search(rf"(spotify-hist |`){name}\b", README)] == []


def test_the_readme_names_every_question_with_its_summary() -> None:
    """The table of questions is that of the catalogue."""
    rows = [f"| `{each.name}` | {each.summary} |" for each in catalogue.all_queries()]
    assert [row for row in rows if row not in README] == []


def test_the_readme_names_every_setting_in_use() -> None:
    """Name, meaning and default of each."""
    for option in settings.OPTIONS:
        default = "" if option.default is None else f"`{option.default}`".replace(".0`", "`")
        row = f"| `{option.variable}` | {option.help} | {default} |"
        assert row in README, row


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_document_names_a_variable_that_does_not_exist(path: Path) -> None:
    """Each SPOTIFY_HIST_… is a setting, its _FILE form, or the home."""
    known = {"SPOTIFY_HIST_HOME"} | {option.variable for option in settings.OPTIONS}
    known |= {f"{option.variable}_FILE" for option in settings.OPTIONS if option.secret}
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"SPOTIFY_HIST_[A-Z_]+", text)) - known == set()


def test_the_readme_tells_every_exit_code() -> None:
    """One row for each code, and none that does not exist."""
    section = README.partition("## Exit codes\n")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == sorted(
        ExitCode
    )


def test_the_redirect_uri_to_register_is_the_one_a_login_uses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spotify compares all of it but the port of a loopback address (FACTS 2.2)."""
    with LoopbackServer() as server:
        registered = re.sub(r":\d+", "", server.redirect_uri)
    told = re.findall(r"As redirect URI enter `([^`]+)`", README.replace("\n   ", " "))
    assert told == [registered]
    monkeypatch.delenv("SPOTIFY_HIST_CLIENT_ID", raising=False)
    assert run(["--home", str(tmp_path), "auth", "login"]) == ExitCode.USAGE
    assert f" {registered} " in capsys.readouterr().err


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(path: Path) -> None:
    """Relative links name files of the checkout; links to a section name a heading."""
    text = path.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings
        elif not target.startswith("https://"):
            assert (path.parent / target.partition("#")[0]).exists(), target
