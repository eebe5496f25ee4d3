"""From rows of the extended history to records: every key set, every rejection, any JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from raw_rows import (
    ACCOUNT,
    GENERATION_2020,
    GENERATION_2021,
    GENERATION_2024,
    GENERATION_2026,
    NO_METADATA,
    api,
    assert_storable,
    epoch_ms,
    json_values,
    reason,
    record,
)

from spotify_hist.model import Record
from spotify_hist.normalise import account_row, api_item, api_track, extended_row


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
    assert_storable(outcome)
    if isinstance(outcome, Record) and outcome.private is not None:
        assert isinstance(json.loads(outcome.private), dict)


@settings(deadline=None)
@given(json_values)
def test_any_json_at_all_is_survived(value: object) -> None:
    """Also what is nothing like a row."""
    for outcome in (extended_row(value), account_row(value), api_item(value)):
        assert_storable(outcome)
    api_track(value)
