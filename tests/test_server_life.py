"""serve-tools beside the collector, as processes: nobody waits long, nobody fails, all recovers.

A few seconds in the normal suite. SPOTIFY_HIST_FULL_LOAD=1 makes it half a minute of polls under
load and an import of a million rows; with -rP for the figures.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import duckdb
import httpx
import pytest
import server_kit as kit
from household import household
from processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

IS_FULL = os.environ.get("SPOTIFY_HIST_FULL_LOAD") == "1"
CLIENTS = 16
POLLS = 30 if IS_FULL else 4
ROWS = 1_000_000 if IS_FULL else 15_000
QUESTIONS = ("top_artists", "recent", "heatmap", "taste_summary")


def unlimited(home: Path) -> AbstractContextManager[kit.Served]:
    """A server that counts no requests."""
    return kit.serving(home, SPOTIFY_HIST_SERVER_RATE_PER_MINUTE="1000000")


@dataclass
class Figures:
    """What the callers went through, in seconds."""

    statuses: dict[int, int] = field(default_factory=dict)
    answered: int = 0
    slowest_s: float = 0.0
    for_s: float = 0.0

    def note(self, status: int, took_s: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.answered += 1
        self.slowest_s = max(self.slowest_s, took_s)


@contextmanager
def callers(url: str, count: int = CLIENTS) -> Iterator[Figures]:
    """So many clients who ask without a pause, no question like the one before."""
    figures, done, numbers = Figures(), threading.Event(), itertools.count(1)
    broken: list[Exception] = []
    lock = threading.Lock()

    def ask() -> None:
        try:
            with httpx.Client(timeout=60) as http:
                while not done.is_set():
                    number = next(numbers)
                    name = QUESTIONS[number % len(QUESTIONS)]
                    body = {"since": "2000", "min_ms": number % 86_400_000}
                    start = time.monotonic()
                    status = http.post(f"{url}/tools/{name}", json=body).status_code
                    with lock:
                        figures.note(status, time.monotonic() - start)
        except Exception as error:  # noqa: BLE001 - told where the test can see it
            broken.append(error)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    try:
        yield figures
    finally:
        done.set()
        for thread in threads:
            thread.join()
        figures.for_s = time.monotonic() - start
    assert broken == []


def tell(**figures: object) -> None:
    """For -rP."""
    sys.stdout.write(json.dumps(figures) + "\n")


def test_polls_commit_in_time_while_many_ask(tmp_path: Path) -> None:
    """A poll a second: its rows are in the history within two, and nobody is refused for it.

    On a machine that is busy with other things a poll alone takes long: then six times that.
    """
    home, took = tmp_path / "home", list[float]()
    with household(home) as house:

        def poll() -> float:
            house.pass_time(minutes=30)
            start = time.monotonic()
            (polled,) = house.poll()
            assert polled.error is None
            return time.monotonic() - start

        poll()
        with unlimited(home) as served:
            alone = max(poll() for _ in range(3))
            with callers(served.url) as figures:
                for _ in range(POLLS):
                    took.append(poll())
                    time.sleep(max(0.0, 1 - took[-1]))
        waiting = list(house.settings.spool.rglob("*.json"))
    tell(alone=round(alone, 3), polls=[round(each, 3) for each in took], **asdict(figures))
    assert set(figures.statuses) == {200}
    assert figures.answered > CLIENTS
    assert waiting == []
    assert max(took) < max(2.0, 6 * alone)


def write_large_export(path: Path, rows: int) -> None:
    """A file of the extended history with so many plays, of as many songs as a person knows."""
    first = datetime(2015, 1, 1, tzinfo=UTC)
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            row = kit.play(number % 24) | {
                "ts": f"{first + timedelta(minutes=4 * number):%Y-%m-%dT%H:%M:%SZ}",
                "master_metadata_track_name": f"Track {number % 5000}",
                "master_metadata_album_artist_name": f"Artist {number % 700}",
                "spotify_track_uri": f"spotify:track:{number % 5000:022d}",
            }
            file.write(("[" if number == 0 else ",") + json.dumps(row))
        file.write("]")


def test_callers_are_answered_while_a_large_import_runs(tmp_path: Path) -> None:
    """It holds the file only at its end; whoever asks then waits a little and is answered."""
    home = tmp_path / "home"
    kit.make_history(home, plays=20)
    export = tmp_path / "Streaming_History_Audio_large.json"
    write_large_export(export, ROWS)
    with unlimited(home) as served:
        with callers(served.url, 4) as figures:
            start = time.monotonic()
            kit.import_file(home, export)
            took_s = time.monotonic() - start
        everything = {"step": "year", "kind": "all", "min_ms": 0}
        years = httpx.post(f"{served.url}/tools/timeline", json=everything, timeout=60)
    tell(rows=ROWS, import_s=round(took_s, 2), **asdict(figures))
    assert set(figures.statuses) == {200}
    assert sum(year["plays"] for year in years.json()["rows"]) == ROWS + 20
    assert figures.slowest_s < 10


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of sixty plays, to be copied."""
    home = tmp_path_factory.mktemp("life") / "home"
    kit.make_history(home)
    return home


@pytest.fixture
def home(small: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoiled."""
    return shutil.copytree(small, tmp_path / "home")


def _missing(database: Path) -> None:
    database.unlink()


def _foreign(database: Path) -> None:
    database.write_bytes(b"PK\x03\x04 no database")


def _empty(database: Path) -> None:
    database.write_bytes(b"")


def _torn(database: Path) -> None:
    """What a bad disk leaves: the head is whole, blocks are not."""
    data = bytearray(database.read_bytes())
    for at in range(3 * 4096, len(data), 64):
        data[at] ^= 0xFF
    database.write_bytes(data)


def _cut(database: Path) -> None:
    data = database.read_bytes()
    database.write_bytes(data[: len(data) // 2])


def _newer(database: Path) -> None:
    with duckdb.connect(str(database)) as connection:
        connection.execute("insert into schema_migrations values (9999, 'later', 'x', now())")


def _of_others(database: Path) -> None:
    database.unlink()
    with duckdb.connect(str(database)) as connection:
        connection.execute("create table theirs (id integer)")


def _is_a_directory(database: Path) -> None:
    database.unlink()
    database.mkdir()


@pytest.mark.parametrize(
    ("spoil", "codes"),
    [
        (_missing, {"no_history"}),
        (_foreign, {"damaged_database"}),
        (_empty, {"damaged_database", "no_history"}),
        (_torn, {"damaged_database"}),
        (_cut, {"damaged_database"}),
        (_newer, {"newer_database"}),
        (_of_others, {"damaged_database"}),
        (_is_a_directory, {"damaged_database", "bad_input"}),
    ],
)
def test_a_spoiled_database_is_told_of_and_a_mended_one_is_used_at_once(
    spoil: Callable[[Path], None], codes: set[str], home: Path, tmp_path: Path
) -> None:
    """503 with what is wrong and what to do, for each question; no restart."""
    database, good = home / "history.duckdb", tmp_path / "good.duckdb"
    shutil.copy(database, good)
    # Made aside, since our own process may not open what the server has open.
    spoiled = tmp_path / "history.duckdb"
    shutil.copy(database, spoiled)
    spoil(spoiled)
    with kit.serving(home) as served, httpx.Client(base_url=served.url, timeout=30) as http:
        assert http.post("/tools/top_artists").status_code == 200
        database.unlink()
        if spoiled.exists():
            shutil.move(spoiled, database)
        for name in ("top_artists", "recent", "taste_summary"):
            answer = http.post(f"/tools/{name}")
            error = answer.json()["error"]
            assert (answer.status_code, error["code"] in codes) == (503, True), answer.text
            assert error["message"]
            assert error["hint"]
        health = http.get("/healthz")
        assert (health.status_code, health.json()["reason"] in codes) == (503, True)
        if database.is_dir():
            database.rmdir()
        shutil.copy(good, tmp_path / "next")
        (tmp_path / "next").replace(database)
        assert http.post("/tools/top_artists").status_code == 200
        assert http.get("/healthz").json()["status"] == "ok"
        code, said = served.stop(signal.SIGTERM)
    assert (code, said) == (0, "")


_HOLDER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_database_held_by_another_program_is_busy_and_then_used(home: Path) -> None:
    """Such as a DuckDB shell; 503 with Retry-After until it lets go."""
    database = home / "history.duckdb"
    with (
        kit.serving(home, SPOTIFY_HIST_DATABASE_WAIT_S="0.2") as served,
        httpx.Client(base_url=served.url) as http,
    ):
        assert http.post("/tools/recent").status_code == 200

        def hold() -> bool:
            command = [sys.executable, "-c", _HOLDER, str(database)]
            pipe = subprocess.PIPE
            holder = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
            assert holder.stdout is not None
            holders.append(holder)
            return holder.stdout.readline() == "held\n"

        holders: list[subprocess.Popen[str]] = []
        # The server keeps the file open for a moment after a question.
        wait_until(hold)
        answer = http.post("/tools/recent", json={"limit": 3})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_busy")
        assert int(answer.headers["retry-after"]) > 0
        for holder in holders:
            holder.communicate("\n")
        assert http.post("/tools/recent", json={"limit": 3}).status_code == 200


def test_a_server_ends_in_time_whatever_hangs_on_it(home: Path) -> None:
    """Open streams, idle connections, half a request, a caller who does not read: three seconds.

    On a machine that is busy with other things even an idle server takes long: then three times
    that.
    """
    with kit.serving(home) as served:
        start = time.monotonic()
        assert served.stop(signal.SIGTERM) == (0, "")
        idle_s = time.monotonic() - start
    with unlimited(home) as served:
        address = urlsplit(served.url)
        sockets = []

        def connect(*parts: bytes) -> None:
            one = socket.create_connection((address.hostname or "", address.port or 0), 30)
            sockets.append(one)
            one.sendall(b"\r\n".join(parts))

        listen = json.dumps(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "subscriptions/listen",
                "params": {"_meta": {}, "notifications": {"toolsListChanged": True}},
            }
        ).encode()
        for version in (b"2025-06-18", b"2026-07-28"):
            connect(
                b"POST /mcp HTTP/1.1",
                b"Host: localhost",
                b"Content-Type: application/json",
                b"Accept: application/json, text/event-stream",
                b"MCP-Protocol-Version: " + version,
                b"Content-Length: %d" % len(listen),
                b"",
                listen,
            )
        connect(b"GET /mcp HTTP/1.1", b"Host: localhost", b"Accept: text/event-stream", b"", b"")
        connect(b"")
        connect(b"GET / HTTP/1.1", b"Host:")
        connect(b"POST /tools/recent HTTP/1.1", b"Host: localhost", b"Content-Length: 9", b"", b"{")
        connect(b"GET /openapi.json HTTP/1.1", b"Host: localhost", b"", b"")
        assert httpx.get(f"{served.url}/healthz").status_code == 200
        start = time.monotonic()
        code, said = served.stop(signal.SIGTERM)
        took_s = time.monotonic() - start
        for one in sockets:
            one.close()
    assert (code, said) == (0, "")
    tell(idle_s=round(idle_s, 2), took_s=round(took_s, 2))
    assert took_s < max(3.0, 3 * idle_s)


def test_nothing_secret_shows_in_the_process_list_the_logs_or_an_answer(home: Path) -> None:
    """Tokens right, wrong and expired, in headers and in the address; the values of a question."""
    made = subprocess.run(
        kit.command(home, "tokens", "create", "--for", "claude"),
        env=kit.clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    secrets = {made, "tools-hush", "admin-hush", "guess-hush", "Björk-hush"}
    guarded = kit.serving(
        home,
        verbose=True,
        SPOTIFY_HIST_TOOLS_TOKEN="tools-hush",
        SPOTIFY_HIST_ADMIN_TOKEN="admin-hush",
    )
    with guarded as served:
        listed = subprocess.run(
            ["ps", "-o", "args=", "-p", str(served.process.pid)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        answers = [listed]
        for token in (made, "tools-hush", "admin-hush", "guess-hush"):
            headers = {"authorization": f"Bearer {token}", "user-agent": "agent-hush"}
            for path in ("/tools/artist", "/admin/x", f"/{token}", f"/?t={token}", "/tools/call"):
                body = {"artist": "Björk-hush"}
                answer = httpx.post(f"{served.url}{path}", headers=headers, json=body)
                answers.append(str(dict(answer.headers)))
                # Whoever asks for a name is told that very name.
                answers.append(answer.text.replace("called 'Björk-hush'", ""))
        code, said = served.stop(signal.SIGTERM)
    assert code == 0
    assert "claude" in said
    for secret in (*secrets, "agent-hush", "127.0.0.1"):
        assert secret not in said
    for answer_text in answers:
        assert not any(secret in answer_text for secret in secrets)
