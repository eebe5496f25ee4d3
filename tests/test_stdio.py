"""MCP on stdin and stdout: what is no message is answered too, and stops nothing."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
import server_kit as kit

if TYPE_CHECKING:
    from pathlib import Path

HELLO = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18",'
    b'"capabilities":{},"clientInfo":{"name":"test","version":"1"}}}'
)
PING = b'{"jsonrpc":"2.0","id":"ping","method":"ping"}'
CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":%s,"arguments":%s}}'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small history."""
    home = tmp_path_factory.mktemp("stdio") / "home"
    kit.make_history(home, plays=5)
    return home


@pytest.mark.parametrize(
    ("line", "number", "code"),
    [
        (CALL % (b'"search"', rb'{"text":"\ud800"}'), 7, -32700),
        (CALL % (b'"search"', rb'{"\ud800":"a"}'), 7, -32700),
        (CALL % (rb'"\ud800"', b"{}"), 7, -32700),
        (rb'{"jsonrpc":"2.0","id":"\ud800","method":"ping"}', None, -32700),
        (b"garbage", None, -32700),
        (b"\xff\xfe\x00", None, -32700),
        (b"[" * 50_000, None, -32700),
        (b"[1]", None, -32600),
        (b'{"id": 3}', None, -32600),
    ],
)
def test_a_line_that_is_no_message_is_answered_with_an_error(
    line: bytes, number: int | None, code: int, home: Path
) -> None:
    """With the id of the request where it has one; whoever asks next is answered as ever."""
    done = subprocess.run(
        kit.command(home, "serve-tools", "--stdio"),
        input=b"\n".join((HELLO, line, PING, b"")),
        env=kit.clean_environment(),
        capture_output=True,
        check=False,
    )
    answers = {answer["id"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    assert set(answers) == {0, number, "ping"}
    assert answers[number]["error"]["code"] == code
    assert "line" in answers[number]["error"]["message"]
    assert answers["ping"]["result"] == {}
    assert (done.returncode, done.stderr) == (0, b"")
