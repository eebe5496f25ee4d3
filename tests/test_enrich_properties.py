"""Whatever goes wrong and whenever a run is killed, the enrichment ends where a quiet one does."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from plays import MemoryDatabase, account, add, extended

from spotify_hist import settings as settings_module
from spotify_hist.collect.enrich import enrich
from spotify_hist.errors import DatabaseBusy, SpotifyHistError
from spotify_hist.model import Account
from spotify_hist.sources.spotify.vault import Token, Vault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.collect.enrich import Enriched
    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Connection, Room

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
DAILY = 14

Object = dict[str, object]
Fault = Literal[
    "none", "trouble", "garbage", "short wait", "long wait", "no connection", "refused token",
    "killed before", "killed after",
]  # fmt: skip
# What happens to one write: nothing, or it fails or dies before it, or dies after it.
Write = Literal["none", "busy", "killed before", "killed after"]

FAULTS = st.lists(
    st.sampled_from(
        ["none", "none", "trouble", "garbage", "short wait", "long wait", "no connection",
         "refused token", "killed before", "killed after"]
    ),
    max_size=30,
)  # fmt: skip
WRITES = st.lists(
    st.sampled_from(["none", "none", "none", "busy", "killed before", "killed after"]), max_size=8
)
PAUSES = st.lists(st.sampled_from([10, 60, 700, 1500]), min_size=1, max_size=4)


class Killed(BaseException):
    """The process is gone."""


def _id(kind: str, number: int) -> str:
    return f"{kind}{number}".ljust(22, "0")


def _artist(number: int) -> Object:
    return {
        "id": _id("artist", number),
        "uri": f"spotify:artist:{_id('artist', number)}",
        "name": f"Artist {number}",
        "images": [{"url": f"https://images.example/{number}", "width": 640}],
        "genres": ["pop"],
    }


def _album(number: int) -> Object:
    return {
        "id": _id("album", number),
        "uri": f"spotify:album:{_id('album', number)}",
        "name": f"Album {number}",
        "artists": [_artist(number)],
        "release_date": "2001-02-03",
        "images": [{"url": f"https://images.example/album{number}", "width": 640}],
    }


def _track(number: int) -> Object:
    return {
        "id": _id("track", number),
        "uri": f"spotify:track:{_id('track', number)}",
        "name": f"Song {number}",
        "artists": [_artist(number % 3)],
        "album": _album(number % 3),
        "duration_ms": 200_000 + number,
        "external_ids": {"isrc": f"XX000000000{number}"},
    }


KNOWN: dict[str, dict[str, Object]] = {
    "tracks": {_id("track", each): _track(each) for each in range(6)},
    "artists": {_id("artist", each): _artist(each) for each in range(3)},
    "albums": {_id("album", each): _album(each) for each in range(3)},
    "audio-features": {
        _id("track", each): {"id": _id("track", each), "tempo": 100.0 + each, "key": each}
        for each in range(4)
    },
}
# Four tracks with an id, one that Spotify knows no more, one to be searched, one it has not.
HISTORY = [
    *(
        extended(
            f"2026-01-0{at + 1}T0{hour}:00", f"Song {number}", f"Artist {number % 3}",
            album=f"Album {number % 3}", uri=f"spotify:track:{_id('track', number)}",
        )
        for at, number in enumerate([0, 1, 2, 3, 9])
        for hour in range(5 - at)
    ),
    account("2026-01-08T00:00", "Song 5", "Artist 2"),
    account("2026-01-08T01:00", "Song 5", "Artist 2"),
    account("2026-01-09T00:00", "Never Sung", "Artist 1"),
]  # fmt: skip


@dataclass
class World:
    """Spotify as one app meets it, with what goes wrong next, and a clock."""

    settings: Settings
    memory: Fragile
    has_batches: bool
    faults: list[Fault] = field(default_factory=list)
    now: datetime = NOW
    sent: list[datetime] = field(default_factory=list)

    def clock(self) -> datetime:
        """The simulated present."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The answer to one request; nobody may hold the database meanwhile (DESIGN 2.4)."""
        assert self.memory.open == 0
        if request.url.path == "/api/token":
            return httpx.Response(200, json={"access_token": f"token-{self.now.timestamp():.0f}"})
        self.sent.append(self.now)
        fault = self.faults.pop(0) if self.faults else "none"
        match fault:
            case "trouble":
                return httpx.Response(503)
            case "garbage":
                return httpx.Response(200, text="<html>Welcome to the hotel</html>")
            case "short wait":
                return httpx.Response(429, headers={"Retry-After": "2"})
            case "long wait":
                return httpx.Response(429, headers={"Retry-After": "30000"})
            case "no connection":
                raise httpx.ConnectError("no route")
            case "refused token":
                return httpx.Response(401)
            case "killed before" | "killed after":
                raise Killed
            case "none":
                return self._told(request)

    def _told(self, request: httpx.Request) -> httpx.Response:
        query = parse_qs(request.url.query.decode())
        kind, _, ident = request.url.path.removeprefix("/v1/").partition("/")
        if kind == "search":
            found = [
                each for each in KNOWN["tracks"].values() if f'"{each["name"]}"' in query["q"][0]
            ]
            return httpx.Response(200, json={"tracks": {"items": found}})
        if not ident:
            if not self.has_batches:
                return httpx.Response(403)
            ids = query["ids"][0].split(",")
            return httpx.Response(200, json={kind: [KNOWN[kind].get(each) for each in ids]})
        if ident not in KNOWN[kind]:
            return httpx.Response(404)
        return httpx.Response(200, json=KNOWN[kind][ident])


class Fragile(MemoryDatabase):
    """The schema in memory, whose writes go wrong as told; each is whole or not at all."""

    writes: list[Write]

    def __init__(self) -> None:
        super().__init__()
        self.writes = []
        self.open = 0

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """The one connection."""
        with self._opened(), super().read() as connection:
            yield connection

    @contextmanager
    def write(
        self, label: str, *, is_small: bool = False, room: Room | None = None
    ) -> Iterator[Connection]:
        """The one connection, or what the next write meets."""
        fault = self.writes.pop(0) if self.writes else "none"
        if fault == "busy":
            raise DatabaseBusy("Somebody holds it.")
        if fault == "killed before":
            raise Killed
        with self._opened(), super().write(label, is_small=is_small, room=room) as connection:
            yield connection
        if fault == "killed after":
            raise Killed

    @contextmanager
    def _opened(self) -> Iterator[None]:
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


@pytest.fixture(scope="module")
def memory() -> Fragile:
    """A history in memory, empty between the examples."""
    return Fragile()


@contextmanager
def world(memory: Fragile, *, has_batches: bool) -> Iterator[World]:
    """A history, a Spotify that knows most of it, and a home of its own."""
    with (
        tempfile.TemporaryDirectory() as home,
        memory.emptied_afterwards(),
        respx.mock(assert_all_called=False) as router,
    ):
        settings = settings_module.load(
            Path(home), {"SPOTIFY_HIST_ENRICH_DAILY_BUDGET": str(DAILY)}
        )
        made = World(settings, memory, has_batches)
        router.route().mock(side_effect=made.answer)
        add(memory, HISTORY)
        yield made


def run(made: World, memory: Fragile, budget: int | None = None) -> Enriched | None:
    """One run of the timer, whatever comes of it."""
    vault = Vault(made.settings.vault, KEY)
    now = made.now.timestamp()
    vault.save(
        Token(Account("acc", "ann", "Ann"), "app", "refresh", "access", now + 3600, now, ("x",))
    )
    with suppress(Killed, SpotifyHistError):
        return enrich(made.settings, memory, vault, made.clock, budget=budget, sleep=made.sleep)
    return None


def finish(made: World, memory: Fragile) -> None:
    """Quiet runs until there is nothing left to ask."""
    made.faults.clear()
    memory.writes.clear()
    quiet = 0
    for _ in range(30):
        done = run(made, memory)
        assert done is not None
        is_idle = done.requests == 0 and done.error is None and not done.remaining
        quiet = quiet + 1 if is_idle else 0
        if quiet == 2:  # what seemed closed has been tried again in between
            return
        made.now += timedelta(days=8 if is_idle else 1, hours=1)
    pytest.fail("The queue does not come to its end.")


def outcome(memory: Fragile) -> dict[str, list[tuple[object, ...]]]:
    """All that the enrichment leaves, but for when and how often it asked."""
    return {
        name: memory.connection.execute(f"select {columns} from {name} order by all").fetchall()
        for name, columns in {
            "enrich_queue": "entity, id, state",
            "tracks": "track_id, title, artist_id, album_id, duration_ms, isrc, kind",
            "artists": "*",
            "albums": "*",
            "track_artists": "*",
            "track_links": "*",
            "told_names": "*",
            "audio_features": "track_id, tempo, key",
            "plays": "play_id, track_id",
        }.items()
    }


@cache
def undisturbed(memory: Fragile, *, has_batches: bool) -> dict[str, list[tuple[object, ...]]]:
    """What an enrichment leaves that nothing gets in the way of."""
    with world(memory, has_batches=has_batches) as made:
        finish(made, memory)
        return outcome(memory)


@pytest.mark.parametrize("has_batches", [False, True])
def test_an_undisturbed_enrichment_knows_everything(memory: Fragile, *, has_batches: bool) -> None:
    """What the properties compare with is what it should be."""
    told = undisturbed(memory, has_batches=has_batches)
    missing = {row[:2] for row in told["enrich_queue"] if row[2] == "not_found"}
    states = {row[2] for row in told["enrich_queue"]}
    assert states == {"done", "not_found"}
    assert sorted(str(entity) for entity, _ in missing) == ["features", "link", "track"]
    assert {("track", _id("track", 9)), ("features", _id("track", 5))} <= missing
    assert [row[0] for row in told["audio_features"]] == [_id("track", at) for at in range(4)]
    assert ("track", _id("track", 5)) in {(row[0], row[2]) for row in told["track_links"]}


@examples(max_examples=25)
@given(
    has_batches=st.booleans(),
    faults=FAULTS,
    writes=WRITES,
    pauses=PAUSES,
    budget=st.sampled_from([2, 5, 50]),
)
def test_faults_and_kills_change_nothing_in_the_end_and_never_exceed_the_budget(
    memory: Fragile,
    *,
    has_batches: bool,
    faults: list[Fault],
    writes: list[Write],
    pauses: list[int],
    budget: int,
) -> None:
    """The queue ends as an undisturbed one; nothing that exists is ever taken for missing."""
    quiet = undisturbed(memory, has_batches=has_batches)
    missing = {row for row in quiet["enrich_queue"] if row[2] == "not_found"}
    with world(memory, has_batches=has_batches) as made:
        made.faults.extend(faults)
        memory.writes[:] = writes
        for pause in pauses:
            run(made, memory, budget=budget)
            made.now += timedelta(minutes=pause)
            queue = memory.connection.execute("select entity, id, state from enrich_queue")
            assert {row for row in queue.fetchall() if row[2] == "not_found"} <= missing
        finish(made, memory)
        for at, moment in enumerate(made.sent):
            day = [each for each in made.sent[: at + 1] if each > moment - timedelta(days=1)]
            assert len(day) <= DAILY
        assert outcome(memory) == quiet
