"""Whose turn it is, and answers that are shared while the history stays the same."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import pytest
import server_kit as kit
from starlette.testclient import TestClient

from spotify_hist.analytics import run
from spotify_hist.analytics.answers import Answer
from spotify_hist.errors import NoHistory, Temporary
from spotify_hist.faces.server import app, remembered
from spotify_hist.faces.server.guard import Rules
from spotify_hist.faces.server.remembered import Remembered
from spotify_hist.faces.server.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


class Work:
    """Pieces of work that go on until they are let go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.lock = threading.Lock()
        self.at_once = self.most = self.done = 0

    def __call__(self) -> str:
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        assert self.free.wait(30)
        with self.lock:
            self.at_once -= 1
            self.done += 1
        return "done"


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110 - a thread changes it
            await anyio.sleep(0.005)


def test_so_many_work_at_once_and_the_others_wait_their_turn() -> None:
    """All are answered in the end."""

    async def main() -> None:
        turns, work, told = Turns(2, 30), Work(), list[str]()

        async def ask() -> None:
            told.append(await turns.work(work))

        async with anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(ask)
            await until(lambda: work.at_once == 2)
            assert turns.running == 2
            work.free.set()
        assert (work.most, work.done, told) == (2, 12, ["done"] * 12)
        await until(lambda: turns.running == 0)

    anyio.run(main)


def test_a_full_queue_and_a_turn_that_does_not_come_are_temporary() -> None:
    """Nobody waits without an end, and nobody's turn is lost."""

    async def main() -> None:
        turns, work = Turns(1, 0.1), Work()
        refused: list[str] = []

        async def ask() -> None:
            try:
                await turns.work(work)
            except Temporary as error:
                refused.append(f"{error.code}: {error.message}")

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(ask)
            await until(lambda: len(refused) == 19)
            work.free.set()
        assert all(message.startswith("too_many_questions") for message in refused)
        assert sum("already" in message for message in refused) == 3
        assert work.done == 1
        assert await turns.work(work) == "done"

    anyio.run(main)


def test_work_that_is_given_up_keeps_its_turn_until_it_ends() -> None:
    """The machine is as busy with it as before."""

    async def main() -> None:
        turns, work = Turns(1, 0.05), Work()
        with anyio.move_on_after(0.05):
            await turns.work(work)
        assert turns.running == 1
        with pytest.raises(Temporary):
            await turns.work(work)
        work.free.set()
        await until(lambda: turns.running == 0)
        assert await turns.work(work) == "done"

    anyio.run(main)


def test_whoever_leaves_the_queue_leaves_no_gap_in_it() -> None:
    """Given up while waiting, or before the thread began."""

    async def main() -> None:
        turns, work = Turns(1, 30), Work()
        async with anyio.create_task_group() as group:
            group.start_soon(turns.work, work)
            await until(lambda: work.at_once == 1)
            for _ in range(5):
                with anyio.move_on_after(0.01):
                    await turns.work(work)
            work.free.set()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await turns.work(work)
        await until(lambda: turns.running == 0)
        assert await turns.work(work) == "done"

    anyio.run(main)


def test_too_many_questions_are_a_503_with_retry_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`server.queries_at_once` at a time; the others wait half a question's deadline at most."""
    home = tmp_path / "home"
    kit.make_history(home, plays=3)
    free = threading.Event()

    def slow(*_: object, **__: object) -> None:
        free.wait(60)
        raise NoHistory("done")

    monkeypatch.setattr(run, "answer", slow)
    environ = {
        "SPOTIFY_HIST_SERVER_QUERIES_AT_ONCE": "1",
        "SPOTIFY_HIST_SERVER_QUERY_TIMEOUT_S": "3",
    }
    built = app.build(kit.make_tools(home, environ), Rules())
    with TestClient(built, base_url="http://localhost") as client:
        first = threading.Thread(target=client.post, args=("/tools/recent",))
        first.start()
        refused = client.post("/tools/heatmap")
        assert (refused.status_code, refused.json()["error"]["code"]) in {
            (503, "too_many_questions"),
            (503, "timeout"),
        }
        assert int(refused.headers["retry-after"]) > 0
        free.set()
        first.join()


class Source:
    """A file whose state changes when told, and the answers worked out from it."""

    def __init__(self) -> None:
        self.now, self.stamp, self.asked = 0.0, (1,), 0
        self.rows = 1
        self.fails = False

    async def ask(self) -> Answer:
        self.asked += 1
        await anyio.sleep(0.01)
        if self.fails:
            raise NoHistory("none")
        return Answer("recent", {}, (), [(self.asked,)] * self.rows, False, ())

    def remembered(self) -> Remembered:
        return Remembered(lambda: self.now, lambda: self.stamp)


def test_an_answer_is_shared_until_the_file_changes_or_a_moment_has_passed() -> None:
    """Asked at the same time it is worked out once."""

    async def main() -> None:
        source = Source()
        known = source.remembered()
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(known.answer, "a", source.ask)
        assert source.asked == 1
        await known.answer("b", source.ask)
        assert source.asked == 2
        source.stamp = (2,)
        await known.answer("a", source.ask)
        assert source.asked == 3
        source.now += remembered._LASTS_S
        await known.answer("a", source.ask)
        assert source.asked == 3
        source.now += 0.1
        await known.answer("a", source.ask)
        assert source.asked == 4

    anyio.run(main)


def test_what_is_large_or_failed_is_not_kept() -> None:
    """Whoever waited for a failure asks for themselves."""

    async def main() -> None:
        source = Source()
        known = source.remembered()
        source.fails = True
        failed = 0

        async def ask(what: Callable[[], Awaitable[Answer]]) -> None:
            nonlocal failed
            try:
                await known.answer("a", what)
            except NoHistory:
                failed += 1

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask, source.ask)
        assert (source.asked, failed) == (3, 3)
        source.fails, source.rows = False, remembered._MOST_ROWS + 1
        for _ in range(2):
            await known.answer("a", source.ask)
        assert source.asked == 5
        source.rows = 1
        for number in range(200):
            await known.answer(f"n{number}", source.ask)
        assert len(known._answers) == remembered._MOST

    anyio.run(main)


def test_calls_are_the_same_whatever_order_their_arguments_have() -> None:
    """And differ by tool and by value."""
    same = remembered.key("recent", {"a": 1, "b": "x"})
    assert same == remembered.key("recent", {"b": "x", "a": 1})
    others = {remembered.key("recent", {"a": 1}), remembered.key("top", {"a": 1, "b": "x"})}
    assert same not in others
    assert remembered.key("recent", {"a": True}) != remembered.key("recent", {"a": 1})
    assert remembered.key("recent", {"a": object()}) is None
