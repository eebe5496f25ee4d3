"""The sandbox tells of music as sparsely as Spotify does, and searches as widely."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

import pytest

from spotify_hist.sandbox.app import Reply, log_in, request
from spotify_hist.sandbox.life import Life, live
from spotify_hist.sandbox.search import find, folded, parse
from spotify_hist.sandbox.server import Sandbox
from spotify_hist.sandbox.shelves import Shelves

if TYPE_CHECKING:
    from spotify_hist.sandbox.catalogue import Track

NOW = datetime(2026, 2, 10, 12, tzinfo=UTC)
Items = list[dict[str, object]]


@pytest.fixture(scope="module")
def life() -> Life:
    """Some days of one listener."""
    return live(7, start=datetime(2026, 2, 1, tzinfo=UTC), end=NOW)


@pytest.fixture(scope="module")
def shelves(life: Life) -> Shelves:
    """All that can be found."""
    return Shelves([life.catalogue])


@pytest.fixture(scope="module")
def sandbox(life: Life) -> Iterator[Sandbox]:
    """A sandbox as a new app meets it."""
    with Sandbox(life, now=NOW) as running:
        yield running


@pytest.fixture(scope="module")
def full(life: Life) -> Iterator[Sandbox]:
    """A sandbox as an app with extended quota meets it."""
    with Sandbox(life, now=NOW, development_mode=False) as running:
        yield running


@pytest.fixture(scope="module")
def tokens(sandbox: Sandbox, full: Sandbox) -> dict[str, str]:
    """An access token for each, by address."""
    return {each.url: str(log_in(each.url)["access_token"]) for each in (sandbox, full)}


@pytest.fixture
def track(life: Life) -> Track:
    """A track that was played, with a plain title."""
    return next(
        play.track
        for play in life.plays
        if play.track and play.track.name.isascii() and len(play.track.artists) == 1
    )


def _get(each: Sandbox, tokens: Mapping[str, str], path: str, **query: object) -> Reply:
    asked = f"?{urlencode(query)}" if query else ""
    return request(f"{each.url}/v1/{path}{asked}", token=tokens[each.url])


def _search(each: Sandbox, tokens: Mapping[str, str], q: str, **query: object) -> dict[str, object]:
    reply = _get(each, tokens, "search", q=q, type="track", **query)
    return cast(dict[str, object], reply.json["tracks"])


def test_audio_features_are_closed_to_new_apps(
    sandbox: Sandbox, tokens: Mapping[str, str], track: Track
) -> None:
    """FACTS 1.1: one or many, known or not, always 403."""
    for path in (f"audio-features/{track.id}", f"audio-features?ids={track.id}"):
        assert _get(sandbox, tokens, path).status == 403
    assert _get(sandbox, tokens, f"audio-features/{'0' * 22}").status == 403


def test_an_extended_quota_app_is_told_audio_features(
    full: Sandbox, tokens: Mapping[str, str], track: Track
) -> None:
    """FACTS 1.6: within Spotify's ranges, the same every time; 404 for an unknown id."""
    one = _get(full, tokens, f"audio-features/{track.id}").json
    assert one == _get(full, tokens, f"audio-features/{track.id}").json
    assert (one["id"], one["uri"]) == (track.id, track.uri)
    for name in ("danceability", "energy", "valence", "speechiness"):
        assert 0 <= cast(float, one[name]) <= 1
    assert one["key"] in range(-1, 12)
    assert one["mode"] in (0, 1)
    assert one["time_signature"] in range(3, 8)
    assert _get(full, tokens, f"audio-features/{'0' * 22}").status == 404
    many = _get(full, tokens, "audio-features", ids=f"{track.id},{'0' * 22}").json
    assert many["audio_features"] == [one, None]
    assert _get(full, tokens, "audio-features", ids=",".join(["x"] * 101)).status == 400
    assert _get(full, tokens, f"audio-analysis/{track.id}").status == 403


def test_some_artists_have_no_genres_and_some_no_such_field(
    sandbox: Sandbox, tokens: Mapping[str, str], life: Life
) -> None:
    """FACTS 1.3: genres are on their way out; followers and popularity are gone."""
    told = [_get(sandbox, tokens, f"artists/{a.id}").json for a in life.catalogue.artists]
    assert {"genres" in each for each in told} == {True, False}
    counts = {len(cast(list[str], each["genres"])) for each in told if "genres" in each}
    assert {0, 1, 2} <= counts
    assert {bool(each["images"]) for each in told} == {True, False}
    assert not any({"followers", "popularity"} & set(each) for each in told)


def test_an_album_tells_its_release_artwork_artists_and_tracks(
    sandbox: Sandbox, full: Sandbox, tokens: Mapping[str, str], track: Track
) -> None:
    """FACTS 1.3: label and popularity only for an app with extended quota."""
    album = _get(sandbox, tokens, f"albums/{track.album.id}").json
    assert album["release_date"] == track.album.release_date
    assert album["release_date_precision"] == track.album.release_date_precision
    assert cast(Items, album["artists"])[0]["id"] == track.album.artist.id
    assert cast(Items, album["images"])[0]["width"] == 640
    assert len(cast(Mapping[str, str], album["external_ids"])["upc"]) == 13
    ids = [each["id"] for each in cast(Items, cast(Mapping[str, object], album["tracks"])["items"])]
    assert track.id in ids
    gone = {"label", "popularity", "available_markets"}
    assert not gone & set(album)
    assert gone <= set(_get(full, tokens, f"albums/{track.album.id}").json)


def test_batches_are_limited_as_spotify_limits_them(
    full: Sandbox, tokens: Mapping[str, str], life: Life
) -> None:
    """Fifty tracks or artists at once, but twenty albums."""
    albums = list(life.catalogue.album_by_id)[:21]
    assert _get(full, tokens, "albums", ids=",".join(albums)).status == 400
    assert _get(full, tokens, "albums", ids=",".join(albums[:20])).status == 200
    assert _get(full, tokens, "tracks", ids=",".join(["0" * 22] * 51)).status == 400
    assert _get(full, tokens, "tracks", ids="").status == 400


def test_a_search_finds_the_track_by_its_names(
    sandbox: Sandbox, tokens: Mapping[str, str], track: Track
) -> None:
    """Whole track objects, the ISRC included."""
    found = _search(sandbox, tokens, f'track:"{track.name}" artist:"{track.artists[0].name}"')
    items = cast(Items, found["items"])
    assert track.id in {item["id"] for item in items}
    item = next(item for item in items if item["id"] == track.id)
    assert item["duration_ms"] == track.duration_ms
    assert "external_ids" in item
    assert found["total"] == len(items)


def test_case_accents_and_punctuation_do_not_matter_to_a_search(shelves: Shelves) -> None:
    """As to the real one; a title of nothing but marks is found by its marks."""
    tracks = shelves.track_by_id.values()
    named = {track.name for track in find(tracks, parse('TRACK:"cancion del nandu"'))}
    assert "Canción del Ñandú" in named
    quoted = find(tracks, parse('track:"don\'t stop"'))
    assert any(track.name == 'Don\'t "Stop"' for track in quoted)
    assert any(track.name == "???" for track in find(tracks, parse('track:"???"')))
    assert folded("Zoë Ångström") == folded("Zoe\u0308 Ångstro\u0308m") == "zoe angstrom"


def test_a_search_finds_more_than_was_meant(shelves: Shelves, life: Life) -> None:
    """Live versions and tribute bands stand among the results, and sometimes before the song."""
    is_first = set()
    kinds = set()
    for artist in life.catalogue.artists[:30]:
        for track in shelves.tracks_on[life.catalogue.albums_of[artist.id][0].id]:
            asked = parse(f'track:"{track.name}" artist:"{artist.name}"')
            found = find(shelves.track_by_id.values(), asked)
            assert track in found
            is_first.add(found[0].name == track.name)
            kinds |= {kind for each in found for kind in _kinds(track, each)}
    assert kinds == {"live", "cover"}
    assert is_first == {True, False}


def _kinds(wanted: Track, found: Track) -> list[str]:
    kinds = []
    if found.name == f"{wanted.name} - Live":
        kinds.append("live")
    if found.artists[0].name == f"{wanted.artists[0].name} Tribute Band":
        kinds.append("cover")
    return kinds


def test_what_a_search_finds_can_be_asked_by_id(
    sandbox: Sandbox, tokens: Mapping[str, str]
) -> None:
    """A cover has a track, an artist and an album of its own."""
    item = cast(Items, _search(sandbox, tokens, "artist:Tribute")["items"])[0]
    assert _get(sandbox, tokens, f"tracks/{item['id']}").json["name"] == item["name"]
    for kind in ("artists", "albums"):
        told = cast(Items, item["artists"])[0] if kind == "artists" else item["album"]
        ident = cast(Mapping[str, str], told)["id"]
        assert _get(sandbox, tokens, f"{kind}/{ident}").json["id"] == ident


def test_a_search_is_told_in_pages(
    sandbox: Sandbox, full: Sandbox, tokens: Mapping[str, str]
) -> None:
    """FACTS 1.2: at most 10 in development mode, 50 otherwise; `next` leads to all of them."""
    total = cast(int, _search(sandbox, tokens, "sea")["total"])
    assert total > 20
    assert len(cast(Items, _search(sandbox, tokens, "sea")["items"])) == 5
    page = _search(sandbox, tokens, "sea", limit=10)
    seen = [item["id"] for item in cast(Items, page["items"])]
    while page["next"]:
        reply = request(str(page["next"]), token=tokens[sandbox.url])
        page = cast(dict[str, object], reply.json["tracks"])
        seen += [item["id"] for item in cast(Items, page["items"])]
    assert len(seen) == len(set(seen)) == total
    assert _get(sandbox, tokens, "search", q="sea", type="track", limit=11).status == 400
    assert len(cast(Items, _search(full, tokens, "sea", limit=50)["items"])) == 50


@pytest.mark.parametrize(
    "query",
    [
        {"type": "track"},
        {"q": "  ", "type": "track"},
        {"q": "x"},
        {"q": "x", "type": "playlist"},
        {"q": "x", "type": "track", "limit": 0},
        {"q": "x", "type": "track", "limit": "ten"},
        {"q": "x", "type": "track", "offset": 999, "limit": 5},
        {"q": "x", "type": "track", "offset": -1},
    ],
)
def test_a_senseless_search_is_refused(
    sandbox: Sandbox, tokens: Mapping[str, str], query: dict[str, object]
) -> None:
    """Nothing asked, another type, or a page that cannot be."""
    assert _get(sandbox, tokens, "search", **query).status == 400


def test_nothing_is_found_by_what_nobody_is_called(
    sandbox: Sandbox, tokens: Mapping[str, str]
) -> None:
    """An empty page, not an error."""
    found = _search(sandbox, tokens, 'track:"No Such Song Anywhere"')
    assert (found["items"], found["total"], found["next"]) == ([], 0, None)


def test_every_lives_music_is_told_to_every_listener(life: Life) -> None:
    """Ids are Spotify's, not a listener's: another catalogue's track is known too."""
    other = live(9, start=life.start, end=NOW, catalogue_seed=2)
    foreign = next(play.track for play in other.plays if play.track)
    with Sandbox(lives={"anna": life, "ben": other}, now=NOW) as sandbox:
        token = str(log_in(sandbox.url, account="anna")["access_token"])
        url = f"{sandbox.url}/v1/tracks/{foreign.id}"
        assert request(url, token=token).json["name"] == foreign.name


def test_no_two_things_share_an_id(shelves: Shelves) -> None:
    """The versions nobody plays have ids like all others."""
    ids = [*shelves.track_by_id, *shelves.artist_by_id, *shelves.album_by_id]
    assert len(set(ids)) == len(ids)
    assert all(len(ident) == 22 and ident.isalnum() and ident.isascii() for ident in ids)
