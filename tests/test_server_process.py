"""serve-tools as a process: where it listens, who may reach it, how it ends, beside a writer."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
import server_kit as kit

from spotify_hist.errors import UsageError
from spotify_hist.faces.cli.main import run as run_command
from spotify_hist.faces.server import serving
from spotify_hist.faces.server.tokens import TokenFile
from spotify_hist.store.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of sixty plays, made by the import command; nobody writes to it."""
    home = tmp_path_factory.mktemp("server") / "home"
    kit.make_history(home)
    return home


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_says_where_it_is_and_ends_cleanly(home: Path, number: int) -> None:
    """Port 0 finds a free port, one line names it, and both signals end with exit code 0."""
    with kit.serving(home) as served:
        assert served.ready == f"Serving on {served.url} — MCP at /mcp, OpenAPI at /openapi.json"
        assert httpx.get(f"{served.url}/healthz").json()["status"] == "ok"
        document = httpx.get(f"{served.url}/openapi.json").json()
        assert document["servers"] == [{"url": served.url}]
        code, said = served.stop(number)
    assert (code, said) == (0, "")


def test_a_server_ends_while_a_question_still_waits(home: Path) -> None:
    """The caller is told; the deadlines of the question (minutes) do not hold up the end."""
    gate = Gate(home / "history.duckdb")
    patient = kit.serving(
        home, SPOTIFY_HIST_SERVER_QUERY_TIMEOUT_S="600", SPOTIFY_HIST_DATABASE_WAIT_S="600"
    )
    with patient as served:
        address = urlsplit(served.url)
        with (
            gate.writing(time.monotonic() + 10, "import"),
            socket.create_connection((address.hostname, address.port), 60) as waiting,
        ):
            waiting.sendall(
                b"POST /tools/recent HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
            )
            assert httpx.get(f"{served.url}/").status_code == 200
            code, _ = served.stop(signal.SIGTERM)
            reply = waiting.recv(65536)
    assert code == 0
    assert reply.startswith(b"HTTP/1.1 503")
    assert b'"stopping"' in reply


def test_another_process_can_write_while_the_server_answers(tmp_path: Path) -> None:
    """Each question opens the file for itself, so that a poll or an import gets its turn."""
    home = tmp_path / "home"
    kit.make_history(home, plays=10)
    more = kit.write_export(tmp_path, range(10, 30), "2024_1")
    done = threading.Event()
    statuses: set[int] = set()

    with kit.serving(home) as served:
        url = f"{served.url}/tools/recent"

        def keep_asking() -> None:
            with httpx.Client(timeout=60) as http:
                while not done.is_set():
                    statuses.add(http.post(url, json={"limit": 100}).status_code)

        def count() -> int:
            return len(httpx.post(url, json={"limit": 100}, timeout=60).json()["rows"])

        assert count() == 10
        asking = threading.Thread(target=keep_asking)
        asking.start()
        try:
            kit.import_file(home, more)
        finally:
            done.set()
            asking.join()
        assert count() == 30
        code, _ = served.stop(signal.SIGTERM)
    assert statuses <= {200, 429}
    assert code == 0


def test_a_token_guards_the_served_tools_and_is_never_printed(home: Path) -> None:
    """-v prints a line a request: no token, no argument, no query string, no address."""
    token = "a-token-for-this-test"
    with kit.serving(home, verbose=True, SPOTIFY_HIST_TOOLS_TOKEN=token) as served:
        url = f"{served.url}/tools/recent"
        assert httpx.post(url).status_code == 401
        authorised = {"authorization": f"Bearer {token}"}
        assert httpx.post(url, json={"limit": 7}, headers=authorised).status_code == 200
        httpx.get(f"{served.url}/?artist=private", headers=authorised)
        code, said = served.stop(signal.SIGTERM)
    assert code == 0
    lines = said.splitlines()
    assert [" ".join(line.split()[:3]) for line in lines] == [
        "POST /tools/{name} 401",
        "POST /tools/{name} 200",
        "GET / 200",
    ]
    assert token not in said
    assert "private" not in said
    assert "127.0.0.1" not in said


@pytest.mark.parametrize(
    ("options", "environ", "said"),
    [
        (["--host", "0.0.0.0"], {}, "tokens create"),
        (["--host", "::"], {}, "SPOTIFY_HIST_TOOLS_TOKEN"),
        (["--host", ""], {}, "--host"),
        (["--host", "no.such.host.invalid"], {}, "--host"),
        (["--port", "70000"], {}, "--port"),
        ([], {"SPOTIFY_HIST_TOOLS_TOKEN": " "}, "SPOTIFY_HIST_TOOLS_TOKEN"),
        ([], {"SPOTIFY_HIST_ADMIN_TOKEN": " "}, "SPOTIFY_HIST_ADMIN_TOKEN"),
        ([], {"SPOTIFY_HIST_SERVER_ALLOWED_HOSTS": "music.example"}, "music.example"),
        ([], {"SPOTIFY_HIST_SERVER_ALLOWED_HOSTS": "https://a.b"}, "without a scheme"),
        ([], {"SPOTIFY_HIST_SERVER_CORS_ORIGINS": "*"}, "https://dash.example"),
        ([], {"SPOTIFY_HIST_SERVER_CORS_ORIGINS": "https://a.b/path"}, "https://dash.example"),
        ([], {"SPOTIFY_HIST_SERVER_TRUSTED_PROXIES": "proxy"}, "10.0.0.0/8"),
    ],
)
def test_a_server_that_must_not_start_says_what_to_change(
    options: list[str],
    environ: Mapping[str, str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2 and one line that names the way out."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    arguments = ["--home", str(tmp_path), "serve-tools", "--port", "0", *options]
    assert run_command(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_server_for_other_machines_holds_to_its_token_and_its_names(tmp_path: Path) -> None:
    """Every address of this machine is served: by IP address or by its own name."""
    settings = kit.make_settings(tmp_path, {"SPOTIFY_HIST_TOOLS_TOKEN": "t"})
    every = serving._rules(settings, "0.0.0.0", "0.0.0.0", lambda: kit.NOW)
    assert (every.token, every.any_address, every.is_closed) == ("t", True, True)
    assert {"localhost", socket.gethostname().lower()} <= every.hosts
    one = serving._rules(settings, "Pi.Example", "192.168.1.5", lambda: kit.NOW)
    assert one.any_address is False
    assert {"pi.example", "192.168.1.5"} <= one.hosts


def test_a_port_in_use_is_named_with_the_next_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run_command(["--home", str(tmp_path), "serve-tools", "--port", port]) == 2
    error = capsys.readouterr().err
    assert f"Port {port} on 127.0.0.1 is already in use" in error
    assert "--port" in error


def test_only_serving_imports_the_server() -> None:
    """The command line starts fast: no mcp, starlette or uvicorn before they are needed."""
    code = (
        "import sys; from spotify_hist.faces.cli import main, serve; "
        "heavy = {'mcp', 'starlette', 'uvicorn', 'duckdb', 'httpx', 'pydantic'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or None)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stderr) == (0, "")


def test_a_loopback_server_asks_for_no_token_and_one_for_others_takes_created_ones(
    tmp_path: Path,
) -> None:
    """A token that has expired lets nobody listen to other machines."""
    settings = kit.make_settings(tmp_path)
    now = [kit.NOW]
    assert serving._rules(settings, "127.0.0.1", "127.0.0.1", lambda: now[0]).is_closed is False
    created = TokenFile(settings.tokens, lambda: now[0])
    end = kit.NOW + timedelta(days=1)
    created.create("claude", reach="tools", listener=None, expires_at=end)
    assert serving._rules(settings, "0.0.0.0", "0.0.0.0", lambda: now[0]).is_closed is True
    now[0] = end
    with pytest.raises(UsageError, match="need a token"):
        serving._rules(settings, "0.0.0.0", "0.0.0.0", lambda: now[0])


def test_a_json_log_holds_one_object_a_request(home: Path) -> None:
    """Machine-readable without -v, with the id that the caller gave."""
    command = kit.command(home, "--log-format", "json", "serve-tools", "--port", "0")
    with subprocess.Popen(
        command, env=kit.clean_environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        url = json.loads(process.stderr.readline())["message"].split()[2]
        answer = httpx.post(f"{url}/tools/recent?a=b", headers={"x-request-id": "mine"})
        assert answer.headers["x-request-id"] == "mine"
        process.send_signal(signal.SIGTERM)
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
    (line,) = lines
    assert line.pop("duration_ms") >= 0
    assert line == {
        "level": "info",
        "method": "POST",
        "route": "/tools/{name}",
        "status": 400,
        "bytes": len(answer.content),
        "request_id": "mine",
        "token": None,
    }
