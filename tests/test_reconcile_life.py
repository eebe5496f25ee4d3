"""A whole invented life told by polls and five kinds of export: each true play exactly once."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import chain
from random import Random
from typing import TYPE_CHECKING

import pytest
from memory_history import History
from reference import plays as reference_plays

from spotify_hist import normalise
from spotify_hist.model import Record, Source
from spotify_hist.sandbox.answers import Shapes
from spotify_hist.sandbox.exports import write_exports
from spotify_hist.sandbox.life import Life, live, to_ms
from spotify_hist.sandbox.recent import WINDOW, Quirks, RecentPlays
from spotify_hist.settings import load
from spotify_hist.sources.exports.archive import Caps, inspect
from spotify_hist.sources.exports.formats import source_of
from spotify_hist.sources.exports.reader import rows
from spotify_hist.store.records import StagedRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spotify_hist.sandbox.truth import TruePlay

START = datetime(2026, 5, 1, tzinfo=UTC)
FIRST_POLL = START + timedelta(days=1)
DOWNLOADED = START + timedelta(days=4)
END = START + timedelta(days=6)
FORMATS = ("account", "account_old", "endsong", "extended", "extended_2020")
# (title, milliseconds listened to, kind): enough to tell the plays of a life apart by counting.
Key = tuple[str | None, int | None, str]

Batch = list[StagedRow]


@pytest.fixture(scope="module")
def life() -> Life:
    """Six days of a busy listener."""
    return live(5, start=START, end=END, plays_per_day=70)


@pytest.fixture(scope="module")
def exports(life: Life, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Batch]:
    """The rows of each export, downloaded after four of the days."""
    paths = write_exports(life, tmp_path_factory.mktemp("life"), downloaded_at=DOWNLOADED)
    return {name: _rows(path) for name, path in paths.items()}


@pytest.fixture(scope="module")
def polls(life: Life) -> list[Batch]:
    """A page every hour, as Spotify would have answered, in bundles of twelve."""
    recent, shapes = RecentPlays(life, Quirks()), Shapes("https://api.example", full=False)
    pages = []
    now = FIRST_POLL
    while now <= END:
        page = shapes.recently_played(recent.items(to_ms(now), limit=WINDOW), [])
        items = page["items"]
        assert isinstance(items, list)
        pages.append([normalise.api_item(item) for item in items])
        now += timedelta(hours=1)
    return [
        [
            StagedRow(0, row, "", record)
            for row, record in enumerate(chain.from_iterable(pages[at : at + 12]))
            if isinstance(record, Record)
        ]
        for at in range(0, len(pages), 12)
    ]


@pytest.fixture(scope="module")
def noted(life: Life) -> dict[Source, Batch]:
    """What three scrobblers made of the life, each in its own way."""
    return notes(life)


def notes(life: Life) -> dict[Source, Batch]:
    """What your_spotify (the end, as polled), Koito (the start and the listened time) and Last.fm
    (the start alone) note: tracks heard for half a minute, but now and then one is missed."""
    chance = Random(life.seed)
    told: dict[Source, Batch] = {"your_spotify": [], "koito": [], "lastfm": []}
    for row, play in enumerate(_noteworthy(life)):
        track, start_s = play.track, play.started_at_ms // 1000 + chance.choice((0, 0, 1, 3))
        assert track is not None
        names = (track.name, track.artists[0].name)
        end_ms = start_s * 1000 + play.ms_played
        records: list[Record] = [
            Record("koito", end_ms, "track", play.ms_played, track.uri, *names),
            Record("lastfm", start_s * 1000, "track", None, None, *names, track.album.name),
        ]
        if play.delivery:
            polled_ms = play.delivery.played_at_ms
            records.append(Record("your_spotify", polled_ms, "track", None, track.uri, *names))
        for record in records:
            if chance.random() > 0.01:
                told[record.source].append(StagedRow(1, row, record.source, record))
    return told


def _noteworthy(life: Life) -> list[TruePlay]:
    return [
        play
        for play in life.plays
        if play.track and play.ms_played >= 30_000 and not play.incognito
    ]


def _rows(path: Path) -> Batch:
    settings = load(path.parent, {})
    megabytes = int(settings.number("import.max_zip_mb")) * 1_000_000
    batch: Batch = []
    for number, member in enumerate(inspect(path, Caps(megabytes, megabytes, 200, 100)).members):
        normalised = (
            normalise.account_row
            if source_of(member.format) == "account"
            else normalise.extended_row
        )
        with member.open() as stream:
            for row, raw in rows(stream):
                record = normalised(raw)
                assert isinstance(record, Record)
                batch.append(StagedRow(number, row, member.package, record))
    return batch


def _truth(plays: Sequence[TruePlay]) -> Counter[Key]:
    return Counter((play.title, play.ms_played, play.kind) for play in plays)


def _told_later(life: Life) -> Counter[str | None]:
    """Titles of the plays after the download that the API told before the last poll."""
    recent = RecentPlays(life, Quirks())
    return Counter(
        play.title
        for at, play in zip(recent.appear_at_ms, recent.plays, strict=True)
        if at <= to_ms(END) and play.ended_at >= DOWNLOADED
    )


def _plays(history: History, condition: str) -> list[Key]:
    history.look()
    rows: list[Key] = history.connection.execute(
        f"select track, ms_played, kind from kept_plays where {condition}"
    ).fetchall()
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_every_play_of_a_life_appears_exactly_once(
    life: Life, exports: dict[str, Batch], polls: list[Batch], seed: int
) -> None:
    """Polls and all five exports in any order: the true plays, none twice and none lost."""
    batches = [*exports.values(), *polls]
    Random(seed).shuffle(batches)
    history = History()
    for batch in batches:
        history.add(batch)
    exported = _plays(history, "list_contains(sources, 'extended')")
    assert Counter(exported) == _truth(life.until(DOWNLOADED))
    others = _plays(history, "not list_contains(sources, 'extended')")
    assert Counter(title for title, _, _ in others) == _told_later(life)
    assert Counter(ms for _, ms, _ in others) == {None: len(others)}
    # Questions join plays by this number alone.
    wrong = "track_key is distinct from md5_number_lower(track_id)"
    assert history.connection.execute(f"from plays where {wrong}").fetchall() == []


@pytest.mark.parametrize("seed", range(2))
def test_scrobblers_add_only_the_plays_that_nobody_else_saw(
    life: Life, exports: dict[str, Batch], polls: list[Batch], noted: dict[Source, Batch], seed: int
) -> None:
    """Starts, ends, with and without listened time, in any order: every play once all the same."""
    batches = [exports["extended"], *polls, *noted.values()]
    Random(seed).shuffle(batches)
    history = History()
    for batch in batches:
        history.add(batch)
    exported = _plays(history, "list_contains(sources, 'extended')")
    assert Counter(exported) == _truth(life.until(DOWNLOADED))
    recent, worth = RecentPlays(life, Quirks()), _noteworthy(life)
    told = {row.row_index for batch in noted.values() for row in batch}
    seen = {number for number, play in enumerate(worth) if play.ended_at >= DOWNLOADED} & told
    later = {id(worth[number]): worth[number] for number in seen}
    for at, play in zip(recent.appear_at_ms, recent.plays, strict=True):
        if at <= to_ms(END) and play.ended_at >= DOWNLOADED:
            later[id(play)] = play
    others = _plays(history, "not list_contains(sources, 'extended')")
    assert Counter(title for title, _, _ in others) == Counter(p.title for p in later.values())
    assert _plays(history, "ms_played is null and list_contains(sources, 'koito')") == []


@pytest.mark.parametrize(
    "names", [("account", "account_old"), ("extended_2020", "endsong"), ("account_old", "extended")]
)
def test_two_exports_of_one_life_make_the_plays_of_the_fuller_one(
    exports: dict[str, Batch], names: tuple[str, str]
) -> None:
    """The other export adds no play, whichever of the two comes first."""
    counts = []
    for order in (names, names[::-1]):
        history = History()
        for name in order:
            history.add(exports[name])
        counts.append(history.derived()["kept_plays"])
    alone = History()
    alone.add(max((exports[name] for name in names), key=lambda b: len({r.record for r in b})))
    assert counts[0] == counts[1]
    assert len(counts[0]) == alone.count("plays")


def test_the_slow_reference_agrees_on_a_life(exports: dict[str, Batch], polls: list[Batch]) -> None:
    """The reference finds the same plays in two days told by everything at once."""
    low, high = to_ms(START + timedelta(days=2)), to_ms(START + timedelta(days=4))
    history = History()
    history.add(
        [
            row
            for batch in [*exports.values(), *polls]
            for row in batch
            if low <= row.record.played_at_ms < high
        ]
    )
    assert set(history.play_rows()) == reference_plays(history.told())
