"""What `serve-tools --print-config` prints starts this program, with this home."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import server_kit as kit

from spotify_hist.faces.cli import assistants
from spotify_hist.faces.cli.main import run as run_command

DOCS = Path(__file__).parent.parent / "docs" / "assistants.md"


def printed(
    capsys: pytest.CaptureFixture[str], home: Path, assistant: str, *options: str
) -> tuple[str, str]:
    """What is printed for an assistant, and what is said beside it."""
    arguments = ["--home", str(home), "serve-tools", "--print-config", assistant, *options]
    assert run_command(arguments) == 0
    said = capsys.readouterr()
    return said.out, said.err


def words_of(assistant: str, text: str) -> list[str]:
    """The words with which the assistant starts the server."""
    if assistant == "claude-code":
        words = shlex.split(text)
        return words[words.index("--") + 1 :]
    if assistant == "chatgpt":
        words = shlex.split(text.splitlines()[0])
        return shlex.split(words[words.index("--mcp-command") + 1])
    servers = json.loads(text)["mcpServers" if assistant == "claude-desktop" else "servers"]
    server = servers["spotify-hist"]
    return [server["command"], *server["args"]]


@pytest.mark.parametrize("assistant", assistants.ASSISTANTS)
def test_what_is_printed_starts_the_server_from_anywhere(
    assistant: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole paths, also where they have blanks; no shell and no variable is needed."""
    home = tmp_path / "my home"
    text, said = printed(capsys, home, assistant)
    assert said
    words = words_of(assistant, text)
    assert Path(words[0]).is_absolute()
    assert words[words.index("--home") + 1] == str(home)
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    done = subprocess.run(
        words,
        input=json.dumps(ping) + "\n",
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)["id"]) == (0, 1), done.stderr


def test_a_relative_home_is_told_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The assistant starts the server in a directory of its own choice."""
    monkeypatch.chdir(tmp_path)
    text, _ = printed(capsys, Path("here"), "vscode")
    assert str(tmp_path / "here") in words_of("vscode", text)


def test_the_listener_and_the_choice_of_tools_go_along(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on the command line that prints it."""
    options = ["--print-config", "vscode", "--tools", "all"]
    assert run_command(["--home", str(tmp_path), "--user", "ada", "serve-tools", *options]) == 0
    words = words_of("vscode", capsys.readouterr().out)
    assert words[-6:] == ["--user", "ada", "serve-tools", "--stdio", "--tools", "all"]


@pytest.mark.parametrize("assistant", assistants.ASSISTANTS)
def test_settings_of_the_shell_go_along_and_secrets_do_not(
    assistant: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An assistant does not see the shell's variables, and its file is no place for a key."""
    key = "fq3b8bYQxkM9kzTn0Yk1mQJ8n8m0C2v4l8Jt0mWcGdc="
    monkeypatch.setenv("SPOTIFY_HIST_TIMEZONE", "Asia/Kolkata")
    monkeypatch.setenv("SPOTIFY_HIST_TOKEN_KEY", key)
    monkeypatch.setenv("SPOTIFY_HIST_TOOLS_TOKEN", "a-token-of-the-tools")
    text, said = printed(capsys, tmp_path, assistant)
    assert "Asia/Kolkata" in text
    assert key not in text + said
    assert "a-token" not in text + said
    assert "SPOTIFY_HIST_TOKEN_KEY is not in it" in said
    assert "SPOTIFY_HIST_TOOLS_TOKEN" not in text + said


@pytest.mark.parametrize("called", ["/nowhere/spotify-hist", "/lib/spotify_hist/__main__.py"])
def test_the_program_is_found_however_it_was_called(called: str) -> None:
    """By the script beside Python, else as a module."""
    found = assistants.program(called)
    script = Path(sys.executable).parent / "spotify-hist"
    assert found == ([str(script)] if script.exists() else [sys.executable, "-m", "spotify_hist"])


def test_the_script_that_was_called_is_the_one_told(tmp_path: Path) -> None:
    """Also through a link, which outlives what it leads to."""
    script = tmp_path / "spotify-hist"
    script.touch()
    assert assistants.program(str(script)) == [str(script)]


def test_the_page_about_assistants_names_each_of_them() -> None:
    """With the command that prints its text."""
    page = DOCS.read_text(encoding="utf-8")
    for assistant in assistants.ASSISTANTS:
        assert f"--print-config {assistant}" in page


def test_tools_all_shows_every_tool_of_a_served_process(tmp_path: Path) -> None:
    """The option goes before the setting."""
    home = tmp_path / "home"
    kit.make_history(home, plays=5)
    ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    first = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    done = subprocess.run(
        kit.command(home, "serve-tools", "--stdio", "--tools", "all"),
        input="".join(json.dumps(message) + "\n" for message in (first, ready, ask)),
        env=kit.clean_environment(SPOTIFY_HIST_SERVER_TOOLS="core"),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = {answer["id"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    names = {tool["name"] for tool in answers[1]["result"]["tools"]}
    assert {"top_artists", "sync_status", "streaks"} <= names
