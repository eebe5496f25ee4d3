"""The sandbox tells a life as the real API would: the same one always, and as awkwardly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import cast

import pytest

from spotify_hist.sandbox.app import (
    items_of,
    log_in,
    recently_played,
    request,
)
from spotify_hist.sandbox.life import Life, live
from spotify_hist.sandbox.recent import CALM, Quirks, RecentPlays
from spotify_hist.sandbox.server import Sandbox

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 2, 10, 12, tzinfo=UTC)
RECENT = "/v1/me/player/recently-played"


@pytest.fixture(scope="module")
def life() -> Life:
    """Two months of one listener."""
    return live(7, start=START, end=END)


@pytest.fixture
def sandbox(life: Life) -> Iterator[Sandbox]:
    """A running sandbox in the middle of that life."""
    with Sandbox(life, now=NOW) as running:
        yield running


@pytest.fixture
def calm(life: Life) -> Iterator[Sandbox]:
    """The same without the API's irregularities."""
    with Sandbox(life, now=NOW, quirks=CALM) as running:
        yield running


def _token(sandbox: Sandbox, account: str | None = None) -> str:
    return str(log_in(sandbox.url, account=account)["access_token"])


def test_the_same_seed_gives_the_same_life(life: Life) -> None:
    """A life is a function of its seed and its dates."""
    assert live(7, start=START, end=END).plays == life.plays
    assert live(8, start=START, end=END).plays != life.plays


def test_a_later_end_only_adds_plays(life: Life) -> None:
    """What a listener did yesterday does not hang on what comes tomorrow."""
    shorter = live(7, start=START, end=NOW)
    assert shorter.plays == life.until(NOW)


def test_a_life_needs_aware_instants() -> None:
    """A naive instant is refused rather than taken for some time zone."""
    with pytest.raises(ValueError, match="aware"):
        live(1, start=datetime(2026, 1, 1), end=END)  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("seed", range(5))
def test_plays_are_in_order_and_never_overlap_unless_offline(seed: int) -> None:
    """Nobody hears two things at once; offline plays share the moment the device came back."""
    plays = live(seed, start=START, end=START + timedelta(days=30)).plays
    for before, after in pairwise(plays):
        assert before.ended_at_ms <= after.ended_at_ms
        assert after.offline or after.started_at_ms >= before.ended_at_ms
    bursts = Counter(play.ended_at_ms for play in plays if play.offline)
    assert max(bursts.values()) > 1
    assert all(START <= play.ended_at < START + timedelta(days=30) for play in plays)


@pytest.mark.parametrize("seed", range(5))
def test_no_two_true_plays_would_be_the_same_row(seed: int) -> None:
    """A repeated row of an export can then only be a repetition, never a second play."""
    plays = live(seed, start=START, end=END).plays
    keys = Counter((play.ended_at_ms // 1000, play.uri, play.ms_played) for play in plays)
    assert max(keys.values()) == 1


def test_a_life_has_everything_that_has_ever_broken_an_importer(life: Life) -> None:
    """Every awkward kind of play is there in two months."""
    plays = life.plays
    assert 25 * 59 < len(plays) < 60 * 59
    assert {play.kind for play in plays} == {"track", "episode", "audiobook_chapter", "unknown"}
    assert any(play.ms_played == 0 for play in plays)
    assert 0.1 < sum(play.ms_played < 30_000 for play in plays) / len(plays) < 0.4
    assert any(play.incognito for play in plays)
    assert any(play.video and play.track for play in plays)
    assert any(not str(play.artist).isascii() for play in plays)
    uris: dict[tuple[str | None, str | None], set[str | None]] = {}
    for play in plays:
        if play.track:
            uris.setdefault((play.artist, play.title), set()).add(play.uri)
    assert any(len(ids) > 1 for ids in uris.values())
    repeats = sum(a.uri == b.uri and a.uri is not None for a, b in pairwise(plays))
    assert repeats > 10


def test_ids_look_like_those_of_spotify(life: Life) -> None:
    """22 base62 characters, unique over the whole catalogue."""
    ids = [*life.catalogue.track_by_id, *life.catalogue.artist_by_id, *life.catalogue.album_by_id]
    assert len(set(ids)) == len(ids)
    assert all(len(ident) == 22 and ident.isalnum() and ident.isascii() for ident in ids)


def test_the_api_never_tells_episodes_private_sessions_or_nameless_rows(life: Life) -> None:
    """FACTS 3.8."""
    told = [play for play in life.plays if play.delivered_by_api]
    assert all(play.kind == "track" and not play.incognito for play in told)
    short = [play for play in life.plays if play.kind == "track" and play.ms_played < 30_000]
    assert 0 < sum(play.delivered_by_api for play in short) < len(short) * 0.15
    full = [
        play
        for play in life.plays
        if play.kind == "track" and play.ms_played >= 30_000 and not play.incognito
    ]
    assert 0 < sum(not play.delivered_by_api for play in full) < len(full) * 0.04


def test_played_at_is_the_end_within_the_measured_scatter(life: Life) -> None:
    """FACTS 3.3 and 6.1: mostly within 1 s of the export's second, never beyond 4.5 s."""
    offsets = [
        abs(play.delivery.played_at_ms - play.ended_at_ms // 1000 * 1000)
        for play in life.plays
        if play.delivery
    ]
    assert max(offsets) <= 4_500
    assert sum(offset <= 1_000 for offset in offsets) > 0.85 * len(offsets)
    assert any(offset > 1_000 for offset in offsets)


def test_one_answer_has_the_last_fifty_plays_newest_first(calm: Sandbox, life: Life) -> None:
    """FACTS 3.1, 3.2: fifty plays exist, told with the end of each."""
    items = items_of(recently_played(calm.url, _token(calm), limit=50))
    told = [play for play in life.until(NOW) if play.delivered_by_api]
    assert [item["played_at"] for item in items] == sorted(
        (item["played_at"] for item in items), reverse=True
    )
    assert len(items) == 50
    uris = Counter(cast(Mapping[str, str], item["track"])["uri"] for item in items)
    assert uris == Counter(play.uri for play in told[-50:])


def test_paging_back_ends_after_fifty_with_null_cursors(calm: Sandbox) -> None:
    """FACTS 3.2: past the window there are no items, no next page and no cursors."""
    token = _token(calm)
    seen: list[str] = []
    url: str | None = f"{calm.url}{RECENT}?limit=20"
    while url:
        body = request(url, token=token).json
        items = cast(list[dict[str, str]], body["items"])
        seen.extend(item["played_at"] for item in items)
        url = cast(str | None, body["next"])
    assert (body["items"], body["next"], body["cursors"]) == ([], None, None)
    assert len(seen) == len(set(seen)) == 50


def test_after_gives_only_newer_items(calm: Sandbox) -> None:
    """`after` is a cursor in milliseconds, exclusive."""
    token = _token(calm)
    body = recently_played(calm.url, token, limit=50).json
    cursor = cast(Mapping[str, str], body["cursors"])["after"]
    assert items_of(recently_played(calm.url, token, after=cursor)) == []
    calm.advance(NOW + timedelta(days=1))
    newer = items_of(recently_played(calm.url, token, after=cursor, limit=50))
    assert newer
    assert min(item["played_at"] for item in newer) > _items_newest(body)


def _items_newest(body: Mapping[str, object]) -> str:
    return max(item["played_at"] for item in cast(list[dict[str, str]], body["items"]))


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=51", "limit=ten", "before=1&after=1", "after=-3", "before=soon"]
)
def test_senseless_queries_are_refused(sandbox: Sandbox, query: str) -> None:
    """A limit outside 1 to 50, both cursors at once, or no number: 400 with a JSON error."""
    reply = request(f"{sandbox.url}{RECENT}?{query}", token=_token(sandbox))
    assert reply.status == 400
    assert cast(Mapping[str, object], reply.json["error"])["status"] == 400


def test_a_late_item_turns_up_behind_newer_ones(life: Life) -> None:
    """FACTS 3.4: a cursor at the newest item would lose it; a plain limit=50 finds it."""
    recent = RecentPlays(life, Quirks())
    late = next(
        play
        for play in life.plays
        if play.delivery and 2 * 3600 < play.late_by_s < 10 * 86400 and play.ended_at < NOW
    )
    assert late.delivery is not None
    appears = late.ended_at_ms + (late.late_by_s + 60) * 1000
    wanted = (late.track, late.delivery.played_at_ms)
    before = recent.items(late.ended_at_ms + 120_000, limit=50)
    after = recent.items(appears, limit=50)
    assert wanted not in [(item.track, item.played_at_ms) for item in before]
    assert wanted in [(item.track, item.played_at_ms) for item in after]
    assert after[0].played_at_ms > late.delivery.played_at_ms


def test_polling_often_sees_every_delivered_play_in_spite_of_all_quirks(life: Life) -> None:
    """Lateness, shifts and short answers delay items; none of them hides one for good."""
    recent = RecentPlays(life, Quirks())
    seen: set[tuple[str, int]] = set()
    counts = []
    forms = set()
    doubled = False
    moment = START
    while moment < END + timedelta(days=10):
        now_ms = int(moment.timestamp() * 1000)
        items = recent.items(now_ms, limit=50)
        counts.append(len(items))
        seen |= {(item.track.id, item.played_at_ms) for item in items}
        forms |= {len(item.played_at) for item in items}
        doubled |= len({(item.track.id, item.played_at_ms) for item in items}) < len(items)
        moment += timedelta(hours=1)
    wanted = {
        (play.track.id, play.delivery.played_at_ms)
        for play in life.plays
        if play.delivery and play.track
    }
    missing = {
        (ident, at)
        for ident, at in wanted - seen
        if not any(other == ident and abs(at - when) < 2_000 for other, when in seen)
    }
    assert missing == set()
    assert seen - wanted, "some timestamps are issued anew"
    assert forms == {20, 24}, "with and without milliseconds"
    assert doubled
    full = [count for count in counts if count >= 40]
    assert any(count < 50 for count in full)


@pytest.mark.parametrize("seed", [21, 22])
def test_a_repeated_item_never_pushes_a_late_one_out_unseen(seed: int) -> None:
    """What the life calls delivered can be seen by whoever asks every hour."""
    own = live(seed, start=START, end=START + timedelta(days=45))
    recent = RecentPlays(own, Quirks(reissued=False))
    seen = set()
    moment = START
    while moment < START + timedelta(days=56):
        now_ms = int(moment.timestamp() * 1000)
        seen |= {(item.track.id, item.played_at_ms) for item in recent.items(now_ms, limit=50)}
        moment += timedelta(hours=1)
    assert seen == {
        (play.track.id, play.delivery.played_at_ms)
        for play in own.plays
        if play.delivery and play.track
    }


def test_a_reissued_timestamp_moves_by_less_than_two_seconds(life: Life) -> None:
    """FACTS 3.6: it remains recognisable as the same play."""
    shifts = [play.delivery.reissue_shift_ms for play in life.plays if play.delivery]
    moved = [abs(shift) for shift in shifts if shift]
    assert moved
    assert max(moved) < 2_000


def test_an_item_has_the_fields_a_new_app_gets_and_no_others(sandbox: Sandbox, life: Life) -> None:
    """FACTS 1.3: development mode leaves out popularity and markets, not the ISRC."""
    item = items_of(recently_played(sandbox.url, _token(sandbox), limit=1))[0]
    track = cast(dict[str, object], item["track"])
    assert "isrc" in cast(Mapping[str, str], track["external_ids"])
    assert not {"popularity", "available_markets"} & set(track)
    with Sandbox(life, now=NOW, development_mode=False) as full:
        track = cast(
            dict[str, object],
            items_of(recently_played(full.url, _token(full), limit=1))[0]["track"],
        )
        assert {"popularity", "available_markets"} <= set(track)


def test_tracks_artists_and_albums_are_told_one_at_a_time(sandbox: Sandbox, life: Life) -> None:
    """FACTS 1.2: by id only; the batch is closed in development mode; unknown ids are 404."""
    token = _token(sandbox)
    track = next(play.track for play in life.plays if play.track)
    ids = {"tracks": track.id, "artists": track.artists[0].id, "albums": track.album.id}
    for kind, ident in ids.items():
        assert request(f"{sandbox.url}/v1/{kind}/{ident}", token=token).json["id"] == ident
        assert request(f"{sandbox.url}/v1/{kind}/{'0' * 22}", token=token).status == 404
        assert request(f"{sandbox.url}/v1/{kind}?ids={ident}", token=token).status == 403


def test_an_extended_quota_app_still_has_batches(life: Life) -> None:
    """FACTS 1.6: unknown ids are nulls there."""
    track = next(play.track for play in life.plays if play.track)
    with Sandbox(life, now=NOW, development_mode=False) as sandbox:
        url = f"{sandbox.url}/v1/tracks?ids={track.id},{'0' * 22}"
        tracks = cast(
            list[dict[str, str] | None], request(url, token=_token(sandbox)).json["tracks"]
        )
    assert tracks[1] is None
    assert tracks[0] is not None
    assert tracks[0]["id"] == track.id
