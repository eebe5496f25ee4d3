"""From account rows and API items to records, and what the API tells of tracks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_rows import (
    ACCOUNT,
    API,
    api,
    assert_storable,
    epoch_ms,
    json_values,
    reason,
    record,
)

from spotify_hist.model import ApiTrack, Record
from spotify_hist.normalise import account_row, api_item, api_track


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"artistName": "A", "trackName": "T"}, ("track", "T", "A", None)),
        ({"artistName": "UNKNOWN ARTIST", "trackName": "T"}, ("track", "T", None, None)),
        ({"artistName": "A", "trackName": "unknown track"}, ("track", None, "A", None)),
        (
            {"artistName": "Unknown Artist", "trackName": "Unknown Track"},
            ("unknown", None, None, None),
        ),
        ({"artistName": "", "trackName": None}, ("unknown", None, None, None)),
        ({}, ("unknown", None, None, None)),
        ({"podcastName": "P", "episodeName": "E"}, ("episode", "E", "P", "P")),
        (
            {"audiobookName": "B", "chapterName": "C", "authorName": "W"},
            ("audiobook_chapter", "C", "W", "B"),
        ),
    ],
)
def test_account_rows_of_each_family(
    names: dict[str, object], expected: tuple[object, ...]
) -> None:
    """Music, podcasts and audiobooks; "Unknown" is no name (FACTS 5.9)."""
    found = record(account_row({"endTime": "2023-05-06 10:20", "msPlayed": 5, **names}))
    assert (found.kind, found.title, found.artist, found.album) == expected
    assert (found.source, found.ms_played, found.uri) == ("account", 5, None)


@pytest.mark.parametrize("end", ["2023-05-06 10:20", "2023-05-06 10:20:59"])
def test_an_account_row_ends_within_its_minute(end: str) -> None:
    """The minute is what the source tells, in UTC (FACTS 5.1)."""
    found = record(account_row(ACCOUNT | {"endTime": end}))
    assert found.played_at_ms == epoch_ms(2023, 5, 6, 10, 20, 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"endTime": None}, 'no "endTime"'),
        ({"endTime": 5}, '"endTime" is not a time'),
        ({"endTime": "2023-05-06"}, '"endTime" is not a time: 2023-05-06'),
        ({"endTime": "2023-13-06 10:20"}, '"endTime" is not a time: 2023-13-06 10:20'),
        ({"endTime": "2023-05-06 24:00"}, '"endTime" is not a time: 2023-05-06 24:00'),
        ({"endTime": "1970-01-01 00:00"}, "time out of range: 1970-01-01 00:00"),
        ({"msPlayed": None}, 'no "msPlayed"'),
        ({"msPlayed": -5}, '"msPlayed" is negative'),
        ({"msPlayed": "5"}, '"msPlayed" is not a whole number'),
        ({"trackName": 5}, '"trackName" is neither text nor null'),
        ({"authorName": []}, '"authorName" is neither text nor null'),
    ],
)
def test_an_account_row_that_makes_no_sense_is_rejected(
    changes: dict[str, object], expected: str
) -> None:
    """The rules for times and lengths are those of the extended history."""
    assert reason(account_row(ACCOUNT | changes)) == expected


def test_an_api_item_becomes_a_record() -> None:
    """The listened time is not told; URIs are made of ids where they are absent."""
    assert api_item(API) == Record(
        source="api",
        played_at_ms=epoch_ms(2026, 5, 6, 10, 20, 30) + 123,
        kind="track",
        uri="spotify:track:4uLU6hMCjMI75M1A2tKUQC",
        title="Song",
        artist="First",
        artist_uri="spotify:artist:a1",
        album="Album",
        album_uri="spotify:album:b1",
        album_artist="Album artist",
        context_uri="spotify:playlist:p",
    )


def test_an_api_item_may_lack_nearly_everything() -> None:
    """A time and one of name and URI are enough; odd types count as not told (FACTS 1.3)."""
    bare = record(api_item({"played_at": API["played_at"], "track": {"name": "Song"}}))
    assert (bare.kind, bare.title, bare.uri) == ("track", "Song", None)
    odd = api({"artists": {}, "album": [], "name": 5, "uri": 7}, context="x")
    assert (odd.title, odd.artist, odd.album, odd.context_uri) == (None, None, None, None)
    assert odd.uri == "spotify:track:4uLU6hMCjMI75M1A2tKUQC"
    assert api({"artists": [None, 5]}).artist is None


def test_a_local_file_is_accepted_with_its_names() -> None:
    """It has a URI of its own kind and no id."""
    local = "spotify:local:A:B:C:200"
    found = api({"uri": local, "id": None, "is_local": True})
    assert (found.kind, found.uri, found.title, found.artist) == ("track", local, "Song", "First")


@pytest.mark.parametrize(
    "track",
    [
        {"type": "episode", "id": "e1", "name": "E", "show": {"name": "S", "id": "s1"}},
        {"uri": "spotify:episode:e1", "name": "E", "show": {"name": "S", "uri": "spotify:show:s1"}},
    ],
)
def test_an_episode_from_the_api_is_accepted(track: dict[str, object]) -> None:
    """Should the API ever deliver one (FACTS 3.8)."""
    found = record(api_item({"played_at": API["played_at"], "track": track}))
    assert (found.kind, found.uri) == ("episode", "spotify:episode:e1")
    assert (found.title, found.artist, found.album) == ("E", "S", "S")
    assert found.album_uri == "spotify:show:s1"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({}, 'no "track"'),
        ({"played_at": API["played_at"], "track": None}, 'no "track"'),
        ({"played_at": API["played_at"], "track": []}, 'no "track"'),
        ({"track": {"name": "x"}}, 'no "played_at"'),
        ({"track": {"name": "x"}, "played_at": 5}, '"played_at" is not a time'),
        ({"played_at": API["played_at"], "track": {}}, "neither a name nor a URI"),
        (
            {"played_at": API["played_at"], "track": {"uri": "x:y", "id": "../", "name": ""}},
            "neither a name nor a URI",
        ),
    ],
)
def test_an_api_item_without_time_or_identity_is_rejected(
    item: dict[str, object], expected: str
) -> None:
    """Everything else is optional."""
    assert reason(api_item(item)) == expected


def test_the_api_tells_of_a_track() -> None:
    """ISRC in upper case (FACTS 7.1), artists in billing order, the widest safe picture."""
    expected = ApiTrack(
        track_id="4uLU6hMCjMI75M1A2tKUQC",
        duration_ms=200_000,
        isrc="GBARL9300135",
        album_id="b1",
        release_date="1987",
        image_url="https://i/640",
        artists=(("a1", "First"), (None, "Second")),
    )
    assert api_track(API) == expected
    assert api_track(API["track"]) == expected


def test_a_track_may_lack_everything_but_its_id() -> None:
    """Local files and episodes are no tracks of Spotify's."""
    bare = api_track({"track": {"id": "t1", "duration_ms": True, "album": {"images": [{}]}}})
    assert bare == ApiTrack("t1", None, None, None, None, None, ())
    assert api_track({"track": {"uri": "spotify:track:t2"}}) == bare._replace(track_id="t2")
    for other in ("spotify:local:a:b:c:1", "spotify:episode:e1", "spotify:track:"):
        assert api_track({"track": {"uri": other}}) is None
    assert api_track({"track": None}) is None


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["endTime", "msPlayed", "trackName", "podcastName", "authorName"]),
        json_values,
    )
)
def test_any_account_row_is_a_storable_record_or_rejected(changes: dict[str, object]) -> None:
    """The same holds for account data."""
    assert_storable(account_row(ACCOUNT | changes))


track_shapes = st.fixed_dictionaries(
    {},
    optional={
        key: json_values
        | st.fixed_dictionaries({}, optional={"name": json_values, "id": json_values})
        | st.lists(st.fixed_dictionaries({}, optional={"name": json_values, "url": json_values}))
        for key in ("id", "uri", "name", "type", "artists", "album", "external_ids", "show")
    },
)


@settings(deadline=None)
@given(json_values | track_shapes, json_values | st.just(API["played_at"]), json_values)
def test_any_api_item_is_a_storable_record_or_rejected(
    track: object, played_at: object, context: object
) -> None:
    """The same holds for the API, and for what it tells of tracks."""
    item = {"track": track, "played_at": played_at, "context": context}
    assert_storable(api_item(item))
    told = api_track(item)
    if told is not None:
        flat = [*told[:-1], *(part for artist in told.artists for part in artist)]
        assert all(text.encode() for text in flat if isinstance(text, str))
