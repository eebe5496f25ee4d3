"""The calls for details: several things at once, audio features, the search."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from test_spotify_http import API, FRESH, KEY, NOW

from spotify_hist import settings
from spotify_hist.errors import BadInput, Forbidden, Offline, RateLimited, Unavailable
from spotify_hist.sources.spotify.client import MOST_AT_ONCE, Kind, Spotify
from spotify_hist.sources.spotify.http import Http
from spotify_hist.sources.spotify.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

INVALID = httpx.Response(400, json={"error": {"status": 400, "message": "Invalid base62 id"}})


@contextmanager
def client(home: Path) -> Iterator[Spotify]:
    """The API as a listener sees it, in the lane of details; it never sleeps."""
    config = settings.load(home, {"SPOTIFY_HIST_CLIENT_ID": "client"})
    vault = Vault(config.vault, KEY)
    vault.save(FRESH)
    with (
        Http(5, 0, 60, lambda _: None, clock=lambda: NOW) as http,
        Spotify(config, vault, "acc", lambda: NOW, http, lane="details") as spotify,
    ):
        yield spotify


def echo(kind: Kind, *unknown: str) -> Callable[[httpx.Request], httpx.Response]:
    """A batch endpoint that knows every id but `unknown`; `bad…` is no id to it."""

    def answer(request: httpx.Request) -> httpx.Response:
        ids = request.url.params["ids"].split(",")
        if any(each.startswith("bad") for each in ids):
            return INVALID
        things = [None if each in unknown else {"id": each} for each in ids]
        return httpx.Response(200, json={kind: things})

    return answer


@respx.mock
@pytest.mark.parametrize("kind", ["tracks", "artists", "albums"])
def test_several_things_come_in_the_order_asked_for(tmp_path: Path, kind: Kind) -> None:
    """One request for them all; what Spotify does not know, or is no id, is None."""
    route = respx.get(f"{API}/v1/{kind}").mock(side_effect=echo(kind, "b"))
    with client(tmp_path) as spotify:
        found = spotify.several(kind, ["c", "b", "../me", "a", "c", "local:0a"])
    assert found == [{"id": "c"}, None, None, {"id": "a"}, {"id": "c"}, None]
    assert [call.request.url.params["ids"] for call in route.calls] == ["c,b,a"]


@respx.mock
@pytest.mark.parametrize("kind", ["tracks", "artists", "albums"])
def test_no_batch_is_larger_than_spotify_takes(tmp_path: Path, kind: Kind) -> None:
    """Fifty, or twenty albums."""
    route = respx.get(f"{API}/v1/{kind}").mock(side_effect=echo(kind))
    most = MOST_AT_ONCE[kind]
    ids = [f"x{number}" for number in range(2 * most + 1)]
    with client(tmp_path) as spotify:
        found = spotify.several(kind, ids)
    assert [each and each["id"] for each in found] == ids
    sizes = [len(call.request.url.params["ids"].split(",")) for call in route.calls]
    assert sizes == [most, most, 1]


@respx.mock
def test_one_invalid_id_costs_its_neighbours_nothing(tmp_path: Path) -> None:
    """Spotify refuses a whole batch for it; the batch is halved until it stands alone."""
    respx.get(f"{API}/v1/tracks").mock(side_effect=echo("tracks"))
    with client(tmp_path) as spotify:
        found = spotify.several("tracks", ["a", "b", "bad1", "c", "d"])
    assert [each and each["id"] for each in found] == ["a", "b", None, "c", "d"]


@respx.mock
def test_asking_for_nothing_asks_nothing(tmp_path: Path) -> None:
    """No id, or none that is one."""
    with client(tmp_path) as spotify:
        assert spotify.several("tracks", []) == []
        assert spotify.several("tracks", ["local:0a"]) == [None]


@respx.mock
@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (403, "Forbidden", Unavailable),
        (404, "Service not found", Unavailable),
        (403, "Insufficient client scope", Forbidden),
        (403, "User not registered in the Developer Dashboard", Forbidden),
        (429, "Too many requests", RateLimited),
        (503, "Service unavailable", Offline),
        (400, "Bad request", Offline),
    ],
)
def test_a_removed_batch_endpoint_is_told_apart_from_a_refusal_a_person_can_mend(
    tmp_path: Path, status: int, text: str, expected: type[Exception]
) -> None:
    """FACTS 1.6 and 4.4."""
    body = {"error": {"status": status, "message": text}}
    respx.get(f"{API}/v1/albums").respond(status, json=body)
    with client(tmp_path) as spotify, pytest.raises(expected) as caught:
        spotify.several("albums", ["a", "b"])
    assert type(caught.value) is expected


@respx.mock
@pytest.mark.parametrize(
    "body", [{}, {"tracks": None}, {"tracks": []}, {"tracks": [{}, {}]}, {"albums": [{}]}, []]
)
def test_an_answer_that_does_not_fit_the_question_is_not_believed(
    tmp_path: Path, body: object
) -> None:
    """Things could be taken for one another."""
    respx.get(f"{API}/v1/tracks").respond(200, json=body)
    with client(tmp_path) as spotify, pytest.raises(Offline):
        spotify.several("tracks", ["a"])


@respx.mock
def test_audio_features_come_as_spotify_tells_them(tmp_path: Path) -> None:
    """One request a track."""
    respx.get(f"{API}/v1/audio-features/x").respond(200, json={"tempo": 120.1})
    with client(tmp_path) as spotify:
        assert spotify.audio_features("x") == {"tempo": 120.1}


@respx.mock
@pytest.mark.parametrize(
    ("status", "expected", "code"),
    [(403, Unavailable, "unavailable"), (404, BadInput, "not_found")],
)
def test_audio_features_may_be_closed_or_missing(
    tmp_path: Path, status: int, expected: type[BadInput], code: str
) -> None:
    """FACTS 1.1: the one is for good and for all tracks, the other for this one."""
    respx.get(f"{API}/v1/audio-features/x").respond(status, json={"error": {"message": "no"}})
    with client(tmp_path) as spotify, pytest.raises(expected) as caught:
        spotify.audio_features("x")
    assert caught.value.code == code


@respx.mock
@pytest.mark.parametrize("message", ["Invalid base62 id", "invalid id", "Invalid track id: x"])
def test_an_id_that_spotify_calls_invalid_is_unknown(tmp_path: Path, message: str) -> None:
    """It will not be known tomorrow either."""
    respx.get(f"{API}/v1/tracks/x").respond(400, json={"error": {"message": message}})
    with client(tmp_path) as spotify, pytest.raises(BadInput) as caught:
        spotify.track("x")
    assert caught.value.code == "not_found"


@respx.mock
@pytest.mark.parametrize(
    "body", ["", "Invalid id", '{"error": "invalid id"}', '{"error": {"message": "Bad request"}}']
)
def test_any_other_bad_request_is_not_remembered_as_unknown(tmp_path: Path, body: str) -> None:
    """FACTS 4.3: only what Spotify says is unknown."""
    respx.get(f"{API}/v1/tracks/x").respond(400, text=body)
    with client(tmp_path) as spotify, pytest.raises(Offline):
        spotify.track("x")


@respx.mock
def test_a_search_asks_for_title_and_artist(tmp_path: Path) -> None:
    """The tracks come best first, as they are."""
    items = [{"id": "a"}, None, "odd", {"id": "b"}]
    route = respx.get(f"{API}/v1/search").respond(200, json={"tracks": {"items": items}})
    with client(tmp_path) as spotify:
        assert spotify.search_tracks("Song", "Ann") == [{"id": "a"}, {"id": "b"}]
        spotify.search_tracks("Song", "", limit=3)
        assert spotify.search_tracks(' "" ', "Ann") == []
    sent = [dict(call.request.url.params) for call in route.calls]
    assert sent == [
        {"q": 'track:"Song" artist:"Ann"', "type": "track", "limit": "10"},
        {"q": 'track:"Song"', "type": "track", "limit": "3"},
    ]


@examples(deadline=None, max_examples=30)
@given(title=st.text(min_size=1), artist=st.text(max_size=300))
def test_no_name_breaks_out_of_its_quotes(
    title: str, artist: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the names, the query has two quoted parts and a length Spotify takes."""
    with respx.mock:
        route = respx.get(f"{API}/v1/search").respond(200, json={"tracks": {"items": []}})
        with client(tmp_path_factory.mktemp("home")) as spotify:
            assert spotify.search_tracks(f"x{title}", f"y{artist}") == []
        query = parse_qs(urlsplit(str(route.calls[0].request.url)).query)["q"][0]
    assert query.count('"') == 4
    assert query.startswith('track:"x')
    assert '" artist:"y' in query
    assert "\\" not in query
    assert len(query) <= 250


@respx.mock
@pytest.mark.parametrize("body", [{}, {"tracks": None}, {"tracks": {"items": {}}}, []])
def test_an_answer_without_a_list_of_tracks_is_temporary(tmp_path: Path, body: object) -> None:
    """Not: nothing was found."""
    respx.get(f"{API}/v1/search").respond(200, text=json.dumps(body))
    with client(tmp_path) as spotify, pytest.raises(Offline):
        spotify.search_tracks("Song", "Ann")


@respx.mock
def test_an_app_that_may_not_search_is_told_so(tmp_path: Path) -> None:
    """It is no matter of the login."""
    respx.get(f"{API}/v1/search").respond(403, json={"error": {"message": "Forbidden"}})
    with client(tmp_path) as spotify, pytest.raises(Unavailable):
        spotify.search_tracks("Song", "Ann")
