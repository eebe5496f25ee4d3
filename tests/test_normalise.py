"""From raw rows to records: every key set, every rejection, any JSON at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spotify_hist.model import ApiTrack, Record, Rejected
from spotify_hist.normalise import account_row, api_item, api_track, extended_row

# FACTS 5.3: the keys of each time, oldest first.
GENERATION_2020 = {
    "ts": "2019-07-01T12:34:56Z",
    "username": "someone",
    "platform": "iOS 12",
    "ms_played": 185_000,
    "conn_country": "DE",
    "ip_addr_decrypted": "192.0.2.1",
    "user_agent_decrypted": "unknown",
    "city": "Köln",
    "region": "05",
    "metro_code": "0",
    "longitude": "6.95",
    "latitude": "50.93",
    "master_metadata_track_name": "Song",
    "master_metadata_album_artist_name": "Artist",
    "master_metadata_album_album_name": "Album",
    "reason_start": "trackdone",
    "reason_end": "fwdbtn",
    "shuffle": True,
    "skipped": None,
    "offline": False,
    "offline_timestamp": 1_561_984_000_123,
    "incognito_mode": False,
}
_SINCE_2021 = {
    "spotify_track_uri": "spotify:track:4uLU6hMCjMI75M1A2tKUQC",
    "episode_name": None,
    "episode_show_name": None,
    "spotify_episode_uri": None,
}
_PLACE = ("city", "region", "metro_code", "longitude", "latitude")
_DECRYPTED = ("username", "ip_addr_decrypted", "user_agent_decrypted")
GENERATION_2021 = {k: v for k, v in GENERATION_2020.items() if k not in _PLACE} | _SINCE_2021
GENERATION_2024 = {k: v for k, v in GENERATION_2021.items() if k not in _DECRYPTED} | {
    "ip_addr": "192.0.2.1"
}
GENERATION_2026 = GENERATION_2024 | dict.fromkeys(
    ["audiobook_title", "audiobook_uri", "audiobook_chapter_uri", "audiobook_chapter_title"]
)
NO_METADATA = GENERATION_2026 | dict.fromkeys(
    [
        "master_metadata_track_name",
        "master_metadata_album_artist_name",
        "master_metadata_album_album_name",
        "spotify_track_uri",
    ]
)
ACCOUNT = {
    "endTime": "2023-05-06 10:20",
    "artistName": "Artist",
    "trackName": "Song",
    "msPlayed": 185_000,
}
API = {
    "played_at": "2026-05-06T10:20:30.123Z",
    "context": {"type": "playlist", "uri": "spotify:playlist:p"},
    "track": {
        "type": "track",
        "id": "4uLU6hMCjMI75M1A2tKUQC",
        "uri": "spotify:track:4uLU6hMCjMI75M1A2tKUQC",
        "name": "Song",
        "duration_ms": 200_000,
        "external_ids": {"isrc": "gbarl9300135"},
        "is_local": False,
        "artists": [
            {"id": "a1", "uri": "spotify:artist:a1", "name": "First"},
            {"id": None, "uri": None, "name": "Second"},
        ],
        "album": {
            "id": "b1",
            "name": "Album",
            "release_date": "1987",
            "artists": [{"name": "Album artist"}],
            "images": [
                {"url": "https://i/300", "width": 300},
                {"url": "https://i/640", "width": 640},
                {"url": "javascript:x", "width": 9999},
            ],
        },
    },
}


def epoch_ms(*parts: int) -> int:
    """Epoch milliseconds of a UTC time."""
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc, arg-type]  # six whole numbers


def record(outcome: Record | Rejected) -> Record:
    """The outcome, which must be a record."""
    assert isinstance(outcome, Record), outcome
    return outcome


def reason(outcome: Record | Rejected) -> str:
    """Why the outcome is none."""
    assert isinstance(outcome, Rejected), outcome
    return outcome.reason


def api(track: dict[str, object] | None = None, **item: object) -> Record:
    """The record of the API item with some of its and its track's keys changed."""
    return record(api_item({**API, "track": {**API["track"], **(track or {})}, **item}))  # type: ignore[dict-item]  # a literal of mixed types


@pytest.mark.parametrize(
    ("raw", "uri"),
    [
        (GENERATION_2020, None),
        (GENERATION_2021, "spotify:track:4uLU6hMCjMI75M1A2tKUQC"),
        (GENERATION_2024, "spotify:track:4uLU6hMCjMI75M1A2tKUQC"),
        (GENERATION_2026, "spotify:track:4uLU6hMCjMI75M1A2tKUQC"),
    ],
)
def test_every_generation_of_keys_gives_the_same_record(
    raw: dict[str, object], uri: str | None
) -> None:
    """Absent keys are null, and the private ones are dropped."""
    assert extended_row(raw) == Record(
        source="extended",
        played_at_ms=epoch_ms(2019, 7, 1, 12, 34, 56),
        kind="track",
        ms_played=185_000,
        uri=uri,
        title="Song",
        artist="Artist",
        album="Album",
        platform="iOS 12",
        country="DE",
        reason_start="trackdone",
        reason_end="fwdbtn",
        shuffle=True,
        skipped=None,
        offline=False,
        offline_timestamp=1_561_984_000_123,
        incognito=False,
    )


def test_an_episode_has_its_show_as_artist_and_album() -> None:
    """Episodes live in the same files as tracks."""
    raw = NO_METADATA | {
        "episode_name": "Pilot",
        "episode_show_name": "Show",
        "spotify_episode_uri": "spotify:episode:e1",
    }
    found = record(extended_row(raw))
    assert (found.kind, found.uri, found.album_uri) == ("episode", "spotify:episode:e1", None)
    assert (found.title, found.artist, found.album) == ("Pilot", "Show", "Show")


def test_an_audiobook_chapter_has_its_book_as_album() -> None:
    """The book's URI is a show's, the chapter's an episode's (FACTS 5.3)."""
    raw = NO_METADATA | {
        "audiobook_title": "Book",
        "audiobook_uri": "spotify:show:b1",
        "audiobook_chapter_title": "Chapter 1",
        "audiobook_chapter_uri": "spotify:episode:c1",
    }
    found = record(extended_row(raw))
    assert (found.kind, found.uri) == ("audiobook_chapter", "spotify:episode:c1")
    assert (found.title, found.artist, found.album) == ("Chapter 1", None, "Book")
    assert found.album_uri == "spotify:show:b1"


def test_a_row_without_any_metadata_is_kept_as_unknown() -> None:
    """Such rows exist (FACTS 5.6), and every row is kept."""
    found = record(extended_row(NO_METADATA))
    assert (found.kind, found.uri, found.title, found.artist) == ("unknown", None, None, None)
    assert found.ms_played == 185_000


@pytest.mark.parametrize("key", ["spotify_track_uri", "master_metadata_track_name"])
def test_a_track_is_known_by_its_uri_or_its_name_alone(key: str) -> None:
    """Also where an episode is named beside it."""
    raw = NO_METADATA | {key: "spotify:local:x", "episode_name": "E"}
    assert record(extended_row(raw)).kind == "track"


def test_empty_text_is_null() -> None:
    """Nothing to show is nothing told; a local file keeps its URI."""
    raw = GENERATION_2026 | {
        "master_metadata_track_name": "",
        "platform": "",
        "spotify_track_uri": "spotify:local:a:b:c:1",
        "spotify_episode_uri": "",
    }
    found = record(extended_row(raw))
    assert (found.title, found.platform, found.uri) == (None, None, "spotify:local:a:b:c:1")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\ud800b", "a�b"),
        ("\udc00", "�"),
        ("\ud83d\ude00", "\U0001f600"),
        ("a\0b", "ab"),
        ("\0", None),
        ("  Ä \u00a0 \u200b", "  Ä \u00a0 \u200b"),
    ],
)
def test_text_can_always_be_stored(text: str, clean: str | None) -> None:
    """Lone surrogates and NUL go; nothing else is changed, not even blanks."""
    raw = GENERATION_2026 | {"master_metadata_track_name": text, "platform": text}
    found = record(extended_row(raw))
    assert (found.title, found.platform) == (clean, clean)
    assert api({"name": text}).title == clean
    assert record(account_row(ACCOUNT | {"trackName": text})).title == clean


@pytest.mark.parametrize(
    ("ts", "millis"),
    [
        ("2023-05-06T10:20:30Z", 0),
        ("2023-05-06T10:20:30+00:00", 0),
        ("2023-05-06T10:20:30.5Z", 500),
        ("2023-05-06T10:20:30.007Z", 7),
        ("2023-05-06T10:20:30.123999999+00:00", 123),
    ],
)
def test_instants_of_every_shape_are_understood(ts: str, millis: int) -> None:
    """With and without fractions, in both spellings of UTC."""
    expected = epoch_ms(2023, 5, 6, 10, 20, 30) + millis
    assert record(extended_row(GENERATION_2026 | {"ts": ts})).played_at_ms == expected
    assert api(played_at=ts).played_at_ms == expected


@given(
    st.datetimes(datetime(2006, 1, 1), datetime(2099, 12, 31, 23, 59, 59))  # noqa: DTZ001 - Hypothesis adds the zone
)
def test_instants_are_exact_to_the_second(moment: datetime) -> None:
    """The fast path and the standard library agree."""
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    found = record(extended_row(GENERATION_2026 | {"ts": f"{moment:%Y-%m-%dT%H:%M:%S}Z"}))
    assert found.played_at_ms == int(moment.timestamp()) * 1000


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ts": None}, 'no "ts"'),
        ({"ts": 1_683_368_430}, '"ts" is not a time'),
        ({"ts": "yesterday"}, '"ts" is not a time in UTC: yesterday'),
        ({"ts": "2023-05-06 10:20:30Z"}, '"ts" is not a time in UTC: 2023-05-06 10:20:30Z'),
        ({"ts": "2023-05-06T10:20:30"}, '"ts" is not a time in UTC: 2023-05-06T10:20:30'),
        (
            {"ts": "2023-05-06T10:20:30+02:00"},
            '"ts" is not a time in UTC: 2023-05-06T10:20:30+02:00',
        ),
        ({"ts": "2023-W18-6T10:20:30Z"}, '"ts" is not a time in UTC: 2023-W18-6T10:20:30Z'),
        ({"ts": "2023-02-30T10:20:30Z"}, '"ts" is not a time: 2023-02-30T10:20:30'),
        ({"ts": "2023-05-06T10:20:61Z"}, '"ts" is not a time: 2023-05-06T10:20:61'),
        ({"ts": "\ud800\x1b"}, '"ts" is not a time in UTC: \\ud800\\x1b'),
        ({"ts": "1970-01-01T00:00:00Z"}, "time out of range: 1970-01-01T00:00:00"),
        ({"ts": "2005-12-31T23:59:59Z"}, "time out of range: 2005-12-31T23:59:59"),
        ({"ts": "2100-01-01T00:00:00Z"}, "time out of range: 2100-01-01T00:00:00"),
        ({"ms_played": None}, 'no "ms_played"'),
        ({"ms_played": -1}, '"ms_played" is negative'),
        ({"ms_played": True}, '"ms_played" is not a whole number'),
        ({"ms_played": "185000"}, '"ms_played" is not a whole number'),
        ({"ms_played": 0.5}, '"ms_played" is not a whole number'),
        ({"ms_played": float("inf")}, '"ms_played" is not a whole number'),
        ({"ms_played": []}, '"ms_played" is not a whole number'),
        ({"ms_played": 604_800_001}, '"ms_played" is longer than seven days'),
        ({"ms_played": 1e300}, '"ms_played" is out of range'),
        ({"shuffle": 1}, '"shuffle" is neither true, false nor null'),
        ({"shuffle": False, "skipped": 0}, '"skipped" is neither true, false nor null'),
        ({"offline": "no"}, '"offline" is neither true, false nor null'),
        ({"incognito_mode": []}, '"incognito_mode" is neither true, false nor null'),
        ({"offline_timestamp": "1"}, '"offline_timestamp" is not a whole number'),
        ({"offline_timestamp": False}, '"offline_timestamp" is not a whole number'),
        ({"offline_timestamp": 2**63}, '"offline_timestamp" is out of range'),
        ({"platform": 0}, '"platform" is neither text nor null'),
        ({"conn_country": False}, '"conn_country" is neither text nor null'),
        ({"reason_end": []}, '"reason_end" is neither text nor null'),
        ({"episode_name": {}}, '"episode_name" is neither text nor null'),
        ({"audiobook_title": 5}, '"audiobook_title" is neither text nor null'),
        ({"spotify_track_uri": "https://x"}, '"spotify_track_uri" is not a Spotify URI'),
        ({"spotify_episode_uri": "x"}, '"spotify_episode_uri" is not a Spotify URI'),
        ({"audiobook_uri": "spotify"}, '"audiobook_uri" is not a Spotify URI'),
        ({"audiobook_chapter_uri": " "}, '"audiobook_chapter_uri" is not a Spotify URI'),
    ],
)
def test_a_row_that_makes_no_sense_is_rejected_with_its_reason(
    changes: dict[str, object], expected: str
) -> None:
    """Each reason names the key or the value that is wrong."""
    assert reason(extended_row(GENERATION_2026 | changes)) == expected


@pytest.mark.parametrize("raw", [None, 1, "x", [], [GENERATION_2026], True])
def test_what_is_not_an_object_is_rejected(raw: object) -> None:
    """Whatever the source."""
    for normalise in (extended_row, account_row, api_item):
        assert reason(normalise(raw)) == "not an object"
    assert api_track(raw) is None


@pytest.mark.parametrize("key", ["ts", "ms_played"])
def test_a_row_without_time_or_length_is_rejected(key: str) -> None:
    """An absent key is told as a null one is."""
    raw = {k: v for k, v in GENERATION_2026.items() if k != key}
    assert reason(extended_row(raw)) == f'no "{key}"'


def test_numbers_that_are_whole_are_accepted_however_written() -> None:
    """1000.0 is a whole number; zero is no offline timestamp (FACTS 5.5)."""
    raw = GENERATION_2026 | {"ms_played": 1000.0, "offline_timestamp": 12_345_678.0}
    found = record(extended_row(raw))
    assert (found.ms_played, found.offline_timestamp) == (1000, 12_345_678)
    assert (type(found.ms_played), type(found.offline_timestamp)) == (int, int)
    for nothing in (0, 0.0, None):
        raw = GENERATION_2026 | {"ms_played": 0, "offline_timestamp": nothing}
        assert record(extended_row(raw)).offline_timestamp is None
    assert record(extended_row(raw | {"ms_played": 604_800_000})).ms_played == 604_800_000


def test_private_fields_are_kept_only_when_asked_for() -> None:
    """They come as compact sorted JSON; null ones are left out (FACTS 5.11)."""
    raw = GENERATION_2020 | {"ip_addr": None, "metro_code": 7, "username": "a\ud800\0"}
    assert record(extended_row(raw)).private is None
    assert record(extended_row(raw, keep_private=True)).private == (
        '{"city":"Köln","ip_addr_decrypted":"192.0.2.1","latitude":"50.93","longitude":"6.95",'
        '"metro_code":7,"region":"05","user_agent_decrypted":"unknown","username":"a�"}'
    )
    bare = {"ts": raw["ts"], "ms_played": 1}
    assert record(extended_row(bare, keep_private=True)).private is None
    assert reason(extended_row(bare | {"city": [[]]}, keep_private=True)) == (
        '"city" is neither text, a number nor null'
    )


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


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=6)
    | st.sampled_from(["2023-05-06T10:20:30Z", "2023-05-06 10:20", "spotify:track:x", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
track_shapes = st.fixed_dictionaries(
    {},
    optional={
        key: json_values
        | st.fixed_dictionaries({}, optional={"name": json_values, "id": json_values})
        | st.lists(st.fixed_dictionaries({}, optional={"name": json_values, "url": json_values}))
        for key in ("id", "uri", "name", "type", "artists", "album", "external_ids", "show")
    },
)


def _assert_storable(outcome: Record | Rejected) -> None:
    for value in outcome:
        if isinstance(value, str):
            assert "\0" not in value
            assert value.encode()
        elif value is not None:
            assert type(value) in {int, bool}
            assert -(2**63) < value < 2**63


@settings(deadline=None)
@given(
    st.sampled_from([GENERATION_2020, GENERATION_2026, NO_METADATA]),
    st.dictionaries(st.sampled_from(sorted(GENERATION_2020 | GENERATION_2026)), json_values),
    st.booleans(),
)
@example(GENERATION_2026, {"offline_timestamp": ""}, False)
def test_any_extended_row_is_a_storable_record_or_rejected(
    raw: dict[str, object], changes: dict[str, object], keep_private: bool
) -> None:
    """Never an exception, never text or numbers that a database refuses."""
    outcome = extended_row(raw | changes, keep_private=keep_private)
    _assert_storable(outcome)
    if isinstance(outcome, Record) and outcome.private is not None:
        assert isinstance(json.loads(outcome.private), dict)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["endTime", "msPlayed", "trackName", "podcastName", "authorName"]),
        json_values,
    )
)
def test_any_account_row_is_a_storable_record_or_rejected(changes: dict[str, object]) -> None:
    """The same holds for account data."""
    _assert_storable(account_row(ACCOUNT | changes))


@settings(deadline=None)
@given(json_values | track_shapes, json_values | st.just(API["played_at"]), json_values)
def test_any_api_item_is_a_storable_record_or_rejected(
    track: object, played_at: object, context: object
) -> None:
    """The same holds for the API, and for what it tells of tracks."""
    item = {"track": track, "played_at": played_at, "context": context}
    _assert_storable(api_item(item))
    told = api_track(item)
    if told is not None:
        flat = [*told[:-1], *(part for artist in told.artists for part in artist)]
        assert all(text.encode() for text in flat if isinstance(text, str))


@settings(deadline=None)
@given(json_values)
def test_any_json_at_all_is_survived(value: object) -> None:
    """Also what is nothing like a row."""
    for outcome in (extended_row(value), account_row(value), api_item(value)):
        _assert_storable(outcome)
    api_track(value)
