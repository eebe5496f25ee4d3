"""Owns the benchmarks of `serve-tools`: answers against the question alone, memory, first answer.

Never asks the same question twice where it measures the working out of an answer: the server would
give it from memory.
"""

from __future__ import annotations

import itertools
import json
import re
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from spotify_hist import settings as settings_module
from spotify_hist.analytics import run
from spotify_hist.store.kept_open import KeptOpen

from .measure import Ceiling, Comparison, environment, paired, program, seconds
from .measure import run as run_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .data import Export

QUESTION = "top-artists"
CLIENTS, LOAD_S = 16, 5.0
MOST_RATIO = 2.5  # of one answer over HTTP to the question alone
LEAST_A_SECOND = 60  # answers to different questions, from all clients together
MOST_FIRST = 1.3  # of the first answer on stdio to importing the SDK
FEW, MANY, MOST_GROWTH = 100, 10_000, 1.2  # requests, and the memory after many to that after few
AT_A_TIME = 20
_RATE = {"SPOTIFY_HIST_SERVER_RATE_PER_MINUTE": "1000000000"}
_MEGABYTE = 1e6


class _Server(NamedTuple):
    """A running server."""

    process: subprocess.Popen[str]
    port: int

    def memory_mb(self) -> float:
        """What it holds in memory now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        if found is None:
            raise ValueError("the kernel does not tell the server's memory")
        return int(found[1]) * 1024 / _MEGABYTE


class _Client:
    """One connection that stays open."""

    def __init__(self, server: _Server) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port)

    def ask(self, tool: str, arguments: dict[str, object]) -> float:
        """The seconds an answer took; ValueError where it is none."""
        started = time.perf_counter()
        headers = {"content-type": "application/json"}
        self._connection.request("POST", f"/tools/{tool}", json.dumps(arguments), headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ValueError(f"{tool} was answered {answer.status}: {body[:200]!r}")
        return time.perf_counter() - started


def serving(directory: Path, export: Export, runs: int) -> list[Comparison | Ceiling]:
    """All of them, over a history of the export's size."""
    home = directory / "serving-home"
    run_process([*program(home), "import", str(export.archive)])
    with _serving(home) as server:
        differing = _differing()
        alone = _alone(home, differing)
        answered = paired(partial(_answered, server, differing), alone, runs)
        each_ms = _under_load(server, differing)
        memory = _memory(server, differing)
    first = paired(partial(_first_answer, home), partial(seconds, _SDK), runs)
    return [
        Comparison(f"POST /tools/{QUESTION}, p50", *answered, target=MOST_RATIO),
        Ceiling(
            f"the same, {CLIENTS} clients, each",
            [each_ms],
            [statistics.median(answered[1]) * 1000],
            1000 / LEAST_A_SECOND,
            unit="ms",
        ),
        Comparison("stdio, to the first answer", *first, target=MOST_FIRST),
        Ceiling(f"memory after {MANY:,} requests", *memory, target=MOST_GROWTH * memory[1][0]),
    ]


_SDK = [sys.executable, "-c", "import mcp"]


def _differing() -> Iterator[dict[str, object]]:
    """Arguments of questions about all of the history, no two the same."""
    return ({"min_ms": least} for least in itertools.count(30_000))


@contextmanager
def _serving(home: Path) -> Iterator[_Server]:
    command = [*program(home), "serve-tools", "--port", "0"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment({**_RATE})
    )
    try:
        yield _Server(process, _port(process.stderr))
    finally:
        process.terminate()
        process.wait()


def _port(said: IO[str] | None) -> int:
    found = re.search(r"127\.0\.0\.1:(\d+)", said.readline() if said else "")
    if found is None or said is None:
        raise ValueError("the server did not say where it listens")
    threading.Thread(target=said.read, daemon=True).start()
    return int(found[1])


def _answered(server: _Server, differing: Iterator[dict[str, object]]) -> float:
    """The median seconds of some answers to one client."""
    client = _Client(server)
    return statistics.median(client.ask(QUESTION, next(differing)) for _ in range(AT_A_TIME))


def _alone(home: Path, differing: Iterator[dict[str, object]]) -> Callable[[], float]:
    """What tells the median seconds of some questions in this process, on an open file."""
    settings = settings_module.load(str(home), {})
    database = KeptOpen(settings.database)

    def ask() -> float:
        times = []
        for _ in range(AT_A_TIME):
            started = time.perf_counter()
            run.answer(database, settings, QUESTION, next(differing), now=datetime.now(UTC))
            times.append(time.perf_counter() - started)
        database.close()
        return statistics.median(times[1:])

    return ask


def _under_load(server: _Server, differing: Iterator[dict[str, object]]) -> float:
    """Milliseconds for each answer while all clients ask at once."""
    lock = threading.Lock()
    answers: list[float] = []
    failures: list[Exception] = []
    started = time.perf_counter()

    def ask() -> None:
        client = _Client(server)
        try:
            while time.perf_counter() - started < LOAD_S:
                with lock:
                    arguments = next(differing)
                answers.append(client.ask(QUESTION, arguments))
        except (OSError, ValueError) as error:
            failures.append(error)

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    if failures:
        raise failures[0]
    return (time.perf_counter() - started) * 1000 / len(answers)


def _memory(
    server: _Server, differing: Iterator[dict[str, object]]
) -> tuple[list[float], list[float]]:
    """Megabytes after many requests, and after few, of several tools; every tenth is new."""
    client = _Client(server)
    tools = ("top-tracks", "heatmap", "recent", "streaks", QUESTION)

    def ask(count: int) -> None:
        for at in range(count):
            new = next(differing) if at % 10 == 0 else {}
            client.ask(tools[at % len(tools)], {**new, "days": 30})

    ask(FEW)
    after_few = server.memory_mb()
    ask(MANY - FEW)
    return [server.memory_mb()], [after_few]


def _first_answer(home: Path) -> float:
    """The seconds from starting the server to the first answer of a tool on stdio."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [*program(home), "serve-tools", "--stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment({}),
    )
    with process:
        if process.stdin is None or process.stdout is None:
            raise ValueError("no way to speak to the server")
        for message in _MESSAGES:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        elapsed_s = time.perf_counter() - started
        process.stdin.close()
    if not answers[1]["result"]["structuredContent"]["rows"]:
        raise ValueError("the first answer is empty")
    return elapsed_s


_MESSAGES: tuple[dict[str, object], ...] = (
    {
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "benchmark", "version": "1"},
        },
    },
    {"method": "notifications/initialized"},
    {
        "id": 2,
        "method": "tools/call",
        "params": {"name": "top_artists", "arguments": {"days": 90}},
    },
)
